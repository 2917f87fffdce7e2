"""A server that must know who asks: RFC 8489 sections 9.1.3 and 9.2.4, check by check."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.protocol.account import Account
from meetref.protocol.authenticator import Authenticator, Identity, Refusal, authenticate_short_term
from meetref.protocol.credentials import Algorithm, ExpiringAccounts, FixedAccounts, long_term_key, userhash
from meetref.wire import attribute, stun
from meetref.wire.address import Address
from meetref.wire.attribute import Attribute

REALM = "example.org"
ALICE, ELSEWHERE = Address("192.0.2.1", 5000), Address("192.0.2.1", 5001)
ALLOCATE = 0x003
KEYS = {algorithm: long_term_key("alice", REALM, "wonder", algorithm) for algorithm in Algorithm}
OFFERS = tuple(algorithm.offer for algorithm in (Algorithm.SHA256, Algorithm.MD5))


def server(*, modern: bool = True, hashed: bool = True) -> Authenticator:
    accounts = FixedAccounts(REALM, {"alice": "wonder"})
    accounts.hashed = hashed
    algorithms = (Algorithm.SHA256, Algorithm.MD5) if modern else ()
    return Authenticator(REALM, accounts, b"a secret of ours", algorithms=algorithms)


def ask(machine: Authenticator, data: bytes, remote: Address = ALICE, now: float = 10.0, **more: Any) -> Any:
    return machine.authenticate(data, stun.parse(data), remote, now, **more)


def request(*attributes: tuple[int, Any]) -> stun.Message:
    return stun.Message(stun.Class.REQUEST, ALLOCATE, bytes(range(12)), [Attribute(*each) for each in attributes])


def signed(
    nonce: str, *more: tuple[int, Any], without: int = 0, algorithm: Algorithm = Algorithm.MD5, sha256: bool = False
) -> bytes:
    """A request of alice's; `more` comes first, `without` is left out."""
    rest = [(attribute.USERNAME, "alice"), (attribute.REALM, REALM), (attribute.NONCE, nonce)]
    message = request(*more, *(each for each in rest if each[0] != without))
    if sha256:
        return stun.serialize(message, sha256_key=KEYS[algorithm])
    return stun.serialize(message, integrity_key=KEYS[algorithm])


def modern(nonce: str, *more: tuple[int, Any], algorithm: Algorithm = Algorithm.SHA256, **given: Any) -> bytes:
    chosen = [(attribute.PASSWORD_ALGORITHMS, OFFERS), (attribute.PASSWORD_ALGORITHM, algorithm.offer)]
    return signed(nonce, *more, *chosen, algorithm=algorithm, sha256=True, **given)


def challenge(machine: Authenticator, remote: Address = ALICE, now: float = 10.0) -> str:
    nonce: str = answer(ask(machine, stun.serialize(request()), remote, now), 401).get(attribute.NONCE)
    return nonce


def answer(refusal: Any, code: int) -> stun.Message:
    """The error that a refusal says, after what holds for each of them was looked at."""
    assert isinstance(refusal, Refusal)
    message = stun.parse(refusal.data)
    assert (message.kind, message.method, message.transaction) == (stun.Class.ERROR, ALLOCATE, bytes(range(12)))
    assert refusal.code == message.get(attribute.ERROR_CODE).code == code
    assert not message.protected
    for kind in (attribute.USERNAME, attribute.USERHASH, attribute.SOFTWARE):
        assert message.get(kind) is None
    return message


@pytest.mark.spec("stun/challenge", "stun/nonce-cookie")
def test_who_shows_nothing_is_challenged() -> None:
    message = answer(ask(server(), stun.serialize(request())), 401)
    assert message.get(attribute.REALM) == REALM
    assert message.get(attribute.NONCE).startswith("obMatJos2wAAA")
    assert message.get(attribute.PASSWORD_ALGORITHMS) == OFFERS


def test_a_server_of_before_knows_one_algorithm_and_promises_nothing() -> None:
    machine = server(modern=False)
    message = answer(ask(machine, stun.serialize(request())), 401)
    assert message.get(attribute.PASSWORD_ALGORITHMS) is None
    assert message.get(attribute.NONCE).startswith("obMatJos2AAAA")
    assert ask(machine, signed(message.get(attribute.NONCE))).username == "alice"


def test_names_that_nobody_can_find_by_hash_are_not_asked_to_be_hashed() -> None:
    assert challenge(server(hashed=False)).startswith("obMatJos2gAAA")


@pytest.mark.parametrize("missing", [attribute.USERNAME, attribute.REALM, attribute.NONCE])
@pytest.mark.spec("stun/credentials-incomplete")
def test_a_signed_request_without_its_parts_is_bad(missing: int) -> None:
    machine = server()
    message = answer(ask(machine, signed(challenge(machine), without=missing)), 400)
    assert message.get(attribute.REALM) is None
    assert message.get(attribute.NONCE) is None


@pytest.mark.parametrize(
    "chosen",
    [
        [(attribute.PASSWORD_ALGORITHM, Algorithm.SHA256.offer)],
        [(attribute.PASSWORD_ALGORITHMS, OFFERS)],
        [(attribute.PASSWORD_ALGORITHMS, OFFERS[::-1]), (attribute.PASSWORD_ALGORITHM, Algorithm.MD5.offer)],
        [(attribute.PASSWORD_ALGORITHMS, OFFERS[1:]), (attribute.PASSWORD_ALGORITHM, Algorithm.MD5.offer)],
        [(attribute.PASSWORD_ALGORITHMS, OFFERS), (attribute.PASSWORD_ALGORITHM, attribute.PasswordAlgorithm(3))],
        [(attribute.PASSWORD_ALGORITHMS, OFFERS), (attribute.PASSWORD_ALGORITHM, attribute.PasswordAlgorithm(1, b"x"))],
    ],
)
@pytest.mark.spec("stun/bid-down-server", "stun/algorithm-mismatch")
def test_algorithms_that_were_not_offered_so_are_bad(chosen: list[tuple[int, Any]]) -> None:
    machine = server()
    answer(ask(machine, signed(challenge(machine), *chosen, sha256=True)), 400)


@pytest.mark.spec("stun/bid-down-server")
def test_a_promise_taken_out_on_the_way_is_noticed() -> None:
    """An attacker turns the challenge into an old one; the client falls for it, its nonce does not."""
    machine = server()
    weakened = challenge(machine).replace("wAAA", "AAAA")
    message = answer(ask(machine, signed(weakened)), 438)
    assert message.get(attribute.NONCE).startswith("obMatJos2wAAA")
    assert message.get(attribute.PASSWORD_ALGORITHMS) == OFFERS
    answer(ask(machine, modern(challenge(machine)[13:])), 438)


@pytest.mark.spec("stun/unknown-user")
def test_nobody_is_challenged_again() -> None:
    machine = server()
    nonce = challenge(machine)
    strangers = [
        signed(nonce, (attribute.USERNAME, "mallory")),
        signed(nonce, (attribute.USERHASH, bytes(32)), without=attribute.USERNAME),
        signed(nonce, (attribute.REALM, "example.net")),
    ]
    for data in strangers:
        message = answer(ask(machine, data), 401)
        assert message.get(attribute.REALM) == REALM
        assert message.get(attribute.NONCE)
        assert message.get(attribute.PASSWORD_ALGORITHMS) == OFFERS


@pytest.mark.spec("stun/wrong-password")
def test_a_wrong_password_looks_like_an_unknown_user() -> None:
    machine = server()
    data = bytearray(signed(challenge(machine)))
    data[-12] ^= 1
    unknown = answer(ask(machine, signed(challenge(machine), (attribute.USERNAME, "mallory"))), 401)
    assert answer(ask(machine, bytes(data)), 401) == unknown


@pytest.mark.spec("stun/stale-nonce")
def test_a_nonce_is_stale_after_its_time_and_from_elsewhere() -> None:
    machine = server()
    nonce = challenge(machine)
    assert isinstance(ask(machine, signed(nonce), now=3610.0), Identity)
    for remote, now in ((ALICE, 3611.0), (ELSEWHERE, 10.0), (ALICE, 9.0)):
        message = answer(ask(machine, signed(nonce), remote, now), 438)
        assert message.get(attribute.REALM) == REALM
        assert message.get(attribute.PASSWORD_ALGORITHMS) == OFFERS
        assert isinstance(ask(machine, signed(message.get(attribute.NONCE)), remote, now), Identity)


def test_a_stale_nonce_is_told_only_to_who_knows_the_password() -> None:
    data = bytearray(signed("stale"))
    data[-12] ^= 1
    answer(ask(server(), bytes(data)), 401)
    answer(ask(server(), signed("stale")), 438)


@pytest.mark.spec("stun/long-term-credentials", "stun/long-term-answer-protected")
def test_an_answer_is_protected_as_its_request_asked() -> None:
    machine = server()
    nonce = challenge(machine)
    plain = stun.Message(stun.Class.SUCCESS, ALLOCATE, bytes(12))
    hidden = (attribute.USERHASH, userhash("alice", REALM))
    for data, algorithm, strong in (
        (signed(nonce), Algorithm.MD5, False),
        (signed(nonce, sha256=True), Algorithm.MD5, False),  # it named no algorithm, so the answer is an old one
        (modern(nonce), Algorithm.SHA256, True),
        (modern(nonce, algorithm=Algorithm.MD5), Algorithm.MD5, True),
        (modern(nonce, hidden, without=attribute.USERNAME), Algorithm.SHA256, True),
    ):
        identity = ask(machine, data)
        assert isinstance(identity, Identity)
        assert (identity.username, identity.algorithm) == ("alice", algorithm)
        octets = identity.protect(plain)
        assert stun.verify_integrity(octets, KEYS[identity.algorithm]) is not strong
        assert stun.verify_integrity_sha256(octets, KEYS[identity.algorithm]) is strong
        assert len(stun.parse(octets).attributes) == 0


@pytest.mark.spec("stun/integrity-sha256-size")
def test_a_truncated_integrity_is_none() -> None:
    machine = server()
    message = replace(stun.parse(modern(challenge(machine))))
    data = stun.serialize(message, sha256_key=KEYS[Algorithm.SHA256], sha256_size=16)
    answer(ask(machine, data), 401)


@pytest.mark.spec("stun/wrong-password")
def test_where_both_integrities_are_there_the_newer_decides() -> None:
    machine = server()
    message = stun.parse(signed(challenge(machine)))
    right = KEYS[Algorithm.MD5]
    answer(ask(machine, stun.serialize(message, integrity_key=right, sha256_key=b"wrong")), 401)
    assert isinstance(ask(machine, stun.serialize(message, integrity_key=b"wrong", sha256_key=right)), Identity)


@pytest.mark.spec("stun/expiring-name")
def test_an_expired_name_is_good_for_what_it_began() -> None:
    accounts = ExpiringAccounts([b"secret"], 1e9)
    machine = Authenticator(REALM, accounts, b"a secret of ours")
    name, password = accounts.issue("fred", 600.0, 10.0)
    client = Account(name, password)
    first = client.sign(request())
    refused = ask(machine, first.data)
    client.judge(first, refused.data, stun.parse(refused.data))
    data = client.sign(request()).data
    identity = ask(machine, data)
    assert identity.username == name
    answer(ask(machine, data, now=700.0), 401)
    assert ask(machine, data, now=700.0, known=identity) == identity
    # Another's name does not profit from it.
    other = Identity("1000000610:mallory", identity.key, identity.algorithm, sha256=True)
    answer(ask(machine, data, now=700.0, known=other), 401)


@given(st.binary(max_size=80), st.lists(st.tuples(st.integers(0, 0x30), st.binary(max_size=8)), max_size=6))
def test_whatever_is_asked_there_is_an_answer(value: bytes, rest: list[tuple[int, bytes]]) -> None:
    body = b"".join(
        kind.to_bytes(2, "big") + len(octets).to_bytes(2, "big") + octets + bytes(-len(octets) % 4)
        for kind, octets in [(attribute.NONCE, value), *rest, (attribute.MESSAGE_INTEGRITY, bytes(20))]
    )
    data = stun.HEADER.pack(ALLOCATE, len(body), attribute.COOKIE, bytes(12)) + body
    try:
        message = stun.parse(data)
    except stun.Malformed:
        return
    assert isinstance(server().authenticate(data, message, ALICE, 10.0), Refusal)


@pytest.mark.spec("stun/unauthentic-error", "stun/answer-protected")
def test_short_term_credentials() -> None:
    passwords = {"left:right": "VOkJxbRl1RmTxUk/WvJxBt"}
    key = passwords["left:right"].encode()
    named = request((attribute.USERNAME, "left:right"))

    def judge(data: bytes) -> Any:
        return authenticate_short_term(data, stun.parse(data), passwords.get)

    answer(judge(stun.serialize(named)), 400)
    answer(judge(stun.serialize(request(), integrity_key=key)), 400)
    answer(judge(stun.serialize(request((attribute.USERNAME, "right:left")), integrity_key=key)), 401)
    answer(judge(stun.serialize(named, integrity_key=b"wrong")), 401)
    answer(judge(stun.serialize(named, integrity_key=key, sha256_key=b"wrong")), 401)
    for keys, strong in (
        ({"integrity_key": key}, False),
        ({"sha256_key": key}, True),
        ({"integrity_key": key, "sha256_key": key}, True),
    ):
        identity = judge(stun.serialize(named, **keys))
        assert (identity.username, identity.key, identity.sha256) == ("left:right", key, strong)
        octets = identity.protect(stun.Message(stun.Class.SUCCESS, 1, bytes(12)))
        read = stun.parse(octets)
        assert (read.integrity is None, read.integrity_sha256 is None) == (strong, not strong)
        assert read.get(attribute.USERNAME) is None


def test_secrets_do_not_show() -> None:
    assert "wonder" not in repr(FixedAccounts(REALM, {"alice": "wonder"}))
    assert repr(KEYS[Algorithm.MD5]) not in repr(Identity("alice", KEYS[Algorithm.MD5]))
