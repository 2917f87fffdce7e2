"""Segments of a stream on their way: lost ones are sent again, early ones wait, so that all arrive in order, each once.

Stands between `net/virtual`, which carries a segment like any packet, and `net/virtualstream`, which reads and writes.
A segment that is lost is sent again after a while that doubles: loss makes a stream late, a long partition breaks it.
Leaves out: acknowledgements (the sender is told at once that a segment was lost) and congestion control.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import trio

from meetref.net.virtualroute import Header

if TYPE_CHECKING:
    from meetref.net.virtualhost import VirtualHost

HEADER_OCTETS = 12  # by which a TCP header is longer than the UDP header that a link counts
FIRST_RETRY_AFTER = 0.2  # seconds; doubles with each try, up to
LAST_RETRY_AFTER = 2.0
GIVE_UP_AFTER = 30.0


class Flow:
    """One direction of a stream: what is pushed arrives in order, each once. `broken` is called when that cannot be.

    Every segment finds its way anew, as it may be another one: a NAT may have forgotten the stream, a host may move.
    """

    def __init__(self, sender: VirtualHost, header: Header, broken: Callable[[], None]) -> None:
        self._sender = sender
        self._header = header
        self._broken = broken
        self._pushed = 0
        self._expected = 0
        self._early: dict[int, Callable[[], None]] = {}
        self.receiver: VirtualHost | None = None  # who got the first segment
        self.arrived_as = header  # and how its header read there

    def push(self, size: int, action: Callable[[], None]) -> None:
        """Call `action` at the other end, after everything that was pushed before."""
        number = self._pushed
        self._pushed += 1
        self._transmit(number, size, action, trio.current_time(), FIRST_RETRY_AFTER)

    def _transmit(
        self, number: int, size: int, action: Callable[[], None], first_at: float, retry_after: float
    ) -> None:
        network, now = self._sender.network, trio.current_time()
        if now - first_at > GIVE_UP_AFTER:
            self._broken()
            return
        following = min(2 * retry_after, LAST_RETRY_AFTER)
        again = partial(self._transmit, number, size, action, first_at, following)
        lost = partial(network.schedule, now + retry_after, again)
        network.send(
            self._sender, self._header, size + HEADER_OCTETS, partial(self._arrive, number, action, lost), lost
        )

    def _arrive(
        self, number: int, action: Callable[[], None], lost: Callable[[], None], receiver: VirtualHost, header: Header
    ) -> None:
        if self.receiver is None:
            self.receiver, self.arrived_as = receiver, header
        if not receiver.plugged_in or receiver is not self.receiver or header != self.arrived_as:
            lost()
            return
        if number >= self._expected:
            self._early.setdefault(number, action)
        while self._expected in self._early:
            self._expected += 1
            self._early.pop(self._expected - 1)()
