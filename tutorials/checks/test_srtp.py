"""Checks keys and locks of media: tutorial 6. Run with `--module my_srtp.py`.

Asked for: `vouches`, `keying_material`, `divide`, `derive`, `seal`, `unseal`, `seal_control`, and the two ends of a
direction: `Sender(master_key, master_salt)` with `lock` and `lock_control`, `Receiver` with `unlock` and
`unlock_control`.
"""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from meetref.net.decrypt import masters_of
from meetref.protocol.certificate import Certificate
from meetref.wire import udp
from meetref.wire.multiplex import is_rtcp
from meetref.wire.pcapng import Packet
from meetref.wire.pcapng import parse as read_capture

REFERENCE = "tutorials.checks.srtp_of_ours"
VECTORS = Path(__file__).parents[2] / "vectors"
CALL = VECTORS / "sessions" / "whole-call"
PUBLISHED = json.loads((VECTORS / "srtp" / "published.json").read_text())["groups"]
KEYS = [(bytes(range(size)), b"Quid pro quo") for size in (16, 32)]
each_key = pytest.mark.parametrize(("key", "salt"), KEYS, ids=["128", "256"])
REPORT = bytes.fromhex("80c90001000000ff")


def published(operation: str) -> list[Any]:
    """The cases of the documents, with the comment as name."""
    cases = [case for group in PUBLISHED if group["params"]["operation"] == operation for case in group["tests"]]
    assert cases
    return [pytest.param(case, id=case["id"]) for case in cases]


def octets(case: Any, *names: str) -> list[bytes]:
    return [bytes.fromhex(case["in"][name]) for name in names]


def packet(sequence: int, payload: bytes = b"sound", ssrc: int = 255) -> bytes:
    return b"\x80\x6f" + (sequence & 0xFFFF).to_bytes(2) + bytes(4) + ssrc.to_bytes(4) + payload


# --- step 1: whose certificate ------------------------------------------------------------------------

OURS = Certificate.generate(random.Random(1).randbytes, now_wall=1.8e9).der


def fingerprint(name: str, hash_name: str) -> str:
    return f"{name} {hashlib.new(hash_name, OURS).digest().hex(':').upper()}"


@pytest.mark.parametrize(("name", "hash_name"), [("sha-256", "sha256"), ("sha-384", "sha384"), ("sha-512", "sha512")])
def test_1_the_certificate_that_is_meant(module: ModuleType, name: str, hash_name: str) -> None:
    assert module.vouches(fingerprint(name, hash_name), OURS)
    assert not module.vouches(fingerprint(name, hash_name), OURS[:-1] + b"\0"), "RFC 8122 section 5"
    assert module.vouches(fingerprint(name.upper(), hash_name), OURS), "the hash's name has no case"
    assert module.vouches(fingerprint(name, hash_name).lower(), OURS), "some write small letters"


def test_1_a_hash_that_proves_nothing(module: ModuleType) -> None:
    for said in (fingerprint("sha-1", "sha1"), fingerprint("md5", "md5"), "sha-256 ", "sha-256", "", "nonsense AB:CD"):
        assert not module.vouches(said, OURS), f"RFC 8122 section 5: {said!r} says nothing about a certificate"
    beginning = fingerprint("sha-256", "sha256")[:20]
    assert not module.vouches(beginning, OURS), "the whole hash counts"


# --- step 2: keys from the handshake ------------------------------------------------------------------

SECRETS = json.loads((CALL / "secrets.json").read_text())["connections"]


@pytest.mark.parametrize("secrets", SECRETS, ids=lambda secrets: secrets["client"])
def test_2_the_keys_of_the_call(module: ModuleType, secrets: Any) -> None:
    names = ("master_secret", "client_random", "server_random")
    material = module.keying_material(*(bytes.fromhex(secrets[name]) for name in names), 88)
    parts = dict(zip(("client_key", "server_key", "client_salt", "server_salt"), module.divide(material, 32, 12),
                     strict=True))  # fmt: skip
    for name, part in parts.items():
        assert part.hex() == secrets["srtp"][name], f"RFC 5764 section 4.2: {name}"


@pytest.mark.parametrize(("key", "salt"), [(16, 12), (16, 14), (32, 12)])
def test_2_first_both_keys_then_both_salts(module: ModuleType, key: int, salt: int) -> None:
    material = random.Random(1).randbytes(2 * (key + salt))
    parts = module.divide(material, key, salt)
    assert [len(part) for part in parts] == [key, key, salt, salt], "RFC 5764 section 4.2"
    assert b"".join(parts) == material


# --- step 3: keys of the session ----------------------------------------------------------------------


@pytest.mark.parametrize("case", published("derive"))
def test_3_published_session_keys(module: ModuleType, case: Any) -> None:
    key, salt = octets(case, "master_key", "master_salt")
    found = module.derive(key, salt, case["in"]["label"], case["in"]["size"])
    assert found.hex() == case["out"]["octets"], f"RFC 3711 section 4.3: label {case['in']['label']}"


def test_3_a_short_salt_has_zeros_behind_it(module: ModuleType) -> None:
    key, salt = KEYS[0]
    assert module.derive(key, salt, 2, 12) == module.derive(key, salt + bytes(2), 2, 12), "RFC 7714 section 11"


# --- step 4: one packet -------------------------------------------------------------------------------


@pytest.mark.parametrize("case", published("lock-with-session-keys"))
def test_4_published_packets(module: ModuleType, case: Any) -> None:
    key, salt, plain = octets(case, "session_key", "session_salt", "packet")
    lock = module.seal if case["in"]["kind"] == "rtp" else module.seal_control
    found = lock(key, salt, plain, int(case["in"]["index"]))
    assert found.hex() == case["out"]["locked"], f"RFC 7714: {case['comment']}"


@each_key
def test_4_what_is_sealed_opens(module: ModuleType, key: bytes, salt: bytes) -> None:
    for index in (0, 5, 0xFFFF, 0x10005, 2**48 - 1):
        locked = module.seal(key, salt, packet(index), index)
        assert module.unseal(key, salt, locked, index) == packet(index)
        assert module.unseal(key, salt, locked, index ^ 0x10000) is None, "RFC 7714 section 8.1: all 48 bits count"


@each_key
def test_4_nothing_can_be_changed(module: ModuleType, key: bytes, salt: bytes) -> None:
    locked = module.seal(key, salt, bytes.fromhex("906f0005000000000000 00ffbede000110aa0000") + b"sound", 5)
    for at in range(len(locked)):
        hurt = locked[:at] + bytes((locked[at] ^ 1,)) + locked[at + 1 :]
        assert module.unseal(key, salt, hurt, 5) is None, f"RFC 7714 section 5: octet {at} was changed"


def test_4_an_extension_stays_in_clear(module: ModuleType) -> None:
    key, salt = KEYS[0]
    head = bytes.fromhex("916f0005000000000000 00ff 00000007 bede0001 10aa0000")
    assert module.seal(key, salt, head + b"sound", 5).startswith(head), "RFC 3711 section 3.1: CSRCs and extension"


# --- step 5: which packet is it -----------------------------------------------------------------------


def ends(module: ModuleType, key: bytes = KEYS[0][0], salt: bytes = KEYS[0][1]) -> tuple[Any, Any]:
    return module.Sender(key, salt), module.Receiver(key, salt)


@each_key
def test_5_one_end_locks_and_the_other_opens(module: ModuleType, key: bytes, salt: bytes) -> None:
    sender, receiver = ends(module, key, salt)
    for number in range(65000, 65000 + 3 * 65536, 777):
        for sequence in (number, number + 1):
            plain = packet(sequence, str(sequence).encode())
            assert receiver.unlock(sender.lock(plain)) == plain, f"RFC 3711 section 3.3.1: packet {sequence}"


def test_5_behind_a_roll_over_the_keystream_is_another(module: ModuleType) -> None:
    sender, _ = ends(module)
    first = sender.lock(packet(65535))
    for number in range(65536, 2 * 65536, 9):
        sender.lock(packet(number))
    again = sender.lock(packet(2 * 65536 - 1))
    assert first[:12] == again[:12]
    assert first[12:] != again[12:], "RFC 3711 section 3.3.1: the roll-over counter is part of the index"


def test_5_packets_overtake_one_another_at_a_roll_over(module: ModuleType) -> None:
    sender, receiver = ends(module)
    numbers = [65530, 65537, 65536, 65534, 65540, 65535, 65539]
    locked = {number: sender.lock(packet(number)) for number in sorted(numbers)}
    for number in numbers:
        assert receiver.unlock(locked[number]) == packet(number), f"RFC 3711 section 3.3.1: {number} of {numbers}"


def test_5_no_index_is_used_twice(module: ModuleType) -> None:
    sender, _ = ends(module)
    for number in range(65000, 66000):
        sender.lock(packet(number))
    for number in (65000, 65999, 65536):
        with pytest.raises(Exception, match=r".*"):
            sender.lock(packet(number, b"other"))
    sender.lock(packet(66000))
    sender.lock(packet(66000, ssrc=7))


# --- step 6: whatever comes ---------------------------------------------------------------------------


def test_6_a_replay_does_not_open(module: ModuleType) -> None:
    sender, receiver = ends(module)
    locked = [sender.lock(packet(number)) for number in range(65500, 65600)]
    for each in (*locked[:40], *locked[50:], *locked[40:50]):
        assert receiver.unlock(each) is not None, "late is no replay"
    for each in locked:
        assert receiver.unlock(each) is None, "RFC 3711 section 3.3.2: the same packet a second time"


def test_6_a_forged_packet_moves_nothing(module: ModuleType) -> None:
    sender, receiver = ends(module)
    assert receiver.unlock(sender.lock(packet(100))) == packet(100)
    for number in (20000, 101, 32000):
        assert receiver.unlock(packet(number) + bytes(16)) is None
    for number in (101, 102):
        assert receiver.unlock(sender.lock(packet(number))) == packet(number), "noted before its tag was proved"


def test_6_the_first_packet_may_be_a_forged_one(module: ModuleType) -> None:
    sender, receiver = ends(module)
    assert receiver.unlock(packet(40000) + bytes(16)) is None
    assert receiver.unlock(sender.lock(packet(5))) == packet(5), "RFC 3711 section 3.3.1: a stranger set the counter"


def test_6_other_keys(module: ModuleType) -> None:
    sender, _ = ends(module)
    locked = sender.lock(packet(1))
    for key, salt in ((bytes(16), KEYS[0][1]), (KEYS[0][0], bytes(12))):
        assert module.Receiver(key, salt).unlock(locked) is None


def test_6_control_packets(module: ModuleType) -> None:
    sender, receiver = ends(module)
    first, second = sender.lock_control(REPORT), sender.lock_control(REPORT)
    assert first != second, "RFC 3711 section 3.4: each has an index of its own"
    assert first[:8] == REPORT[:8]
    assert [receiver.unlock_control(each) for each in (second, first, second)] == [REPORT, REPORT, None]
    third = sender.lock_control(REPORT)
    clear = third[:-4] + bytes((third[-4] & 0x7F,)) + third[-3:]
    assert receiver.unlock_control(clear) is None, "RFC 3711 section 3.4: the bit says that it is encrypted"
    assert receiver.unlock_control(third) == REPORT


@pytest.mark.parametrize("seed", range(20))
def test_6_nothing_raises(module: ModuleType, seed: int) -> None:
    dice, (sender, receiver) = random.Random(seed), ends(module)
    genuine = [sender.lock(packet(number)) for number in range(20)] + [sender.lock_control(REPORT)]
    for _ in range(200):
        data = bytearray(dice.choice(genuine))
        data[dice.randrange(len(data))] ^= dice.randrange(1, 256)
        hurt = bytes(data[: dice.randrange(len(data) + 1)])
        assert receiver.unlock(hurt) is None
        assert receiver.unlock_control(hurt) is None


# --- step 7: the call ---------------------------------------------------------------------------------


def test_7_a_captured_call(module: ModuleType) -> None:
    """Every media packet of four conversations opens with what the handshakes gave, to what it was."""
    blocks = read_capture((CALL / "session.pcapng").read_bytes())
    locked = [block for block in blocks if isinstance(block, Packet)]
    clear = [block for block in read_capture((CALL / "plain.pcapng").read_bytes()) if isinstance(block, Packet)]
    directions: dict[tuple[str, str], Any] = {}
    masters = masters_of(blocks)
    for each in SECRETS:
        randoms = bytes.fromhex(each["client_random"]), bytes.fromhex(each["server_random"])
        parts = module.divide(module.keying_material(masters[randoms[0]], *randoms, 88), 32, 12)
        directions[each["client"], each["server"]] = module.Receiver(parts[0], parts[2])
        directions[each["server"], each["client"]] = module.Receiver(parts[1], parts[3])
    opened = 0
    for block, plain in zip(locked, clear, strict=True):
        datagram = udp.parse(block.data)
        if datagram.data[0] > 127:
            receiver = directions[str(datagram.source), str(datagram.destination)]
            unlock = receiver.unlock_control if is_rtcp(datagram.data) else receiver.unlock
            assert unlock(datagram.data) == udp.parse(plain.data).data
            opened += 1
    assert opened > 400
