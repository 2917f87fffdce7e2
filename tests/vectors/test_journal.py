"""Replays vectors/journal against archive/journal. Read next: tests/generate/journal.py."""

from __future__ import annotations

import msgspec
import pytest

from meetref.archive.journal import Record, Writing, read
from meetref.wire.reader import Malformed
from tests.vectors.codeccases import Vector, load, unhex


@pytest.mark.parametrize("vector", load("journal/damage"), ids=str)
def test_damage(vector: Vector) -> None:
    data = unhex(vector.given["hex"])
    if vector.invalid:
        with pytest.raises(Malformed):
            read(data)
        return
    journal = read(data)
    assert {
        "header": journal.header,
        "records": [[at, content.hex()] for at, content in journal.records],
        "size": journal.size,
        "closed": journal.is_closed,
    } == vector.out
    assert (journal.damage is None) == (journal.size == len(data))


@pytest.mark.parametrize("vector", load("journal/writing"), ids=str)
def test_writing(vector: Vector) -> None:
    writing = Writing()
    octets = writing.begin(msgspec.json.decode(vector.given["header"]))
    records = [Record(at, unhex(content)) for at, content in vector.given["records"]]
    if vector.invalid:
        with pytest.raises(ValueError, match="octets"):
            writing.add(records)
        return
    octets += writing.add(records)
    if vector.given["end"] is not None:
        octets += writing.end(vector.given["end"])
    assert octets.hex() == vector.out["hex"]
    assert writing.size == len(octets)
