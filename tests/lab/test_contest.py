"""Measuring in turns: what a window counts, and what is made of the windows. In virtual time, without packets."""

from __future__ import annotations

from typing import cast

import pytest
import trio

from meetref.lab.child import Child, ChildFailed
from meetref.lab.contest import Contestant, Window, measure, measure_in_turns, warm_up
from meetref.lab.load import Load
from meetref.lab.shape import FRAME_RATE


class End:
    """A publisher or a viewer."""

    packets = 0.0


class FakeLoad:
    """Eight packets a frame to two viewers, of which `brings` arrive and take a millisecond.

    The second viewer is the last for whom anything does.
    """

    def __init__(self, brings: float = 1.0, warm_after: float = 0.0) -> None:
        self.publisher = End()
        self.viewers = [End(), End()]
        self.child: FakeChild | None = None
        self.runs = 0
        self._brings = brings
        self._warm_after = warm_after
        self._delays: list[float] = []

    @property
    def received(self) -> float:
        return sum(viewer.packets for viewer in self.viewers)

    def take_delays(self) -> list[float]:
        delays, self._delays = self._delays, []
        return delays

    async def run(self) -> None:
        self.runs += 1
        began = trio.current_time()
        frame = 0
        while True:
            await trio.sleep_until(began + frame / FRAME_RATE)
            frame += 1
            self.publisher.packets += 8
            for viewer, after in zip(self.viewers, (self._warm_after / 2, self._warm_after), strict=True):
                if trio.current_time() - began >= after:
                    viewer.packets += 8 * self._brings
                    self._delays.append(0.001)
            if self.child is not None:
                self.child.seconds += 16 * 20e-6


class FakeChild:
    """Two thirds of its time go to packets."""

    name = "server"

    def __init__(self) -> None:
        self.seconds = 0.0
        self.told: list[str] = []

    async def tell(self, value: str) -> None:
        self.told.append(value)

    async def hear(self) -> dict[str, float]:
        assert self.told.pop() == "parts"
        return {"packets": self.seconds * 2 / 3, "loop": self.seconds / 3}

    def cpu_seconds(self) -> float:
        return self.seconds


def contestant(load: FakeLoad, name: str = "server") -> Contestant:
    load.child = FakeChild()
    return Contestant(name=name, child=cast(Child, load.child), load=cast(Load, load), srtp_profile=8)


async def test_a_window_counts_what_it_brought(autojump_clock: trio.testing.MockClock) -> None:
    one = contestant(FakeLoad())
    await measure(one, 1.0)
    (window,) = one.windows
    assert window.cpu_us_per_packet == pytest.approx(20)
    assert window.packets_per_second == pytest.approx(480)
    assert window.lost_share == 0
    assert len(window.delays) == 2 * FRAME_RATE, "those of the time before are not counted"
    assert one.delay_ms == (pytest.approx(1), pytest.approx(1))


async def test_a_child_that_tells_its_parts_is_asked_at_both_ends(autojump_clock: trio.testing.MockClock) -> None:
    one = contestant(FakeLoad())
    one.tells_parts = True
    await measure_in_turns([one], 1.0, 3)
    assert one.parts_us == {"packets": pytest.approx(20 * 2 / 3), "loop": pytest.approx(20 / 3)}


async def test_what_is_lost_is_told(autojump_clock: trio.testing.MockClock) -> None:
    one = contestant(FakeLoad(brings=0.75))
    await measure(one, 1.0)
    assert one.lost_percent == pytest.approx(25)
    assert one.cpu_us == [pytest.approx(20 / 0.75)], "a packet that is lost was not forwarded"


async def test_nothing_at_all_is_a_failure(autojump_clock: trio.testing.MockClock) -> None:
    with pytest.raises(ChildFailed, match="nothing comes through the server"):
        await measure(contestant(FakeLoad(brings=0.0)), 1.0)


async def test_everybody_has_a_turn_in_every_round(autojump_clock: trio.testing.MockClock) -> None:
    loads = [FakeLoad(), FakeLoad()]
    contestants = [contestant(load) for load in loads]
    await measure_in_turns(contestants, 0.5, 3)
    assert [load.runs for load in loads] == [3, 3]
    assert [len(each.windows) for each in contestants] == [3, 3]


def test_a_ratio_is_that_of_each_round() -> None:
    """A machine that is slow in one round is slow for both."""
    ours, theirs = contestant(FakeLoad()), contestant(FakeLoad(), "theirs")
    for here, there in ((10.0, 20.0), (100.0, 200.0), (12.0, 20.0)):
        ours.windows.append(Window(here, 1.0, 0.0, []))
        theirs.windows.append(Window(there, 1.0, 0.0, []))
    assert ours.ratio_to(theirs) == 0.5


async def test_warming_up_takes_until_everything_comes_through(autojump_clock: trio.testing.MockClock) -> None:
    began = trio.current_time()
    await warm_up(cast(Load, FakeLoad(warm_after=3.2)))
    assert 3.5 <= trio.current_time() - began <= 4.5


async def test_a_load_that_is_warm_may_go_on(autojump_clock: trio.testing.MockClock) -> None:
    began = trio.current_time()
    await warm_up(cast(Load, FakeLoad()), 3.0)
    assert trio.current_time() - began == pytest.approx(3.5)


async def test_warming_up_does_not_take_for_ever(autojump_clock: trio.testing.MockClock) -> None:
    began = trio.current_time()
    await warm_up(cast(Load, FakeLoad(brings=0.5)))
    assert trio.current_time() - began == pytest.approx(20)
