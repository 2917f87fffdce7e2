"""Replays vectors/stun/requests against our basic server. Read next: tests/generate/stunmutations.py."""

from __future__ import annotations

import json
from typing import Any

import pytest

from meetref.protocol.binding import answer_binding
from meetref.wire import attribute, stun
from meetref.wire.address import Address
from tests.vectors.codeccases import VECTORS

CLIENT = Address("192.0.2.1", 32853)
CASES = [
    case
    for group in json.loads((VECTORS / "stun" / "requests.json").read_text(encoding="utf-8"))["groups"]
    for case in group["tests"]
]


def reaction(data: bytes) -> str:
    """What our server does, in the words of the vectors."""
    said = answer_binding(data, CLIENT)
    if isinstance(said, str):
        return "drop"
    answer = stun.parse(said)
    assert answer.transaction == data[8:20]
    if answer.kind is stun.Class.SUCCESS:
        assert answer.attributes == [(attribute.XOR_MAPPED_ADDRESS, CLIENT)]
        return "success"
    return f"error:{answer.get(attribute.ERROR_CODE).code}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_every_request(case: dict[str, Any]) -> None:
    expected = [case["reaction"]] if case["result"] == "invalid" else ["success", *case.get("allowed", ())]
    assert reaction(bytes.fromhex(case["in"]["hex"])) in expected
