"""Data channels between peers that nobody here wrote: their capture and their key log, decrypted, are SCTP to tshark.

aiortc speaks DTLS 1.2 with aiortc. Firefox and Chromium speak 1.3 with each other, in both roles; of the two only
Firefox writes a key log.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest
import trio

from meetref.app.cli import main
from meetref.wire.pcapng import serialize
from tests.confirm.sessions import fields
from tests.peers.browsers import Browser, chromium, firefox
from tests.peers.sdp_conversations import served_page
from tests.peers.tapped_wire import TappedWire, open_tapped_wire

T = TypeVar("T")
INIT, INIT_ACK, COOKIE_ECHO, COOKIE_ACK, DATA = "1", "2", "10", "11", "0"
STRING = "51"
SAID = ("A plum in the icebox.", "Forgive me.")


class End(Protocol):
    """One of two peers with one data channel."""

    async def offer(self) -> str: ...

    async def answer(self, offer: str) -> str: ...

    async def accept(self, answer: str) -> None: ...

    async def say(self, text: str) -> None: ...

    async def heard(self) -> str: ...


# --- aiortc ---------------------------------------------------------------------------------------


class AiortcEnd:
    """A connection of aiortc's, in the thread of its loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._channel: Any = None
        self._texts: asyncio.Queue[str] = asyncio.Queue()

    async def _on_loop(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        return await trio.to_thread.run_sync(future.result, 30)

    async def begin(self) -> None:
        async def make() -> None:
            from aiortc import RTCPeerConnection

            self.connection = RTCPeerConnection()
            self.connection.on("datachannel", self._take)

        await self._on_loop(make())

    async def end(self) -> None:
        await self._on_loop(self.connection.close())

    def _take(self, channel: Any) -> None:
        self._channel = channel
        channel.on("message", self._texts.put_nowait)

    async def offer(self) -> str:
        async def make() -> str:
            self._take(self.connection.createDataChannel("poem"))
            await self.connection.setLocalDescription(await self.connection.createOffer())
            return str(self.connection.localDescription.sdp)

        return await self._on_loop(make())

    async def answer(self, offer: str) -> str:
        async def make() -> str:
            from aiortc import RTCSessionDescription

            await self.connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
            await self.connection.setLocalDescription(await self.connection.createAnswer())
            return str(self.connection.localDescription.sdp)

        return await self._on_loop(make())

    async def accept(self, answer: str) -> None:
        from aiortc import RTCSessionDescription

        await self._on_loop(self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer")))

    async def say(self, text: str) -> None:
        async def send() -> None:
            while self._channel is None or self._channel.readyState != "open":  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)
            self._channel.send(text)

        await self._on_loop(send())

    async def heard(self) -> str:
        return await self._on_loop(self._texts.get())


@asynccontextmanager
async def two_of_aiortc(log: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[End, End]]:
    """Two that write the key log; pyOpenSSL has a callback for it, which aiortc does not use."""
    from aiortc.rtcdtlstransport import RTCCertificate

    make = RTCCertificate._create_ssl_context

    def make_talkative(*arguments: Any, **more: Any) -> Any:
        context = make(*arguments, **more)
        with log.open("ab"):
            pass

        def write(connection: object, line: bytes) -> None:
            with log.open("ab") as file:
                file.write(line + b"\n")

        context.set_keylog_callback(write)
        return context

    monkeypatch.setattr(RTCCertificate, "_create_ssl_context", make_talkative)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    ends = AiortcEnd(loop), AiortcEnd(loop)
    try:
        for end in ends:
            await end.begin()
        yield ends
        for end in ends:
            await end.end()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        await trio.to_thread.run_sync(thread.join, 10)
        loop.close()


# --- browsers -------------------------------------------------------------------------------------

BEGIN = """() => {
  window.pc = new RTCPeerConnection();
  window.heard = [];
  window.take = (channel) => { window.channel = channel; channel.onmessage = (event) => heard.push(event.data); };
  pc.ondatachannel = (event) => take(event.channel);
  window.whole = async (description) => {
    await pc.setLocalDescription(description);
    while (pc.iceGatheringState !== "complete") await new Promise((go) => setTimeout(go, 10));
    return pc.localDescription.sdp;
  };
}"""


class BrowserEnd:
    """A page's connection."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser

    async def offer(self) -> str:
        sdp = await self._browser.call("() => { take(pc.createDataChannel('poem')); return whole(); }")
        return str(sdp)

    async def answer(self, offer: str) -> str:
        take = "async (sdp) => { await pc.setRemoteDescription({type: 'offer', sdp}); return whole(); }"
        return str(await self._browser.call(take, offer))

    async def accept(self, answer: str) -> None:
        await self._browser.call("(sdp) => pc.setRemoteDescription({type: 'answer', sdp})", answer)

    async def say(self, text: str) -> None:
        await self._browser.until("window.channel?.readyState === 'open'")
        await self._browser.call("(text) => channel.send(text)", text)

    async def heard(self) -> str:
        return str(await self._browser.until("heard.shift()"))


@asynccontextmanager
async def two_browsers(
    log: Path, monkeypatch: pytest.MonkeyPatch, *, firefox_offers: bool
) -> AsyncIterator[tuple[End, End]]:
    """Firefox, which writes the key log, and Chromium."""
    monkeypatch.setenv("SSLKEYLOGFILE", str(log))
    async with firefox() as one, chromium() as other, served_page() as url:
        for browser in (one, other):
            await browser.open(url)
            await browser.call(BEGIN)
        ends = BrowserEnd(one), BrowserEnd(other)
        yield ends if firefox_offers else (ends[1], ends[0])


# --- what comes of it -----------------------------------------------------------------------------


async def converse(wire: TappedWire, offerer: End, answerer: End) -> None:
    """Each says a sentence that the other hears."""
    answer = await answerer.answer(wire.for_side(1, await offerer.offer()))
    await offerer.accept(wire.for_side(0, answer))
    for speaker, hearer, text in ((offerer, answerer, SAID[0]), (answerer, offerer, SAID[1])):
        await speaker.say(text)
        assert await hearer.heard() == text


async def decrypted(ends: AbstractAsyncContextManager[tuple[End, End]], log: Path, folder: Path) -> Path:
    """The capture of their talk as `meetref pcap decrypt` writes it."""
    with trio.fail_after(120):
        async with ends as (offerer, answerer), open_tapped_wire() as wire:
            await converse(wire, offerer, answerer)
            wire.add_secrets(await trio.Path(log).read_text())
            blocks = wire.blocks
    source, target = folder / "talk.pcapng", folder / "clear.pcapng"
    source.write_bytes(serialize(blocks))
    assert fields(source, [], "sctp", "frame.number") == [], "nothing of it shows before"
    assert main(["pcap", "decrypt", str(source), str(target)]) == 0
    return target


def check(clear: Path) -> None:
    """As tshark reads it without a word of advice: the association's beginning, and both sentences."""
    assert fields(clear, [], "_ws.malformed && sctp", "frame.number") == []
    kinds = [kind for row in fields(clear, [], "sctp", "sctp.chunk_type") for kind in row[0].split(",")]
    assert {INIT, INIT_ACK, COOKIE_ECHO, COOKIE_ACK, DATA} <= set(kinds)
    wish = f"sctp.data_payload_proto_id == {STRING}"
    texts = [bytes.fromhex(row[0].replace(":", "")) for row in fields(clear, [], wish, "data.data")]
    assert [text.decode() for text in texts] == list(SAID)
    names = fields(clear, [], "rtcdc.message_type == 0x03", "rtcdc.label")
    assert [row[0] for row in names] == ["poem"]
    tags = {row[0] for row in fields(clear, [], "sctp && !(sctp.chunk_type == 1)", "sctp.verification_tag")}
    assert len(tags) == 2, "one association, of which each side has its tag"
    protocols = {row[0] for row in fields(clear, [], "sctp", "ip.proto")}
    assert protocols == {"132"}


@pytest.mark.peer("aiortc", "tshark")
async def test_data_of_1_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "keys"
    check(await decrypted(two_of_aiortc(log, monkeypatch), log, tmp_path))
    assert "CLIENT_RANDOM" in log.read_text()


@pytest.mark.peer("chromium", "chromedriver", "firefox", "tshark")
@pytest.mark.parametrize("firefox_offers", [True, False], ids=["firefox-offers", "chromium-offers"])
async def test_data_of_1_3(firefox_offers: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "keys"
    ends = two_browsers(log, monkeypatch, firefox_offers=firefox_offers)
    check(await decrypted(ends, log, tmp_path))
    assert "CLIENT_TRAFFIC_SECRET_0" in log.read_text()
