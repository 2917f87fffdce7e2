"""Replays vectors/vp9 against wire/vp9. Read next: tests/generate/vp9.py, where the cases come from."""

from __future__ import annotations

import pytest

from meetref.wire import vp9
from meetref.wire.reader import Malformed
from tests.generate.vp9 import descriptor_of, fields
from tests.vectors.codeccases import Vector, load, unhex


@pytest.mark.parametrize("vector", load("vp9/descriptors"), ids=str)
def test_descriptors(vector: Vector) -> None:
    data = unhex(vector.given["hex"])
    if vector.invalid:
        with pytest.raises(Malformed):
            vp9.parse(data)
        return
    descriptor = vp9.parse(data)
    assert fields(descriptor) == vector.out
    if "Canonical" in vector.flags:
        assert vp9.serialize(descriptor_of(vector.out)) == data[: descriptor.size]


@pytest.mark.parametrize("vector", load("vp9/keyframes"), ids=str)
def test_keyframes(vector: Vector) -> None:
    data = unhex(vector.given["hex"])
    size = vp9.size_of_keyframe(data)
    assert {"keyframe": vp9.is_keyframe(data), "size": list(size) if size else None} == vector.out


@pytest.mark.parametrize("vector", load("vp9/picture-ids"), ids=str)
def test_picture_ids(vector: Vector) -> None:
    data = bytearray(unhex(vector.given["hex"]))
    vp9.write_picture_id(data, vp9.locate(data).picture_id_at, vector.given["picture_id"])
    assert data.hex() == vector.out["hex"]
