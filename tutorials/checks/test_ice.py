"""Checks an ICE agent: tutorial 4. Run with `--module my_ice.py`.

Asked for: `Agent(controlling=..., credentials=..., dice=...)` with `add_local_candidate`, `set_remote_credentials`,
`add_remote_candidate`, `end_of_remote_candidates`, the five methods of a machine, `state`, `selected`, `is_valid_path`.
"""

from __future__ import annotations

import random
from itertools import count
from types import ModuleType
from typing import Any

import pytest

from meetref.lab.natcell import run_call
from meetref.lab.natplaces import PLACES
from meetref.protocol import ice
from meetref.protocol.check import Credentials
from meetref.protocol.machine import Datagram
from meetref.wire import attribute, stun
from meetref.wire.address import Address
from meetref.wire.attribute import Attribute, ErrorCode
from meetref.wire.candidate import Candidate, CandidateType

REFERENCE = "meetref.protocol.ice"
HERE, THERE, ELSEWHERE = Address("192.0.2.1", 5000), Address("192.0.2.2", 6000), Address("198.51.100.9", 7000)
OURS, THEIRS = Credentials("ours", "ourPassword1234567890ab"), Credentials("thrs", "theirPassword1234567890")
TYPES: dict[CandidateType, int] = {"host": 126, "srflx": 100, "relay": 2}


def candidate(address: Address, kind: CandidateType = "host") -> Candidate:
    return Candidate("1", 1, "udp", TYPES[kind] << 24 | 65535 << 8 | 255, address.host, address.port, kind)


class Peer:
    """The other side, message by message; it stands at THERE."""

    def __init__(self, module: ModuleType, *, controlling: bool, remotes: tuple[Candidate, ...] | None = None) -> None:
        self.now = 100.0
        self.agent = module.Agent(controlling=controlling, credentials=OURS, dice=random.Random(1).randbytes)
        self.sent: list[tuple[float, Datagram]] = []
        self._numbers = count(1)
        self.agent.add_local_candidate(candidate(HERE), self.now)
        self.agent.set_remote_credentials(THEIRS, self.now)
        for each in (candidate(THERE),) if remotes is None else remotes:
            self.agent.add_remote_candidate(each, self.now)
        self.drain()

    def drain(self) -> list[Datagram]:
        found = list(self.agent.transmits())
        list(self.agent.events())
        self.sent += [(self.now, datagram) for datagram in found]
        return found

    def wait(self, seconds: float) -> list[Datagram]:
        """Let time pass; what was sent meanwhile."""
        end, found = self.now + seconds, []
        for _ in range(10_000):
            if self.agent.next_timeout() > end:
                break
            self.now = max(self.now, self.agent.next_timeout())
            self.agent.handle_timeout(self.now)
            assert self.agent.next_timeout() > self.now, "time must move on: next_timeout() after handle_timeout()"
            found += self.drain()
        self.now = end
        return found

    def check(self, *, nominates: bool = False, role: int | None = None, tie_breaker: int = 1, **change: Any) -> bytes:
        """A genuine check, but for what is changed."""
        role = (
            (attribute.ICE_CONTROLLED if self.agent.controlling else attribute.ICE_CONTROLLING)
            if role is None
            else role
        )
        username = change.get("username", f"{OURS.ufrag}:{THEIRS.ufrag}")
        attributes = [Attribute(attribute.USERNAME, username), Attribute(attribute.PRIORITY, 1845501695)]
        attributes.append(Attribute(role, tie_breaker))
        if nominates:
            attributes.append(Attribute(attribute.USE_CANDIDATE, True))
        message = stun.Message(stun.Class.REQUEST, stun.BINDING, next(self._numbers).to_bytes(12), attributes)
        return stun.serialize(message, integrity_key=change.get("password", OURS.password).encode())

    def say(self, data: bytes, source: Address = THERE) -> list[Datagram]:
        self.agent.receive_datagram(Datagram(data, HERE, source), self.now)
        return self.drain()

    def answer(
        self, asked: Datagram, *, source: Address | None = None, code: int = 0, password: str = ""
    ) -> list[Datagram]:
        """Answer a check of the agent's."""
        message = stun.parse(asked.data)
        value = Attribute(attribute.XOR_MAPPED_ADDRESS, HERE)
        kind = stun.Class.SUCCESS
        if code:
            value, kind = Attribute(attribute.ERROR_CODE, ErrorCode(code, "")), stun.Class.ERROR
        reply = stun.Message(kind, stun.BINDING, message.transaction, [value])
        data = stun.serialize(reply, integrity_key=(password or THEIRS.password).encode())
        return self.say(data, source or asked.remote)

    def first_check(self) -> Datagram:
        """The first check of the agent's, sent by now or soon."""
        self.wait(0.2)
        return next(datagram for _, datagram in self.sent if kind_of(datagram) is stun.Class.REQUEST)


def kind_of(datagram: Datagram) -> stun.Class:
    return stun.parse(datagram.data).kind


def requests(found: list[Datagram]) -> list[Datagram]:
    return [datagram for datagram in found if kind_of(datagram) is stun.Class.REQUEST]


def answers(found: list[Datagram]) -> list[stun.Message]:
    return [
        stun.parse(datagram.data) for datagram in found if kind_of(datagram) in (stun.Class.SUCCESS, stun.Class.ERROR)
    ]


def connected(module: ModuleType) -> Peer:
    """An agent that is controlled, and connected."""
    peer = Peer(module, controlling=False)
    peer.answer(peer.first_check())
    for asked in requests(peer.say(peer.check(nominates=True)) + peer.wait(0.2)):
        peer.answer(asked)
    assert peer.agent.state == "connected"
    return peer


# --- step 1: asking -----------------------------------------------------------------------------------


@pytest.mark.parametrize("controlling", [True, False])
def test_1_what_is_in_a_check(module: ModuleType, controlling: bool) -> None:
    asked = Peer(module, controlling=controlling).first_check()
    message = stun.parse(asked.data)
    assert (asked.local, asked.remote) == (HERE, THERE)
    assert message.get(attribute.USERNAME) == "thrs:ours", "RFC 8445 section 7.2.2: the receiver's fragment first"
    assert stun.verify_integrity(asked.data, THEIRS.password.encode()), (
        "RFC 8445 section 7.2.2: the receiver's password"
    )
    assert stun.verify_fingerprint(asked.data), "RFC 8445 section 7.1"
    wanted, other = attribute.ICE_CONTROLLING, attribute.ICE_CONTROLLED
    if not controlling:
        wanted, other = other, wanted
    assert message.get(wanted) is not None, "RFC 8445 section 7.1.3"
    assert message.get(other) is None
    assert message.get(attribute.PRIORITY) == 110 << 24 | 65535 << 8 | 255, (
        "RFC 8445 section 7.1.1: as if peer-reflexive"
    )
    assert message.get(attribute.USE_CANDIDATE) is None, "RFC 8445 section 8.1.1: not before the pair is known to work"


def test_1_the_best_pair_first(module: ModuleType) -> None:
    remotes = (
        candidate(Address("192.0.2.7", 1), "relay"),
        candidate(Address("192.0.2.8", 1), "srflx"),
        candidate(Address("192.0.2.9", 1), "host"),
    )
    agent = module.Agent(controlling=True, credentials=OURS, dice=random.Random(1).randbytes)
    agent.add_local_candidate(candidate(HERE), 0.0)
    for remote in remotes:
        agent.add_remote_candidate(remote, 0.0)
    agent.set_remote_credentials(THEIRS, 0.0)
    asked: list[str] = []
    now = 0.0
    while now < 0.4:
        asked += [datagram.remote.host for datagram in agent.transmits()]
        now = agent.next_timeout()
        agent.handle_timeout(now)
    assert asked[:3] == ["192.0.2.9", "192.0.2.8", "192.0.2.7"], "RFC 8445 section 6.1.2.3: by the priority of pairs"


def test_1_only_pairs_of_one_family(module: ModuleType) -> None:
    peer = Peer(module, controlling=True, remotes=(candidate(Address("2001:db8::2", 1)),))
    assert requests(peer.wait(1.0)) == [], "RFC 8445 section 6.1.2.2"


def test_1_checks_are_repeated_and_given_up(module: ModuleType) -> None:
    peer = Peer(module, controlling=True)
    peer.wait(60.0)
    sent = [at - peer.sent[0][0] for at, _ in peer.sent]
    assert sent == pytest.approx([0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]), "RFC 8489 section 6.2.1"
    assert peer.agent.state == "failed"


# --- step 2: answering --------------------------------------------------------------------------------


def test_2_a_check_is_answered(module: ModuleType) -> None:
    peer = Peer(module, controlling=True)
    (reply,) = answers(peer.say(peer.check()))
    assert reply.kind is stun.Class.SUCCESS
    assert reply.get(attribute.XOR_MAPPED_ADDRESS) == THERE, "RFC 8445 section 7.3.1.2: where it came from"


def test_2_the_answer_is_signed_with_our_password(module: ModuleType) -> None:
    peer = Peer(module, controlling=True)
    (reply,) = [each for each in peer.say(peer.check()) if kind_of(each) is stun.Class.SUCCESS]
    assert (reply.local, reply.remote) == (HERE, THERE)
    assert stun.verify_integrity(reply.data, OURS.password.encode())


@pytest.mark.parametrize(
    "change",
    [{"password": "another"}, {"username": "othr:thrs"}, {"username": "x"}],
    ids=["password", "name", "no name"],
)
def test_2_whoever_cannot_sign_gets_no_answer(module: ModuleType, change: dict[str, str]) -> None:
    peer = Peer(module, controlling=True)
    peer.first_check()
    assert peer.say(peer.check(**change), ELSEWHERE) == [], "RFC 8445 section 7.3: a check proves that it is the peer's"
    assert all(datagram.remote != ELSEWHERE for datagram in peer.wait(1.0))


def test_2_an_address_that_nobody_told(module: ModuleType) -> None:
    peer = Peer(module, controlling=True)
    peer.first_check()
    found = peer.say(peer.check(), ELSEWHERE) + peer.wait(0.3)
    assert [reply.get(attribute.XOR_MAPPED_ADDRESS) for reply in answers(found)] == [ELSEWHERE]
    assert ELSEWHERE in [datagram.remote for datagram in requests(found)], "RFC 8445 section 7.3.1.4: a triggered check"
    assert peer.agent.is_valid_path(HERE, ELSEWHERE)


# --- step 3: concluding -------------------------------------------------------------------------------


def test_3_controlling_it_nominates_what_works(module: ModuleType) -> None:
    peer = Peer(module, controlling=True)
    peer.answer(peer.first_check())
    nominating = [each for each in requests(peer.drain() + peer.wait(0.5)) or [d for _, d in peer.sent]
                  if stun.parse(each.data).get(attribute.USE_CANDIDATE)]  # fmt: skip
    assert nominating, "RFC 8445 section 8.1.1: the controlling side chooses"
    peer.answer(nominating[0])
    assert peer.agent.state == "connected"
    assert (peer.agent.selected.local, peer.agent.selected.remote) == (HERE, THERE)


def test_3_controlled_it_takes_what_is_nominated(module: ModuleType) -> None:
    peer = connected(module)
    assert (peer.agent.selected.local, peer.agent.selected.remote) == (HERE, THERE)
    never = [datagram for _, datagram in peer.sent if stun.parse(datagram.data).get(attribute.USE_CANDIDATE)]
    assert never == [], "RFC 8445 section 8.1: only the controlling side nominates"


def test_3_nominated_before_it_is_known_to_work(module: ModuleType) -> None:
    peer = Peer(module, controlling=False)
    found = requests(peer.say(peer.check(nominates=True)) + peer.wait(0.3)) or [peer.first_check()]
    assert peer.agent.selected is None, "RFC 8445 section 7.3.1.5: not before our own check is answered"
    for asked in found:
        peer.answer(asked)
    assert peer.agent.state == "connected"


def test_3_an_answer_that_is_not_signed(module: ModuleType) -> None:
    peer = Peer(module, controlling=True)
    peer.answer(peer.first_check(), password="a guess")
    peer.wait(0.3)
    assert peer.agent.selected is None
    assert not any(stun.parse(each.data).get(attribute.USE_CANDIDATE) for _, each in peer.sent)


def test_3_an_answer_from_somewhere_else(module: ModuleType) -> None:
    peer = Peer(module, controlling=True)
    peer.answer(peer.first_check(), source=ELSEWHERE)
    peer.wait(0.3)
    assert not any(stun.parse(each.data).get(attribute.USE_CANDIDATE) for _, each in peer.sent), (
        "RFC 8445 section 7.2.5.2.1"
    )


# --- step 4: both want to decide ----------------------------------------------------------------------


@pytest.mark.parametrize("controlling", [True, False])
@pytest.mark.parametrize("yields", [True, False], ids=["it yields", "the peer yields"])
def test_4_role_conflict(module: ModuleType, controlling: bool, yields: bool) -> None:
    peer = Peer(module, controlling=controlling)
    role = attribute.ICE_CONTROLLING if controlling else attribute.ICE_CONTROLLED
    # The larger number controls: it yields as controlling to a larger one, and as controlled to a smaller one.
    theirs = (1 << 64) - 1 if yields == controlling else 0
    (reply,) = answers(peer.say(peer.check(role=role, tie_breaker=theirs)))
    if yields:
        assert reply.kind is stun.Class.SUCCESS, "RFC 8445 section 7.3.1.1"
        assert peer.agent.controlling is not controlling
    else:
        assert reply.get(attribute.ERROR_CODE).code == 487, "RFC 8445 section 7.3.1.1"
        assert peer.agent.controlling is controlling


def test_4_told_that_there_is_a_conflict(module: ModuleType) -> None:
    peer = Peer(module, controlling=True)
    found = peer.answer(peer.first_check(), code=487) + peer.wait(0.3)
    assert peer.agent.controlling is False, "RFC 8445 section 7.2.5.1"
    again = [stun.parse(each.data) for each in requests(found)]
    assert any(message.get(attribute.ICE_CONTROLLED) is not None for message in again), "and it asks again"


# --- step 5: consent ----------------------------------------------------------------------------------


def test_5_it_keeps_asking(module: ModuleType) -> None:
    peer = connected(module)
    for _ in range(10):
        found = requests(peer.wait(6.1))
        assert found, "RFC 7675 section 5.1: a request every five seconds, give or take a fifth"
        for asked in found:
            peer.answer(asked)
    assert peer.agent.state == "connected"


def test_5_consent_lasts_thirty_seconds(module: ModuleType) -> None:
    peer = connected(module)
    peer.wait(29.0)
    assert peer.agent.state in ("connected", "disconnected")
    peer.wait(2.0)
    assert peer.agent.state == "failed", "RFC 7675 section 5.1"
    assert peer.agent.selected is None
    assert peer.wait(60.0) == []


# --- step 6: whatever comes ---------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
def test_6_nothing_raises_and_time_moves_on(module: ModuleType, seed: int) -> None:
    dice = random.Random(seed)
    peer = Peer(module, controlling=bool(seed % 2))
    asked = peer.first_check()
    genuine = [peer.check(), peer.check(nominates=True), asked.data]
    for _ in range(150):
        data = bytearray(dice.choice(genuine))
        for _ in range(dice.randrange(3)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        peer.say(bytes(data), Address("203.0.113.5", dice.randrange(1, 65536)))
        peer.wait(dice.random() / 10)


def test_6_pairs_are_bounded(module: ModuleType) -> None:
    peer = Peer(module, controlling=False)
    for number in range(1000):
        peer.say(peer.check(), Address("203.0.113.5", 1000 + number))
        peer.wait(0.01)
    asked = {datagram.remote for datagram in requests([each for _, each in peer.sent] + peer.wait(20.0))}
    assert len(asked) <= 450, "a peer makes as many paths as it likes, and each costs checks"


# --- step 7: calls ------------------------------------------------------------------------------------

CALLS = [
    ("open", "open", False, "direct"),
    ("EI/PD", "EI/PD", False, "direct"),
    ("EI/AD", "PD/PD", False, "direct"),
    ("NAT64", "EI/PD", False, "direct"),
    ("EI/PD", "PD/PD", False, "none"),
    ("EI/PD", "PD/PD", True, "relay"),
    ("443", "PD/PD", True, "relay"),
]


@pytest.mark.parametrize(("first", "second", "with_relay", "path"), CALLS)
def test_7_calls_with_ours(module: ModuleType, first: str, second: str, with_relay: bool, path: str) -> None:
    for names, agents in (((first, second), (module.Agent, ice.Agent)), ((second, first), (ice.Agent, module.Agent))):
        places = PLACES[names[0]], PLACES[names[1]]
        assert run_call(places, "check", with_relay=with_relay, make_agents=agents).path == path


def test_7_calls_with_itself(module: ModuleType) -> None:
    places = PLACES["EI/PD"], PLACES["EI/AD"]
    assert run_call(places, "check", with_relay=False, make_agents=(module.Agent, module.Agent)).path == "direct"
