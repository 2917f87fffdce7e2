"""One probe: what is to be sent and when, and what is read from its arrival."""

from __future__ import annotations

import pytest

from meetref.media.cluster import Cluster, Trial
from meetref.media.departures import PacketReport


def sent(trial: Trial, size: int = 1000) -> list[tuple[float, int]]:
    """Send it as its owner would: what is wanted, in packets of one size, each 5 ms."""
    packets = []
    now, going = trial.began_at, True
    while going:
        wanted = trial.wanted(now)
        count = -(-wanted // size)
        if count:
            packets += [(now, size)] * count
            going = trial.on_sent(count * size, count, now)
        now += 0.005
    return packets


def arrived(packets: list[tuple[float, int]], capacity_bps: float, delay: float = 0.1) -> list[PacketReport]:
    """Through a link, one after the other."""
    reports: list[PacketReport] = []
    free_at = 0.0
    for number, (at, size) in enumerate(packets):
        free_at = max(free_at, at) + size * 8 / capacity_bps
        reports.append((number, size, at, 700 + free_at + delay))
    return reports


@pytest.mark.spec("bandwidth/probe-cluster")
@pytest.mark.parametrize("bitrate", [100_000, 600_000, 3_000_000, 20_000_000])
def test_it_leaves_at_its_rate_and_is_long_enough(bitrate: float) -> None:
    trial = Trial(Cluster(bitrate), 1.0)
    packets = sent(trial, 1000 if bitrate > 10**6 else 200)
    octets = sum(size for _, size in packets)
    assert octets >= bitrate * 0.015 / 8
    assert len(packets) >= 5
    seconds = packets[-1][0] - packets[0][0]
    assert seconds >= 0.0099
    last = sum(size for at, size in packets if at == packets[-1][0])
    assert (octets - last) * 8 / seconds == pytest.approx(bitrate, rel=0.35)


@pytest.mark.spec("bandwidth/probe-cluster", "bandwidth/probe-result")
@pytest.mark.parametrize("bucket", [0, 1600])
def test_a_line_that_lets_a_packet_pass_at_once_is_not_taken_for_a_wide_one(bucket: int) -> None:
    """As the buckets of Linux do: what was saved while nothing was sent leaves at any rate."""
    trial = Trial(Cluster(700_000), 1.0)
    packets = sent(trial, 300)
    free_at, reports = 0.0, []
    for number, (at, size) in enumerate(packets):
        free_at = max(free_at, at - bucket * 8 / 400_000) + size * 8 / 400_000
        reports.append((number, size, at, max(free_at, at)))
    found = trial.on_reports(reports)
    assert found == pytest.approx(0.95 * 400_000, rel=0.15)
    assert trial.is_slowed


@pytest.mark.spec("bandwidth/probe-result")
def test_of_a_wide_link_its_own_rate_is_read() -> None:
    trial = Trial(Cluster(3_000_000), 1.0)
    packets = sent(trial)
    found = trial.on_reports(arrived(packets, 50_000_000))
    assert found == pytest.approx(3_000_000, rel=0.35)


@pytest.mark.spec("bandwidth/probe-result")
def test_of_a_narrow_link_its_capacity_is_read() -> None:
    trial = Trial(Cluster(3_000_000), 1.0)
    packets = sent(trial)
    found = trial.on_reports(arrived(packets, 1_000_000))
    assert found == pytest.approx(0.95 * 1_000_000, rel=0.01)


@pytest.mark.spec("bandwidth/probe-result")
def test_what_is_told_in_parts_is_put_together() -> None:
    trial = Trial(Cluster(6_000_000), 1.0)
    reports = arrived(sent(trial), 1_000_000)
    assert trial.on_reports(reports[:3]) is None
    assert trial.on_reports(reports[3:]) == pytest.approx(950_000, rel=0.01)


@pytest.mark.spec("bandwidth/probe-result")
def test_what_is_told_while_it_still_leaves_counts() -> None:
    """On a short way the first packets are answered before the last have left."""
    trial = Trial(Cluster(6_000_000), 1.0)
    packets: list[tuple[float, int]] = []
    told = 0
    for at in (1.0, 1.005, 1.010):
        count = -(-trial.wanted(at) // 1000)
        packets += [(at, 1000)] * count
        if trial.on_sent(count * 1000, count, at):
            assert trial.on_reports(arrived(packets, 1_000_000)[told:]) is None
            told = len(packets)
    assert trial.on_reports(arrived(packets, 1_000_000)[told:]) == pytest.approx(950_000, rel=0.01)


def test_media_beside_it_is_part_of_it_and_what_left_before_or_after_is_not() -> None:
    trial = Trial(Cluster(3_000_000), 1.0)
    packets = sent(trial)
    others: list[PacketReport] = [(900, 1200, 0.9, 700.0), (901, 1200, packets[-1][0] + 0.001, 900.0)]
    assert trial.on_reports(others) is None
    assert trial.on_reports(arrived(packets, 1_000_000) + others) == pytest.approx(950_000, rel=0.01)


@pytest.mark.spec("bandwidth/probe-result")
@pytest.mark.parametrize(
    ("lost", "found"),
    [({0, 3, 6}, 800_000), ({1}, 900_000), ({10, 11}, 1_000_000), (set(range(7)), 1_000_000), (set(range(8)), None)],
    ids=["by chance", "one", "the last two", "most", "nearly all"],
)
def test_what_is_lost_before_the_last_is_none_of_a_full_queue(lost: set[int], found: float | None) -> None:
    trial = Trial(Cluster(6_000_000), 1.0)
    reports = arrived(sent(trial), 1_000_000)
    assert len(reports) == 12
    told = trial.on_reports([(*report[:3], None if report[0] in lost else report[3]) for report in reports])
    assert told == (None if found is None else pytest.approx(0.95 * found, rel=0.1))
    assert trial.is_lost is (found is None)
    assert not trial.is_untold


@pytest.mark.spec("bandwidth/probe-overflows")
def test_what_a_full_queue_let_out_tells_how_fast_it_empties() -> None:
    trial = Trial(Cluster(6_000_000), 1.0)
    reports = arrived(sent(trial), 1_000_000)
    came, dropped = reports[:7], [(*report[:3], None) for report in reports[7:]]
    assert trial.on_reports(came) is None, "the others may still come"
    assert not trial.is_lost
    assert trial.on_reports(dropped) == pytest.approx(950_000, rel=0.1)
    assert trial.is_slowed
    assert not trial.is_lost


@pytest.mark.spec("bandwidth/probe-overflows")
def test_loss_on_a_line_that_slows_nothing_says_nothing_of_what_it_carries() -> None:
    trial = Trial(Cluster(6_000_000), 1.0)
    reports = arrived(sent(trial), 1e9)
    lossy: list[PacketReport] = [
        (*report[:3], report[3] if place % 2 else None) for place, report in enumerate(reports)
    ]
    lossy[-1] = (*lossy[-1][:3], None)
    assert trial.on_reports(lossy) is None
    assert trial.is_lost


@pytest.mark.spec("bandwidth/probe-result")
def test_what_cannot_be_is_not_believed() -> None:
    trial = Trial(Cluster(3_000_000), 1.0)
    packets = sent(trial)
    hurried: list[PacketReport] = [(number, size, at, 7 + number * 1e-6) for number, (at, size) in enumerate(packets)]
    assert trial.on_reports(hurried) is None
    at_once: list[PacketReport] = [(number, size, at, 7.0) for number, (at, size) in enumerate(packets)]
    assert Trial(Cluster(3_000_000), 1.0).on_reports(at_once) is None
    dawdling = Trial(Cluster(3_000_000), 1.0)
    reports = arrived(sent(dawdling), 20_000)
    assert dawdling.on_reports(reports) is None


def test_a_late_owner_catches_up_and_a_very_late_one_gives_up() -> None:
    trial = Trial(Cluster(3_000_000), 1.0)
    assert trial.wanted(1.0) == 1875
    assert trial.wanted(1.004) == pytest.approx(3375, abs=1)
    assert trial.wanted(9.0) == 3_000_000 * 0.015 / 8
    assert not trial.is_late(1.1)
    assert trial.is_late(1.2)
