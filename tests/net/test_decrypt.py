"""A capture with its secrets becomes one in the clear; nothing in a file makes it fail."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.net.capture import Capture
from meetref.net.decrypt import Decryption, in_the_clear, masters_of, secrets_of
from meetref.protocol import dtls, srtp
from meetref.protocol.association import Connected
from meetref.protocol.machine import Datagram
from meetref.wire import attribute, rtp, stun, udp
from meetref.wire.address import Address
from meetref.wire.pcapng import Block, Packet, Secrets, parse
from tests.protocol.dtls_pairs import CLIENT, Pair
from tests.protocol.dtls_pairs import SERVER as OTHER
from tests.protocol.sped_talk import SOUND, Talk

ALICE, SERVER = Address("192.0.2.1", 1000), Address("192.0.2.9", 2000)
CALL = Path(__file__).parent.parent.parent / "vectors" / "sessions" / "whole-call"


@pytest.fixture(scope="module")
def call() -> list[Block]:
    return parse((CALL / "session.pcapng").read_bytes())


def media_in(blocks: list[Block]) -> int:
    """How many packets of RTP and RTCP there are."""
    return sum(udp.parse(block.data).data[0] > 127 for block in blocks if isinstance(block, Packet))


def captured(*datagrams: bytes) -> list[Block]:
    blocks: list[Block] = []
    tap = Capture(blocks.append).tap("alice")
    for data in datagrams:
        tap(Datagram(data, ALICE, SERVER), "out", 0.0)
    return blocks


def test_a_call_opens(call: list[Block]) -> None:
    decryption = Decryption(masters_of(call))
    assert in_the_clear(call, decryption) == parse((CALL / "plain.pcapng").read_bytes())
    assert (len(decryption.conversations), decryption.refused) == (4, 0)
    assert decryption.opened == media_in(call) > 400


def test_without_secrets_media_stay_locked(call: list[Block]) -> None:
    bare = [block for block in call if not isinstance(block, Secrets)]
    decryption = Decryption(masters_of(bare))
    assert in_the_clear(bare, decryption) == bare
    assert (decryption.opened, decryption.refused) == (0, media_in(call))


def test_a_copy_at_another_interface_opens_too(call: list[Block]) -> None:
    twice = [copy for block in call for copy in ([block, block] if isinstance(block, Packet) else [block])]
    decryption = Decryption(masters_of(twice))
    in_the_clear(twice, decryption)
    assert (decryption.opened, decryption.refused) == (2 * media_in(call), 0)


def test_media_of_another_path_open_by_their_tag(call: list[Block]) -> None:
    """After ICE has moved, media come from addresses that no handshake was seen on."""
    elsewhere: list[Block] = []
    for block in call:
        if isinstance(block, Packet):
            packet = udp.parse(block.data)
            if packet.data[0] > 127:
                moved = udp.Packet(Address("192.0.2.77", 7), Address("192.0.2.78", 8), packet.data)
                block = Packet(block.interface, block.at_ns, udp.serialize(moved))
        elsewhere.append(block)
    decryption = Decryption(masters_of(elsewhere))
    in_the_clear(elsewhere, decryption)
    assert (decryption.opened, decryption.refused) == (media_in(call), 0)


def test_lines_of_a_key_log_that_are_not_for_us_are_passed_over() -> None:
    lines = b"# comment\nEXPORTER_SECRET 00 11\nCLIENT_RANDOM zz 00\nCLIENT_RANDOM 0a 0b\n\xff\nCLIENT_RANDOM 01\n"
    assert masters_of([Secrets(lines), Secrets(b"CLIENT_RANDOM 0c 0d\n", kind=1)]) == {b"\x0a": b"\x0b"}


def test_what_is_no_udp_packet_stays() -> None:
    odd = Packet(0, 0, b"\x45nothing")
    assert in_the_clear([odd]) == [odd]


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_nothing_in_a_file_makes_it_fail(datagrams: list[bytes]) -> None:
    blocks = captured(*datagrams)
    assert in_the_clear(blocks) == blocks


@given(st.data())
def test_damaged_handshakes_do_not_make_it_fail(data: st.DataObject) -> None:
    blocks = parse((CALL / "session.pcapng").read_bytes())[:30]
    hurt: list[Block] = []
    for block in blocks:
        if isinstance(block, Packet):
            packet = udp.parse(block.data)
            if 20 <= packet.data[0] <= 63:
                octets = bytearray(packet.data)
                octets[data.draw(st.integers(0, len(octets) - 1))] ^= data.draw(st.integers(1, 255))
                moved = udp.Packet(packet.source, packet.destination, bytes(octets))
                block = Packet(block.interface, block.at_ns, udp.serialize(moved))
        hurt.append(block)
    assert len(in_the_clear(hurt)) == len(hurt)


# --- 1.3 --------------------------------------------------------------------------------------------


def newer_call(lines: list[str], **server: Any) -> tuple[list[Block], bytes]:
    """A handshake of 1.3 and one locked packet of the client; and that packet in the clear."""
    pair = Pair(kind=dtls.Endpoint, server_settings=server).start().run()
    lines += sorted(set(pair.key_log))
    blocks: list[Block] = []
    capture = Capture(blocks.append)
    taps = {"client": capture.tap("client"), "server": capture.tap("server")}
    for at, role, data in pair.sent:
        taps[role](Datagram(data, *((CLIENT, OTHER) if role == "client" else (OTHER, CLIENT))), "out", at)
    plain = bytes.fromhex("806f0001000000010000002a") + b"a picture"
    keys = pair.of("client", Connected)[0].srtp_keys
    locked = srtp.open_session(keys).lock(plain)
    taps["client"](Datagram(locked, CLIENT, OTHER), "out", pair.now)
    return blocks, plain


@pytest.mark.parametrize("verified", [True, False])
def test_a_call_with_1_3_opens(verified: bool) -> None:
    lines: list[str] = []
    blocks, plain = newer_call(lines, address_verified=verified)
    secrets = Secrets("\n".join(lines).encode())
    decryption = Decryption({}, secrets_of([secrets]))
    clear = in_the_clear(blocks, decryption)
    packets = [udp.parse(block.data).data for block in clear if isinstance(block, Packet)]
    assert packets[-1] == plain
    assert (decryption.opened, decryption.refused, len(decryption.conversations)) == (1, 0, 1)
    assert decryption.conversations[0].client == CLIENT
    without = Decryption({}, {})
    assert in_the_clear(blocks, without) == blocks
    assert (without.opened, without.refused) == (0, 1)


def test_hidden_headers_come_out_too() -> None:
    """What was agreed on in SDP is not in the capture: each packet tells it."""
    pair = Pair(kind=dtls.Endpoint).start().run()
    keys = pair.of("client", Connected)[0].srtp_keys
    hiding = srtp.open_session(keys, hiding=srtp.Hiding(cryptex=True))
    packet = rtp.Packet(payload_type=111, sequence=1, timestamp=1, ssrc=5, payload=b"hello", extensions={1: b"loud"})
    plain = [rtp.serialize(packet), rtp.serialize(replace(packet, sequence=2, extensions={}))]
    blocks: list[Block] = []
    capture = Capture(blocks.append)
    for line in sorted(set(pair.key_log)):
        capture.key_log(line)
    tap = capture.tap("both")
    for at, role, data in pair.sent:
        tap(Datagram(data, *((CLIENT, OTHER) if role == "client" else (OTHER, CLIENT))), "out", at)
    for each in plain:
        tap(Datagram(hiding.lock(each), CLIENT, OTHER), "out", pair.now)
    decryption = Decryption(masters_of(blocks), secrets_of(blocks))
    clear = [udp.parse(block.data).data for block in in_the_clear(blocks, decryption) if isinstance(block, Packet)]
    assert clear[-2:] == plain
    assert (decryption.opened, decryption.refused) == (2, 0)


def elsewhere(talk: Talk) -> list[Datagram]:
    """The same talk over two paths: on the one a check with the hello, on the other a check with nothing in it, and
    all that follows."""
    at = next(place for place, (_, _, _, inside) in enumerate(talk.sent) if inside)
    first = talk.sent[at][2]
    other = Address("192.0.2.200", 7777)

    def moved(datagram: Datagram) -> Datagram:
        ends = (other if end == first.local else end for end in (datagram.local, datagram.remote))
        return Datagram(datagram.data, *ends)

    check = stun.parse(first.data)
    bare = [each for each in check.attributes if each.type != attribute.DTLS_IN_STUN]
    empty = stun.serialize(replace(check, attributes=bare))
    rest = [datagram for place, (_, _, datagram, _) in enumerate(talk.sent) if place != at]
    return [first, moved(Datagram(empty, first.local, first.remote)), *map(moved, rest)]


@pytest.mark.parametrize("paths", [1, 2])
@pytest.mark.parametrize("versions", ["1.3 only", "1.2 only"])
def test_a_handshake_inside_of_checks_is_found(versions: dtls.Versions, paths: int) -> None:
    """Two peers, in memory: what they sent, and one packet of media."""
    talk, lines = Talk(versions), list[str]()
    talk.peers.client.key_log = lines.append
    talk.run()
    blocks: list[Block] = []
    capture = Capture(blocks.append)
    for line in lines:
        capture.key_log(line)
    tap = capture.tap("both")
    for datagram in elsewhere(talk) if paths == 2 else [each[2] for each in talk.sent]:
        tap(datagram, "out", 0.5)
    assert talk.peers.client.srtp is not None
    assert talk.peers.client.path is not None
    tap(Datagram(talk.peers.client.srtp.lock(SOUND), *talk.peers.client.path), "out", 1.0)
    decryption = Decryption(masters_of(blocks), secrets_of(blocks))
    clear = in_the_clear(blocks, decryption)
    assert (decryption.opened, decryption.refused) == (1, 0)
    assert isinstance(clear[-1], Packet)
    assert udp.parse(clear[-1].data).data == SOUND
