"""The server is killed under a browser's feet: the page comes back by itself, and shows each message once."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from tests.app.serving import server_process
from tests.peers.browsers import Browser, chromium
from tests.peers.meetings import enter, sees, state
from tests.peers.test_meeting_browsers import write

SHOWN = "[...document.querySelectorAll('[data-test=chat-message]')].map((each) => each.textContent)"


async def texts(browser: Browser) -> list[str]:
    return [message["text"] for message in (await state(browser))["chat"]]


@pytest.mark.peer("chromium", "chromedriver")
@pytest.mark.slow
async def test_a_page_outlives_its_server(tmp_path: Path) -> None:
    async with server_process(tmp_path) as server, chromium() as ada, chromium() as bob:
        for number, (name, browser) in enumerate((("Ada", ada), ("Bob", bob)), start=1):
            await enter(browser, f"{server.url}/algebra?name={name}&join=now", number)
        await sees(ada, "Bob", 2)
        await write(ada, "before")
        await bob.until("window.meetref.state().chat.length == 1", limit=10)

        await server.kill()
        await ada.until("window.meetref.state().connection == 'reconnecting'", limit=20)
        await write(ada, "meanwhile")
        with trio.fail_after(60):
            await server.start()

        for browser in (ada, bob):
            await browser.until("window.meetref.state().connection == 'connected'", limit=30)
            await browser.until("window.meetref.state().chat.length >= 2", limit=15)
        await write(bob, "after")
        for browser in (ada, bob):
            await browser.until("window.meetref.state().chat.length >= 3", limit=10)
            assert await texts(browser) == ["before", "meanwhile", "after"]
        shown = await ada.evaluate(SHOWN)
        for text in ("before", "meanwhile", "after"):
            assert sum(text in each for each in shown) == 1, shown
        await sees(ada, "Bob", 2)
        await sees(bob, "Ada", 1)
