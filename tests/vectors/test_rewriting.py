"""Replays vectors/rewriting against media/rewriting. Read next: tests/generate/rewriting.py, which makes the cases."""

from __future__ import annotations

import pytest

from meetref.wire import rtp
from tests.generate.rewriting import play
from tests.vectors.codeccases import Vector, load, unhex


@pytest.mark.parametrize("vector", load("rewriting/traces"), ids=str)
def test_traces(vector: Vector) -> None:
    assert play(vector.given["slot"], vector.given["steps"]) == vector.out["packets"]


@pytest.mark.parametrize("vector", load("rewriting/traces"), ids=str)
def test_the_viewer_gets_one_stream(vector: Vector) -> None:
    """What every trace has in common, read from the packets alone."""
    sent = [rtp.parse(unhex(text)) for text in vector.out["packets"]]
    slot = vector.given["slot"]
    assert {packet.ssrc for packet in sent} == {slot["ssrc"]}
    assert {packet.payload_type for packet in sent} == {slot["payload_type"]}
    numbers = [(packet.sequence - slot["first_sequence"]) & 0xFFFF for packet in sent]
    assert sorted(numbers) == list(range(1, len(sent) + 1))
    assert [int.from_bytes(packet.extensions[3]) for packet in sent] == list(range(len(sent)))
