"""Replays vectors/rewriting against media/rewriting. Read next: tests/generate/rewriting.py, which makes the cases."""

from __future__ import annotations

import pytest

from meetref.wire import dependencydescriptor, rtp, vp8, vp9
from tests.generate.rewritingformats import SLOT, play
from tests.vectors.codeccases import Vector, load, unhex


@pytest.mark.parametrize("vector", load("rewriting/traces"), ids=str)
def test_traces(vector: Vector) -> None:
    assert play(vector.given["slot"], vector.given["steps"]) == vector.out["packets"]


@pytest.mark.parametrize("vector", load("rewriting/formats"), ids=str)
def test_formats(vector: Vector) -> None:
    assert play(vector.given["slot"], vector.given["steps"]) == vector.out["packets"]


@pytest.mark.parametrize("vector", load("rewriting/sizes"), ids=str)
def test_sizes(vector: Vector) -> None:
    assert play(vector.given["slot"], vector.given["steps"]) == vector.out["packets"]


@pytest.mark.parametrize("vector", load("rewriting/sizes"), ids=str)
def test_each_picture_has_one_end(vector: Vector) -> None:
    sent = [rtp.parse(unhex(text)) for text in vector.out["packets"]]
    assert [one.marker for one in sent] == [
        place + 1 == len(sent) or one.timestamp != sent[place + 1].timestamp for place, one in enumerate(sent)
    ]


EVERY = [*load("rewriting/traces"), *load("rewriting/formats"), *load("rewriting/sizes")]


@pytest.mark.parametrize("vector", EVERY, ids=str)
def test_the_viewer_gets_one_stream(vector: Vector) -> None:
    """What every trace has in common, read from the packets alone."""
    sent = [rtp.parse(unhex(text)) for text in vector.out["packets"]]
    slot = vector.given["slot"]
    shown = {step["payload_type"] for step in vector.given["steps"] if "payload_type" in step}
    assert {packet.ssrc for packet in sent} == {slot["ssrc"]}
    assert {packet.payload_type for packet in sent} == (shown or {slot["payload_type"]})
    numbers = [(packet.sequence - slot["first_sequence"]) & 0xFFFF for packet in sent]
    assert sorted(numbers) == list(range(1, len(sent) + 1))
    if slot["transport_id"]:
        assert [int.from_bytes(packet.extensions[3]) for packet in sent] == list(range(len(sent)))


@pytest.mark.parametrize("vector", [*load("rewriting/formats"), *load("rewriting/sizes")], ids=str)
def test_pictures_are_counted_on(vector: Vector) -> None:
    """In the order of their numbers picture ids and TL0PICIDX never go back, and every descriptor can be read."""
    sent = [rtp.parse(unhex(text)) for text in vector.out["packets"]]
    sent.sort(key=lambda packet: packet.sequence)
    structure, pictures, lowest = None, list[int](), list[int]()
    for packet in sent:
        value = packet.extensions.get(SLOT["descriptor_id"])
        if value is not None:
            described = dependencydescriptor.parse(value, structure)
            structure = described.structure or structure
            pictures.append(described.frame_number)
        elif packet.payload and packet.payload_type in (96, 98):
            read = vp8.locate(packet.payload) if packet.payload_type == 96 else vp9.locate(packet.payload)
            assert read.picture_id is not None
            pictures.append(read.picture_id)
            lowest += [read.tl0_picture_index] if read.tl0_picture_index is not None else []
    assert pictures == sorted(pictures)
    assert lowest == sorted(lowest)
    assert not pictures or pictures[0] == 1
