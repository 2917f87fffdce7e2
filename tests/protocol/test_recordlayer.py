"""Records are sealed and opened, once each, and only as they were sealed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.protocol.keyschedule import KeyBlock
from meetref.protocol.machine import ProtocolMisuse
from meetref.protocol.recordlayer import LAST_SEQUENCE, OVERHEAD, REPLAY_WINDOW, RecordLayer, ReplayWindow
from meetref.wire import dtls

KEYS = KeyBlock(bytes(range(16)), bytes(range(16, 32)), b"abcd", b"wxyz")


def layers() -> tuple[RecordLayer, RecordLayer]:
    client, server = RecordLayer(), RecordLayer()
    client.install(KEYS, "client")
    server.install(KEYS, "server")
    return client, server


@given(st.lists(st.integers(0, 200), max_size=60))
@pytest.mark.spec("dtls/replay")
def test_the_window_takes_every_number_at_most_once(numbers: list[int]) -> None:
    window, seen = ReplayWindow(), set[int]()
    for number in numbers:
        expected = number not in seen and number > max(seen, default=-1) - REPLAY_WINDOW
        assert window.is_fresh(number) == expected
        if expected:
            window.note(number)
            seen.add(number)


@pytest.mark.spec("dtls/protection")
def test_sealed_is_opened_by_the_other_only() -> None:
    client, server = layers()
    (record,) = dtls.parse(client.seal(1, dtls.APPLICATION_DATA, b"hello"))
    assert (record.epoch, record.sequence, len(record.payload)) == (1, 0, 5 + OVERHEAD)
    assert record.payload[:8] == bytes.fromhex("0001000000000000")
    assert client.open(record) == "record not authentic"
    assert server.open(record) == b"hello"
    assert server.open(record) == "record replayed"


@pytest.mark.spec("dtls/bad-record-dropped", "dtls/protection", "dtls/replay")
def test_every_part_is_bound() -> None:
    client, server = layers()
    (record,) = dtls.parse(client.seal(1, dtls.APPLICATION_DATA, b"hello"))
    changed = [
        replace(record, content_type=dtls.ALERT),
        replace(record, version=0xFEFF),
        replace(record, sequence=1),
        replace(record, payload=record.payload[:-1] + bytes((record.payload[-1] ^ 1,))),
        replace(record, payload=b"\xff" + record.payload[1:]),
    ]
    assert {server.open(each) for each in changed} == {"record not authentic"}
    assert server.open(replace(record, payload=record.payload[: OVERHEAD - 1])) == "record of an impossible length"
    assert server.open(replace(record, epoch=2)) == "record of another epoch"
    assert server.open(record) == b"hello"  # what was forged did not move the window


@pytest.mark.spec("dtls/sequence-exhausted")
def test_misuse() -> None:
    layer = RecordLayer()
    with pytest.raises(ProtocolMisuse):
        layer.seal(1, dtls.ALERT, b"")
    layer._next_sequence[0] = LAST_SEQUENCE + 1
    with pytest.raises(ProtocolMisuse):
        layer.seal(0, dtls.ALERT, b"")


@pytest.mark.spec("handshake12/server-record-number")
def test_a_number_to_continue_from_never_goes_back_or_to_the_end() -> None:
    layer = RecordLayer()
    for wished, next_number in ((5, 5), (3, 6), (LAST_SEQUENCE, 7)):
        layer.continue_from(wished)
        assert dtls.parse(layer.seal(0, dtls.ALERT, b""))[0].sequence == next_number


def test_plain_records_have_no_window() -> None:
    layer = RecordLayer()
    (record,) = dtls.parse(layer.seal(0, dtls.ALERT, b"\x01\x00"))
    assert layer.open(record) == layer.open(record) == b"\x01\x00"
    assert layer.open(replace(record, payload=bytes(2**14 + 1))) == "record too long"
    assert layer.open(replace(record, epoch=1)) == "record of another epoch"
