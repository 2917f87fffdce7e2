"""Replays vectors/vp8 against wire/vp8. Read next: tests/generate/vp8.py, where the cases come from."""

from __future__ import annotations

import pytest

from meetref.wire import vp8
from meetref.wire.reader import Malformed
from tests.generate.vp8 import fields
from tests.vectors.codeccases import Vector, load, unhex


@pytest.mark.parametrize("vector", load("vp8/descriptors"), ids=str)
def test_descriptors(vector: Vector) -> None:
    data = unhex(vector.given["hex"])
    if vector.invalid:
        with pytest.raises(Malformed):
            vp8.parse(data)
        return
    descriptor = vp8.parse(data)
    assert fields(descriptor) == vector.out
    if "Canonical" in vector.flags:
        assert vp8.serialize(vp8.Descriptor(**vector.out)) == data[: descriptor.size]


@pytest.mark.parametrize("vector", load("vp8/keyframes"), ids=str)
def test_keyframes(vector: Vector) -> None:
    data = unhex(vector.given["hex"])
    size = vp8.size_of_keyframe(data)
    assert {"keyframe": vp8.is_keyframe(data), "size": list(size) if size else None} == vector.out


@pytest.mark.parametrize("vector", load("vp8/picture-ids"), ids=str)
def test_picture_ids(vector: Vector) -> None:
    data = bytearray(unhex(vector.given["hex"]))
    vp8.write_picture_id(data, vp8.locate(data).picture_id_at, vector.given["picture_id"])
    assert data.hex() == vector.out["hex"]
