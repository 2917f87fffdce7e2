"""Replays vectors/h264 against wire/h264. Read next: tests/generate/h264.py, where the cases come from."""

from __future__ import annotations

import pytest

from meetref.wire import h264
from meetref.wire.reader import Malformed
from tests.generate.h264 import fields, payload_of, seen
from tests.vectors.codeccases import Vector, load, unhex


@pytest.mark.parametrize("vector", load("h264/payloads"), ids=str)
def test_payloads(vector: Vector) -> None:
    data = unhex(vector.given["hex"])
    if vector.invalid:
        with pytest.raises(Malformed):
            h264.parse(data)
        return
    assert fields(h264.parse(data)) == vector.out
    if "Canonical" in vector.flags:
        assert h264.serialize(payload_of(vector.out)) == data


@pytest.mark.parametrize("vector", load("h264/keyframes"), ids=str)
def test_keyframes(vector: Vector) -> None:
    assert seen(unhex(vector.given["hex"])) == vector.out
