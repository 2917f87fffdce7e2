"""A client that asks a server, in memory: times, credentials, redirections, refusals."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.protocol.account import Account, Credentials, ShortTerm
from meetref.protocol.authenticator import Authenticator, Identity, Refusal
from meetref.protocol.binding import answer_binding
from meetref.protocol.credentials import FixedAccounts
from meetref.protocol.machine import Datagram, Event, Ignored, ProtocolMisuse
from meetref.protocol.stun import (
    MAXIMUM_QUESTIONS,
    MAXIMUM_REDIRECTIONS,
    Answered,
    Client,
    Failed,
    Redirected,
    mapped_address,
)
from meetref.wire import attribute, stun
from meetref.wire.address import Address
from meetref.wire.attribute import Attribute, ErrorCode

ALICE, SERVER, SECOND = Address("192.0.2.1", 5000), Address("198.51.100.1", 3478), Address("198.51.100.2", 3478)
OUTSIDE = Address("203.0.113.9", 41000)


def dice() -> Iterator[bytes]:
    for number in itertools.count():
        yield hashlib.sha256(str(number).encode()).digest()


class Scene:
    """A client, its clock, and what it said."""

    def __init__(self, credentials: Credentials | None = None, *, reliable: bool = False) -> None:
        stream = dice()
        self.machine = Client(
            ALICE, SERVER, lambda size: next(stream)[:size], credentials=credentials, reliable=reliable
        )
        self.now = 100.0
        self.sent: list[Datagram] = []
        self.sent_at: list[float] = []
        self.events: list[Event] = []

    def drain(self) -> None:
        for datagram in self.machine.transmits():
            self.sent.append(datagram)
            self.sent_at.append(self.now)
        self.events += self.machine.events()

    def ask(self) -> stun.Message:
        self.machine.ask_mapping(self.now)
        self.drain()
        return self.last

    @property
    def last(self) -> stun.Message:
        return stun.parse(self.sent[-1].data)

    def receive(self, data: bytes, source: Address | None = None) -> None:
        self.machine.receive_datagram(Datagram(data, ALICE, source or self.sent[-1].remote), self.now)
        self.drain()

    def reply(self, *attributes: tuple[int, Any], code: int = 0, kind: int = 2, method: int = 1, **more: Any) -> None:
        """Answer the last request. With `code` an error, else a success that maps to OUTSIDE."""
        given = [Attribute(*each) for each in attributes]
        if code:
            given.insert(0, Attribute(attribute.ERROR_CODE, ErrorCode(code, "")))
        elif not attributes:
            given.append(Attribute(attribute.XOR_MAPPED_ADDRESS, OUTSIDE))
        source = more.pop("source", None)
        transaction = more.pop("transaction", self.last.transaction)
        message = stun.Message(stun.Class(3 if code else kind), method, transaction, given)
        self.receive(stun.serialize(message, **more), source)

    def wait(self, until: float = math.inf) -> None:
        """Let time go by, timeout after timeout."""
        while self.machine.next_timeout() <= until and self.machine.next_timeout() < math.inf:
            self.now = self.machine.next_timeout()
            self.machine.handle_timeout(self.now)
            assert self.machine.next_timeout() > self.now
            self.drain()
        if until < math.inf:
            self.now = until


@pytest.mark.spec("stun/retransmission", "stun/transaction-random")
def test_without_an_answer_it_is_sent_seven_times_and_fails() -> None:
    scene = Scene()
    scene.ask()
    scene.wait()
    assert [at - 100 for at in scene.sent_at] == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert len({datagram.data for datagram in scene.sent}) == 1
    assert {(datagram.local, datagram.remote) for datagram in scene.sent} == {(ALICE, SERVER)}
    assert scene.events == [Failed(1, "no answer")]
    assert scene.now == 139.5
    assert scene.ask().transaction != stun.parse(scene.sent[0].data).transaction


@pytest.mark.spec("stun/over-tcp-timeout")
def test_over_a_stream_it_is_sent_once() -> None:
    scene = Scene(reliable=True)
    scene.ask()
    scene.wait()
    assert (len(scene.sent), scene.now, scene.events) == (1, 139.5, [Failed(1, "no answer")])


@pytest.mark.spec("stun/stream-lost")
def test_a_lost_connection_fails_every_question() -> None:
    scene = Scene(reliable=True)
    scene.ask()
    scene.ask()
    scene.machine.disconnected(scene.now)
    scene.drain()
    assert scene.events == [Failed(1, "disconnected"), Failed(2, "disconnected")]
    assert scene.machine.next_timeout() == math.inf


@pytest.mark.spec("stun/round-trip-without-repetitions", "stun/first-wait-cached")
def test_an_answer_maps_and_measures() -> None:
    scene = Scene()
    scene.ask()
    scene.wait(100.4)
    scene.reply()
    (event,) = scene.events
    assert isinstance(event, Answered)
    assert mapped_address(event.message) == OUTSIDE
    assert (event.question, event.server, event.round_trip) == (1, SERVER, pytest.approx(0.4))
    scene.ask()
    assert scene.machine.next_timeout() == pytest.approx(100.4 + 0.4 + 4 * 0.2)
    scene.wait(102.0)
    scene.reply()
    assert isinstance(scene.events[-1], Answered)
    assert scene.events[-1].round_trip is None  # it was repeated


@pytest.mark.spec("stun/unknown-transaction", "stun/supported-method", "stun/fingerprint-mismatch")
def test_what_is_no_answer_to_this_question_is_ignored() -> None:
    scene = Scene()
    scene.ask()
    scene.receive(b"\0\1junk")
    scene.reply(transaction=bytes(12))
    scene.reply(kind=1)
    scene.reply(method=3)
    scene.reply(source=SECOND)
    good = stun.serialize(stun.Message(stun.Class.SUCCESS, 1, scene.last.transaction, []))
    scene.receive(good[:-1] + bytes([good[-1] ^ 1]))
    assert [event.why for event in scene.events if isinstance(event, Ignored)] == [
        "malformed",
        "no answer to a question",
        "no answer to a question",
        "an answer from elsewhere",
        "an answer from elsewhere",
        "fingerprint",
    ]
    scene.reply()
    scene.reply()
    assert [type(event) for event in scene.events[6:]] == [Answered, Ignored]


@pytest.mark.spec("stun/unknown-required-answer", "stun/mapped-address-required", "stun/unknown-optional-ignored")
def test_answers_that_end_a_question_without_answering_it() -> None:
    address = (attribute.XOR_MAPPED_ADDRESS, OUTSIDE)
    for attributes, code, why in (
        ([address, (0x7ABC, b"")], 0, "unknown attributes"),
        ([(attribute.SOFTWARE, "x")], 0, "no mapped address"),
        ([(0x7ABC, b"")], 400, "unknown attributes"),
        ([], 400, "refused"),
        ([], 401, "refused"),
        ([(attribute.UNKNOWN_ATTRIBUTES, (0x7ABC,))], 420, "refused"),
        ([], 600, "refused"),
        ([], 300, "an unprotected redirection"),
        ([(attribute.ALTERNATE_SERVER, SECOND)], 300, "an unprotected redirection"),
    ):
        scene = Scene()
        scene.ask()
        scene.reply(*attributes, code=code)
        (event,) = scene.events
        assert isinstance(event, Failed)
        assert (event.why, event.code) == (why, code)
        assert event.message is not None
        assert scene.machine.next_timeout() == math.inf
    scene = Scene()
    scene.ask()
    scene.reply(address, (0xC057, b""))
    assert isinstance(scene.events[0], Answered)


def test_an_error_without_a_code_is_a_failure() -> None:
    scene = Scene()
    scene.ask()
    scene.reply((attribute.SOFTWARE, "x"), kind=3)
    assert isinstance(scene.events[0], Failed)
    assert scene.events[0].why == "an error without a code"


def test_a_server_of_before_maps_without_a_mask() -> None:
    scene = Scene()
    scene.ask()
    scene.reply((attribute.MAPPED_ADDRESS, OUTSIDE))
    assert isinstance(scene.events[0], Answered)
    assert mapped_address(scene.events[0].message) == OUTSIDE


@pytest.mark.spec("stun/passing-trouble")
def test_passing_trouble_is_waited_out_four_times() -> None:
    scene = Scene()
    scene.ask()
    asked = []
    while not scene.events:
        asked.append((scene.now - 100, scene.last.transaction))
        scene.reply(code=500)
        scene.reply(code=500)
        scene.events = [event for event in scene.events if not isinstance(event, Ignored)]
        if not scene.events:
            scene.wait(scene.machine.next_timeout())
    assert [at for at, _ in asked] == [0, 0.5, 1.5, 3.5, 7.5]
    assert len({transaction for _, transaction in asked}) == 5
    assert isinstance(scene.events[0], Failed)
    assert scene.events[0].code == 500


@pytest.mark.spec("stun/ten-outstanding")
def test_ten_questions_at_a_time() -> None:
    scene = Scene()
    for _ in range(MAXIMUM_QUESTIONS):
        scene.ask()
    with pytest.raises(ProtocolMisuse):
        scene.machine.ask_mapping(scene.now)
    scene.reply()
    scene.ask()


# --- credentials ----------------------------------------------------------------------------------------


class Server:
    """A server of ours that wants credentials even for Binding, behind an address."""

    def __init__(self, scene: Scene) -> None:
        self.authenticator = Authenticator(
            "example.org", FixedAccounts("example.org", {"alice": "wonder"}), b"a secret of ours"
        )
        self.scene = scene

    def serve(self) -> int:
        """Answer the last request; 0 for success, else the code of the error."""
        data = self.scene.sent[-1].data
        said = self.authenticator.authenticate(data, stun.parse(data), ALICE, self.scene.now)
        if isinstance(said, Refusal):
            self.scene.receive(said.data)
            return said.code
        plain = answer_binding(data, OUTSIDE)
        assert isinstance(plain, bytes)
        self.scene.receive(said.protect(stun.parse(plain)))
        return 0

    def redirect(self, server: Address, **more: Any) -> None:
        data = self.scene.sent[-1].data
        said = self.authenticator.authenticate(data, stun.parse(data), ALICE, self.scene.now)
        assert isinstance(said, Identity)
        attributes = [
            Attribute(attribute.ERROR_CODE, ErrorCode(300, "")),
            Attribute(attribute.ALTERNATE_SERVER, server),
            Attribute(attribute.ALTERNATE_DOMAIN, "second.example"),
        ]
        message = stun.Message(stun.Class.ERROR, stun.BINDING, self.scene.last.transaction, attributes)
        self.scene.receive(said.protect(message))


@pytest.mark.spec("stun/long-term-credentials", "stun/first-request", "stun/stale-nonce-retry")
def test_a_challenge_costs_one_request_the_first_time_only() -> None:
    scene = Scene(Account("alice", "wonder"))
    server = Server(scene)
    scene.ask()
    assert [server.serve(), server.serve()] == [401, 0]
    scene.ask()
    assert server.serve() == 0
    scene.now += 4000
    scene.ask()
    assert [server.serve(), server.serve()] == [438, 0]
    assert [type(event) for event in scene.events] == [Answered] * 3
    assert len({stun.parse(datagram.data).transaction for datagram in scene.sent}) == len(scene.sent) == 5


@pytest.mark.spec("stun/no-second-try")
def test_a_wrong_password_fails_after_two_requests() -> None:
    scene = Scene(Account("alice", "wonderland"))
    server = Server(scene)
    scene.ask()
    assert [server.serve(), server.serve()] == [401, 401]
    (event,) = scene.events
    assert isinstance(event, Failed)
    assert (event.why, event.code, len(scene.sent)) == ("the credentials are wrong", 401, 2)


@pytest.mark.spec("stun/unauthentic-answer", "stun/integrity-violated")
def test_over_udp_forged_answers_are_waited_out() -> None:
    scene = Scene(ShortTerm("left:right", "password"))
    scene.ask()
    scene.reply()
    scene.reply(integrity_key=b"wrong")
    scene.reply(code=401)
    assert {type(event) for event in scene.events} == {Ignored}
    scene.wait()
    assert scene.events[-1] == Failed(1, "integrity violated")
    assert (len(scene.sent), scene.now) == (7, 139.5)


def test_over_udp_an_authentic_answer_after_a_forged_one_counts() -> None:
    scene = Scene(ShortTerm("left:right", "password"))
    scene.ask()
    scene.reply(integrity_key=b"wrong")
    scene.reply(sha256_key=b"password")
    assert isinstance(scene.events[-1], Answered)


@pytest.mark.spec("stun/integrity-violated")
def test_over_a_stream_a_forged_answer_is_the_end() -> None:
    scene = Scene(ShortTerm("left:right", "password"), reliable=True)
    scene.ask()
    scene.reply(integrity_key=b"wrong")
    assert isinstance(scene.events[0], Failed)
    assert scene.events[0].why == "integrity violated"
    assert scene.machine.next_timeout() == math.inf


# --- other servers --------------------------------------------------------------------------------------


@pytest.mark.spec("stun/alternate-server", "stun/first-request")
def test_another_server_is_asked_with_the_same_credentials_from_the_start() -> None:
    scene = Scene(Account("alice", "wonder"))
    server = Server(scene)
    scene.ask()
    server.serve()
    server.redirect(SECOND)
    assert scene.sent[-1].remote == SECOND
    assert not scene.last.protected
    assert [server.serve(), server.serve()] == [401, 0]
    (event,) = scene.events
    assert isinstance(event, Answered)
    assert event.server == SECOND


@pytest.mark.spec("stun/redirection-loop")
def test_nobody_is_sent_in_a_circle() -> None:
    scene = Scene(Account("alice", "wonder"))
    server = Server(scene)
    scene.ask()
    server.serve()
    server.redirect(SECOND)
    server.serve()
    server.redirect(SERVER)
    (event,) = scene.events
    assert isinstance(event, Failed)
    assert event.why == "redirected in a circle"
    # To itself is the smallest circle.
    scene.ask()
    server.redirect(SERVER)
    assert isinstance(scene.events[1], Failed)
    assert scene.events[1].why == "redirected in a circle"


def test_nobody_is_sent_around_without_end() -> None:
    scene = Scene(Account("alice", "wonder"))
    server = Server(scene)
    scene.ask()
    for number in range(2, 30):
        server.serve()
        server.redirect(Address(f"198.51.100.{number}", 3478))
        if scene.events:
            break
    assert len({datagram.remote for datagram in scene.sent}) == MAXIMUM_REDIRECTIONS + 1
    assert isinstance(scene.events[0], Failed)
    assert scene.events[0].why == "redirected too often"


@pytest.mark.spec("stun/redirection-protected")
def test_a_redirection_that_nobody_vouches_for_is_not_followed() -> None:
    scene = Scene(Account("alice", "wonder"))
    scene.ask()
    scene.reply((attribute.ALTERNATE_SERVER, SECOND), code=300)
    assert isinstance(scene.events[0], Failed)
    scene.ask()
    Server(scene).serve()
    scene.reply((attribute.ALTERNATE_SERVER, SECOND), code=300)
    scene.reply((attribute.ALTERNATE_SERVER, SECOND), code=300, sha256_key=b"wrong")
    assert {datagram.remote for datagram in scene.sent} == {SERVER}


def test_a_redirection_to_the_other_family_leads_nowhere() -> None:
    scene = Scene(Account("alice", "wonder"))
    server = Server(scene)
    scene.ask()
    server.serve()
    server.redirect(Address("2001:db8::2", 3478))
    assert isinstance(scene.events[0], Failed)
    assert scene.events[0].why == "a redirection to nowhere"


@pytest.mark.spec("stun/alternate-server", "stun/alternate-domain")
def test_over_a_stream_the_owner_is_told_whom_to_call() -> None:
    scene = Scene(Account("alice", "wonder"), reliable=True)
    server = Server(scene)
    scene.ask()
    server.serve()
    server.redirect(SECOND)
    assert scene.events == [Redirected(1, SECOND, "second.example")]
    assert {datagram.remote for datagram in scene.sent} == {SERVER}
    assert scene.machine.next_timeout() == math.inf


# --- anything -------------------------------------------------------------------------------------------

steps = st.one_of(
    st.tuples(st.just("ask")),
    st.tuples(st.just("wait"), st.floats(0, 50)),
    st.tuples(st.just("junk"), st.binary(max_size=60)),
    st.tuples(st.just("reply"), st.sampled_from([0, 300, 400, 401, 420, 438, 500, 699]), st.booleans()),
    st.tuples(st.just("serve")),
    st.tuples(st.just("lost")),
)


@given(st.lists(steps, max_size=30), st.booleans(), st.booleans())
def test_time_moves_on_and_every_question_has_one_end(script: list[Any], named: bool, reliable: bool) -> None:
    scene = Scene(Account("alice", "wonder") if named else None, reliable=reliable)
    server, asked = Server(scene), 0
    for step in script:
        match step:
            case ("ask",) if len(scene.machine._questions) < MAXIMUM_QUESTIONS:
                scene.ask()
                asked += 1
            case ("wait", seconds):
                scene.wait(scene.now + seconds)
            case ("junk", data):
                scene.receive(data, SERVER)
            case ("reply", code, protected) if scene.sent:
                more = [(attribute.REALM, "r"), (attribute.NONCE, "n"), (attribute.ALTERNATE_SERVER, SECOND)]
                scene.reply(*more, code=code, integrity_key=b"k" if protected else None)
            case ("serve",) if scene.sent:
                server.serve()
            case ("lost",):
                scene.machine.disconnected(scene.now)
                scene.drain()
        assert len(scene.machine._questions) <= MAXIMUM_QUESTIONS
    scene.wait()
    ended = [event.question for event in scene.events if isinstance(event, Answered | Failed | Redirected)]
    assert sorted(ended) == list(range(1, asked + 1))
