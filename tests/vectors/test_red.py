"""Replays vectors/red against wire/red and media/redundancy. Read next: tests/generate/red.py."""

from __future__ import annotations

import pytest

from meetref.media.redundancy import Redundancy, Unwrapping
from meetref.wire import red
from meetref.wire.reader import Malformed
from tests.generate.red import fields, payload_of
from tests.vectors.codeccases import Vector, load, unhex


@pytest.mark.parametrize("vector", load("red/payloads"), ids=str)
def test_payloads(vector: Vector) -> None:
    data = unhex(vector.given["hex"])
    if vector.invalid:
        with pytest.raises(Malformed):
            red.parse(data)
        return
    assert fields(red.parse(data)) == vector.out
    if "Canonical" in vector.flags:
        assert red.serialize(payload_of(vector.out)) == data


@pytest.mark.parametrize("vector", load("red/streams"), ids=str)
def test_streams(vector: Vector) -> None:
    given = vector.given
    if vector.operation == "wrap":
        maker = Redundancy(given["payload_type"], distance=given["distance"])
        made = [maker.wrap(timestamp, unhex(sound)).hex() for timestamp, sound in given["sounds"]]
        assert made == vector.out["payloads"]
        return
    receiver = Unwrapping()
    heard = [sound for timestamp, payload in given["packets"] for sound in receiver.receive(unhex(payload), timestamp)]
    assert [[sound.timestamp, sound.data.hex(), sound.primary] for sound in heard] == vector.out["sounds"]
