"""The README's picture: a person without a camera in the room `demo`, with three robots, as Chromium shows it.

With MEETREF_WRITE_PICTURE=1 in the environment it is written to docs/picture.png.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from PIL import Image

from tests.peers.browsers import chromium
from tests.peers.meetings import sees_bot, serve

PICTURE = Path(__file__).parents[2] / "docs" / "picture.png"


@pytest.mark.peer("chromium", "chromedriver")
@pytest.mark.slow
async def test_the_picture_of_the_readme(tmp_path: Path) -> None:
    async with serve(tmp_path, bots=3) as server, chromium() as browser:
        await browser.size(1400, 900)
        await browser.open(server.link("demo", "Grace"))
        for number, name in enumerate(("Ada", "Blaise", "Cora")):
            await sees_bot(browser, name, number)
        await browser.click("[data-test=camera]")  # a face is nicer than the browser's test pattern
        await browser.click("[data-test=chat]")
        for text in ("Hello, everybody", "This meeting runs on our own stack"):
            await browser.evaluate("document.querySelector('[data-test=chat-input]').focus(), null")
            await browser.type(text)
            await browser.click("[data-test=chat-send]")
        await browser.until("window.meetref.state().chat.length == 2")
        await browser.until("!document.querySelector('[data-test=notice]')")
        picture = Image.open(io.BytesIO(await browser.picture())).convert("RGB")
    assert picture.size == (1400, 900)
    assert len(picture.getcolors(1 << 24) or ()) > 500
    if os.environ.get("MEETREF_WRITE_PICTURE"):
        picture.quantize(256).save(PICTURE, optimize=True)
