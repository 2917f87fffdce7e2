"""When probes are sent, how large, and when not: a prober beside an estimator of which the test says everything."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.media.bandwidth import Estimator
from meetref.media.cluster import Cluster
from meetref.media.delaytrend import Usage
from meetref.media.departures import PacketReport
from meetref.media.probing import FIRST_BPS, SECOND_BPS, Prober


class Told(Estimator):
    """An estimator that is told what it thinks."""

    def __init__(self) -> None:
        super().__init__()
        self.usage: Usage = "normal"
        self.by_loss = False

    @property
    def state(self) -> Usage:
        return self.usage

    @property
    def loss_limited(self) -> bool:
        return self.by_loss

    def set(self, target_bps: float, *, limited: bool = False, usage: Usage = "normal", by_loss: bool = False) -> Told:
        self.target_bps = target_bps
        self._limit.limited = limited
        self.usage = usage
        self.by_loss = by_loss
        return self


def play(prober: Prober, start: float, seconds: float, size: int = 1000) -> list[tuple[float, float]]:
    """Send what is wanted for a while: when each cluster began, and at what rate."""
    begun: dict[Cluster, float] = {}
    now = start
    while now < start + seconds:
        if prober.cluster is not None:
            begun.setdefault(prober.cluster, now)
        if wanted := prober.take():
            prober.on_sent(-(-wanted // size) * size, -(-wanted // size), now)
        later = prober.next_timeout()
        if later > start + seconds:
            break
        now = max(now, later)
        prober.handle_timeout(now)
        assert prober.next_timeout() > now
    return [(at, cluster.bitrate_bps) for cluster, at in begun.items()]


@pytest.mark.spec("bandwidth/probe-at-start")
def test_a_camera_at_its_best_is_tried_before_anything_else() -> None:
    prober = Prober(300_000, maximum_bps=20e6)
    assert prober.next_timeout() == math.inf
    prober.begin(10.0)
    assert play(prober, 10.0, 5.0, 200) == [(10.0, FIRST_BPS)]
    assert prober.next_timeout() == math.inf


@pytest.mark.spec("bandwidth/probe-at-start")
@pytest.mark.parametrize(
    ("lost", "rates"),
    [(range(15, 20), [FIRST_BPS, SECOND_BPS]), (range(17, 20), [FIRST_BPS]), (range(10), [FIRST_BPS])],
    ids=["the last", "few", "not the last"],
)
def test_a_first_try_that_is_lost_is_made_again_with_less(lost: range, rates: list[float]) -> None:
    """Of twenty packets some may be missing, and it can be judged all the same."""
    prober = Prober(300_000, maximum_bps=20e6)
    prober.begin(10.0)
    begun = play(prober, 10.0, 0.1, 235)
    left = [10.0] * 19 + [10.01]
    prober.on_reports([(n, 235, left[n], None if n in lost else 11.0) for n in range(20)], 10.3)
    begun += play(prober, 10.3, 5.0, 235)
    assert [rate for _, rate in begun] == rates


@pytest.mark.spec("bandwidth/probe-at-start")
def test_a_first_try_that_nobody_tells_of_is_made_once_more() -> None:
    prober = Prober(300_000, maximum_bps=20e6)
    prober.begin(10.0)
    play(prober, 10.0, 0.9, 235)
    assert prober.clusters == 1
    assert play(prober, 10.9, 10.0, 235) == [(pytest.approx(11.0, abs=0.1), FIRST_BPS)]
    assert prober.clusters == 2


@pytest.mark.spec("bandwidth/probe-at-start")
@pytest.mark.parametrize(("told", "rates"), [(8, [SECOND_BPS]), (20, [])])
def test_a_first_try_of_which_only_a_part_is_told_is_made_again_with_less(told: int, rates: list[float]) -> None:
    """A feedback was lost, and nothing else is sent of which the next one could tell."""
    prober = Prober(300_000, maximum_bps=20e6)
    prober.begin(10.0)
    play(prober, 10.0, 0.1, 235)
    left = [10.0] * 19 + [10.01]
    prober.on_reports([(n, 235, left[n], 11.0 + n / 1300) for n in range(told)], 10.3)
    assert [rate for _, rate in play(prober, 10.3, 5.0, 235)] == rates


@pytest.mark.spec("bandwidth/probe-further")
def test_twice_as_much_is_tried_as_long_as_most_of_it_comes_through() -> None:
    prober, estimator = Prober(300_000, maximum_bps=20e6), Told()
    prober.begin(0.0)
    play(prober, 0.0, 0.2)
    prober.on_estimate(estimator.set(1_700_000), 0.2)
    assert play(prober, 0.2, 0.1) == []
    prober.on_estimate(estimator.set(1_800_000), 0.3)
    assert [rate for _, rate in play(prober, 0.3, 0.2)] == [3_600_000]
    prober.on_estimate(estimator.set(3_000_000), 0.5)
    assert [rate for _, rate in play(prober, 0.5, 0.2)] == [6_000_000]
    prober.on_estimate(estimator.set(4_000_000), 0.7)  # two thirds of it
    assert play(prober, 0.7, 0.2) == []


@pytest.mark.spec("bandwidth/probe-further")
def test_what_comes_after_a_second_is_no_answer_any_more() -> None:
    prober, estimator = Prober(300_000, maximum_bps=20e6), Told()
    prober.begin(0.0)
    play(prober, 0.0, 3.0)
    prober.on_estimate(estimator.set(1_700_000), 3.0)
    assert play(prober, 3.0, 1.0) == []


@pytest.mark.spec("bandwidth/probe-limits")
def test_nothing_is_looked_for_that_nobody_would_be_sent() -> None:
    prober, estimator = Prober(1_000_000, maximum_bps=20e6), Told()
    prober.on_demand(800_000)
    prober.begin(0.0)
    assert play(prober, 0.0, 1.0) == []
    for number in range(200):
        prober.on_estimate(estimator.set(1_000_000, limited=True), 1 + number * 0.1)
    assert play(prober, 21.0, 1.0) == []
    modest = Prober(1_000_000, maximum_bps=20e6)
    modest.on_demand(1_200_000)
    modest.begin(0.0)
    assert [rate for _, rate in play(modest, 0.0, 1.0)] == [2_400_000]
    bounded = Prober(1_000_000, maximum_bps=2e6)
    bounded.begin(0.0)
    assert [rate for _, rate in play(bounded, 0.0, 1.0)] == [2_000_000]


@pytest.mark.spec("bandwidth/probe-application-limited")
def test_an_application_limited_sender_probes_every_five_seconds() -> None:
    prober, estimator = Prober(1_000_000, maximum_bps=20e6), Told()
    prober.begin(0.0)
    begun = play(prober, 0.0, 2.0)
    assert len(begun) == 1
    for number in range(200):
        now = 2.0 + number * 0.1
        prober.on_estimate(estimator.set(1_000_000, limited=number > 30), now)
        begun += play(prober, now, 0.09)
    assert [rate for _, rate in begun[1:]] == [2_000_000] * 4
    assert [round(at) for at, _ in begun[1:]] == [6, 11, 16, 21]


@pytest.mark.spec("bandwidth/probe-left-late")
def test_a_probe_that_we_were_too_busy_to_send_in_time_is_made_again() -> None:
    """Each leaves in a tenth of a second, and comes as it left: that says nothing of 2.5 Mbit/s."""
    prober, estimator = Prober(300_000, maximum_bps=20e6), Told()
    prober.begin(10.0)
    numbers, rates = iter(range(1000)), []
    for begun in (10.0, 11.0, 12.0, 13.0, 14.0):
        if prober.cluster is not None:
            rates.append(prober.cluster.bitrate_bps)
        left = [begun + 0.01 * place for place in range(10)]
        for at in left:
            prober.on_sent(500, 1, at)
        found = prober.on_reports([(next(numbers), 500, at, at + 0.05) for at in left], begun + 0.2)
        prober.on_estimate(estimator.set(found or estimator.target_bps), begun + 1.0)
    assert rates == [FIRST_BPS] * 4, "and three times again"


@pytest.mark.spec("bandwidth/probe-read-late")
@pytest.mark.parametrize(
    ("leaving", "coming"),
    [(0.0015, 0.0), (0.0015, 1e-5), (0.0, 0.001)],
    ids=["at once", "nearly at once", "left at once"],
)
def test_a_probe_that_the_viewer_was_too_busy_to_read_in_time_is_made_again(leaving: float, coming: float) -> None:
    """Until it is read as it came."""
    prober, estimator = Prober(300_000, maximum_bps=20e6), Told()
    prober.begin(10.0)
    rates = []
    for turn in range(6):
        if prober.cluster is not None:
            rates.append(prober.cluster.bitrate_bps)
        left = [10.0 + turn + leaving * place for place in range(10)]
        for at in left:
            prober.on_sent(500, 1, at)
        came = [left[-1] + coming * place for place in range(10)]
        found = prober.on_reports([(10 * turn + n, 500, left[n], came[n]) for n in range(10)], 10.2 + turn)
        assert found is None
        prober.on_estimate(estimator.set(300_000), 10.2 + turn)
    assert rates == [FIRST_BPS] * 4, "and three times again"


@pytest.mark.spec("bandwidth/probe-lost-by-chance")
def test_where_a_part_of_everything_is_lost_a_probe_that_told_nothing_is_made_again_soon() -> None:
    prober, estimator = Prober(1_000_000, maximum_bps=20e6), Told()
    estimator._loss.foreign_loss = 0.1
    prober.begin(0.0)
    begun = play(prober, 0.0, 2.0)
    for number in range(70):
        now = 2.0 + number * 0.1
        prober.on_estimate(estimator.set(1_000_000, limited=True), now)
        begun += play(prober, now, 0.09)
        if number == 30:
            left = [(n, 5.0 + 0.005 * n) for n in range(5)]
            prober.on_sent(5000, 5, 5.02)
            assert prober.on_reports([(n, 1000, at, at + 0.1) for n, at in left], now) is not None
    assert [round(at, 1) for at, _ in begun[1:]] == [3.0, 4.0, 5.0]


@pytest.mark.spec("bandwidth/probe-overflows")
@pytest.mark.parametrize(("arriving", "limited"), [(60_000, False), (30_000, True), (30_000, False)])
def test_what_a_full_queue_told_is_looked_at_again_soon(arriving: float, limited: bool) -> None:
    """But not while it is all that is sent, and all that comes."""
    prober, estimator = Prober(300_000, maximum_bps=20e6), Told()
    prober.begin(10.0)
    play(prober, 10.0, 0.1, 235)
    came = [10.3 + 0.04 * n if n < 8 else None for n in range(20)]
    found = prober.on_reports([(n, 235, 10 + 0.0005 * n, came[n]) for n in range(20)], 10.7)
    assert found is not None
    assert found == pytest.approx(0.95 * 235 * 8 / 0.04, rel=0.01)
    estimator._acknowledged.bitrate_bps = arriving
    begun = []
    for number in range(45):
        now = 10.7 + number * 0.1
        prober.on_estimate(estimator.set(found, limited=limited), now)
        begun += play(prober, now, 0.09, 235)
    assert len({rate for _, rate in begun}) == (limited or arriving > found)
    assert not begun or round(begun[0][0], 1) == (11.7 if limited else 11.0)


def step_by_step(found: list[float]) -> list[float]:
    """The rates that are tried, by the estimate of each tenth of a second; the next step takes 500 kbit/s."""
    prober, estimator = Prober(400_000, maximum_bps=20e6), Told()
    prober.on_demand(3_000_000, 500_000)
    begun = []
    for number, estimate in enumerate(found):
        prober.on_estimate(estimator.set(estimate, limited=True), number * 0.1)
        begun += play(prober, number * 0.1, 0.09)
    return [rate for _, rate in begun]


@pytest.mark.spec("bandwidth/probe-next-step", "bandwidth/probe-further")
def test_a_thin_line_is_tried_step_by_step() -> None:
    in_vain = step_by_step([400_000] * 16 + [480_000] * 3)
    assert in_vain == pytest.approx([550_000]), "not twice the estimate, and no further"
    assert step_by_step([400_000] * 13 + [550_000] * 11) == pytest.approx([550_000, 1_100_000]), "where it was found"


@pytest.mark.spec("bandwidth/probe-next-step")
def test_a_step_that_is_far_away_is_tried_by_doubling() -> None:
    prober, estimator = Prober(100_000, maximum_bps=20e6), Told()
    prober.on_demand(3_000_000, 500_000)
    begun = []
    for number, estimate in enumerate([100_000] * 13 + [190_000] * 6 + [370_000] * 6):
        prober.on_estimate(estimator.set(estimate, limited=True), number * 0.1)
        begun += play(prober, number * 0.1, 0.09)
    assert list(dict.fromkeys(rate for _, rate in begun)) == pytest.approx([200_000, 380_000, 550_000])


@pytest.mark.spec("bandwidth/probe-application-limited")
def test_a_larger_demand_does_not_wait_for_five_seconds() -> None:
    prober, estimator = Prober(1_000_000, maximum_bps=20e6), Told()
    prober.on_demand(500_000)
    prober.begin(0.0)
    begun = []
    for number in range(40):
        now = number * 0.1
        if number == 20:
            prober.on_demand(3_000_000)
        prober.on_estimate(estimator.set(1_000_000, limited=True), now)
        begun += play(prober, now, 0.09)
    assert [rate for _, rate in begun] == [2_000_000]
    assert begun[0][0] == pytest.approx(2.0, abs=0.11)


@pytest.mark.spec("bandwidth/probe-limits")
@pytest.mark.parametrize("reason", [{"usage": "overusing"}, {"by_loss": True}])
def test_none_while_a_queue_grows_or_loss_limits(reason: dict[str, bool]) -> None:
    prober, estimator = Prober(1_000_000, maximum_bps=20e6), Told()
    for number in range(200):
        prober.on_estimate(estimator.set(1_000_000, limited=True, **reason), number * 0.1)
    assert play(prober, 20.0, 1.0) == []
    prober.begin(21.0)
    prober.on_estimate(estimator.set(2_000_000, limited=True, **reason), 21.0)  # a further one is not sent
    assert len(play(prober, 21.0, 1.0)) == 1


@pytest.mark.spec("bandwidth/probe-after-drop")
@pytest.mark.parametrize(
    ("dropped_to", "limited", "lasts", "wanted"),
    [
        (1_000_000, True, 1.0, [0.85 * 2_000_000]),
        (1_000_000, False, 1.0, []),  # the drop was due to what was sent
        (1_500_000, True, 1.0, []),  # that is no large one
        (1_000_000, True, 6.0, []),  # too long ago
    ],
)
def test_after_a_drop_most_of_what_was_before_is_tried_again(
    dropped_to: float, limited: bool, lasts: float, wanted: list[float]
) -> None:
    prober, estimator = Prober(2_000_000, maximum_bps=20e6), Told()
    prober._probed_at = 99.0  # no other probe is near
    prober.on_estimate(estimator.set(2_000_000, limited=limited), 100.0)
    prober.on_estimate(estimator.set(dropped_to, usage="overusing", limited=limited), 100.1)
    prober._probed_at = prober._limited_since = 100.0 + lasts
    prober.on_estimate(estimator.set(dropped_to, usage="underusing", limited=limited), 100.2)
    assert play(prober, 100.2, 0.1) == []
    prober.on_estimate(estimator.set(dropped_to, limited=limited), 100.1 + lasts)
    assert [rate for _, rate in play(prober, 100.1 + lasts, 0.5)] == wanted


def test_a_cluster_that_nobody_sends_is_given_up() -> None:
    prober, estimator = Prober(1_000_000, maximum_bps=20e6), Told()
    prober.begin(0.0)
    assert prober.take() > 0
    assert prober.take() == 0
    now = 0.0
    while prober.next_timeout() < math.inf:
        now = prober.next_timeout()
        prober.handle_timeout(now)
        assert prober.next_timeout() > now
    assert now < 3
    assert prober.clusters == 1
    prober.on_estimate(estimator.set(1_000_000, limited=True), 20.0)
    assert prober.on_reports([(1, 1000, 0.01, 5.0)], 20.0) is None


def test_what_a_cluster_found_comes_out_of_the_reports() -> None:
    prober = Prober(1_000_000, maximum_bps=20e6)
    prober.begin(0.0)
    packets: list[tuple[float, int]] = []
    now = 0.0
    while prober.next_timeout() < 0.5:
        for _ in range(-(-prober.take() // 1000)):
            packets.append((now, 1000))
            prober.on_sent(1000, 1, now)
        now = prober.next_timeout()
        prober.handle_timeout(now)
    reports: list[PacketReport] = []
    free_at = 0.0
    for number, (at, size) in enumerate(packets):
        free_at = max(at, free_at) + size * 8 / 1_500_000
        reports.append((number, size, at, free_at))
    assert prober.on_reports(reports, 0.3) == pytest.approx(0.95 * 1_500_000, rel=0.02)
    assert prober.on_reports(reports, 5.0) is None


@pytest.mark.spec("bandwidth/probe-believed")
def test_a_probe_that_left_late_does_not_lower_the_estimate() -> None:
    """On a busy machine its packets leave too slowly: that they came so says nothing of the way."""
    for capacity, found in ((20_000_000, None), (300_000, 0.95 * 300_000)):
        prober = Prober(1_000_000, maximum_bps=20e6)
        prober.begin(0.0)
        reports: list[PacketReport] = []
        free_at = 0.0
        for at, count in ((0.0, 2), (0.03, 4)):
            prober.on_sent(count * 1000, count, at)
            for _ in range(count):
                free_at = max(at, free_at) + 1000 * 8 / capacity
                reports.append((len(reports), 1000, at, 50 + free_at))
        assert prober.on_reports(reports, 0.3) == (found and pytest.approx(found, rel=0.01))


steps = st.lists(
    st.tuples(
        st.floats(0, 3),
        st.floats(30_000, 2e7),
        st.booleans(),
        st.sampled_from(["normal", "overusing", "underusing"]),
        st.booleans(),
        st.none() | st.floats(0, 1e8),
        st.integers(0, 3000),
        st.lists(
            st.tuples(st.integers(), st.integers(1, 1500), st.floats(0, 30), st.none() | st.floats(-10, 30)),
            max_size=6,
        ),
    ),
    max_size=30,
)


@given(steps)
def test_time_always_moves_on_and_no_input_raises(told: list[tuple[object, ...]]) -> None:
    prober, estimator = Prober(300_000, maximum_bps=20e6), Told()
    prober.begin(0.0)
    now = 0.0
    for later, target, limited, usage, by_loss, demand, octets, reports in told:
        now += later
        if demand is not None:
            prober.on_demand(demand)
        found = prober.on_reports(reports, now)
        assert found is None or found > 0
        prober.on_estimate(estimator.set(target, limited=limited, usage=usage, by_loss=by_loss), now)
        prober.handle_timeout(now)
        assert prober.next_timeout() > now
        assert 0 <= prober.take() <= 20e6 * 0.2 / 8
        if octets:
            prober.on_sent(octets, 1, now)
        assert len(prober._trials) <= 4
