"""Captions in real browsers: one writes what is said, the others read it, and a recording keeps it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.peers.browsers import Browser, chromium
from tests.peers.meetings import serve, state
from tests.peers.test_page_recording import press

pytestmark = pytest.mark.slow


async def write(browser: Browser, text: str) -> None:
    """Write a line, and read that it was told."""
    await browser.type(f"{text}\ue007")
    await browser.until(f"window.meetref.state().captions.lines.at(-1)?.text === '{text}'")


async def reads(browser: Browser) -> list[str]:
    await browser.until("document.querySelectorAll('[data-test=caption]').length > 0")
    lines: list[str] = await browser.evaluate(
        "[...document.querySelectorAll('[data-test=caption]')].map((each) => each.textContent)"
    )
    return lines


@pytest.mark.peer("chromium", "chromedriver")
async def test_what_one_writes_the_other_reads(tmp_path: Path) -> None:
    async with serve(tmp_path) as server, chromium() as ada, chromium() as ben:
        for browser, name in ((ada, "Ada"), (ben, "Ben")):
            await browser.open(server.link("algebra", name))
            await browser.until("window.meetref.state().connection === 'connected'")
        await ada.until("window.meetref.state().people.length === 2")
        toggle = "document.querySelector('[data-test=captions-toggle]')"
        assert await ben.evaluate(f"{toggle}.hidden")
        await press(ada, "settings", "write-captions")
        await ada.until("document.activeElement?.dataset.test === 'caption-input'")
        ben_id = next(each["id"] for each in (await state(ada))["people"] if each["name"] == "Ben")
        await ada.call("(id) => { document.querySelector('[data-test=caption-whose]').value = id; }", ben_id)
        await write(ada, "<b>good</b> morning")
        assert await reads(ben) == ["Ben: <b>good</b> morning"]
        assert await ben.evaluate("document.querySelector('[data-test=captions-by]').textContent") == "Written by Ada"
        await write(ada, "and welcome")
        await ben.until("document.querySelectorAll('[data-test=caption]').length === 2")
        assert (await reads(ben))[-1] == "and welcome"  # the name stands once
        told = (await state(ben))["captions"]
        assert (told["shown"], told["writing"], told["lines"][0]["name"]) == (True, False, "Ben")
        await press(ben, "captions-toggle")
        await ben.until("document.querySelector('[data-test=captions]').hidden")
        await press(ada, "caption-close")
        await ada.until("document.querySelector('[data-test=caption-input]').offsetHeight === 0")
