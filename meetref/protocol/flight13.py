"""One side's flight in DTLS 1.3: which octets travelled in which record, which of them arrived, what to send again.

    messages      ServerHello | EncryptedExtensions | ... | Finished
    records       (0, 7)        (2, 0)  (2, 1)                  each: some runs of octets, (message, from, to)
    ACK (2, 1) -> what (2, 1) carried is never sent again; the rest goes again, in new records

Stands above `recordlayer13` and `flight` (the timer); `handshake13` begins a flight, asks for datagrams, and ends it.
Specification: RFC 9147 sections 5.7, 5.8 and 7.2. The first wait is that of `flight`, for the same reason.
Leaves out: several flights at once. A KeyUpdate waits until the flight before it was acknowledged.
Read next: `protocol/handshake13.py`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from meetref.protocol.flight import LEAST_FRAGMENT, Repetition
from meetref.protocol.reassembly import Message
from meetref.protocol.recordlayer13 import OVERHEAD, RecordLayer13
from meetref.wire import dtls
from meetref.wire.dtls import FRAGMENT_HEADER_SIZE, RECORD_HEADER, Fragment, RecordNumber

MAXIMUM_ACKNOWLEDGED = 64
"""Records of the peer's flight that one ACK names, the newest ones."""

ACK_ENTRY_SIZE = 16

MAXIMUM_RECORDS = 512
"""Records of one flight that are remembered; older ones can no longer be acknowledged, and go again."""

Run = tuple[int, int]


@dataclass(slots=True)
class Sent:
    """A message, the epoch in which it travels, and the runs of its octets that have not been acknowledged."""

    message: Message
    epoch: int
    missing: list[Run] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.missing = [(0, len(self.message.body))]

    def acknowledge(self, start: int, end: int) -> None:
        """These octets have arrived. A message without octets is one run from 0 to 0."""
        if (start, end) in self.missing:
            self.missing.remove((start, end))
            return
        pieces = [(first, min(last, start)) for first, last in self.missing if first < start]
        pieces += [(max(first, end), last) for first, last in self.missing if last > end]
        self.missing = sorted(pieces)


class Receipts:
    """What of the peer's flight has arrived here, and when to say so; `deadline` is `inf` when there is no need."""

    def __init__(self) -> None:
        self.deadline = math.inf
        self._heard: deque[RecordNumber] = deque(maxlen=MAXIMUM_ACKNOWLEDGED)

    def __bool__(self) -> bool:
        return bool(self._heard)

    def note(self, number: RecordNumber) -> None:
        """All that this record carried was processed, or kept."""
        self._heard.append(number)

    def wait(self, until: float) -> None:
        """Part of a flight is here. If the rest does not follow soon, say what came (RFC 9147 section 7.1)."""
        self.deadline = min(self.deadline, until)  # spec: handshake13/ack-after-a-while

    def acknowledgement(self, limit: int) -> bytes:
        """The payload of an ACK, for a datagram of so many octets; what does not fit is the oldest.

        It may name nothing: I hear you, and cannot read it yet.
        """
        self.deadline = math.inf
        fitting = (limit - OVERHEAD - 2) // ACK_ENTRY_SIZE
        return dtls.serialize_ack(sorted(list(self._heard)[-fitting:]))

    def clear(self) -> None:
        """The next flight begins, which acknowledges this one."""
        self._heard.clear()
        self.deadline = math.inf


class Flight13(Repetition):
    """What was said last, what of it is still to arrive, and when it will be sent again."""

    def __init__(self, maximum_datagram: int) -> None:
        super().__init__(maximum_datagram)
        self.maximum_plaintext = dtls.MAXIMUM_PLAINTEXT
        self._items: list[Sent] = []
        self._records: dict[RecordNumber, tuple[tuple[Sent, Run], ...]] = {}
        self._acknowledged = False

    @property
    def is_open(self) -> bool:
        """Is there anything that has not been acknowledged?"""
        return bool(self._items)

    @property
    def is_untouched(self) -> bool:
        """Has nothing of it been acknowledged?"""
        return not self._acknowledged

    def begin(self, items: Sequence[tuple[int, Message]], now: float) -> None:
        """A new flight, of messages with their epochs, replaces the one before, which was answered."""
        self._items = [Sent(message, epoch) for epoch, message in items]
        self._records.clear()
        self._acknowledged = False
        self.start_waiting(now, awaits_answer=True)

    def end(self) -> None:
        """It was answered or acknowledged: nothing will be repeated any more."""
        self._items = []
        self._records.clear()
        self.stop_waiting()

    def acknowledge(self, numbers: Iterable[RecordNumber], epoch: int) -> bool:
        """The peer names records, in an ACK that came in `epoch`. Was there any news?

        Who sends an ACK in the clear cannot have opened what is protected. Later on the two sides' epochs are not the
        same, since each changes its keys when it likes.
        """
        news = False
        for number in numbers:
            # spec: handshake13/ack-epoch
            if (epoch or not number.epoch) and (found := self._records.pop(number, None)) is not None:
                for sent, (start, end) in found:
                    sent.acknowledge(start, end)
                news = self._acknowledged = True
        # spec: handshake13/ack-ends-flight
        if news and not any(sent.missing for sent in self._items):
            self.end()
        return news

    def datagrams(self, records: RecordLayer13) -> Sequence[bytes]:
        """Everything that is still missing, in new records: as few datagrams as the size allows."""

        def seal(epoch: int, plaintext: bytes, runs: Sequence[tuple[Sent, Run]]) -> bytes:
            if len(self._records) >= MAXIMUM_RECORDS:
                del self._records[next(iter(self._records))]
            self._records[records.next_number(epoch)] = tuple(runs)
            # spec: handshake13/retransmission-epoch
            return records.seal(epoch, dtls.HANDSHAKE, plaintext)

        packing = _Packing(self.datagram_limit, self.maximum_plaintext, seal)
        for sent in self._items:
            for start, end in list(sent.missing):  # spec: handshake13/ack-partial
                packing.add(sent, start, end)
        packing.close_datagram()
        self.sent = tuple(packing.datagrams)
        return self.sent


class _Packing:
    """Datagrams as they are filled: a record takes what fits of the fragments of its epoch, a datagram of the records.

    `seal` makes a record of its epoch, its plaintext, and the runs of octets in it.
    """

    def __init__(
        self, limit: int, maximum_plaintext: int, seal: Callable[[int, bytes, Sequence[tuple[Sent, Run]]], bytes]
    ) -> None:
        self.datagrams: list[bytes] = []
        self._limit = limit
        self._maximum_plaintext = maximum_plaintext
        self._seal = seal
        self._datagram, self._plaintext = bytearray(), bytearray()
        self._epoch = 0
        self._runs: list[tuple[Sent, Run]] = []

    def add(self, sent: Sent, start: int, end: int) -> None:
        """These octets of a message, in as many fragments as it takes."""
        if sent.epoch != self._epoch:
            self._close_record()
            self._epoch = sent.epoch
        while True:
            wanted = min(end - start, LEAST_FRAGMENT)
            if self._room_in_record() < wanted:
                self._close_record()
            if self._room_in_datagram() < wanted:  # spec: dtls/fragments-fit
                self.close_datagram()
            till = min(end, start + min(self._room_in_record(), self._room_in_datagram()))
            message = sent.message
            fragment = Fragment(message.type, len(message.body), message.number, start, message.body[start:till])
            self._plaintext += dtls.serialize_fragment(fragment)
            self._runs.append((sent, (start, till)))
            start = till
            if start == end:
                return

    def close_datagram(self) -> None:
        self._close_record()
        if self._datagram:
            self.datagrams.append(bytes(self._datagram))
            self._datagram.clear()

    def _close_record(self) -> None:
        if self._runs:
            self._datagram += self._seal(self._epoch, bytes(self._plaintext), self._runs)
            self._plaintext.clear()
            self._runs = []

    def _room_in_record(self) -> int:
        return self._maximum_plaintext - len(self._plaintext) - FRAGMENT_HEADER_SIZE

    def _room_in_datagram(self) -> int:
        overhead = OVERHEAD if self._epoch else RECORD_HEADER.size
        return self._limit - len(self._datagram) - overhead - len(self._plaintext) - FRAGMENT_HEADER_SIZE
