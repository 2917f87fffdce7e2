"""What a receiver counts: loss, duplicates, jitter, jumps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.media.reception import Reception
from meetref.wire import rtcp

FRAME = 960  # a packet of sound: 20 ms at 48 kHz


def _receive(reception: Reception, sequences: list[int], start: float = 0.0) -> None:
    for place, sequence in enumerate(sequences):
        reception.receive(sequence & 0xFFFF, sequence * FRAME & 0xFFFFFFFF, start + place * 0.02)


@pytest.mark.spec("rtcp/fraction-lost", "rtcp/cumulative-lost")
def test_loss_is_told_since_the_last_report_and_in_all() -> None:
    reception = Reception(48_000)
    _receive(reception, [number for number in range(65500, 65600) if number % 4])
    block = reception.report_block(7, 2.0)
    assert (block.ssrc, block.highest_sequence) == (7, 65599)
    assert block.cumulative_lost == reception.lost == 24  # the packet before the first one is nobody's loss
    assert block.fraction_lost == 24 * 256 // 99
    _receive(reception, list(range(65600, 65700)))
    block = reception.report_block(7, 4.0)
    assert (block.fraction_lost, block.cumulative_lost) == (0, 24)
    assert reception.report_block(7, 5.0).fraction_lost == 0


@pytest.mark.spec("rtcp/fraction-lost")
def test_nothing_but_late_packets_is_no_loss() -> None:
    reception = Reception(48_000)
    _receive(reception, [10, 13])
    reception.report_block(1, 0.1)
    _receive(reception, [11, 12])
    block = reception.report_block(1, 0.2)
    assert (block.fraction_lost, block.cumulative_lost) == (0, 0)


def test_a_duplicate_is_counted_as_one_and_hides_no_loss() -> None:
    reception = Reception(48_000)
    _receive(reception, [1, 2, 3])
    assert not reception.receive(2, 2 * FRAME, 0.1)
    assert not reception.receive(3, 3 * FRAME, 0.1)
    _receive(reception, [6])
    assert (reception.received, reception.duplicates, reception.lost) == (4, 2, 2)


@pytest.mark.spec("rtp/jump-needs-two")
def test_a_number_far_away_needs_its_successor() -> None:
    reception = Reception(48_000)
    _receive(reception, [1, 2, 3])
    assert not reception.receive(20_000, 0, 0.1)
    assert reception.receive(4, 4 * FRAME, 0.1)
    assert reception.lost == 0
    assert not reception.receive(30_000, 0, 0.2)
    assert reception.receive(30_001, FRAME, 0.2)
    assert (reception.jumps, reception.highest, reception.received, reception.lost) == (1, 30_001, 1, 0)


@pytest.mark.spec("rtcp/jitter")
def test_jitter_of_an_even_stream_is_none_and_of_one_late_packet_a_sixteenth() -> None:
    reception = Reception(48_000)
    _receive(reception, list(range(50)))
    assert reception.jitter == pytest.approx(0)
    reception.receive(50, 50 * FRAME, 50 * 0.02 + 0.016)
    assert reception.jitter == pytest.approx(0.001)
    assert reception.report_block(1, 2.0).jitter == 48


@pytest.mark.spec("rtcp/jitter")
def test_jitter_across_the_wrap_of_the_timestamp() -> None:
    reception = Reception(48_000)
    for number in range(10):
        reception.receive(number, 2**32 - 3 * FRAME + number * FRAME & 0xFFFFFFFF, number * 0.02)
    assert reception.jitter == pytest.approx(0)


def test_a_block_names_the_last_sender_report_and_the_delay_since() -> None:
    reception = Reception(48_000)
    assert reception.report_block(1, 1.0).delay_since_last_sender_report == 0
    reception.on_sender_report(0x12345678, 10.0)
    block = reception.report_block(1, 10.5)
    assert (block.last_sender_report, block.delay_since_last_sender_report) == (0x12345678, 32768)
    assert reception.report_block(1, 1e9).delay_since_last_sender_report == 0xFFFFFFFF


@given(st.lists(st.tuples(st.integers(0, 65535), st.integers(0, 2**32 - 1), st.floats(0, 1e6)), max_size=80))
def test_whatever_comes_the_block_can_be_written(packets: list[tuple[int, int, float]]) -> None:
    reception = Reception(90_000)
    for sequence, timestamp, arrival in packets:
        reception.receive(sequence, timestamp, arrival)
        block = reception.report_block(1, arrival)
        report = rtcp.ReceiverReport(2, [block])
        assert rtcp.parse(rtcp.serialize([report])) == [report]


@given(st.permutations(range(100)))
def test_any_order_is_complete(order: list[int]) -> None:
    reception = Reception(90_000)
    taken = [reception.receive(1000 + number, number, 0.0) for number in order]
    before_the_first = sum(number < order[0] for number in order)
    assert sum(taken) == reception.received == 100
    assert reception.lost == 0
    assert reception.expected == 100 - before_the_first
