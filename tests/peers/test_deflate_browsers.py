"""Browsers take long messages of signaling compressed, and understand them. Read next: `meetref/app/deflate.py`."""

from __future__ import annotations

import pytest

from meetref.app.server import Settings, open_server
from meetref.net.network import KernelNetwork
from tests.peers.browsers import BROWSERS

JOIN = """async () => {
  const socket = new WebSocket(`ws://${location.host}/signal`);
  await new Promise((resolve) => { socket.onopen = resolve; });
  const offer = new Promise((resolve) => {
    socket.onmessage = ({ data }) => { if (JSON.parse(data).type === "down-offer") resolve(JSON.parse(data).sdp); };
  });
  socket.send(JSON.stringify({ type: "join", room: "demo", name: "x".repeat(20), token: "y".repeat(2000) }));
  return [socket.extensions, await offer];
}"""


@pytest.mark.peer("chromium", "chromedriver", "firefox")
@pytest.mark.parametrize("kind", BROWSERS)
async def test_a_browser_reads_what_is_compressed_and_is_read(kind: str) -> None:
    async with open_server(KernelNetwork(), Settings(port=0)) as server, BROWSERS[kind]() as browser:
        await browser.open(f"http://localhost:{server.http_port}/")
        extensions, offer = await browser.call(JOIN)
        assert extensions.startswith("permessage-deflate")
        assert offer.startswith("v=0\r\n")
        assert len(offer) > 5000
