"""What a client sends to prove who it is, and what it makes of the answers: RFC 8489 sections 9.1 and 9.2."""

from __future__ import annotations

from typing import Any

import pytest

from meetref.protocol.account import MAXIMUM_RETRIES, Account, Anonymous, ShortTerm, Signed, Verdict
from meetref.protocol.authenticator import Authenticator, Identity, Refusal
from meetref.protocol.credentials import Algorithm, FixedAccounts, long_term_key, userhash
from meetref.wire import attribute, stun
from meetref.wire.address import Address
from meetref.wire.attribute import Attribute, ErrorCode, PasswordAlgorithm

REALM = "example.org"
ALICE = Address("192.0.2.1", 5000)
OFFERS = (Algorithm.SHA256.offer, Algorithm.MD5.offer)
PROMISE = "obMatJos2gAAA"  # password algorithms
KEY = long_term_key("alice", REALM, "wonder")
STRONG_KEY = long_term_key("alice", REALM, "wonder", Algorithm.SHA256)
QUESTION = stun.Message(stun.Class.REQUEST, stun.BINDING, bytes(range(12)))


def reply(*attributes: tuple[int, Any], code: int = 0, **keys: bytes) -> bytes:
    """An answer to QUESTION; with `code` an error."""
    given = [Attribute(*each) for each in attributes]
    if code:
        given.insert(0, Attribute(attribute.ERROR_CODE, ErrorCode(code, "")))
    kind = stun.Class.ERROR if code else stun.Class.SUCCESS
    return stun.serialize(stun.Message(kind, stun.BINDING, QUESTION.transaction, given), **keys)  # type: ignore[arg-type]  # keys only


def challenge(*more: tuple[int, Any], code: int = 401, nonce: str = "one", realm: str = REALM) -> bytes:
    return reply((attribute.REALM, realm), (attribute.NONCE, nonce), *more, code=code)


def judge(account: Any, asked: Signed, data: bytes) -> Verdict:
    return account.judge(asked, data, stun.parse(data)).verdict  # type: ignore[no-any-return]  # account is any kind


def introduced(*more: tuple[int, Any], nonce: str = "one") -> tuple[Account, Signed]:
    """An account that was challenged, and its second request."""
    account = Account("alice", "wonder")
    first = account.sign(QUESTION)
    assert judge(account, first, challenge(*more, nonce=nonce)) is Verdict.RETRY
    return account, account.sign(QUESTION, first)


@pytest.mark.spec("stun/first-request")
def test_the_first_request_shows_nothing() -> None:
    signed = Account("alice", "wonder").sign(QUESTION)
    assert stun.parse(signed.data) == QUESTION
    assert signed.key is None
    assert not stun.parse(signed.data).protected


@pytest.mark.spec("stun/subsequent-request")
def test_after_a_challenge_of_before_it_is_signed_with_md5() -> None:
    _, signed = introduced()
    message = stun.parse(signed.data)
    assert [(kind, value) for kind, value in message.attributes] == [
        (attribute.USERNAME, "alice"),
        (attribute.REALM, REALM),
        (attribute.NONCE, "one"),
    ]
    assert stun.verify_integrity(signed.data, KEY)
    assert message.integrity_sha256 is None


@pytest.mark.spec("stun/first-algorithm", "stun/sha256-only")
def test_the_first_known_algorithm_is_taken_and_the_list_repeated() -> None:
    unknown = PasswordAlgorithm(77, b"salt")
    for offers, expected in (
        (OFFERS, Algorithm.SHA256),
        (OFFERS[::-1], Algorithm.MD5),
        ((unknown, *OFFERS), Algorithm.SHA256),
        ((PasswordAlgorithm(2, b"x"), Algorithm.MD5.offer), Algorithm.MD5),
    ):
        _, signed = introduced((attribute.PASSWORD_ALGORITHMS, offers), nonce=PROMISE)
        message = stun.parse(signed.data)
        assert message.get(attribute.PASSWORD_ALGORITHMS) == offers
        assert message.get(attribute.PASSWORD_ALGORITHM) == expected.offer
        assert stun.verify_integrity_sha256(signed.data, long_term_key("alice", REALM, "wonder", expected))
        assert message.integrity is None


@pytest.mark.spec("stun/username-anonymity")
def test_the_name_is_hidden_where_the_nonce_says_so() -> None:
    _, signed = introduced((attribute.PASSWORD_ALGORITHMS, OFFERS), nonce="obMatJos2wAAAx")
    message = stun.parse(signed.data)
    assert message.get(attribute.USERHASH) == userhash("alice", REALM)
    assert message.get(attribute.USERNAME) is None
    assert b"alice" not in signed.data
    _, signed = introduced((attribute.PASSWORD_ALGORITHMS, OFFERS), nonce=PROMISE)
    assert stun.parse(signed.data).get(attribute.USERHASH) is None


@pytest.mark.parametrize("code", [401, 438])
@pytest.mark.spec("stun/bid-down-client")
def test_a_challenge_without_what_its_nonce_promises_is_the_end(code: int) -> None:
    account = Account("alice", "wonder")
    assert judge(account, account.sign(QUESTION), challenge(nonce=PROMISE, code=code)) is Verdict.REFUSED
    assert account.sign(QUESTION).key is None  # and nothing was learned


@pytest.mark.spec("stun/bid-down-other")
def test_any_other_answer_without_what_its_nonce_promises_is_ignored() -> None:
    account, asked = introduced()
    for code in (0, 403, 500):
        assert judge(account, asked, reply((attribute.NONCE, PROMISE), code=code, integrity_key=KEY)) is Verdict.IGNORE
        whole = [(attribute.NONCE, PROMISE), (attribute.PASSWORD_ALGORITHMS, OFFERS)]
        assert judge(account, asked, reply(*whole, code=code, integrity_key=KEY)) is Verdict.TAKE


def test_a_server_that_proved_itself_stronger_is_not_believed_to_be_weaker() -> None:
    account, asked = introduced((attribute.PASSWORD_ALGORITHMS, OFFERS), nonce=PROMISE)
    assert judge(account, asked, reply(sha256_key=STRONG_KEY)) is Verdict.TAKE
    assert judge(account, asked, challenge(code=438, nonce="plain")) is Verdict.IGNORE
    assert stun.parse(account.sign(QUESTION).data).integrity_sha256 is not None


@pytest.mark.spec("stun/no-algorithm-in-common")
def test_without_an_algorithm_in_common_there_is_no_second_request() -> None:
    for offers in ((PasswordAlgorithm(77),), ()):
        account = Account("alice", "wonder")
        data = challenge((attribute.PASSWORD_ALGORITHMS, offers), nonce=PROMISE)
        assert judge(account, account.sign(QUESTION), data) is Verdict.REFUSED
    account = Account("alice", "wonder", (Algorithm.SHA256,))
    data = challenge((attribute.PASSWORD_ALGORITHMS, (Algorithm.MD5.offer,)), nonce=PROMISE)
    assert judge(account, account.sign(QUESTION), data) is Verdict.REFUSED


@pytest.mark.spec("stun/no-second-try")
def test_the_same_credentials_are_not_tried_twice() -> None:
    account, asked = introduced()
    assert judge(account, asked, challenge(nonce="two")) is Verdict.REFUSED


def test_another_realm_is_another_chance_but_not_without_end() -> None:
    account = Account("alice", "wonder")
    asked, count = account.sign(QUESTION), 0
    while judge(account, asked, challenge(realm=f"realm {count}", nonce=f"nonce {count}")) is Verdict.RETRY:
        asked, count = account.sign(QUESTION, asked), count + 1
    assert count == MAXIMUM_RETRIES


@pytest.mark.spec("stun/stale-nonce-retry")
def test_a_stale_nonce_is_replaced_but_not_without_end() -> None:
    account, asked = introduced()
    assert judge(account, asked, challenge(code=438, nonce="one")) is Verdict.REFUSED  # the very same
    count = 1
    while judge(account, asked, challenge(code=438, nonce=f"nonce {count}")) is Verdict.RETRY:
        asked, count = account.sign(QUESTION, asked), count + 1
        assert stun.parse(asked.data).get(attribute.NONCE) == f"nonce {count - 1}"
    assert count == MAXIMUM_RETRIES
    # The next question begins anew.
    assert judge(account, account.sign(QUESTION), challenge(code=438, nonce="last")) is Verdict.RETRY


def test_a_challenge_without_realm_or_nonce_is_the_end() -> None:
    for given in ([(attribute.REALM, REALM)], [(attribute.NONCE, "n")], []):
        account = Account("alice", "wonder")
        assert judge(account, account.sign(QUESTION), reply(*given, code=401)) is Verdict.REFUSED


@pytest.mark.spec("stun/bad-request-ignored")
def test_a_bad_request_that_nobody_vouches_for_is_ignored() -> None:
    account, asked = introduced()
    assert judge(account, asked, reply(code=400)) is Verdict.IGNORE
    assert judge(account, asked, reply(code=400, integrity_key=KEY)) is Verdict.TAKE


@pytest.mark.spec("stun/unauthentic-answer", "stun/integrity-other")
def test_an_answer_counts_only_with_the_integrity_of_its_request() -> None:
    account, asked = introduced()
    for code in (0, 300, 403, 500):
        assert judge(account, asked, reply(code=code, integrity_key=KEY)) is Verdict.TAKE
        assert judge(account, asked, reply(code=code, integrity_key=b"wrong")) is Verdict.UNAUTHENTIC
        assert judge(account, asked, reply(code=code)) is Verdict.UNAUTHENTIC
        assert judge(account, asked, reply(code=code, sha256_key=KEY)) is Verdict.IGNORE
    account, asked = introduced((attribute.PASSWORD_ALGORITHMS, OFFERS), nonce=PROMISE)
    assert judge(account, asked, reply(sha256_key=STRONG_KEY)) is Verdict.TAKE
    assert judge(account, asked, reply(integrity_key=STRONG_KEY)) is Verdict.IGNORE


def test_a_server_that_wants_no_proof_is_taken_at_its_word() -> None:
    account = Account("alice", "wonder")
    assert judge(account, account.sign(QUESTION), reply()) is Verdict.TAKE
    anonymous = Anonymous()
    for data in (reply(), reply(code=401)):
        assert judge(anonymous, anonymous.sign(QUESTION), data) is Verdict.TAKE


def test_nothing_learned_from_one_server_is_shown_to_another() -> None:
    account, _ = introduced()
    assert account.elsewhere().sign(QUESTION).key is None


@pytest.mark.parametrize("modern", [True, False])
@pytest.mark.spec("stun/long-term-credentials", "stun/stale-nonce-retry")
def test_a_client_and_a_server_of_ours_come_to_terms(modern: bool) -> None:
    algorithms = (Algorithm.SHA256, Algorithm.MD5) if modern else ()
    server = Authenticator(REALM, FixedAccounts(REALM, {"alice": "wonder"}), b"secret", algorithms=algorithms)
    account = Account("alice", "wonder")
    asked, verdicts = account.sign(QUESTION), []
    for now in (0.0, 1.0, 5000.0, 5001.0):
        said = server.authenticate(asked.data, stun.parse(asked.data), ALICE, now)
        data = said.data if isinstance(said, Refusal) else said.protect(stun.parse(reply()))
        verdicts.append(judge(account, asked, data))
        asked = account.sign(QUESTION)
        assert isinstance(said, Identity) is (verdicts[-1] is Verdict.TAKE)
    assert verdicts == [Verdict.RETRY, Verdict.TAKE, Verdict.RETRY, Verdict.TAKE]


@pytest.mark.spec("stun/integrity-sha256", "stun/subsequent-integrity")
@pytest.mark.parametrize("newer", [True, False])
def test_a_short_term_credential_shows_both_integrities_until_it_knows(newer: bool) -> None:
    credential = ShortTerm("left:right", "VOkJxbRl1RmTxUk/WvJxBt")
    key = b"VOkJxbRl1RmTxUk/WvJxBt"
    first = credential.sign(QUESTION)
    assert stun.verify_integrity(first.data, key)
    assert stun.verify_integrity_sha256(first.data, key)
    assert stun.parse(first.data).get(attribute.USERNAME) == "left:right"
    keys = {"sha256_key" if newer else "integrity_key": key}
    assert judge(credential, first, reply(**keys)) is Verdict.TAKE
    second = credential.sign(QUESTION)
    read = stun.parse(second.data)
    assert (read.integrity is None, read.integrity_sha256 is None) == (newer, not newer)
    other = {"integrity_key" if newer else "sha256_key": key}
    assert judge(credential, second, reply(**other)) is Verdict.IGNORE
    assert credential.elsewhere().sign(QUESTION).data == first.data


@pytest.mark.spec("stun/unauthentic-answer")
def test_a_forged_answer_teaches_a_short_term_credential_nothing() -> None:
    credential = ShortTerm("left:right", "VOkJxbRl1RmTxUk/WvJxBt")
    first = credential.sign(QUESTION)
    for data in (reply(), reply(integrity_key=b"wrong"), reply(sha256_key=b"wrong"), reply(code=401)):
        assert judge(credential, first, data) is Verdict.UNAUTHENTIC
    assert credential.sign(QUESTION).data == first.data
