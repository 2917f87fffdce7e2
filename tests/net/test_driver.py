"""The loop that runs a machine: it drains, keeps time, and refuses to go in circles."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import trio
from trio.testing import MockClock

from meetref.net.driver import MAXIMUM_ROUNDS, Clock, Driver, drive_socket
from meetref.net.virtual import VirtualNetwork
from meetref.net.virtuallink import Impairments
from meetref.protocol.machine import Datagram, Event, ProtocolMisuse
from meetref.wire.address import Address

HERE, THERE = Address("192.0.2.1", 1), Address("192.0.2.2", 2)


@dataclass(slots=True, frozen=True)
class Heard(Event):
    data: bytes


class Repeater:
    """Says `tick` every `interval`, tells what it hears, and answers a question."""

    def __init__(self, interval: float = math.inf, now: float = 0.0) -> None:
        self.interval = interval
        self.ticks: list[float] = []
        self.due_at = now + interval
        self._out: list[Datagram] = []
        self._heard: list[Event] = []

    def receive_datagram(self, datagram: Datagram, now: float) -> None:
        self._heard.append(Heard(datagram.data))
        if datagram.data.endswith(b"?"):
            self.say(b"!", now)

    def say(self, data: bytes, now: float) -> None:
        self._out.append(Datagram(data, HERE, THERE))

    def next_timeout(self) -> float:
        return self.due_at

    def handle_timeout(self, now: float) -> None:
        self.ticks.append(now)
        self.say(b"tick", now)
        self.due_at = now + self.interval

    def transmits(self) -> Iterator[Datagram]:
        while self._out:
            yield self._out.pop(0)

    def events(self) -> Iterator[Event]:
        while self._heard:
            yield self._heard.pop(0)


class Circle(Repeater):
    """Its time does not move on."""

    def handle_timeout(self, now: float) -> None:
        self.ticks.append(now)


def make(machine: Repeater, deliver: Callable[[Event], None] | None = None) -> tuple[Driver, list[bytes], list[Event]]:
    sent: list[bytes] = []
    told: list[Event] = []
    return Driver(machine, lambda datagram: sent.append(datagram.data), deliver or told.append), sent, told


def test_receive_drains() -> None:
    driver, sent, told = make(Repeater())
    driver.receive(Datagram(b"there?", HERE, THERE), 0.0)
    assert (sent, told) == ([b"!"], [Heard(b"there?")])


def test_what_an_event_leads_to_is_drained_in_order() -> None:
    machine = Repeater()
    order: list[bytes] = []

    def deliver(event: Event) -> None:
        assert isinstance(event, Heard)
        order.append(event.data)
        if event.data == b"once":
            machine.receive_datagram(Datagram(b"more?", HERE, THERE), 0.0)
            driver.turn(0.0)  # inside of the outer drain: nothing is delivered here
            order.append(b"once, done")

    driver, sent, _ = make(machine, deliver)
    driver.receive(Datagram(b"once", HERE, THERE), 0.0)
    assert order == [b"once", b"once, done", b"more?"]
    assert sent == [b"!"]


def test_endless_answers_are_a_mistake() -> None:
    machine = Repeater()

    def deliver(event: Event) -> None:
        machine.receive_datagram(Datagram(b"again", HERE, THERE), 0.0)

    class OneEach(Repeater):
        def events(self) -> Iterator[Event]:
            yield from [self._heard.pop(0)] if self._heard else []

    machine = OneEach()
    driver, _, _ = make(machine, deliver)
    with pytest.raises(ProtocolMisuse, match="without end"):
        driver.receive(Datagram(b"again", HERE, THERE), 0.0)
    with pytest.raises(ProtocolMisuse):  # the driver still works, and so does its guard
        driver.turn(0.0)


async def test_time_is_kept(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    machine = Repeater(1.0, trio.current_time())
    driver, sent, _ = make(machine)
    await nursery.start(driver.run)
    await trio.sleep(3.5)
    assert machine.ticks == pytest.approx([1.0, 2.0, 3.0])
    assert sent == [b"tick"] * 3


async def test_turn_sets_the_timer_anew(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    machine = Repeater()
    driver, _, _ = make(machine)
    await nursery.start(driver.run)
    await trio.sleep(5)
    machine.due_at = 7.0
    driver.turn(trio.current_time())
    await trio.sleep(1.9)
    machine.due_at = 8.0  # later than it was
    driver.turn(trio.current_time())
    await trio.sleep(1.05)
    assert machine.ticks == []
    await trio.sleep(1)
    assert machine.ticks == pytest.approx([8.0])


async def test_a_timeout_in_the_past_is_handled_at_once(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    await trio.sleep(10)
    machine = Repeater(math.inf)
    machine.due_at = 3.0
    driver, sent, _ = make(machine)
    await nursery.start(driver.run)
    await trio.sleep(0.001)
    assert machine.ticks == [10.0]
    machine.due_at = 4.0
    driver.turn(trio.current_time())
    await trio.sleep(0.001)
    assert machine.ticks == pytest.approx([10.0, 10.001])
    assert sent == [b"tick", b"tick"]


async def test_time_that_does_not_move_on_is_a_mistake(autojump_clock: MockClock) -> None:
    machine = Circle()
    machine.due_at = 1.0
    driver, _, _ = make(machine)
    with pytest.raises(ProtocolMisuse, match=r"Circle still waits for 1\.0"):
        await driver.run()
    assert machine.ticks == [1.0]


async def test_an_owner_that_keeps_it_at_one_instant_is_a_mistake(autojump_clock: MockClock) -> None:
    machine = Repeater(1.0)
    machine.due_at = 1.0

    def send(datagram: Datagram) -> None:
        machine.due_at = trio.current_time()

    with pytest.raises(ProtocolMisuse, match="timeouts at"):
        await Driver(machine, send, lambda event: None).run()
    assert len(machine.ticks) == MAXIMUM_ROUNDS + 1


async def test_a_machine_with_its_own_socket(autojump_clock: MockClock) -> None:
    network = VirtualNetwork(1)
    alice, bob = network.host("alice", HERE.host), network.host("bob", THERE.host)
    network.connect(alice, bob, Impairments(delay=0.1))
    told: list[Event] = []
    async with trio.open_nursery() as world:
        await world.start(network.run)
        mine, theirs = await alice.open_datagram(HERE), await bob.open_datagram(THERE)
        machine = Repeater(1.0, trio.current_time())
        async with trio.open_nursery() as nursery:
            driver = await nursery.start(drive_socket, machine, mine, told.append)
            theirs.send([b"are you", b"there?"], HERE)
            assert [datagram.data for datagram in await theirs.receive()] == [b"!"]
            assert trio.current_time() == pytest.approx(0.2)
            assert [datagram.data for datagram in await theirs.receive()] == [b"tick"]
            assert trio.current_time() == pytest.approx(1.1)
            machine.say(b"goodbye", trio.current_time())
            driver.turn(trio.current_time())
            mine.close()  # ends drive_socket
        assert [datagram.data for datagram in await theirs.receive()] == [b"goodbye"]
        world.cancel_scope.cancel()
    assert told == [Heard(b"are you"), Heard(b"there?")]


async def test_one_clock_keeps_the_time_of_many(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    clock = Clock()
    machines = [Repeater(interval) for interval in (1.0, 2.5, math.inf)]
    drivers = [Driver(machine, lambda datagram: None, lambda event: None, clock=clock) for machine in machines]
    await nursery.start(clock.run)
    for driver in drivers:
        driver.turn(trio.current_time())
    await trio.sleep(5.5)
    assert [len(machine.ticks) for machine in machines] == [5, 2, 0]
    drivers[0].stop()
    machines[2].due_at = 6.0
    drivers[2].turn(trio.current_time())
    await trio.sleep(5)
    assert [len(machine.ticks) for machine in machines] == [5, 4, 1]
    for driver in drivers:
        driver.stop()
    assert not clock._due, "nothing is kept of those who stopped"


async def test_a_clock_is_served_by_whoever_comes_by(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    clock = Clock()
    machine = Repeater(1.0)
    driver = Driver(machine, lambda datagram: None, lambda event: None, clock=clock)
    await nursery.start(clock.run)
    driver.turn(0.0)
    await trio.sleep(0.5)
    clock.expire(trio.current_time())
    assert machine.ticks == []
    clock.expire(1.05)
    assert machine.ticks == [1.05]
    await trio.sleep(1.6)  # due at 2.05, and nobody comes by
    assert machine.ticks == pytest.approx([1.05, 2.05])


async def test_a_mistake_in_a_timeout_is_told_to_the_owner(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    clock = Clock()
    told: list[Exception] = []
    ill, well = Circle(), Repeater(1.0)
    ill.due_at = 1.0
    await nursery.start(clock.run)
    for machine in (ill, well):
        Driver(machine, lambda datagram: None, lambda event: None, clock=clock, failed=told.append).turn(0.0)
    await trio.sleep(2.5)
    assert [type(error) for error in told] == [ProtocolMisuse]
    assert well.ticks == pytest.approx([1.0, 2.0])
