"""The DTLS handshake inside connectivity checks (SPED): what rides in the next one, and what arrived in the last.

    tentative --either attribute came--> confirmed --our handshake is complete--> pending --nothing is open--> complete
        +------neither came------> off: DTLS goes on by itself, with the very datagrams that rode before

Stands between `protocol/ice`, whose rider it is, and `protocol/dtls`, whose flight it carries; neither knows it:
`protocol/peer` introduces them. No clock: ICE sends checks when it likes, and asks how patient we are.
Specification: draft-hancke-webrtc-sped-00 with the numbers of libwebrtc; whether to begin is said by `a=ice-options`
(libwebrtc), the attributes decide (both). Leaves out: nothing. Read next: `protocol/peer.py`.
"""

from __future__ import annotations

import math
import zlib
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Literal

from meetref.protocol.machine import Datagram
from meetref.wire import stun
from meetref.wire.attribute import DTLS_IN_STUN, DTLS_IN_STUN_ACKNOWLEDGEMENT, Attribute
from meetref.wire.multiplex import classify_datagram

State = Literal["tentative", "confirmed", "pending", "complete", "off"]

MAXIMUM_DATAGRAM = 900
"""Octets of a DTLS datagram that fits a check beside everything else (section 6 of the draft)."""

MAXIMUM_ACKNOWLEDGED = 4
MAXIMUM_REMEMBERED = 32
"""Datagrams of the peer's that are known again; a post-quantum flight in small pieces has about ten."""

ANOTHER_CHECK_AFTER = 0.05
"""Seconds after which a check that brought no acknowledgement is followed by another: the pace of new checks."""

MAXIMUM_UNSENT = 4
"""Datagrams of DTLS that belong to no flight, an alert or an acknowledgement, kept until there is a path."""

HEADER_SIZE = 4  # of a STUN attribute

UNMEASURED_WAIT = 0.2
SHORTEST_WAIT, LONGEST_WAIT = 0.05, 3.0


def first_wait(round_trip: float | None) -> float:
    """Seconds until DTLS repeats a flight once there is a path, whose round trip ICE has measured or not."""
    # spec: sped/timer-resumed
    return UNMEASURED_WAIT if round_trip is None else min(max(2 * round_trip, SHORTEST_WAIT), LONGEST_WAIT)


class Sped:
    """One side, for one handshake. A rider of checks (`check.Rider`) that is told the flight by `carry`.

    `deliver` is given each DTLS datagram that came in an authentic check or answer, once. `ignored` counts what was
    dropped, `carried` the datagrams that rode, `received` those that came that way.
    """

    def __init__(self, deliver: Callable[[Datagram, float], None]) -> None:
        self.state: State = "tentative"
        self.ignored: Counter[str] = Counter()
        self.carried = self.received = 0
        self._deliver = deliver
        self._begins = False
        self._has_path = False
        self._unsent: deque[bytes] = deque(maxlen=MAXIMUM_UNSENT)
        self._flight: tuple[bytes, ...] = ()
        self._open: dict[int, bytes] = {}  # by checksum; the one whose turn it is comes first
        self._fresh: set[int] = set()  # those that have not been in any check
        self._taken: deque[int] = deque(maxlen=MAXIMUM_REMEMBERED)  # spec: sped/bounded

    def __repr__(self) -> str:
        return f"Sped({self.state}, {len(self._open)} of {len(self._flight)} open)"

    @property
    def is_over(self) -> bool:
        return self.state in ("complete", "off")

    @property
    def is_possible(self) -> bool:
        """Whether the handshake may ride: the peer is known to speak this, or has said that it does."""
        return not self.is_over and (self._begins or self.state != "tentative")  # spec: sped/early-checks

    # --- what is told -----------------------------------------------------------------------------

    def begin(self) -> None:
        """The peer's description offers it: speak first. Else only a peer that begins by itself is answered."""
        self._begins = True  # spec: sped/options-offered

    def carry(self, flight: Sequence[bytes], said: Sequence[bytes], *, has_path: bool) -> list[bytes]:
        """DTLS's present flight, none when nothing needs to be repeated, and what DTLS said just now.

        Gives what is to be sent as datagrams of their own. Without a path these are none; with the first one, all that
        had to wait; then all that DTLS says: what rides is a second chance, and needs no checks of its own.
        """
        if tuple(flight) != self._flight:
            self._flight = tuple(flight)
            self._open = {zlib.crc32(data): data for data in flight}  # spec: sped/new-flight
            self._fresh = set(self._open)
        if not has_path:
            self._unsent += [data for data in said if data not in self._flight]
            plain = []
        elif not self._has_path:
            waiting = [data for data in self._flight if zlib.crc32(data) in self._open]
            plain = [*waiting, *self._unsent, *(data for data in said if data not in self._flight)]
            self._unsent.clear()  # spec: sped/fallback-same-octets, sped/plain-beside
        else:
            plain = list(said)
        self._has_path = has_path
        self._conclude()
        return plain

    def handshake_complete(self) -> None:
        """Our side has all it needs. `carry` comes after it, with what is still to be heard by the peer."""
        if not self.is_over:
            self.state = "pending"

    def data_arrived(self) -> None:
        """The peer sent something that only a complete handshake can protect."""
        if self.state == "pending":
            self._end("complete")  # spec: sped/complete-by-data

    def take(self, data: bytes) -> bool:
        """A DTLS datagram came, inside or plainly. Is it new? One that came both ways counts once."""
        checksum = zlib.crc32(data)  # spec: sped/acknowledgement-checksum
        if not self.is_possible:
            return True
        if checksum in self._taken:
            self._taken.remove(checksum)
            self._taken.append(checksum)
            return False
        self._taken.append(checksum)  # spec: sped/plain-acknowledged
        return True

    # --- the rider --------------------------------------------------------------------------------

    @property
    def patience(self) -> float:
        """Seconds until another check is worth its while."""
        if not self.is_possible or self._has_path or not self._open:
            return math.inf
        return 0.0 if self._fresh else ANOTHER_CHECK_AFTER  # spec: sped/loss

    def board(self, room: int) -> list[Attribute]:
        """The two attributes of the next message, as far as the room allows; none when this is over."""
        acknowledged = tuple(self._taken)[-MAXIMUM_ACKNOWLEDGED:]  # spec: sped/acknowledgements-bounded
        room -= 2 * HEADER_SIZE + 4 * len(acknowledged)
        if not self.is_possible or room < 0:
            return []
        return [
            Attribute(DTLS_IN_STUN, self._next(room)),  # spec: sped/always-present
            Attribute(DTLS_IN_STUN_ACKNOWLEDGEMENT, acknowledged),
        ]

    def _next(self, room: int) -> bytes:
        """The datagram whose turn it is; what does not fit can only go plainly (MTU, section 3.3.3)."""
        room -= room % 4  # its padding needs a place, too
        for checksum, data in self._open.items():
            self._fresh.discard(checksum)
            if len(data) <= room:  # spec: sped/fits
                self._open[checksum] = self._open.pop(checksum)  # spec: sped/round-robin
                self.carried += 1
                return data
        return b""

    def alight(self, message: stun.Message, datagram: Datagram, now: float) -> None:
        """An authentic check or answer of the peer's came, from where `datagram` says."""
        if self.is_over:
            return
        data = message.get(DTLS_IN_STUN)
        acknowledged = message.get(DTLS_IN_STUN_ACKNOWLEDGEMENT)
        if data is None and acknowledged is None:  # spec: sped/acknowledgement-alone
            self._without()
            return
        if self.state == "tentative":
            self.state = "confirmed"  # spec: sped/confirmed
        for checksum in acknowledged or ():  # spec: sped/acknowledged-dropped
            self._open.pop(checksum, None)
            self._fresh.discard(checksum)
        if data:  # spec: sped/empty-not-injected
            self._take_inside(data, datagram, now)
        self._conclude()

    def _take_inside(self, data: bytes, datagram: Datagram, now: float) -> None:
        if classify_datagram(data[0]) != "dtls":
            self.ignored["no DTLS in a check"] += 1  # spec: sped/first-octet
        elif self.take(data):
            self.received += 1  # spec: sped/data-injected
            self._deliver(Datagram(data, datagram.local, datagram.remote), now)

    def _without(self) -> None:
        """Neither attribute: the peer does not know them, or has no more need of them."""
        if self.state == "tentative":
            self._end("off")  # spec: sped/off
        elif self.state == "pending":
            self._end("complete")  # spec: sped/peer-is-done

    def _conclude(self) -> None:
        if self.state == "pending" and not self._open:
            self._end("complete")  # spec: sped/complete-by-acknowledgement

    def _end(self, state: State) -> None:
        self.state = state
