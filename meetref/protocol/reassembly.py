"""Puts handshake messages together from fragments that come in any order, overlap, or come twice.

Stands above `wire/dtls`; `protocol/handshake12` feeds it and takes whole messages, in the order of their numbers.
Specification: RFC 6347 sections 4.2.2 and 4.2.3.
Leaves out: choice between copies. Where fragments overlap the first octets stay; if they lied, the signature or
Finished tells. Every bound is small, for whatever stands here came from somebody who has proven nothing yet.
Read next: `protocol/handshake12.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from meetref.wire.dtls import Fragment
from meetref.wire.handshake12 import CLIENT_HELLO

MAXIMUM_MESSAGE = 16_384
"""Octets of one message: a chain of two RSA certificates has 3,000, a post-quantum ClientHello 1,900."""

MAXIMUM_AHEAD = 8
"""How many messages after the expected one are kept: the longest flight has six."""

MOST_MESSAGES = 2**16
"""Messages that one side can number."""

MAXIMUM_ASKED = 3
"""The highest number of a hello: 0, and one more for each time that the server wanted to hear it again."""

MAXIMUM_HELD = 32_768
"""Octets that all unfinished messages of one peer may claim together."""

MAXIMUM_GAPS = 64
"""Separate runs of octets in one message; an honest peer's datagrams make a handful."""

Verdict = Literal["kept", "old", "refused"]


@dataclass(slots=True, frozen=True)
class Message:
    """One whole handshake message: its type, its number, its body."""

    type: int
    number: int
    body: bytes

    def octets(self) -> bytes:
        """How the transcript has it: as if it had never been in fragments (RFC 6347 section 4.2.6)."""
        size = len(self.body).to_bytes(3, "big")
        return bytes((self.type,)) + size + self.number.to_bytes(2, "big") + bytes(3) + size + self.body


@dataclass(slots=True)
class _Partial:
    """A message with holes: `runs` are the (start, end) that are there, sorted, never touching each other."""

    type: int
    octets: bytearray
    runs: list[tuple[int, int]] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        return bool(self.runs) and self.runs[0] == (0, len(self.octets))

    def fill(self, fragment: Fragment) -> bool:
        """Write what is still missing. False when that would make too many holes."""
        start, end = fragment.offset, fragment.offset + len(fragment.body)
        if not self.runs and end - start == len(self.octets):  # mostly it is whole
            self.octets[:], self.runs = fragment.body, [(start, end)]
            return True
        if start == end and self.octets:
            return True  # an empty fragment of a message that is not empty brings nothing
        before = [run for run in self.runs if run[1] < start]
        after = [run for run in self.runs if run[0] > end]
        touching = self.runs[len(before) : len(self.runs) - len(after)]
        if not touching and len(self.runs) >= MAXIMUM_GAPS:
            return False
        at = start
        for first, last in [*touching, (end, end)]:
            if at < first:
                self.octets[at : min(first, end)] = fragment.body[at - start : min(first, end) - start]
            at = max(at, last)
        # spec: dtls/any-order, dtls/overlaps
        joined = (min([start, *(run[0] for run in touching)]), max([end, *(run[1] for run in touching)]))
        self.runs = [*before, joined, *after]
        return True


class Reassembly:
    """The receiving side of the message numbers: `expected` is the number of the next message to be taken."""

    def __init__(self) -> None:
        self.expected = 0
        self._partial: dict[int, _Partial] = {}

    @property
    def held(self) -> int:
        """How many octets are set aside."""
        return sum(len(partial.octets) for partial in self._partial.values())

    def add(self, fragment: Fragment) -> Verdict:
        """Keep a fragment. "old": its message was taken before; "refused": a bound or an earlier part forbids it."""
        ahead = fragment.number - self.expected
        if ahead < 0:
            return "old"
        partial = self._partial.get(fragment.number)
        if partial is None:
            # spec: dtls/reassembly-bounds
            furthest = MAXIMUM_ASKED if fragment.type == CLIENT_HELLO else MAXIMUM_AHEAD
            if ahead > furthest or fragment.length > MAXIMUM_MESSAGE or self.held + fragment.length > MAXIMUM_HELD:
                return "refused"
            partial = self._partial[fragment.number] = _Partial(fragment.type, bytearray(fragment.length))
        # spec: dtls/fragments-agree
        if partial.type != fragment.type or len(partial.octets) != fragment.length:
            return "refused"
        return "kept" if partial.fill(fragment) else "refused"

    def take(self, number: int | None = None) -> Message | None:
        """The message `number` (by default the expected one) if it is whole; then the one after it is expected."""
        number = self.expected if number is None else number
        partial = self._partial.get(number)
        if partial is None or not partial.is_whole:
            return None
        self.expected = number + 1  # spec: dtls/message-order
        self._partial = {key: value for key, value in self._partial.items() if key > number}
        return Message(partial.type, number, bytes(partial.octets))

    def forget_ahead(self) -> None:
        """Drop what came of later messages: it came in the clear, and from now on they are protected."""
        self._partial.clear()

    def forget(self) -> None:
        """Back to the beginning, with nothing held: what a server does that asked for a cookie."""
        self.expected = 0
        self._partial.clear()
