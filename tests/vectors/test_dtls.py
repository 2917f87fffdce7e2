"""Replays vectors/dtls. Read next: tests/generate/dtls.py, where the cases come from."""

from __future__ import annotations

import json
from typing import Any

import pytest

from meetref.protocol.keyschedule import SUITES, KeyBlock
from meetref.protocol.reassembly import Reassembly
from meetref.protocol.recordlayer import RecordLayer
from meetref.wire import dtls
from meetref.wire.dtls import Fragment, Record
from meetref.wire.reader import Malformed
from meetref.wire.tls import ECDHE_ECDSA_AES_128_GCM
from tests.generate.dtls import fragment_values, record_values
from tests.vectors.codeccases import VECTORS, Vector, load, unhex


@pytest.mark.parametrize("vector", load("dtls/records"), ids=str)
def test_records(vector: Vector) -> None:
    data, found = unhex(vector.given["hex"]), list[Any]()
    source = dtls.records(data) if vector.operation == "records" else dtls.fragments(data)
    try:
        found.extend(source)
    except Malformed:
        assert vector.invalid or "DamagedTail" in vector.flags
        if vector.invalid:
            return
    assert not vector.invalid
    assert (record_values(found) if vector.operation == "records" else fragment_values(found)) == vector.out
    if "Canonical" in vector.flags:
        write = dtls.serialize if vector.operation == "records" else dtls.serialize_fragment
        assert b"".join(write(each) for each in found) == data


def _layer(given: dict[str, Any]) -> RecordLayer:
    layer = RecordLayer()
    suite = SUITES[given.get("suite", ECDHE_ECDSA_AES_128_GCM)]
    layer.install(KeyBlock(*[unhex(given["key"])] * 2, *[unhex(given["salt"])] * 2, suite), "client")
    return layer


@pytest.mark.parametrize("vector", load("dtls/protection"), ids=str)
def test_protection(vector: Vector) -> None:
    given, layer = vector.given, _layer(vector.given)
    if vector.operation == "seal":
        layer._next_sequence[given["epoch"]] = given["sequence"]
        assert (
            layer.seal(given["epoch"], given["content_type"], unhex(given["plaintext"])).hex() == vector.out["record"]
        )
        return
    record: Record = dtls.parse(unhex(given["record"]))[0]
    opened = layer.open(record)
    if vector.invalid:
        assert isinstance(opened, str)
    else:
        assert opened == unhex(vector.out["plaintext"])


_REASSEMBLY = json.loads((VECTORS / "dtls" / "reassembly.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", _REASSEMBLY["groups"][0]["tests"], ids=lambda case: case["id"])
def test_reassembly(case: dict[str, Any]) -> None:
    reassembly, messages = Reassembly(), list[dict[str, Any]]()
    for step in case["steps"]:
        if "receive" in step:
            fragment: Fragment
            for fragment in dtls.fragments(unhex(step["receive"]["hex"])):
                reassembly.add(fragment)
            while (message := reassembly.take()) is not None:
                messages.append({"type": message.type, "number": message.number, "body": message.body.hex()})
        else:
            assert messages == step["expect"]["messages"]
