"""The time of all receivers of a participant: one task and one timer.

Stands beside `app/receiver`, below `app/client`, which says when a packet came.
Specification: none; as `net/driver` does it for machines, and receivers have only their two methods of time.
Leaves out: a heap. A program has some fifty slots at most, and looks at all of them when the timer goes off.
Read next: `net/driver.py`.
"""

from __future__ import annotations

import math
from collections.abc import Collection

import trio

from meetref.app.receiver import Receiver


class Playout:
    """Calls `handle_timeout` of receivers when their `next_timeout` has come, while `run` runs."""

    def __init__(self) -> None:
        self._timer = trio.CancelScope()

    def turn(self, receiver: Receiver) -> None:
        """To be called when a receiver was given something: it may want to be called sooner."""
        deadline = receiver.next_timeout()
        if deadline < self._timer.deadline:
            self._timer.deadline = deadline

    async def run(self, receivers: Collection[Receiver]) -> None:
        """Keep the time of these until cancelled, and of those that are added meanwhile."""
        while True:
            deadline = min((receiver.next_timeout() for receiver in receivers), default=math.inf)
            with trio.CancelScope(deadline=deadline) as self._timer:
                await trio.sleep_forever()
            now = trio.current_time()
            for receiver in list(receivers):
                if receiver.next_timeout() <= now:
                    receiver.handle_timeout(now)
