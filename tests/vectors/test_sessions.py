"""The sessions in vectors/sessions: told again they are the same, and what they say of themselves is true."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from meetref.app.vectorset import read_schemas
from meetref.net.decrypt import Decryption, in_the_clear, masters_of, secrets_of
from meetref.wire import rtcp, rtp, stun, udp
from meetref.wire.multiplex import classify_datagram, is_rtcp
from meetref.wire.pcapng import Block, Packet, Secrets, Section, parse
from tests.generate.sessions import FOLDER, STORIES, folder

ROOT = FOLDER.parent.parent
MAXIMUM_OCTETS = 300_000  # of one capture

names = pytest.mark.parametrize("name", STORIES)


def blocks_of(name: str, file: str = "session.pcapng") -> list[Block]:
    return parse((FOLDER / name / file).read_bytes())


def packets_of(blocks: list[Block]) -> list[Packet]:
    return [block for block in blocks if isinstance(block, Packet)]


def manifest(name: str) -> Any:
    return json.loads((FOLDER / name / "manifest.json").read_text())


def plain_media(name: str) -> list[bytes]:
    datagrams = [udp.parse(packet.data).data for packet in packets_of(blocks_of(name, "plain.pcapng"))]
    return [data for data in datagrams if classify_datagram(data[0]) == "rtp"]


@names
def test_told_again_it_is_the_same(name: str) -> None:
    kept = {path.name: path.read_bytes() for path in (FOLDER / name).iterdir()}
    again = folder(name)
    assert kept.keys() == again.keys()
    assert [file for file in kept if kept[file] != again[file]] == [], "meetref vectors generate"


@names
def test_the_manifest_follows_its_schema(name: str) -> None:
    problems = [error.message for error in read_schemas(ROOT)["session"].iter_errors(manifest(name))]
    assert problems == []
    assert manifest(name)["files"].keys() | {"manifest.json", "README.md"} == {
        path.name for path in (FOLDER / name).iterdir()
    }


@names
def test_the_capture_is_small_and_in_order(name: str) -> None:
    blocks = blocks_of(name)
    packets = packets_of(blocks)
    assert (FOLDER / name / "session.pcapng").stat().st_size < MAXIMUM_OCTETS
    assert isinstance(blocks[0], Section)
    assert all(earlier.at_ns <= later.at_ns for earlier, later in pairwise(packets))
    assert [block for block in blocks if isinstance(block, Secrets)] in ([], [blocks[-len(packets) - 1]])
    assert all(packet.comment and packet.comment.startswith("step=") for packet in packets)
    assert len(packets) == manifest(name)["figures"]["packets"]


@names
def test_the_plain_capture_is_the_same_in_the_clear(name: str) -> None:
    locked = blocks_of(name)
    decryption = Decryption(masters_of(locked), secrets_of(locked))
    plain = in_the_clear(locked, decryption)
    assert decryption.refused == manifest(name)["figures"].get("media packets in the clear", 0)
    assert len(decryption.conversations) == manifest(name)["figures"]["handshakes"]
    if decryption.opened:
        assert plain == blocks_of(name, "plain.pcapng")
    for before, after in zip(packets_of(locked), packets_of(plain), strict=True):
        assert (before.at_ns, before.interface, before.comment) == (after.at_ns, after.interface, after.comment)


@names
def test_secrets_are_those_of_the_capture(name: str) -> None:
    secrets = json.loads((FOLDER / name / "secrets.json").read_text())
    told = {
        (label, bytes.fromhex(each["client_random"])): bytes.fromhex(value)
        for each in secrets["connections"]
        for label, value in each.items()
        if label == "master_secret" or "_secret_" in label or label.endswith(("traffic_secret", "exporter_secret"))
    }
    logged = secrets_of(blocks_of(name)).items()
    names = {"CLIENT_RANDOM": "master_secret"}
    assert told == {(names.get(label, label.lower()), random): secret for (label, random), secret in logged}


def test_checks_of_ice_have_integrity_by_the_passwords_in_the_secrets() -> None:
    credentials = json.loads((FOLDER / "stun-check" / "secrets.json").read_text())["ice"]
    passwords = {each["ufrag"]: each["password"].encode() for each in credentials.values()}
    keys: dict[bytes, bytes] = {}  # by transaction
    for packet in packets_of(blocks_of("stun-check")):
        data = udp.parse(packet.data).data
        username = stun.peek_username(data)
        if username is not None:
            keys[data[8:20]] = passwords[username.partition(":")[0]]
        assert stun.verify_fingerprint(data)
        assert stun.verify_integrity(data, keys[data[8:20]])


@pytest.mark.parametrize("name", ["whole-call", "lossy-repair"])
def test_all_plain_media_can_be_read(name: str) -> None:
    for data in plain_media(name):
        assert rtcp.parse(data) if is_rtcp(data) else rtp.parse(data).payload


def test_what_was_lost_was_repaired() -> None:
    """Pictures come again on the stream for repairs, sound and what the server missed as the same packet."""
    whole = plain_media("lossy-repair")
    media = [rtp.parse(data) for data in whole if not is_rtcp(data)]
    in_time = whole[:-20]  # what is asked for at the very end is still on its way
    reports = [packet for data in in_time if is_rtcp(data) for packet in rtcp.parse(data)]
    wanted = {(nack.media_ssrc, number) for nack in reports if isinstance(nack, rtcp.Nack) for number in nack.lost}
    repairs = {int.from_bytes(packet.payload[:2]) for packet in media if packet.payload_type == 97}
    seen = Counter((packet.ssrc, packet.sequence) for packet in media)
    assert repairs
    assert repairs <= {number for _, number in wanted}
    assert all(number in repairs or seen[ssrc, number] for ssrc, number in wanted)
    assert sum(seen[each] > 2 for each in wanted) > 3  # once at each end is how it looks without a repair
    assert any(isinstance(packet, rtcp.PictureLoss) for packet in reports)
