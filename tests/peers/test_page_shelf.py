"""The page of recordings in real browsers: from the meeting to the film, its chapters and chat, links and deletion."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from tests.peers import fakefilm
from tests.peers.browsers import Browser, BrowserError, chromium, firefox
from tests.peers.meetings import enter, serve, state
from tests.peers.s3server import S3Server
from tests.peers.test_page_recording import press

COMPOSER = (sys.executable, str(Path(fakefilm.__file__)))
PROGRAM = f"""
import sys
from meetref.app import cli, keeping
keeping.COMPOSE = {COMPOSER!r}
sys.exit(cli.main())
"""
SECOND = """(() => {
  const video = document.querySelector("[data-test=player]");
  const canvas = document.createElement("canvas");
  const paint = canvas.getContext("2d");
  paint.drawImage(video, 0, 0, 8, 8);
  return video.readyState < 2 || video.seeking ? null : Math.round(paint.getImageData(4, 4, 1, 1).data[0] / GREY) - 1;
})()""".replace("GREY", str(fakefilm.GREY))
"""Which second the player shows, read from its picture."""


def one(name: str, more: str = "") -> str:
    return f"document.querySelector('[data-test={name}]{more}')"


async def text(browser: Browser, name: str) -> str:
    await browser.until(f"{one(name)}?.textContent")
    found: str = await browser.evaluate(f"{one(name)}.textContent")
    return found


async def arrives(browser: Browser, address: str) -> None:
    """Wait for a page that a click leads to; while it changes, nothing can be asked."""
    while True:
        with suppress(BrowserError):
            await browser.until(f"location.href === {address!r} && document.readyState === 'complete'")
            return


@asynccontextmanager
async def recorded(tmp_path: Path, ada: Browser, *arguments: str) -> AsyncIterator[str]:
    """A meeting that Ada recorded, and has left; where its film is."""
    async with serve(tmp_path, *arguments, program=[sys.executable, "-c", PROGRAM]) as server:
        await enter(ada, server.link("algebra", "Ada"), 1)
        await ada.until("window.meetref.state().connection === 'connected'")
        await press(ada, "settings", "record")
        await ada.until("window.meetref.state().recording")
        await press(ada, "settings-close", "chat")
        for words in ("The notes are in the folder", "Thank you", "Shall we look at the notes again?"):
            await ada.click("[data-test=chat-input]")
            await ada.type(words)
            await ada.click("[data-test=chat-send]")
            await ada.until(f"window.meetref.state().chat.some((each) => each.text === {words!r})")
        await press(ada, "stop-recording")
        await ada.until(f"!!{one('recording-link')}")
        link: str = await ada.evaluate(f"{one('recording-link')}.href")
        assert link.removeprefix("http://") in await text(ada, "recording-link")
        assert (await state(ada))["recording"] is None
        await ada.open(f"{server.url}/recordings")
        if "FAKEFILM_FAILS" in os.environ:
            await ada.until(f"{one('recording-state')}?.textContent.endsWith(': There is nobody in it.')")
            await press(ada, "recording-retry")
        await ada.until(f"!!{one('recording-row')} && !{one('recording-state')}?.offsetHeight")
        yield link


@pytest.mark.peer("chromium", "chromedriver", "firefox")
@pytest.mark.spec("shelf/link", "shelf/who-was-there", "shelf/cookie", "shelf/who-tries-again")
@pytest.mark.slow
async def test_from_the_meeting_to_the_film_and_to_somebody_with_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fails").touch()
    monkeypatch.setenv("FAKEFILM_FAILS", str(tmp_path / "fails"))  # once, and is tried again
    async with chromium() as ada, firefox() as ben, recorded(tmp_path, ada) as link:
        await press(ada, "recording-open")
        await arrives(ada, link)
        await ada.until(f"{one('player')}?.readyState >= 2")
        assert await ada.evaluate(f"{one('player')}.duration") == pytest.approx(fakefilm.SECONDS, abs=0.2)
        await ada.evaluate("[...document.querySelectorAll('[data-test=chapter]')][1].click()")
        await ada.until(f"{SECOND} >= 3")
        await ada.until(f"{one('chapter', '[aria-current]')}?.textContent === '0:03Ben'")

        await ada.click("[data-test=chat-search]")
        await ada.type("NOTES")
        assert await text(ada, "chat-found") == "2 of 3"
        await ada.evaluate("[...document.querySelectorAll('[data-test=chat-line]')][2].click()")
        await ada.until(f"Math.abs({one('player')}.currentTime - 3) < 1.5")
        await ada.click("[data-test=captions-search]")
        await ada.type("laughs")
        assert await text(ada, "captions-found") == "1 of 2"
        await ada.evaluate("[...document.querySelectorAll('[data-test=captions-line]')][1].click()")
        shown = f"[...{one('player')}.textTracks[0].activeCues].map((each) => each.getCueAsHTML().textContent).join()"
        await ada.until(f"{shown} === 'somebody laughs'")
        await ada.evaluate("[...document.querySelectorAll('[data-test=captions-line]')][0].click()")
        await ada.until(f"{shown} === 'Ada: Is 1 < 2?'")
        assert await ada.evaluate("document.cookie") == "", "no script can read it"

        before = link.rpartition("/")[2]
        await ben.open(link)
        assert "you were not in it" in await text(ben, "error")
        await press(ada, "share")
        await ada.until(f"{one('share-link')}?.value")
        shared: str = await ada.evaluate(f"{one('share-link')}.value")
        assert shared.startswith(f"{link}#")
        await ben.open("about:blank")
        await ben.open(shared)
        await ben.until(f"{one('player')}?.readyState >= 2")
        await ben.evaluate("[...document.querySelectorAll('[data-test=chapter]')][2].click()")
        await ben.until(f"{SECOND} >= 6")
        assert not await ben.evaluate(f"!!({one('delete')} || {one('share')})")
        addresses = await ben.evaluate("performance.getEntriesByType('resource').map((each) => each.name)")
        token = shared.partition("#")[2]
        assert not [each for each in addresses if token in each]
        assert token not in (tmp_path / "server.log").read_text()

        await press(ada, "delete", "delete-cancel")
        await press(ada, "delete", "delete-confirm")
        await arrives(ada, link.rpartition("/")[0])
        await ada.until(one("nothing") + "?.offsetHeight > 0")
        assert not list((tmp_path / "data").glob(f"*/{before}*"))
        await ben.open("about:blank")
        await ben.open(shared)
        assert "There is no such recording" in await text(ben, "error")


@pytest.mark.peer("chromium", "chromedriver", "versitygw")
@pytest.mark.spec("objects/links-expire")
@pytest.mark.slow
async def test_a_film_in_s3_is_played_from_there(
    tmp_path: Path, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From another origin, which the page's content security policy has to allow."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    async with chromium() as ada, recorded(tmp_path, ada, "--objects", s3_server.new_place()) as link:
        await press(ada, "recording-open")
        await arrives(ada, link)
        await ada.until(f"{one('player')}?.readyState >= 2")
        assert (await ada.evaluate(f"{one('player')}.currentSrc")).startswith(f"{s3_server.endpoint}/")
        await ada.evaluate("[...document.querySelectorAll('[data-test=chapter]')][1].click()")
        await ada.until(f"{one('player')}.currentTime >= 3")
        assert await ada.evaluate(f"{one('player')}.error") is None
