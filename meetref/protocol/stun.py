"""Asking a server: the client's side of STUN, which learns how its own address looks from outside.

`Client` asks one server, over UDP or a stream, any number of questions at a time up to ten, and gives one event for
each. Stands above `protocol/request` (times) and `protocol/account` (credentials), below gathering in `net/`.
Specification: RFC 8489 sections 6, 9 and 10. Leaves out: finding servers by DNS; addresses are given.
Read next: `protocol/binding.py`, the server's side.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from meetref.protocol.account import Anonymous, Credentials, Judgement, Signed, Verdict
from meetref.protocol.machine import Datagram, Dice, Event, Ignored, ProtocolMisuse
from meetref.protocol.request import RoundTrip, Schedule
from meetref.wire import attribute, stun
from meetref.wire.address import Address
from meetref.wire.attribute import Attribute
from meetref.wire.reader import Malformed

MAXIMUM_QUESTIONS = 10  # at a time (RFC 8489 section 6.2)
MAXIMUM_PASSING_TROUBLES = 4  # answers 500 to 599 to one question after which it has failed
MAXIMUM_REDIRECTIONS = 5  # of one question; each is another server, so this bounds a memory
NOT_AGAIN_WITHIN = 300.0  # seconds in which one question goes to a server only once (RFC 8489 section 10)


@dataclass(slots=True, frozen=True)
class Answered(Event):
    """A success response to question number `question`. `round_trip` is None where the request was repeated."""

    question: int
    message: stun.Message
    server: Address
    round_trip: float | None


@dataclass(slots=True, frozen=True)
class Failed(Event):
    """A question will not be answered. `why` is a short fixed phrase; `code` is the server's, 0 without one."""

    question: int
    why: str
    code: int = 0
    message: stun.Message | None = None


@dataclass(slots=True, frozen=True)
class Redirected(Event):
    """Over a stream: ask `server` instead, over a connection of its own, whose certificate names `domain` if given."""

    question: int
    server: Address
    domain: str | None


@dataclass(slots=True)
class Question:
    """One question and the request that asks it now; `signed` is None while it waits for its next try."""

    number: int
    method: int
    attributes: tuple[Attribute, ...]
    server: Address
    signed: Signed
    schedule: Schedule
    asked: dict[Address, float] = field(default_factory=dict)
    """When it was first sent to each server."""
    waits_until: float = math.inf
    troubles: int = 0
    violated: bool = False
    """Whether an answer came whose integrity did not hold."""

    @property
    def next_at(self) -> float:
        return self.waits_until if self.waits_until < math.inf else self.schedule.next_at


class Client:
    """Asks `server` from `local`. With `reliable`, datagrams in and out are whole messages on a stream.

    `credentials` are forgotten nowhere: one object may serve several machines that talk to the same server.
    """

    def __init__(
        self,
        local: Address,
        server: Address,
        dice: Dice,
        credentials: Credentials | None = None,
        *,
        reliable: bool = False,
    ) -> None:
        self.local = local
        self.server = server
        self._dice = dice
        self._reliable = reliable
        self._credentials: dict[Address, Credentials] = {server: credentials or Anonymous()}
        self._round_trip = RoundTrip()
        self._questions: dict[bytes, Question] = {}  # by transaction
        self._count = 0
        self._transmits: deque[Datagram] = deque()
        self._events: deque[Event] = deque()

    # --- commands -------------------------------------------------------------------------------------

    def ask(self, method: int, attributes: Sequence[Attribute], now: float) -> int:
        """Ask a question; its number stands in the event that answers it. Raises `ProtocolMisuse` for the eleventh."""
        if len(self._questions) >= MAXIMUM_QUESTIONS:  # spec: stun/ten-outstanding
            raise ProtocolMisuse(f"{MAXIMUM_QUESTIONS} questions are open already")
        self._count += 1
        message = stun.Message(stun.Class.REQUEST, method, self._dice(12), list(attributes))
        signed = self._credentials[self.server].sign(message)
        schedule = Schedule(self._round_trip.first_wait(now), now, self._reliable)
        question = Question(self._count, method, tuple(attributes), self.server, signed, schedule)
        self._begin(question, signed, now)
        return self._count

    def ask_mapping(self, now: float) -> int:
        """Ask how `local` looks from the server: a Binding request. See `mapped_address`."""
        return self.ask(stun.BINDING, (), now)

    def disconnected(self, now: float) -> None:
        """The stream is gone, or the network said that the server cannot be reached: every question has failed."""
        for question in list(self._questions.values()):  # spec: stun/stream-lost
            self._fail(question, "disconnected")

    # --- the five methods -----------------------------------------------------------------------------

    def receive_datagram(self, datagram: Datagram, now: float) -> None:
        try:
            answer = stun.parse(datagram.data)
        except Malformed:
            self._events.append(Ignored("malformed"))
            return
        question = self._questions.get(answer.transaction)
        if question is None or answer.kind not in (stun.Class.SUCCESS, stun.Class.ERROR):
            self._events.append(Ignored("no answer to a question"))  # spec: stun/unknown-transaction
        elif answer.method != question.method or not (self._reliable or datagram.remote == question.server):
            self._events.append(Ignored("an answer from elsewhere"))
        elif question.waits_until < math.inf:
            self._events.append(Ignored("answered before"))
        elif answer.fingerprint is not None and not stun.verify_fingerprint(datagram.data):
            self._events.append(Ignored("fingerprint"))  # spec: stun/fingerprint-mismatch
        else:
            judgement = self._credentials[question.server].judge(question.signed, datagram.data, answer)
            self._receive_answer(question, answer, judgement, now)

    def next_timeout(self) -> float:
        return min((question.next_at for question in self._questions.values()), default=math.inf)

    def handle_timeout(self, now: float) -> None:
        for question in list(self._questions.values()):
            if question.waits_until <= now:
                self._again(question, now)
            elif question.waits_until == math.inf and question.schedule.gives_up_at <= now:
                # spec: stun/integrity-violated
                self._fail(question, "integrity violated" if question.violated else "no answer")
            elif question.waits_until == math.inf and question.schedule.due(now):
                self._send(question)

    def transmits(self) -> Iterator[Datagram]:
        while self._transmits:
            yield self._transmits.popleft()

    def events(self) -> Iterator[Event]:
        while self._events:
            yield self._events.popleft()

    # --- answers --------------------------------------------------------------------------------------

    def _receive_answer(self, question: Question, answer: stun.Message, judgement: Judgement, now: float) -> None:
        match judgement.verdict:
            case Verdict.RETRY:
                self._again(question, now, question.signed)
            case Verdict.REFUSED:
                self._fail(question, judgement.why, answer)
            case Verdict.UNAUTHENTIC if self._reliable:  # spec: stun/integrity-violated
                self._fail(question, "integrity violated")
            case Verdict.UNAUTHENTIC | Verdict.IGNORE:  # spec: stun/unauthentic-answer
                question.violated = question.violated or judgement.verdict is Verdict.UNAUTHENTIC
                self._events.append(Ignored(judgement.why))
            case Verdict.TAKE if answer.unknown_required:  # spec: stun/unknown-required-answer
                self._fail(question, "unknown attributes", answer)
            case Verdict.TAKE if answer.kind is stun.Class.ERROR:
                self._receive_error(question, answer, now)
            case Verdict.TAKE:
                self._receive_success(question, answer, now)

    def _receive_success(self, question: Question, answer: stun.Message, now: float) -> None:
        if question.method == stun.BINDING and mapped_address(answer) is None:
            self._fail(question, "no mapped address", answer)  # spec: stun/mapped-address-required
            return
        once = question.schedule.sends == 1
        took = now - question.schedule.sent_at
        if once:  # spec: stun/round-trip-without-repetitions
            self._round_trip.measure(took, now)
        self._close(question)
        self._events.append(Answered(question.number, answer, question.server, took if once else None))

    def _receive_error(self, question: Question, answer: stun.Message, now: float) -> None:
        error = answer.get(attribute.ERROR_CODE)
        code = 0 if error is None else error.code
        if code == 300:
            self._redirect(question, answer, now)
        elif 500 <= code <= 599 and question.troubles < MAXIMUM_PASSING_TROUBLES:
            # spec: stun/passing-trouble
            question.waits_until = now + question.schedule.first_wait * 2**question.troubles
            question.troubles += 1
        else:
            self._fail(question, "refused" if error is not None else "an error without a code", answer)

    def _redirect(self, question: Question, answer: stun.Message, now: float) -> None:
        """Go on with another server, if the answer is vouched for and names one that was not asked just now."""
        server: Address | None = answer.get(attribute.ALTERNATE_SERVER)
        if not answer.protected or question.signed.key is None:  # spec: stun/redirection-protected
            self._fail(question, "an unprotected redirection", answer)
        elif server is None or server.is_ipv6 != question.server.is_ipv6:
            self._fail(question, "a redirection to nowhere", answer)
        elif now - question.asked.get(server, -math.inf) < NOT_AGAIN_WITHIN:  # spec: stun/redirection-loop
            self._fail(question, "redirected in a circle", answer)
        elif len(question.asked) > MAXIMUM_REDIRECTIONS:
            self._fail(question, "redirected too often", answer)
        elif self._reliable:
            self._close(question)
            self._events.append(Redirected(question.number, server, answer.get(attribute.ALTERNATE_DOMAIN)))
        else:  # spec: stun/alternate-server
            self._credentials.setdefault(server, self._credentials[question.server].elsewhere())
            question.server = server
            self._again(question, now)

    # --- sending --------------------------------------------------------------------------------------

    def _again(self, question: Question, now: float, retry_of: Signed | None = None) -> None:
        """Ask it anew: another transaction, signed with what is known by now."""
        self._close(question)
        message = stun.Message(stun.Class.REQUEST, question.method, self._dice(12), list(question.attributes))
        signed = self._credentials[question.server].sign(message, retry_of)
        question.waits_until = math.inf
        question.schedule = Schedule(self._round_trip.first_wait(now), now, self._reliable)
        self._begin(question, signed, now)

    def _begin(self, question: Question, signed: Signed, now: float) -> None:
        question.signed = signed
        question.asked.setdefault(question.server, now)
        # spec: stun/transaction-random
        self._questions[signed.message.transaction] = question
        self._send(question)

    def _send(self, question: Question) -> None:
        self._transmits.append(Datagram(question.signed.data, self.local, question.server))

    def _close(self, question: Question) -> None:
        self._questions.pop(question.signed.message.transaction, None)

    def _fail(self, question: Question, why: str, answer: stun.Message | None = None) -> None:
        self._close(question)
        error = None if answer is None else answer.get(attribute.ERROR_CODE)
        self._events.append(Failed(question.number, why, 0 if error is None else error.code, answer))


def mapped_address(answer: stun.Message) -> Address | None:
    """How the client looks from the server; the plain form is read too, which servers of before 2008 send."""
    masked: Address | None = answer.get(attribute.XOR_MAPPED_ADDRESS)
    plain: Address | None = answer.get(attribute.MAPPED_ADDRESS)
    return masked if masked is not None else plain
