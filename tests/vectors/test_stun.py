"""Replays vectors/stun against wire/stun. Read next: tests/generate/stun.py, where the cases come from."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest

from meetref.wire import stun
from meetref.wire.reader import Malformed
from tests.generate.stun import CLASSES, fields
from tests.vectors.codeccases import VECTORS, Vector, load, unhex

SETS = ("published", "messages", "invalid", "mutated", "credentials")


def key_of(vector: Vector) -> bytes | None:
    return unhex(vector.given["key"]["hex"]) if "key" in vector.given else None


def read(vector: Vector) -> dict[str, Any] | None:
    """What wire/stun makes of a case: its fields, or None when it is to be dropped."""
    data, key = unhex(vector.given["hex"]), key_of(vector)
    try:
        message = stun.parse(data)
    except Malformed:
        return None
    shortest = vector.given.get("shortest_sha256", stun.FULL_SHA256)
    fits = {
        "integrity": None if message.integrity is None else key is not None and stun.verify_integrity(data, key),
        "integrity_sha256": None
        if message.integrity_sha256 is None
        else key is not None and stun.verify_integrity_sha256(data, key, shortest=shortest),
        "fingerprint": None if message.fingerprint is None else stun.verify_fingerprint(data),
    }
    demands = vector.given.get("demands", ["integrity", "fingerprint"])
    if "Forged" in vector.flags and not all(fits[name] for name in demands):
        return None
    return fields(message, fits["integrity"], fits["fingerprint"], fits["integrity_sha256"])


@pytest.mark.parametrize("vector", [case for name in SETS for case in load(f"stun/{name}")], ids=str)
def test_every_case(vector: Vector) -> None:
    assert read(vector) == (None if vector.invalid else vector.out)
    if "Canonical" in vector.flags:
        data, key, out = unhex(vector.given["hex"]), key_of(vector), vector.out
        again = stun.serialize(
            stun.parse(data),
            integrity_key=None if out["integrity"] is None else key,
            sha256_key=None if out["integrity_sha256"] is None else key,
            sha256_size=vector.given.get("sha256_size", stun.FULL_SHA256),
            fingerprint=out["fingerprint"] is not None,
        )
        assert again == data
        assert CLASSES[stun.parse(data).kind] == vector.out["class"]


@pytest.mark.parametrize("vector", [case for case in load("stun/credentials") if "Truncated" in case.flags], ids=str)
def test_what_was_cut_short_does_not_count_where_all_is_demanded(vector: Vector) -> None:
    key = key_of(vector)
    assert key is not None
    assert not stun.verify_integrity_sha256(unhex(vector.given["hex"]), key)


def test_the_corrected_message_has_the_hmac_that_its_length_asks_for() -> None:
    """The published one has an HMAC under its wrong length: who wrote it signed the mistake too."""
    groups = json.loads((VECTORS / "stun" / "published.json").read_text(encoding="utf-8"))["groups"]
    wrong, right = (group["tests"][0] for group in groups[1:3])
    assert wrong["corrected_by"] == right["id"]
    for case in (wrong, right):
        data, key = unhex(case["in"]["hex"]), unhex(case["in"]["key"]["hex"])
        assert hmac.digest(key, data[:-36], hashlib.sha256) == data[-32:]
    message = stun.parse(unhex(right["in"]["hex"]))
    assert message.integrity_sha256 is not None
