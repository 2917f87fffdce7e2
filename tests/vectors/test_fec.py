"""Replays vectors/fec against wire/fec, wire/flexfec and media/fec. Read next: tests/generate/fec.py."""

from __future__ import annotations

import pytest

from meetref.media.fec import Recoverer, protect, repair
from meetref.wire import fec, flexfec
from meetref.wire.reader import Malformed
from tests.generate.fec import fields, flexible_fields, flexible_of, parity_of
from tests.vectors.codeccases import Vector, load, unhex


@pytest.mark.parametrize("vector", load("fec/parities"), ids=str)
def test_parities(vector: Vector) -> None:
    data = unhex(vector.given["hex"])
    if vector.invalid:
        with pytest.raises(Malformed):
            fec.parse(data)
        return
    assert fields(fec.parse(data)) == vector.out
    if "Canonical" in vector.flags:
        assert fec.serialize(parity_of(vector.out)) == data


@pytest.mark.parametrize("vector", load("fec/flexible"), ids=str)
def test_flexible(vector: Vector) -> None:
    data, streams = unhex(vector.given["hex"]), vector.given["streams"]
    if vector.invalid:
        with pytest.raises(Malformed):
            flexfec.parse(data, streams)
        return
    assert flexible_fields(flexfec.parse(data, streams)) == vector.out
    if "Canonical" in vector.flags:
        assert flexfec.serialize(flexible_of(vector.out)) == data


@pytest.mark.parametrize("vector", load("fec/protection"), ids=str)
def test_protection(vector: Vector) -> None:
    packets = [unhex(packet) for packet in vector.given["packets"]]
    if vector.operation == "protect":
        [parity] = protect(packets, 1)
        assert fec.serialize(parity).hex() == vector.out["hex"]
    else:
        made, ssrcs = repair(packets)
        assert {"hex": flexfec.serialize(made).hex(), "ssrcs": ssrcs} == vector.out


@pytest.mark.parametrize("vector", load("fec/recovery"), ids=str)
def test_recovery(vector: Vector) -> None:
    receiver, given = Recoverer(), vector.given
    back = [each for packet in given["packets"] for each in receiver.receive(unhex(packet))]
    for told in given["repairs"]:
        if vector.operation == "recover":
            back += receiver.receive_parity(fec.parse(unhex(told)), given["ssrc"])
        else:
            back += receiver.receive_repair(flexfec.parse(unhex(told["hex"]), len(told["ssrcs"])), told["ssrcs"])
    assert sorted(packet.hex() for packet in back) == vector.out["packets"]
