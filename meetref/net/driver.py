"""The one loop that runs machines: receive, keep time, flush.

Stands above every `protocol` machine and below its owner, who says where datagrams go and who hears the events.
After each mutation the machine is drained until nothing more comes out, here and nowhere else. Timers are kept by a
`Clock`: one task and one timer, however many machines a port has.
Leaves out: reading sockets. Many machines share one port, so its owner feeds them (`receive` for each datagram of a
batch, `turn` at the end for each machine it touched); a machine with a socket of its own is run by `drive_socket`.
Read next: `protocol/machine.py`, `net/port.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count

import trio

from meetref.net.datagram import DatagramSocket
from meetref.protocol.machine import Datagram, Event, Machine, ProtocolMisuse

MAXIMUM_ROUNDS = 1000  # drains, or timeouts at one instant, before a machine (or its owner) is said to go in circles


class Clock:
    """Keeps the time of any number of drivers. Whoever is awake anyway may call `expire`, which spares it a wake-up."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Driver]] = []  # a heap; an entry that its driver does not wait for is stale
        self._tickets = count()
        self._timer: trio.CancelScope | None = None

    def set(self, driver: Driver, at: float) -> None:
        heappush(self._due, (at, next(self._tickets), driver))
        self._arm()

    def expire(self, now: float) -> None:
        """Handle the timers whose time has come."""
        due = self._due
        if not due or due[0][0] > now:
            return
        ready = []
        while due and due[0][0] <= now:
            ready.append(heappop(due))
        for at, _, driver in ready:
            if driver.waits_for == at:
                driver.expire(now)
        self._arm()

    def forget(self, driver: Driver) -> None:
        """Keep nothing of a driver that has stopped."""
        self._due = [entry for entry in self._due if entry[2] is not driver]
        heapify(self._due)
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            deadline = self._next()
            if self._timer.deadline != deadline:
                self._timer.deadline = deadline

    def _next(self) -> float:
        return self._due[0][0] if self._due else math.inf

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep time until cancelled. Raises `ProtocolMisuse` when it does not move on."""
        task_status.started()
        repeated, last = 0, -1.0
        while True:
            # A deadline that has passed already is fine: the scope is then cancelled at its first checkpoint.
            with trio.CancelScope(deadline=self._next()) as self._timer:
                await trio.sleep_forever()
            self._timer = None
            now = trio.current_time()
            repeated = repeated + 1 if now == last else 0
            last = now
            if repeated > MAXIMUM_ROUNDS:
                raise ProtocolMisuse(f"{MAXIMUM_ROUNDS} timeouts at {now}")
            self.expire(now)


class Driver:
    """Runs `machine`: gives `send` its datagrams and `deliver` its events, in order, synchronously.

    `deliver` may give the machine further commands and call `turn` again: what comes of it is drained before the outer
    call returns. `failed` is told of an exception in a timeout, where no caller of the owner's could catch it.
    """

    def __init__(
        self,
        machine: Machine,
        send: Callable[[Datagram], None],
        deliver: Callable[[Event], None],
        *,
        clock: Clock | None = None,
        failed: Callable[[Exception], None] | None = None,
    ) -> None:
        self.machine = machine
        self.waits_for = math.inf
        """The moment for which the clock has an entry; the machine may by now wait for a later one."""
        self._send = send
        self._deliver = deliver
        self._failed = failed
        self._draining = False
        self._clock = clock or Clock()

    def receive(self, datagram: Datagram, now: float) -> None:
        """Feed and drain; the timer is left as it is until `turn`, so that a batch sets it once."""
        self.machine.receive_datagram(datagram, now)
        self._drain()

    def turn(self, now: float) -> None:
        """Call after commands, and at the end of a batch: drains, then sets the timer if something is due sooner.

        A later time is not set: the timer goes off, finds nothing due and is set again, which is cheaper than finding
        its entry for each packet.
        """
        self._drain()
        deadline = self.machine.next_timeout()
        if deadline < self.waits_for:
            self.waits_for = deadline
            self._clock.set(self, deadline)

    def stop(self) -> None:
        """Take no time any more."""
        self.waits_for = -math.inf
        self._clock.forget(self)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep this one machine's time until cancelled. Raises `ProtocolMisuse` when its time does not move on."""
        self.turn(trio.current_time())
        await self._clock.run(task_status=task_status)

    def expire(self, now: float) -> None:
        """The moment for which the clock was set has come."""
        self.waits_for = math.inf
        try:
            if self.machine.next_timeout() <= now:
                self.machine.handle_timeout(now)
                if self.machine.next_timeout() <= now:
                    raise ProtocolMisuse(
                        f"{type(self.machine).__name__} still waits for {self.machine.next_timeout()} at {now}"
                    )
            self.turn(now)
        except Exception as error:
            if self._failed is None:
                raise
            self._failed(error)

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
