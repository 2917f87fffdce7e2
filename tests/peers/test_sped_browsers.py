"""Chromium with its handshake inside connectivity checks: offered by default, spoken wherever the other side does."""

from __future__ import annotations

import zlib
from collections import Counter
from pathlib import Path

import pytest

from meetref.wire import attribute, dtls, stun, udp
from meetref.wire.handshake13 import CLIENT_HELLO, SERVER_HELLO
from meetref.wire.pcapng import Packet, parse
from tests.peers.browsers import Browser, chromium
from tests.peers.meetings import enter, sees_bot, serve

TRIAL = "--force-fieldtrials=WebRTC-IceHandshakeDtls/Enabled/"
NETWORK_INFO = 0xC057  # an attribute that libwebrtc alone puts into its checks
NAMES = {CLIENT_HELLO: "ClientHello", SERVER_HELLO: "ServerHello"}


def handshakes(capture: Path) -> Counter[str]:
    """Where the browser's hellos travelled, inside of checks or plainly, and how many messages had the attributes."""
    found: Counter[str] = Counter()
    rode, heard = set[int](), set[int]()
    packets = [udp.parse(block.data) for block in parse(capture.read_bytes()) if isinstance(block, Packet)]
    browsers = {packet.source for packet in packets if packet.data[0] == 0 and is_of_a_browser(packet.data)}
    for packet in packets:
        if browsers.isdisjoint((packet.source, packet.destination)):
            continue
        data = packet.data
        if data[:1] == bytes((dtls.HANDSHAKE,)):
            found[f"plain {name_of(data)}"] += 1
        elif data[0] <= 3:
            message = stun.parse(data)
            inside = message.get(attribute.DTLS_IN_STUN)
            found["messages with attributes"] += inside is not None
            if inside:
                found[f"inside {name_of(inside)}"] += 1
                rode.add(zlib.crc32(inside))
            acknowledged = message.get(attribute.DTLS_IN_STUN_ACKNOWLEDGEMENT) or ()
            heard |= rode.intersection(acknowledged) if packet.destination in browsers else set()
    found["acknowledged by the server"] = len(heard)
    return found


def is_of_a_browser(data: bytes) -> bool:
    return stun.parse(data).get(NETWORK_INFO) is not None


def name_of(data: bytes) -> str:
    if data[0] != dtls.HANDSHAKE:
        return "other"
    record = next(dtls.records(data))
    fragment = next(dtls.fragments(record.payload))
    return f"{NAMES.get(fragment.type, 'other')}{'' if fragment.offset else ' from its start'}"


async def call(browser: Browser, tmp_path: Path, *options: str) -> Counter[str]:
    capture = tmp_path / "call.pcapng"
    async with serve(tmp_path, "--capture", str(capture), *options, bots=2) as server:
        await enter(browser, server.link("demo", "Olga"), 1)
        await sees_bot(browser, "Blaise", 1)
        version = "1.2" if options else "1.3"
        await browser.until(
            f"window.meetref.state().transports.filter((each) => each.dtls == '{version}').length == 2", limit=10
        )
        await browser.click("[data-test=leave]")
    return handshakes(capture)


@pytest.mark.slow
@pytest.mark.peer("chromium", "chromedriver")
@pytest.mark.spec("sped/confirmed", "sped/options-offered")
@pytest.mark.parametrize("options", [(), ("--dtls", "1.2")], ids=["1.3", "1.2"])
async def test_the_handshake_goes_inside_of_checks(options: tuple[str, ...], tmp_path: Path) -> None:
    async with chromium(TRIAL) as browser:
        found = await call(browser, tmp_path, *options)
    assert found["inside ClientHello from its start"] >= 2, found  # up and down
    assert found["acknowledged by the server"] >= 2, found


@pytest.mark.slow
@pytest.mark.peer("chromium", "chromedriver")
@pytest.mark.spec("sped/options-offered")
async def test_without_the_trial_nothing_is_inside(tmp_path: Path) -> None:
    async with chromium() as browser:
        found = await call(browser, tmp_path)
    assert found["plain ClientHello from its start"] >= 2
    assert found["messages with attributes"] == 0
