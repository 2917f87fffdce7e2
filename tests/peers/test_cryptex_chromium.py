"""Chromium hides RTP headers with us, both ways, where its experimental features are on; else nothing changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from meetref.net.decrypt import Decryption, in_the_clear, masters_of, secrets_of
from meetref.wire import rtp, udp
from meetref.wire.multiplex import classify_datagram, is_rtcp
from meetref.wire.pcapng import Block, Packet, parse
from tests.peers.browsers import chromium
from tests.peers.meetings import enter, sees_bot, serve
from tests.peers.test_sped_browsers import is_of_a_browser

EXPERIMENTS = "--enable-experimental-web-platform-features"
SHOWN, HIDDEN = 0xBEDE, 0xC0DE
Marks = dict[str, set[int]]


def marks_of(blocks: list[Block], browser_ports: set[int]) -> Marks:
    """The words at the beginning of header extensions, of what the browser sent and of what it got."""
    found: Marks = {"sent": set(), "got": set()}
    for block in blocks:
        if isinstance(block, Packet):
            packet = udp.parse(block.data)
            data = packet.data
            if classify_datagram(data[0]) == "rtp" and not is_rtcp(data) and data[0] & 0x10:
                at = rtp.HEADER_SIZE + (data[0] & 0x0F) * 4
                for way, end in (("sent", packet.source), ("got", packet.destination)):
                    if end.port in browser_ports:
                        found[way].add(int.from_bytes(data[at : at + 2]))
    return found


async def call(tmp_path: Path, *arguments: str) -> list[Block]:
    """Chromium with a bot that it sees and hears, and all that the server sent and got."""
    capture = tmp_path / "call.pcapng"
    options = ("--hide-headers", "--capture", str(capture))
    async with serve(tmp_path, *options, bots=1) as server, chromium(*arguments) as browser:
        await enter(browser, server.link("demo", "Olga"), 1)
        await sees_bot(browser, "Ada", 0)
        await browser.until("window.meetref.state().people.some((each) => each.audio.total_energy > 0)")
        await browser.click("[data-test=leave]")
    return parse(capture.read_bytes())


def ports_of_the_browser(blocks: list[Block]) -> set[int]:
    """Where checks come from that the bot would not send."""
    packets = [udp.parse(block.data) for block in blocks if isinstance(block, Packet)]
    return {packet.source.port for packet in packets if packet.data[0] == 0 and is_of_a_browser(packet.data)}


@pytest.mark.slow
@pytest.mark.peer("chromium", "chromedriver")
@pytest.mark.spec("srtp/cryptex-negotiated")
@pytest.mark.parametrize("hides", [True, False], ids=["with-experiments", "without"])
async def test_headers_are_hidden_both_ways(hides: bool, tmp_path: Path) -> None:
    blocks = await call(tmp_path, *([EXPERIMENTS] if hides else []))
    browser_ports = ports_of_the_browser(blocks)
    wanted = {HIDDEN if hides else SHOWN}
    assert marks_of(blocks, browser_ports) == {"sent": wanted, "got": wanted}
    decryption = Decryption(masters_of(blocks), secrets_of(blocks))
    clear = marks_of(in_the_clear(blocks, decryption), browser_ports)
    assert clear == {"sent": {SHOWN}, "got": {SHOWN}}
    assert decryption.opened > 100
