"""What data channels say is in the clear afterwards, as packets of SCTP: both versions, all keys, on every path."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.net.capture import Capture
from meetref.net.decrypt import Decryption, in_the_clear, masters_of, secrets_of
from meetref.net.decryptdata import NewerDirection, OlderDirection, suite_of
from meetref.protocol import handshake12, handshake13, keyschedule, keyschedule13
from meetref.protocol.association import Received
from meetref.protocol.conversation13 import Policy
from meetref.protocol.machine import Datagram
from meetref.wire import dtls, ip, udp
from meetref.wire.address import Address
from meetref.wire.pcapng import Block, Packet, Secrets
from tests.protocol.dtls_pairs import CLIENT, SERVER, Pair

SUITES = [(handshake12.Endpoint, {})] + [
    (handshake13.Endpoint, {"policy": Policy(suites=(number,))}) for number in keyschedule13.SUITES
]
NAMES = ["1.2", *(f"1.3 {number:04x}" for number in keyschedule13.SUITES)]


def talk(kind: Any, settings: dict[str, Any], key_updates: int = 0) -> tuple[Pair, list[tuple[str, bytes]]]:
    """A handshake, and what both sides then say, with new keys in between; in the order in which it was sent."""
    pair = Pair(kind=kind, client_settings=dict(settings), server_settings=dict(settings)).start().run()
    assert pair.both_connected
    said = []
    for number in range(key_updates + 1):
        for role, end in (("client", pair.client), ("server", pair.server)):
            said.append((role, f"{role} says number {number}".encode()))
            end.send(said[-1][1], pair.now)
            pair.flush()
        if number < key_updates:
            pair.client.update_keys(pair.now, both=True)  # type: ignore[attr-defined]  # 1.3 has it
            pair.flush()
        pair.run()
    assert [event.data for event in pair.of("server", Received)] == [data for role, data in said if role == "client"]
    return pair, said


def captured(pair: Pair, *, skip: Any = lambda data: False) -> list[Block]:
    """All of it in one capture, secrets first."""
    blocks: list[Block] = []
    capture = Capture(blocks.append)
    for line in sorted(set(pair.key_log)):
        capture.key_log(line)
    tap = capture.tap("both")
    for at, role, data in pair.sent:
        if not skip(data):
            tap(Datagram(data, *((CLIENT, SERVER) if role == "client" else (SERVER, CLIENT))), "out", at)
    return blocks


def sctp_in(blocks: list[Block]) -> Iterator[tuple[str, bytes]]:
    """Who said what, of the packets that are no UDP any more."""
    for block in blocks:
        if isinstance(block, Packet):
            packet = ip.parse(block.data)
            if packet.protocol == ip.SCTP:
                yield "client" if packet.source == CLIENT.host else "server", packet.payload


def decrypt(blocks: list[Block]) -> tuple[Decryption, list[Block]]:
    decryption = Decryption(masters_of(blocks), secrets_of(blocks))
    return decryption, in_the_clear(blocks, decryption)


@pytest.mark.parametrize(("kind", "settings"), SUITES, ids=NAMES)
def test_what_both_sides_say_is_there(kind: Any, settings: dict[str, Any]) -> None:
    pair, said = talk(kind, settings)
    blocks = captured(pair)
    decryption, clear = decrypt(blocks)
    assert list(sctp_in(clear)) == said
    assert (decryption.data, len(decryption.conversations)) == (2, 1)
    assert len(clear) == len(blocks), "a packet for a packet: nothing else was in those datagrams"
    times = [block.at_ns for block in blocks if isinstance(block, Packet)]
    assert [block.at_ns for block in clear if isinstance(block, Packet)] == times
    bare = [block for block in blocks if not isinstance(block, Secrets)]
    decryption, clear = decrypt(bare)
    assert clear == bare
    assert decryption.sealed > 0


@pytest.mark.parametrize("keeps_update", [True, False])
def test_new_keys_are_followed_also_where_nobody_announced_them(keeps_update: bool) -> None:
    """Seven times: the two bits that tell epochs apart go round, and the capture may lack every KeyUpdate."""
    pair, said = talk(handshake13.Endpoint, {"policy": Policy()}, key_updates=7)
    epochs = [data[0] & 3 for _, _, data in pair.sent if data[0] & 0xE0 == 0x20]
    assert set(epochs) == {0, 1, 2, 3}
    sizes = {len(data) for role, data in said}

    def skip(data: bytes) -> bool:
        return not keeps_update and data[0] & 0xE0 == 0x20 and len(data) - 22 not in sizes and len(data) < 60

    blocks = captured(pair, skip=skip)
    decryption, clear = decrypt(blocks)
    assert list(sctp_in(clear)) == said
    assert decryption.data == len(said) == 16


@pytest.mark.parametrize(("kind", "settings"), SUITES[:2], ids=NAMES[:2])
def test_a_record_opens_on_any_path_and_at_each_interface(kind: Any, settings: dict[str, Any]) -> None:
    pair, said = talk(kind, settings)
    there, elsewhere = Address("192.0.2.77", 7), Address("192.0.2.78", 8)
    moved: list[Block] = []
    for block in (blocks := captured(pair)):
        if isinstance(block, Packet) and block in [each for each in blocks if isinstance(each, Packet)][-2:]:
            packet = udp.parse(block.data)
            other = replace(block, data=udp.serialize(udp.Packet(there, elsewhere, packet.data)))
            moved += [other, other]
        else:
            moved.append(block)
    decryption, clear = decrypt(moved)
    assert [data for _, data in sctp_in(clear)] == [data for _, data in said for _ in range(2)]
    assert decryption.data == 4


def test_what_else_is_in_the_datagram_stays() -> None:
    """Records that are sent together: the last one of the handshake, and two with data."""
    pair, said = talk(handshake12.Endpoint, {})
    at = max(number for number, (_, role, _) in enumerate(pair.sent) if role == "client")
    *before, (_, _, finished) = [each for each in pair.sent[:at] if each[1] == "client"]
    assert before
    now, _, first = pair.sent[at]
    pair.sent[at] = now, "client", finished + first + first
    blocks = captured(pair)
    _, clear = decrypt(blocks)
    assert list(sctp_in(clear)) == said
    assert len(clear) == len(blocks) + 1
    mixed = next(block for block in blocks if isinstance(block, Packet) and block.data.endswith(first))
    assert mixed in clear, "beside the data in it"


def test_ipv6_hosts_stay_what_they_are() -> None:
    pair, said = talk(handshake12.Endpoint, {})
    ends = {CLIENT.host: "2001:db8::1", SERVER.host: "2001:db8::2"}
    moved: list[Block] = []
    for block in captured(pair):
        if isinstance(block, Packet):
            packet = udp.parse(block.data)
            both = (Address(ends[end.host], end.port) for end in (packet.source, packet.destination))
            block = replace(block, data=udp.serialize(udp.Packet(*both, packet.data)))
        moved.append(block)
    _, clear = decrypt(moved)
    packets = [ip.parse(block.data) for block in clear if isinstance(block, Packet)]
    wanted = [("2001:db8::1" if role == "client" else "2001:db8::2", data) for role, data in said]
    assert [(each.source, each.payload) for each in packets if each.protocol == ip.SCTP] == wanted


def test_a_certificate_of_rsa_changes_nothing_in_the_records() -> None:
    assert suite_of(0xC02F) == keyschedule.SUITES[0xC02B]
    assert suite_of(0xC02B) == keyschedule.SUITES[0xC02B]
    assert suite_of(0x002F) is None, "CBC"


DIRECTIONS = (
    OlderDirection(keyschedule.key_block(keyschedule.Session(bytes(48), bytes(32), bytes(32))), "client"),
    NewerDirection(keyschedule13.SUITES[0x1301], bytes(32)),
)


@given(st.binary(max_size=80), st.integers(0, 63))
def test_no_record_makes_it_fail(octets: bytes, first: int) -> None:
    """Whatever can be read as a record of either version, opened as one of either."""
    try:
        records = list(dtls.mixed_records(bytes((first,)) + octets))
    except dtls.Malformed:
        return
    assert [direction.open(record) for record in records for direction in DIRECTIONS] == [None, None] * len(records)
