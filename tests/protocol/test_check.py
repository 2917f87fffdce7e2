"""Who is believed: genuine checks and answers, forged ones, and the refusals that go back."""

from __future__ import annotations

import pytest

from meetref.protocol import check, ice
from meetref.protocol.check import Role
from meetref.wire import attribute, stun
from meetref.wire.address import Address
from meetref.wire.attribute import Attribute, ErrorCode
from tests.protocol.ice_conversation import ALICE, BOB, Puppet, agent, error, host

STRANGER = Address("203.0.113.9", 9)


@pytest.mark.spec("stun/mapped-address", "ice/answer-path", "ice/check-protected", "stun/answer-protected")
def test_a_genuine_check_is_answered_with_the_address_it_came_from() -> None:
    puppet = Puppet(agent(1, controlling=False), introduced=False)
    [answer] = puppet.say(puppet.request())
    [datagram] = puppet.sent
    assert (datagram.local, datagram.remote) == (ALICE, BOB)
    assert answer.kind is stun.Class.SUCCESS
    assert answer.attributes == [Attribute(attribute.XOR_MAPPED_ADDRESS, BOB)]
    assert stun.verify_integrity(datagram.data, puppet.machine.credentials.password.encode())
    assert stun.verify_fingerprint(datagram.data)


@pytest.mark.spec("ice/check-username", "ice/check-priority", "ice/role-attribute", "ice/check-protected")
def test_what_a_check_says() -> None:
    puppet = Puppet(agent(1, controlling=True))
    puppet.machine.add_remote_candidate(host(BOB), puppet.now)
    [asked] = puppet.drain()
    [datagram] = puppet.sent
    assert asked.kind is stun.Class.REQUEST
    assert asked.get(attribute.USERNAME) == f"pupp:{puppet.machine.credentials.ufrag}"
    assert asked.get(attribute.PRIORITY) == 110 << 24 | 65535 << 8 | 255
    assert asked.get(attribute.ICE_CONTROLLING) is not None
    assert asked.get(attribute.USE_CANDIDATE) is None
    assert stun.verify_integrity(datagram.data, puppet.credentials.password.encode())
    assert stun.verify_fingerprint(datagram.data)


def forgeries(puppet: Puppet) -> dict[str, bytes]:
    """A check and what can be wrong with it."""
    good = stun.parse(puppet.request())
    own, key = puppet.machine.credentials, puppet.machine.credentials.password.encode()

    def signed(username: str, key: bytes | None, *, fingerprint: bool = True, method: int = stun.BINDING) -> bytes:
        rest = [each for each in good.attributes if each.type != attribute.USERNAME]
        message = stun.Message(good.kind, method, bytes(12), [Attribute(attribute.USERNAME, username), *rest])
        return stun.serialize(message, integrity_key=key, fingerprint=fingerprint)

    return {
        "request without credentials": signed(f"{own.ufrag}:pupp", None),
        "request to somebody else": signed("else:pupp", key),
        "request with wrong integrity": signed(f"{own.ufrag}:pupp", b"guessed"),
        "fingerprint missing or wrong": signed(f"{own.ufrag}:pupp", key, fingerprint=False),
        "not a Binding message": signed(f"{own.ufrag}:pupp", key, method=3),
        "not a STUN message": puppet.request()[:-1],
    }


@pytest.mark.spec(
    "ice/unauthentic-request", "ice/username-checked", "ice/fingerprint-required", "stun/supported-method"
)
@pytest.mark.parametrize("why", list(forgeries(Puppet(agent(1, controlling=False)))))
def test_a_forged_check_gets_no_answer_and_changes_nothing(why: str) -> None:
    puppet = Puppet(agent(1, controlling=False))
    assert puppet.say(forgeries(puppet)[why]) == []
    assert dict(puppet.machine.ignored) == {why: 1}
    assert not puppet.machine.is_valid_path(ALICE, BOB)
    assert puppet.wait(30) == []


def test_a_username_without_colon_is_not_ours() -> None:
    puppet = Puppet(agent(1, controlling=False))
    own = puppet.machine.credentials
    message = stun.Message(stun.Class.REQUEST, 1, bytes(12), [Attribute(attribute.USERNAME, own.ufrag)])
    assert puppet.say(stun.serialize(message, integrity_key=own.password.encode())) == []
    assert dict(puppet.machine.ignored) == {"request to somebody else": 1}


def test_a_check_to_an_address_that_is_no_candidate() -> None:
    puppet = Puppet(agent(1, controlling=False))
    assert puppet.say(puppet.request(), to=STRANGER) == []
    assert puppet.machine.ignored.total() == 1


@pytest.mark.spec("stun/unknown-required-request", "stun/unknown-optional-ignored")
def test_attributes_that_nobody_knows() -> None:
    puppet = Puppet(agent(1, controlling=False))
    own = puppet.machine.credentials
    known = stun.parse(puppet.request()).attributes
    for kind, expected in ((0x7ABC, stun.Class.ERROR), (0xC057, stun.Class.SUCCESS)):
        message = stun.Message(stun.Class.REQUEST, 1, bytes(12), [*known, Attribute(kind, b"what")])
        answer = puppet.say(stun.serialize(message, integrity_key=own.password.encode()))[0]
        assert answer.kind is expected
        if expected is stun.Class.ERROR:
            assert answer.get(attribute.ERROR_CODE).code == 420
            assert answer.get(attribute.UNKNOWN_ATTRIBUTES) == (0x7ABC,)
            assert answer.integrity is not None
            assert not puppet.machine.is_valid_path(ALICE, BOB)


def test_indications_are_taken_in_silence() -> None:
    puppet = Puppet(agent(1, controlling=False))
    assert puppet.say(stun.serialize(stun.Message(stun.Class.INDICATION, 1, bytes(12)))) == []
    assert puppet.machine.ignored.total() == 0


@pytest.mark.spec("ice/role-conflict")
@pytest.mark.parametrize(
    ("we_control", "difference", "code", "we_control_then"),
    [
        (True, 0, 487, True),
        (True, -1, 487, True),
        (True, +1, None, False),
        (False, 0, None, True),
        (False, -1, None, True),
        (False, +1, 487, False),
    ],
)
def test_the_tie_breaker_decides(we_control: bool, difference: int, code: int | None, we_control_then: bool) -> None:
    """`difference`: how much larger the peer's tie-breaker is. RFC 8445 section 7.3.1.1, all six cases."""
    puppet = Puppet(agent(1, controlling=we_control))
    puppet.machine.add_remote_candidate(host(BOB), puppet.now)
    ours = puppet.drain()[0].get(attribute.ICE_CONTROLLING if we_control else attribute.ICE_CONTROLLED)
    answer = puppet.say(puppet.request(role=Role(we_control, ours + difference)))[0]
    refused: ErrorCode | None = answer.get(attribute.ERROR_CODE)
    assert (refused.code if refused is not None else None) == code
    assert puppet.machine.controlling == we_control_then
    assert puppet.machine.is_valid_path(ALICE, BOB) == (code is None)


@pytest.mark.parametrize("we_control", [True, False])
def test_different_roles_are_no_conflict(we_control: bool) -> None:
    puppet = Puppet(agent(1, controlling=we_control))
    for tie_breaker in (0, 2**64 - 1):
        assert puppet.say(puppet.request(role=Role(not we_control, tie_breaker)))[0].kind is stun.Class.SUCCESS
    assert puppet.machine.controlling == we_control


@pytest.mark.spec("ice/role-conflict-answer")
def test_a_refusal_for_the_role_switches_it_once_and_asks_again() -> None:
    puppet = Puppet(agent(1, controlling=True))
    puppet.machine.add_remote_candidate(host(BOB), puppet.now)
    [first] = puppet.drain()
    puppet.now += 0.1
    [second] = puppet.refuse(first, 487)
    assert not puppet.machine.controlling
    assert second.get(attribute.ICE_CONTROLLED) not in (None, first.get(attribute.ICE_CONTROLLING))
    puppet.refuse(first, 487)
    assert not puppet.machine.controlling
    assert puppet.machine.ignored["answer to no request"] == 1


def asked_by(puppet: Puppet) -> stun.Message:
    puppet.machine.add_remote_candidate(host(BOB), puppet.now)
    [asked] = puppet.drain()
    return asked


@pytest.mark.spec("stun/unauthentic-answer", "stun/unknown-transaction")
def test_forged_answers_change_nothing() -> None:
    puppet = Puppet(agent(1, controlling=True))
    asked = asked_by(puppet)
    wrong = ice.Credentials("pupp", "x" * 22)
    other = stun.Message(asked.kind, asked.method, bytes(12))
    plain = stun.serialize(stun.Message(stun.Class.SUCCESS, 1, asked.transaction))
    for octets in (check.success(asked, ALICE, wrong), check.success(other, ALICE, puppet.credentials), plain):
        puppet.say(octets)
    for code in (400, 401, 403, 487):
        puppet.say(error(asked, code, None))
    assert puppet.machine.ignored == {"answer with wrong integrity": 6, "answer to no request": 1}
    assert puppet.machine.controlling
    puppet.answer(asked)
    assert puppet.machine.state == "connected"


@pytest.mark.spec("ice/symmetric-answer")
@pytest.mark.parametrize("address", [{"source": STRANGER}, {"to": Address("192.0.2.77", 1)}])
def test_an_answer_from_elsewhere_fails_the_check(address: dict[str, Address]) -> None:
    puppet = Puppet(agent(1, controlling=True))
    puppet.answer(asked_by(puppet), **address)
    assert puppet.wait(39) == []
    puppet.wait(1)
    assert puppet.machine.state == "failed"


@pytest.mark.spec("stun/unknown-required-answer", "stun/mapped-address-required")
def test_an_answer_that_cannot_be_understood_fails_the_check() -> None:
    for attributes in ([Attribute(attribute.XOR_MAPPED_ADDRESS, ALICE), Attribute(0x7ABC, b"")], []):
        puppet = Puppet(agent(1, controlling=True))
        message = stun.Message(stun.Class.SUCCESS, 1, asked_by(puppet).transaction, attributes)
        puppet.say(stun.serialize(message, integrity_key=puppet.credentials.password.encode()))
        assert puppet.wait(10) == []
        assert puppet.machine.selected is None


@pytest.mark.spec("stun/passing-trouble", "ice/check-refused")
def test_refusals_fail_the_check_and_a_passing_trouble_does_not() -> None:
    for code, repeats in ((300, 0), (400, 0), (420, 0), (500, 2)):
        puppet = Puppet(agent(1, controlling=True))
        puppet.refuse(asked_by(puppet), code)
        assert len(puppet.wait(2)) == repeats


@pytest.mark.spec("stun/repeated-request")
def test_a_repeated_check_gets_the_same_answer() -> None:
    puppet = Puppet(agent(1, controlling=False), introduced=False)
    octets = puppet.request()
    answers = [puppet.say(octets) for _ in range(3)]
    assert answers == [answers[0]] * 3
    assert [type(event) for event in puppet.events].count(ice.PathOpened) == 1


@pytest.mark.spec("stun/message-size")
def test_the_longest_check_fits_any_path() -> None:
    peer = ice.Credentials("p" * 256, "w" * 256)
    own = ice.make_credentials(bytes)
    assert peer.are_sound
    assert len(check.request(bytes(12), check.Question(1, Role(True, 1), True), own, peer)) < 576 - 48
