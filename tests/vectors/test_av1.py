"""Replays vectors/av1 against wire/av1 and wire/dependencydescriptor. Read next: tests/generate/av1.py."""

from __future__ import annotations

import pytest

from meetref.wire import av1
from meetref.wire import dependencydescriptor as dd
from meetref.wire.reader import Malformed
from tests.generate import dependencydescriptors
from tests.generate.av1 import fields, payload_of, told, unit_fields
from tests.vectors.codeccases import Vector, load, unhex


@pytest.mark.parametrize("vector", load("av1/payloads"), ids=str)
def test_payloads(vector: Vector) -> None:
    data = unhex(vector.given["hex"])
    if vector.invalid:
        with pytest.raises(Malformed):
            av1.parse(data)
        return
    assert fields(av1.parse(data)) == vector.out
    if "Canonical" in vector.flags:
        assert av1.serialize(payload_of(vector.out)) == data


@pytest.mark.parametrize("vector", load("av1/units"), ids=str)
def test_units(vector: Vector) -> None:
    data = unhex(vector.given["hex"])
    if vector.invalid:
        with pytest.raises(Malformed):
            av1.parse_unit(data)
        return
    unit = av1.parse_unit(data)
    assert unit_fields(unit) == vector.out
    if "Canonical" in vector.flags:
        assert av1.serialize_unit(unit) == data


@pytest.mark.parametrize("vector", load("av1/keyframes"), ids=str)
def test_keyframes(vector: Vector) -> None:
    data = unhex(vector.given["hex"])
    assert told(av1.is_keyframe(data), av1.size_of_keyframe(data)) == vector.out


@pytest.mark.parametrize("vector", load("av1/descriptors"), ids=str)
def test_descriptors(vector: Vector) -> None:
    data, held = unhex(vector.given["hex"]), dependencydescriptors.held_after(vector.given["after"])
    if vector.invalid:
        with pytest.raises(dd.StructureMissing if "NoStructure" in vector.flags else Malformed):
            dd.parse(data, held)
        return
    descriptor = dd.parse(data, held)
    assert dependencydescriptors.fields(descriptor, held) == vector.out
    assert dd.begins_sequence(data) == (vector.out["structure"] is not None and vector.out["start"])
    if "Canonical" in vector.flags:
        assert dd.serialize(dependencydescriptors.descriptor_of(vector.out), held) == data
