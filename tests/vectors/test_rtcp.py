"""Replays vectors/rtcp against wire/rtcp. Read next: tests/generate/rtcp.py, where the cases come from."""

from __future__ import annotations

import pytest

from meetref.wire import rtcp
from meetref.wire.reader import Malformed
from tests.generate.rtcp import values
from tests.vectors.codeccases import Vector, load, unhex

# Where a document leaves room, this is what we do.
REFUSED = {"rtcp-transport-feedback-0030"}
SETS = ("rtcp/compounds", "rtcp/transport-feedback", "rtcp/extended-reports")


@pytest.mark.parametrize("vector", [vector for name in SETS for vector in load(name)], ids=str)
def test_datagrams(vector: Vector) -> None:
    data = unhex(vector.given["hex"])
    if vector.invalid or vector.id in REFUSED:
        with pytest.raises(Malformed):
            rtcp.parse(data)
        return
    packets = rtcp.parse(data)
    assert values(packets) == vector.out
    if "Canonical" in vector.flags:
        assert rtcp.serialize(packets) == data
    else:
        assert rtcp.parse(rtcp.serialize(packets)) == packets
