"""The one loop that runs a machine: receive, keep time, flush.

Stands above every `protocol` machine and below its owner, who says where datagrams go and who hears the events.
After each mutation the machine is drained until nothing more comes out, here and nowhere else.
Leaves out: reading sockets. Many machines share one port, so its owner feeds them (`receive` for each datagram of a
batch, `turn` at the end for each machine it touched); a machine with a socket of its own is run by `drive_socket`.
Read next: `protocol/machine.py`, `net/port.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from meetref.net.datagram import DatagramSocket
from meetref.protocol.machine import Datagram, Event, Machine, ProtocolMisuse

MAXIMUM_ROUNDS = 1000  # drains, or timeouts at one instant, before a machine (or its owner) is said to go in circles


class Driver:
    """Runs `machine`: gives `send` its datagrams and `deliver` its events, in order, synchronously.

    `deliver` may give the machine further commands and call `turn` again: what comes of it is drained before the outer
    call returns.
    """

    def __init__(self, machine: Machine, send: Callable[[Datagram], None], deliver: Callable[[Event], None]) -> None:
        self.machine = machine
        self._send = send
        self._deliver = deliver
        self._draining = False
        self._timer: trio.CancelScope | None = None

    def receive(self, datagram: Datagram, now: float) -> None:
        """Feed and drain; the timer is left as it is until `turn`, so that a batch arms it once."""
        self.machine.receive_datagram(datagram, now)
        self._drain()

    def turn(self, now: float) -> None:
        """Call after commands to the machine, and at the end of a batch: drains, then sets the timer anew."""
        self._drain()
        timer = self._timer
        if timer is not None:
            deadline = self.machine.next_timeout()
            if timer.deadline != deadline:
                timer.deadline = deadline

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the machine's time until cancelled. Raises `ProtocolMisuse` when its time does not move on."""
        task_status.started()
        repeated, last = 0, -1.0
        while True:
            # A deadline that has passed already is fine: the scope is then cancelled at its first checkpoint.
            with trio.CancelScope(deadline=self.machine.next_timeout()) as self._timer:
                await trio.sleep_forever()
            self._timer = None
            now = trio.current_time()
            repeated = repeated + 1 if now == last else 0
            last = now
            if repeated > MAXIMUM_ROUNDS:
                raise ProtocolMisuse(f"{type(self.machine).__name__} had {MAXIMUM_ROUNDS} timeouts at {now}")
            self._expire(now)

    def _expire(self, now: float) -> None:
        if self.machine.next_timeout() > now:
            return  # it was set anew in the very moment in which it ran out
        self.machine.handle_timeout(now)
        if self.machine.next_timeout() <= now:
            raise ProtocolMisuse(
                f"{type(self.machine).__name__} still waits for {self.machine.next_timeout()} at {now}"
            )
        self._drain()

    def _drain(self) -> None:
        if self._draining:
            return  # called from `deliver`: the round in progress goes on until nothing is left
        self._draining = True
        try:
            for _ in range(MAXIMUM_ROUNDS):
                quiet = True
                for datagram in self.machine.transmits():
                    quiet = False
                    self._send(datagram)
                for event in self.machine.events():
                    quiet = False
                    self._deliver(event)
                if quiet:
                    return
            raise ProtocolMisuse(f"{type(self.machine).__name__} and its owner answer each other without end")
        finally:
            self._draining = False


async def drive_socket(
    machine: Machine,
    socket: DatagramSocket,
    deliver: Callable[[Event], None],
    *,
    task_status: trio.TaskStatus[Driver] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run a machine on a socket of its own until cancelled or the socket is closed; reports its `Driver` when ready."""

    def send(datagram: Datagram) -> None:
        socket.send((datagram.data,), datagram.remote)

    driver = Driver(machine, send, deliver)
    async with trio.open_nursery() as nursery:
        await nursery.start(driver.run, name="clock")
        driver.turn(trio.current_time())
        task_status.started(driver)
        try:
            while True:
                batch = await socket.receive()
                now = trio.current_time()
                for datagram in batch:
                    driver.receive(datagram, now)
                driver.turn(now)
        except trio.ClosedResourceError:
            nursery.cancel_scope.cancel()
