"""Replays vectors/multiplex against wire/multiplex. Read next: tests/generate/multiplex.py."""

from __future__ import annotations

import pytest

from meetref.wire.multiplex import classify_datagram, classify_stream, is_rtcp
from tests.vectors.codeccases import Vector, load, unhex


@pytest.mark.parametrize("vector", load("multiplex/datagrams"), ids=str)
def test_datagrams(vector: Vector) -> None:
    data = unhex(vector.given["hex"])
    seen = {"kind": classify_datagram(data[0])} if vector.operation == "classify" else {"rtcp": is_rtcp(data)}
    assert seen == vector.out


@pytest.mark.parametrize("vector", load("multiplex/streams"), ids=str)
def test_streams(vector: Vector) -> None:
    """`needed` is the least number of octets that decides; with fewer there is no answer yet."""
    data = unhex(vector.given["hex"])
    answers = [classify_stream(data[:size]) for size in range(len(data) + 1)]
    needed = vector.out["needed"]
    assert answers == [None] * needed + [vector.out["kind"]] * (len(answers) - needed)
