"""One side's flight: the messages of a turn, cut into datagrams, and sent again until the other side moves on.

Stands above `protocol/recordlayer`; `protocol/handshake12` begins a flight, asks for its datagrams, and ends it.
Specification: RFC 6347 sections 4.2.3 (fragments) and 4.2.4 (timers, states).
Deviates: the first wait is 0.4 s, not 1 s. Behind ICE the path has just been tried in both directions and people are
waiting; a needless repetition costs four datagrams. It doubles up to 60 s as the RFC says.
Leaves out: path MTU discovery; after three unanswered tries the datagrams become small enough for any path.
Read next: `protocol/handshake12.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from meetref.protocol.reassembly import Message
from meetref.protocol.recordlayer import OVERHEAD, RecordLayer
from meetref.wire import dtls
from meetref.wire.dtls import FRAGMENT_HEADER_SIZE, RECORD_HEADER, Fragment
from meetref.wire.handshake12 import FINISHED

FIRST_TIMEOUT = 0.4
LONGEST_TIMEOUT = 60.0
TRIES_BEFORE_SMALLER = 3
SMALL_DATAGRAM = 548
"""The payload of the smallest IPv4 datagram that every host must take (576) without IP and UDP headers."""

MINIMUM_DATAGRAM = 128
LEAST_FRAGMENT = 32

MINIMUM_ECHO_GAP = 0.05
"""Seconds between two repetitions that the peer's own repetition brought about, so that copies do not breed copies."""


@dataclass(slots=True, frozen=True)
class CipherChange:
    """The one octet that says: what I send from now on is protected (RFC 5246 section 7.1)."""


Item = Message | CipherChange


class Repetition:
    """When what was said is said again: what the flights of both versions have in common."""

    def __init__(self, maximum_datagram: int) -> None:
        self.maximum_datagram = maximum_datagram
        self.deadline = math.inf
        self.sent: tuple[bytes, ...] = ()
        """The datagrams in which it went last; none when it is over."""
        self._first_timeout = self._timeout = FIRST_TIMEOUT
        self._awaits_answer = False
        self._tries = 0
        self._sent_at = -math.inf

    @property
    def timeout(self) -> float:
        """Seconds that the next wait will last."""
        return self._timeout

    @property
    def datagram_limit(self) -> int:
        """Octets that a datagram may have now: fewer after some tries, in case the path takes no large ones."""
        if self._tries >= TRIES_BEFORE_SMALLER:
            return min(self.maximum_datagram, SMALL_DATAGRAM)  # spec: dtls/smaller-after-tries
        return self.maximum_datagram

    def start_waiting(self, now: float, *, awaits_answer: bool) -> None:
        """Something new was said. `awaits_answer` is False for the last of all.

        A wait that had to be lengthened stays so until a flight is answered at once (RFC 6347 section 4.2.4.1).
        """
        if self._tries == 0:
            self._timeout = self._first_timeout
        self._tries = 0
        self._sent_at = now
        self._awaits_answer = awaits_answer
        self.deadline = now + self._timeout if awaits_answer else math.inf

    def adapt(self, now: float, *, first_wait: float, maximum_datagram: int) -> None:
        """Wait so long from now on before anything is repeated the first time, and cut it like that.

        With `inf` nothing is repeated: somebody else sees to it that the flight arrives.
        """
        self.maximum_datagram = maximum_datagram
        self._first_timeout = self._timeout = first_wait
        self._tries = 0
        self.deadline = now + first_wait if self._awaits_answer else math.inf

    def stop_waiting(self) -> None:
        """It was answered, or is over."""
        self.sent, self._awaits_answer, self.deadline = (), False, math.inf

    def repeat(self, now: float) -> None:
        """The wait is over: send again, and wait twice as long."""
        self._tries += 1
        self._timeout = min(2 * self._timeout, LONGEST_TIMEOUT)  # spec: dtls/timer-doubles
        self._sent_at = now
        self.deadline = now + self._timeout

    def may_echo(self, now: float) -> bool:
        """Should the flight go again, since the peer repeated its own? Not twice in a moment."""
        # spec: dtls/copies-do-not-breed
        if now - self._sent_at < MINIMUM_ECHO_GAP:
            return False
        self._sent_at = now
        if self.deadline < math.inf:
            self.deadline = now + self._timeout
        return True


class Flight(Repetition):
    """What was said last, when it was sent, and when it will be sent again."""

    def __init__(self, maximum_datagram: int) -> None:
        super().__init__(maximum_datagram)
        self.items: Sequence[Item] = ()
        self.maximum_plaintext = dtls.MAXIMUM_PLAINTEXT

    def begin(self, items: Sequence[Item], now: float, *, awaits_answer: bool) -> None:
        """A new flight replaces the one before, which was answered."""
        self.items = items
        self.start_waiting(now, awaits_answer=awaits_answer)

    def may_echo(self, now: float) -> bool:
        return bool(self.items) and super().may_echo(now)

    def end(self) -> None:
        """Nothing will be repeated any more."""
        self.items = ()
        self.stop_waiting()

    def datagrams(self, records: RecordLayer) -> Sequence[bytes]:
        """The whole flight, in new records: as few datagrams as the size allows."""
        self.sent = tuple(self._cut(records))
        return self.sent

    def _cut(self, records: RecordLayer) -> Iterator[bytes]:
        limit = self.datagram_limit
        datagram = bytearray()
        for item in self.items:
            offset = 0
            while True:
                room = limit - len(datagram)
                if datagram and room < _least_room(item, offset):  # spec: dtls/fragments-fit
                    yield bytes(datagram)
                    datagram.clear()
                    continue
                record, offset = _next_record(item, offset, min(room, self._largest(item)), records)
                datagram += record
                if isinstance(item, CipherChange) or offset >= len(item.body):
                    break
        if datagram:
            yield bytes(datagram)

    def _largest(self, item: Item) -> int:
        """Octets of a record whose plaintext the peer still takes (RFC 8449 section 4); it binds what is protected."""
        if isinstance(item, CipherChange) or not _epoch(item):
            return self.maximum_datagram
        return self.maximum_plaintext + _overhead(item) - FRAGMENT_HEADER_SIZE


def _epoch(item: Item) -> int:
    return 1 if isinstance(item, Message) and item.type == FINISHED else 0


def _overhead(item: Message) -> int:
    return RECORD_HEADER.size + FRAGMENT_HEADER_SIZE + (OVERHEAD if _epoch(item) else 0)


def _least_room(item: Item, offset: int) -> int:
    """With less room than this left, a new datagram is better than a sliver of the message in the old one."""
    if isinstance(item, CipherChange):
        return RECORD_HEADER.size + 1
    return _overhead(item) + min(len(item.body) - offset, LEAST_FRAGMENT)


def _next_record(item: Item, offset: int, room: int, records: RecordLayer) -> tuple[bytes, int]:
    """The record with as much of the item from `offset` on as `room` octets take, and the offset of what is left."""
    if isinstance(item, CipherChange):
        return records.seal(0, dtls.CHANGE_CIPHER_SPEC, b"\x01"), 0
    body = item.body[offset : offset + room - _overhead(item)]
    fragment = dtls.serialize_fragment(Fragment(item.type, len(item.body), item.number, offset, body))
    return records.seal(_epoch(item), dtls.HANDSHAKE, fragment), offset + len(body)
