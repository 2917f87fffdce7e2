"""Replays vectors/rtp against wire/rtp. Read next: tests/generate/rtp.py, where the cases come from."""

from __future__ import annotations

from typing import Any

import pytest

from meetref.wire import rtp
from meetref.wire.reader import Malformed
from tests.generate.rtp import fields
from tests.vectors.codeccases import Vector, load, unhex


def _packet(wanted: dict[str, Any]) -> rtp.Packet:
    extensions = {number: unhex(value) for number, value in wanted["extensions"]}
    octets = {name: unhex(wanted[name]) for name in ("payload", "extension_body")}
    return rtp.Packet(**{**wanted, **octets, "extensions": extensions})


@pytest.mark.parametrize("vector", load("rtp/packets"), ids=str)
def test_packets(vector: Vector) -> None:
    data = unhex(vector.given["hex"])
    if vector.invalid:
        with pytest.raises(Malformed):
            rtp.parse(data)
        return
    packet = rtp.parse(data)
    assert fields(packet) == vector.out
    if "Canonical" in vector.flags:
        assert rtp.serialize(_packet(vector.out)) == data
    start, end = rtp.payload_bounds(data)
    assert data[start:end].hex() == vector.out["payload"]
    for number in range(1, 256):
        found = rtp.find_extension(data, number)
        value = data[found[0] : sum(found)] if found else None
        assert value == packet.extensions.get(number)


@pytest.mark.parametrize("vector", load("rtp/retransmission"), ids=str)
def test_retransmission(vector: Vector) -> None:
    given = vector.given
    data = unhex(given["hex"])
    if vector.operation == "retransmission":
        made = rtp.retransmission(data, given["payload_type"], given["sequence"], given["ssrc"])
        assert made.hex() == vector.out["hex"]
    elif vector.invalid:
        with pytest.raises(Malformed):
            rtp.original(data, given["payload_type"], given["ssrc"])
    else:
        assert rtp.original(data, given["payload_type"], given["ssrc"]).hex() == vector.out["hex"]
