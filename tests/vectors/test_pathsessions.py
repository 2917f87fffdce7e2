"""The sessions about finding a path: what their pages say to look at is there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise

import pytest

from meetref.wire import attribute, stun, turn, udp
from meetref.wire.address import Address
from meetref.wire.multiplex import classify_datagram
from meetref.wire.pcapng import Interface, Packet, parse
from tests.generate.pathsessions import PATH_STORIES, TURN
from tests.generate.sessions import FOLDER

CALLS = [name for name in PATH_STORIES if name.startswith("ice-")]
Seen = tuple[float, str, str, Address, Address, bytes]
"""Seconds, where, which way, from, to, octets."""


def packets_of(name: str) -> list[Seen]:
    blocks = parse((FOLDER / name / "session.pcapng").read_bytes())
    places = [block.name for block in blocks if isinstance(block, Interface)]
    found = []
    for block in blocks:
        if isinstance(block, Packet):
            packet = udp.parse(block.data)
            where = places[block.interface]
            found.append(
                (block.at_ns / 1e9, where, block.direction or "", packet.source, packet.destination, packet.data)
            )
    return found


def unwrapped(data: bytes) -> bytes:
    """What is inside a packet to or from a relay, or the packet."""
    if classify_datagram(data[0]) == "turn-channel":
        return turn.parse_channel_data(data).data
    if classify_datagram(data[0]) == "stun":
        inner = stun.parse(data).get(attribute.DATA)
        return data if inner is None else inner
    return data


def messages(name: str, method: int) -> Iterator[tuple[Seen, stun.Message]]:
    for seen in packets_of(name):
        data = unwrapped(seen[5])
        for octets in dict.fromkeys((seen[5], data)):
            if classify_datagram(octets[0]) == "stun" and (message := stun.parse(octets)).method == method:
                yield seen, message


@pytest.mark.parametrize("name", CALLS)
def test_every_check_has_integrity_by_the_passwords_in_the_secrets(name: str) -> None:
    credentials = json.loads((FOLDER / name / "secrets.json").read_text())["ice"]
    passwords = {each["ufrag"]: each["password"].encode() for each in credentials.values()}
    keys: dict[bytes, bytes] = {}
    checked = 0
    for *_, data in packets_of(name):
        inner = unwrapped(data)
        username = stun.peek_username(inner) if classify_datagram(inner[0]) == "stun" else None
        if username is not None and ":" in username:
            keys[inner[8:20]] = passwords[username.partition(":")[0]]
        if inner[8:20] in keys:
            checked += 1
            assert stun.verify_integrity(inner, keys[inner[8:20]])
    assert checked > 5


@pytest.mark.parametrize("name", [name for name in CALLS if name != "ice-consent-lost"])
def test_a_greeting_came_each_way(name: str) -> None:
    heard = {where for _, where, way, *_, data in packets_of(name) if way == "in" and b"hello yourself" in data}
    assert {"alice", "bob"} <= heard


def test_the_third_question_is_repeated_as_it_should_be() -> None:
    sent = [at for at, where, way, *_ in packets_of("stun-binding") if (where, way) == ("alice", "out")][-7:]
    assert [later - earlier for earlier, later in pairwise(sent)] == pytest.approx([0.5, 1, 2, 4, 8, 16])


def test_without_a_nat_the_mapped_address_is_ones_own() -> None:
    for (_, _, way, source, _, _), message in messages("ice-direct", stun.BINDING):
        if message.kind is stun.Class.REQUEST and way == "out":
            assert source.host in ("198.51.100.7", "198.51.100.8")
        if message.kind is stun.Class.SUCCESS:
            assert message.get(attribute.XOR_MAPPED_ADDRESS).port == 49152


def test_checks_of_two_nats_cross() -> None:
    seen = packets_of("ice-reflexive")
    outer = [packet for packet in seen if packet[4].host.startswith("198.51.100.") and packet[1] != "turn"]
    first = {
        where: next(at for at, each, way, *_ in outer if (each, way) == (where, "out")) for where in ("alice", "bob")
    }
    arrived = min(
        at
        for at, where, way, source, *_ in seen
        if way == "in" and source.host.startswith("198.51") and where != "turn"
    )
    assert max(first.values()) < arrived


def test_bob_gets_a_permission_a_refusal_and_a_channel() -> None:
    permitted = [m.kind for seen, m in messages("ice-relayed", turn.CREATE_PERMISSION) if seen[2] == "in"]
    assert {stun.Class.SUCCESS, stun.Class.ERROR} <= set(permitted)
    codes = {
        m.get(attribute.ERROR_CODE).code
        for _, m in messages("ice-relayed", turn.ALLOCATE)
        if m.kind is stun.Class.ERROR
    }
    assert codes == {401}
    assert [m.kind for seen, m in messages("ice-relayed", turn.CHANNEL_BIND) if seen[1] == "bob"] == [0, 2]
    on_channel = [data for _, where, _, _, _, data in packets_of("ice-relayed") if data[0] == 0x40]
    assert len(on_channel) > 20
    alice = [packet for packet in packets_of("ice-relayed") if packet[1] == "alice"]
    assert all(data[0] != 0x40 for *_, data in alice)
    assert any(source.host == TURN and source.port != 3478 for *_, source, _, _ in alice)


def test_the_server_sends_to_itself_between_two_relayed_ports() -> None:
    assert any(
        source.host == TURN == destination.host for _, _, _, source, destination, _ in packets_of("ice-symmetric")
    )


def test_a_restart_has_other_credentials_and_another_address() -> None:
    before, after = set(), set()
    for (at, where, way, source, _, _), message in messages("ice-restart", stun.BINDING):
        username = message.get(attribute.USERNAME)
        if username and (where, way) == ("alice", "out"):
            (before if at < 3 else after).add((source.host, username))
    assert {host for host, _ in before} == {"192.168.7.10"}
    assert {host for host, _ in after} == {"10.64.0.5"}
    assert not {name for _, name in before} & {name for _, name in after}


def test_consent_ends_thirty_seconds_after_the_last_answer() -> None:
    seen = packets_of("ice-consent-lost")
    answers = [
        at
        for at, where, way, source, _, data in seen
        if (where, way) == ("bob", "in") and source.host != TURN and data[0] == 1
    ]
    checks = [at for at, where, way, _, to, _ in seen if (where, way) == ("bob", "out") and to.host != TURN]
    assert answers[-1] + 24 < checks[-1] < answers[-1] + 30
    assert seen[-1][0] < answers[-1] + 30
