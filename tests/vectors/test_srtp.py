"""Replays vectors/srtp with both engines where both can: ours takes all of it, libsrtp what it gives a way to.

Read next: tests/generate/srtp.py, where the cases come from.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from meetref.protocol.keyschedule import SRTPKeys
from meetref.protocol.srtp import ENGINES, Engine, Hiding, open_session
from meetref.protocol.srtpcm import CounterModeDirection
from meetref.protocol.srtpgcm import GcmDirection
from meetref.protocol.srtphiding import Veil
from meetref.protocol.srtpindex import derive
from meetref.wire import rtp
from tests.generate.srtp import lock, session_of, unlock
from tests.vectors.codeccases import VECTORS, Vector, load, unhex

PUBLISHED, PACKETS, HIDDEN = load("srtp/published"), load("srtp/packets"), load("srtp/hidden")


def cases(vectors: list[Vector], *operations: str) -> Any:
    return pytest.mark.parametrize("vector", [each for each in vectors if each.operation in operations], ids=str)


def hiding_of(vector: Vector) -> Hiding | None:
    if vector.operation.endswith("-cryptex"):
        return Hiding(cryptex=True)
    if vector.operation.endswith("-elements"):
        return Hiding(elements=frozenset(vector.given["elements"]))
    return None


@cases(PUBLISHED + PACKETS + HIDDEN, "lock", "lock-cryptex", "lock-elements")
def test_a_packet_is_locked_as_told(vector: Vector) -> None:
    given = vector.given
    keys = unhex(given["master_key"]), unhex(given["master_salt"])
    session = session_of(given["profile"], *keys, hiding_of(vector))
    locked = lock(session, given["kind"], unhex(given["packet"]), int(given["index"]))
    assert locked.hex() == vector.out["locked"]
    there = session_of(given["profile"], *keys, hiding_of(vector))
    opened = unlock(there, given["kind"], locked, int(given["index"]))
    assert opened is not None
    if opened != unhex(given["packet"]):  # an empty extension was added, to say that CSRCs are hidden
        wanted, got = rtp.parse(unhex(given["packet"])), rtp.parse(opened)
        assert (wanted.extension_profile, got.extension_profile) == (None, rtp.ONE_BYTE)
        assert replace(got, extension_profile=None) == wanted


@cases(PACKETS + HIDDEN, "unlock", "unlock-cryptex", "unlock-elements")
def test_a_packet_opens_or_is_dropped(vector: Vector) -> None:
    given = vector.given
    session = session_of(given["profile"], unhex(given["master_key"]), unhex(given["master_salt"]), hiding_of(vector))
    opened = unlock(session, given["kind"], unhex(given["locked"]), int(given["index"]))
    if vector.invalid:
        assert opened is None
        assert session.refused.total() == 1
    else:
        assert opened == unhex(vector.out["packet"])


@cases(PUBLISHED, "key-stream")
def test_the_key_stream(vector: Vector) -> None:
    given = vector.given
    direction = CounterModeDirection(unhex(given["key"]), bytes(20), unhex(given["begin"])[:14], 64, 10)
    stream = direction.seal(direction.begin(0, 0), 0, b"", bytes(16 * (given["block"] + 1)))
    assert stream[-16:].hex() == vector.out["octets"]


@cases(PUBLISHED, "derive")
def test_session_keys(vector: Vector) -> None:
    given = vector.given
    made = derive(unhex(given["master_key"]), unhex(given["master_salt"]), given["label"], given["size"])
    assert made.hex() == vector.out["octets"]


@cases(PUBLISHED, "lock-with-session-keys")
def test_a_packet_under_session_keys(vector: Vector) -> None:
    given = vector.given
    direction = GcmDirection(unhex(given["session_key"]), unhex(given["session_salt"]), 64)
    plain, index = unhex(given["packet"]), int(given["index"])
    if given["kind"] == "rtp":
        source = direction.begin(int.from_bytes(plain[8:12]), index)
        assert plain[:12] + direction.seal(source, index, plain[:12], plain[12:]) == unhex(vector.out["locked"])
        return
    source, trailer = direction.begin(int.from_bytes(plain[4:8]), index), (1 << 31 | index).to_bytes(4)
    sealed = direction.seal(source, index, plain[:8] + trailer, plain[8:])
    assert plain[:8] + sealed + trailer == unhex(vector.out["locked"])


@cases(PUBLISHED, "unlock-with-session-keys")
def test_what_is_only_authenticated_stays_outside(vector: Vector) -> None:
    given = vector.given
    session = session_of(0x0007 if len(given["session_key"]) == 32 else 0x0008, *_any_keys(given))
    direction = GcmDirection(unhex(given["session_key"]), unhex(given["session_salt"]), 64)
    session._in = session._in_control = direction
    assert unlock(session, given["kind"], unhex(given["locked"]), int(given["index"])) is None
    assert vector.invalid or vector.acceptable


def _any_keys(given: dict[str, Any]) -> tuple[bytes, bytes]:
    return unhex(given["session_key"]), unhex(given["session_salt"])


@cases(PUBLISHED, "cover-elements")
def test_the_elements_of_the_document(vector: Vector) -> None:
    given = vector.given
    veil = Veil(unhex(given["master_key"]), unhex(given["master_salt"]), frozenset(given["elements"]))
    extension, index = unhex(given["extension"]), int(given["index"])
    head = rtp.fixed.pack(0x90, 0, index, 0, given["ssrc"]) + rtp.extension_head.pack(0xBEDE, len(extension) // 4)
    assert veil.cover(head + extension, index)[16:].hex() == vector.out["extension"]
    assert veil.cover(veil.cover(head + extension, index), index) == head + extension


def test_the_key_stream_is_that_of_the_library() -> None:
    """Our counter begins where the salt says: with a salt of zeros and nothing else, at zero."""
    stream = Cipher(algorithms.AES(bytes(16)), modes.CTR(bytes(16))).encryptor().update(bytes(32))
    direction = CounterModeDirection(bytes(16), bytes(20), bytes(14), 64, 10)
    assert direction.seal(direction.begin(0, 0), 0, b"", bytes(32)) == stream


_INDEXES = [
    case
    for group in json.loads((VECTORS / "srtp" / "indexes.json").read_text(encoding="utf-8"))["groups"]
    for case in group["tests"]
]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", _INDEXES, ids=lambda case: case["id"])
def test_packets_in_turn(case: dict[str, Any], engine: Engine) -> None:
    init = case["init"]
    keys = unhex(init["master_key"]), unhex(init["master_salt"])
    session = open_session(SRTPKeys(init["profile"], *keys, *keys), engine)
    for step in case["steps"]:
        packet = unhex(step["receive"]["hex"])
        opened = session.unlock(packet) if init["kind"] == "rtp" else session.unlock_control(packet)
        assert (None if opened is None else opened.hex()) == step["expect"]["packet"], step["receive"]["index"]


@pytest.mark.parametrize("vector", [each for each in PACKETS if each.operation == "unlock"], ids=str)
def test_libsrtp_says_the_same(vector: Vector) -> None:
    """The other engine through the same interface; its counter cannot be set, so it goes around by itself."""
    given = vector.given
    keys = unhex(given["master_key"]), unhex(given["master_salt"])
    session = open_session(SRTPKeys(given["profile"], *keys, *keys), "libsrtp")
    locked, index = unhex(given["locked"]), int(given["index"])
    if given["kind"] == "rtcp":
        opened = session.unlock_control(locked)
    else:
        here = session_of(given["profile"], *keys)
        for before in range(0, index - 0x4000, 0x4000):
            plain = rtp.serialize(rtp.Packet(0, before & 0xFFFF, 0, 0xCAFEBABE))
            assert session.unlock(lock(here, "rtp", plain, before)) is not None
        opened = session.unlock(locked)
    assert (None if opened is None else opened.hex()) == (None if vector.invalid else vector.out["packet"])
