"""Checks a module that reads and writes STUN messages: tutorial 1. Run with `--module my_stun.py`.

Asked for: `parse`, `serialize`, `verify_integrity`, `verify_fingerprint`, `Message` and `Malformed`.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from meetref.wire import udp
from meetref.wire.address import Address
from meetref.wire.pcapng import Packet
from meetref.wire.pcapng import parse as read_capture

REFERENCE = "meetref.wire.stun"
VECTORS = Path(__file__).parents[2] / "vectors"
USERNAME, XOR_MAPPED_ADDRESS, UNKNOWN = 0x0006, 0x0020, 0xBEEF
PUBLISHED = json.loads((VECTORS / "stun" / "published.json").read_text())["groups"][0]["tests"]


def capture(name: str) -> list[bytes]:
    blocks = read_capture((VECTORS / "sessions" / name / "session.pcapng").read_bytes())
    return [udp.parse(block.data).data for block in blocks if isinstance(block, Packet)]


def same(found: bytes, wanted: bytes, section: str) -> None:
    """Fail with the section and the first octet that differs."""
    if found == wanted:
        return
    at = next((at for at, pair in enumerate(zip(found, wanted, strict=False)) if pair[0] != pair[1]), None)
    where = f"octet {at}" if at is not None else f"the size, {len(found)} and not {len(wanted)}"
    pytest.fail(f"RFC 8489 section {section}: {where} differs\nyours  {found.hex()}\nwanted {wanted.hex()}", False)


def refuses(module: ModuleType, data: bytes, section: str) -> None:
    """`parse` says `Malformed`, and nothing else."""
    try:
        value = module.parse(data)
    except module.Malformed:
        return
    except Exception as problem:
        pytest.fail(
            f"RFC 8489 section {section}: {type(problem).__name__} instead of Malformed for {data.hex()}", False
        )
    pytest.fail(f"RFC 8489 section {section}: {data.hex()} was read as {value}", False)


def plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, tuple) else value


# --- step 1: reading ----------------------------------------------------------------------------------


def test_1_the_header(module: ModuleType) -> None:
    message = module.parse(capture("stun-binding")[0])
    assert (message.kind, message.method) == (0, 1), "RFC 8489 section 5: class 0 is a request, method 1 is Binding"
    assert message.transaction.hex() == "7b83dc7be1721ad6e39307d8", "RFC 8489 section 5: the transaction id"
    assert list(message.attributes) == []


def test_1_class_and_method_are_interleaved(module: ModuleType) -> None:
    for message_type, kind, method in (
        (0x0101, 2, 1),
        (0x0111, 3, 1),
        (0x0011, 1, 1),
        (0x0113, 3, 3),
        (0x3EEF, 0, 0xFFF),
    ):
        message = module.parse(message_type.to_bytes(2) + bytes.fromhex("00002112a442") + bytes(12))
        found = (int(message.kind), message.method)
        assert found == (kind, method), f"RFC 8489 figure 3: {message_type:#06x} is class {kind} and method {method:#x}"


def test_1_the_mapped_address(module: ModuleType) -> None:
    (attribute,) = module.parse(capture("stun-binding")[3]).attributes
    assert attribute[0] == XOR_MAPPED_ADDRESS
    assert plain(attribute[1]) == ("198.51.100.7", 51130), "RFC 8489 section 14.2: undo the mask"


def test_1_an_ipv6_address_is_masked_with_the_transaction_too(module: ModuleType) -> None:
    case = next(case for case in PUBLISHED if "IPv6" in case["comment"])
    value = dict(module.parse(bytes.fromhex(case["in"]["hex"])).attributes)[XOR_MAPPED_ADDRESS]
    assert plain(value) == ("2001:db8:1234:5678:11:2233:4455:6677", 32853), "RFC 8489 section 14.2"


def test_1_attributes_are_padded(module: ModuleType) -> None:
    check = bytes.fromhex(PUBLISHED[0]["in"]["hex"])
    assert dict(module.parse(check).attributes)[USERNAME] == "evtj:h6vY", "RFC 8489 section 14: padding to four octets"


# --- step 2: refusing ---------------------------------------------------------------------------------


def test_2_a_message_that_is_cut_short(module: ModuleType) -> None:
    whole = bytes.fromhex(PUBLISHED[0]["in"]["hex"])
    for size in range(len(whole)):
        refuses(module, whole[:size], "5")


def test_2_lengths_that_lie(module: ModuleType) -> None:
    whole = bytes.fromhex(PUBLISHED[0]["in"]["hex"])
    for at, octets in ((2, b"\xff\xfc"), (2, b"\x00\x00"), (2, b"\x00\x59"), (22, b"\xff\xff"), (22, b"\x00\x80")):
        refuses(module, whole[:at] + octets + whole[at + 2 :], "14")


def test_2_what_is_no_stun(module: ModuleType) -> None:
    question = capture("stun-binding")[0]
    refuses(module, b"\x80" + question[1:], "5")
    refuses(module, question[:4] + b"\x21\x12\xa4\x43" + question[8:], "5")


def test_2_nothing_follows_the_fingerprint(module: ModuleType) -> None:
    message = module.serialize(module.Message(0, 1, bytes(12), []))
    longer = message[:2] + (len(message) - 20 + 8).to_bytes(2) + message[4:] + bytes.fromhex("beef000400000000")
    refuses(module, longer, "14.7")


def test_2_any_octets_are_a_message_or_malformed(module: ModuleType) -> None:
    dice = random.Random(1)
    whole = bytes.fromhex(PUBLISHED[0]["in"]["hex"])
    for _ in range(3000):
        data = bytearray(whole)
        for _ in range(dice.randrange(1, 6)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        try:
            module.parse(bytes(data))
        except module.Malformed:
            continue
        except Exception as problem:
            pytest.fail(f"{type(problem).__name__}: {problem} for {bytes(data).hex()}", False)


# --- step 3: writing ----------------------------------------------------------------------------------


def test_3_what_was_read_is_written_the_same(module: ModuleType) -> None:
    for data in capture("stun-binding"):
        same(module.serialize(module.parse(data), fingerprint=False), data, "5")


def test_3_with_integrity_and_fingerprint(module: ModuleType) -> None:
    written = module.serialize(
        module.Message(2, 1, bytes(range(12)), [(XOR_MAPPED_ADDRESS, Address("192.0.2.1", 32853))]),
        integrity_key=b"VOkJxbRl1RmTxUk/WvJxBt",
    )
    wanted = "0101002c2112a442000102030405060708090a0b002000080001a147e112a64300080014WWWW80280004XXXX"
    head, _, _ = wanted.partition("WWWW")
    same(written[: len(head) // 2], bytes.fromhex(head), "14.5")
    assert len(written) == 20 + 12 + 24 + 8
    assert module.verify_integrity(written, b"VOkJxbRl1RmTxUk/WvJxBt")
    assert module.verify_fingerprint(written)


def test_3_a_thousand_random_messages(module: ModuleType) -> None:
    dice = random.Random(2)
    for _ in range(1000):
        attributes: list[tuple[int, Any]] = [(UNKNOWN, dice.randbytes(dice.randrange(40)))]
        if dice.random() < 0.7:
            host = (
                f"192.0.2.{dice.randrange(256)}" if dice.random() < 0.5 else f"2001:db8::{dice.randrange(1, 65536):x}"
            )
            attributes.append((XOR_MAPPED_ADDRESS, Address(host, dice.randrange(65536))))
        if dice.random() < 0.7:
            attributes.insert(0, (USERNAME, "x" * dice.randrange(30)))
        message = module.Message(dice.randrange(4), dice.randrange(4096), dice.randbytes(12), attributes)
        key = dice.choice((None, b"secret"))
        data = module.serialize(message, integrity_key=key, fingerprint=dice.random() < 0.5)
        again = module.parse(data)
        read = [(kind, plain(value)) for kind, value in again.attributes]
        assert read == [(kind, plain(value)) for kind, value in attributes], data.hex()
        assert (int(again.kind), again.method, again.transaction) == (message.kind, message.method, message.transaction)
        assert module.verify_integrity(data, b"secret") is (key is not None)


# --- step 4: proving ----------------------------------------------------------------------------------


@pytest.mark.parametrize("case", PUBLISHED[:3], ids=lambda case: case["comment"])
def test_4_published_messages(module: ModuleType, case: Any) -> None:
    data, key = bytes.fromhex(case["in"]["hex"]), bytes.fromhex(case["in"]["key"]["hex"])
    assert module.verify_integrity(data, key), "RFC 8489 section 14.5: the length ends behind the integrity"
    assert module.verify_fingerprint(data), "RFC 8489 section 14.7"
    assert not module.verify_integrity(data, key + b"x")


def test_4_one_bit_is_enough(module: ModuleType) -> None:
    data, key = (bytes.fromhex(PUBLISHED[0]["in"][what]) for what in ("hex", "hex"))
    key = bytes.fromhex(PUBLISHED[0]["in"]["key"]["hex"])
    for at in range(len(data) - 8):
        if at in (2, 3):
            continue  # the length is not covered as it stands: it is read as if the message ended with the integrity
        changed = data[:at] + bytes([data[at] ^ 0x40]) + data[at + 1 :]
        assert not module.verify_integrity(changed, key), f"octet {at} may be changed"
        assert not module.verify_fingerprint(changed), f"octet {at} may be changed"


def test_4_a_fingerprint_proves_nothing(module: ModuleType) -> None:
    forged = module.serialize(module.Message(2, 1, bytes(12), []))
    assert module.verify_fingerprint(forged)
    assert not module.verify_integrity(forged, b"any key")
    assert not module.verify_fingerprint(forged[:-8])


def test_4_what_follows_the_integrity_does_not_count(module: ModuleType) -> None:
    """Nobody vouches for it: a stranger may have put it there (RFC 8489 section 14.5)."""
    message = module.serialize(module.Message(0, 1, bytes(12), []), integrity_key=b"key", fingerprint=False)
    smuggled = bytes.fromhex("0006000465766974")
    longer = message[:2] + (len(message) - 20 + len(smuggled)).to_bytes(2) + message[4:] + smuggled
    assert module.verify_integrity(longer, b"key")
    assert list(module.parse(longer).attributes) == []
