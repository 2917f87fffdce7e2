"""Replays vectors/stun against wire/stun. Read next: tests/generate/stun.py, where the cases come from."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest

from meetref.wire import attribute, stun
from meetref.wire.reader import Malformed
from tests.generate.stun import CLASSES, fields
from tests.vectors.codeccases import VECTORS, Vector, load, unhex


def read(vector: Vector) -> dict[str, Any] | None:
    """What wire/stun makes of a case: its fields, or None when it is to be dropped."""
    data = unhex(vector.given["hex"])
    key = unhex(vector.given["key"]["hex"]) if "key" in vector.given else None
    try:
        message = stun.parse(data)
    except Malformed:
        return None
    integrity = None if message.integrity is None else key is not None and stun.verify_integrity(data, key)
    fingerprint = None if message.fingerprint is None else stun.verify_fingerprint(data)
    if "Forged" in vector.flags and not (integrity and fingerprint):
        return None
    return fields(message, integrity, fingerprint)


@pytest.mark.parametrize("vector", [*load("stun/published"), *load("stun/messages"), *load("stun/invalid")], ids=str)
def test_every_case(vector: Vector) -> None:
    assert read(vector) == (None if vector.invalid else vector.out)
    if "Canonical" in vector.flags:
        data = unhex(vector.given["hex"])
        key = unhex(vector.given["key"]["hex"]) if "key" in vector.given else None
        assert stun.serialize(stun.parse(data), integrity_key=key) == data
        assert CLASSES[stun.parse(data).kind] == vector.out["class"]


def test_the_corrected_message_has_the_hmac_that_its_length_asks_for() -> None:
    """The published one has an HMAC under its wrong length: who wrote it signed the mistake too."""
    groups = json.loads((VECTORS / "stun" / "published.json").read_text(encoding="utf-8"))["groups"]
    wrong, right = (group["tests"][0] for group in groups[1:3])
    assert wrong["corrected_by"] == right["id"]
    for case in (wrong, right):
        data, key = unhex(case["in"]["hex"]), unhex(case["in"]["key"]["hex"])
        assert hmac.digest(key, data[:-36], hashlib.sha256) == data[-32:]
    message = stun.parse(unhex(right["in"]["hex"]))
    assert message.get(attribute.MESSAGE_INTEGRITY_SHA256) is not None
