"""A browser records what its page shows, and brings it to the server: whole, or up to the last piece before a crash."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import av
import msgspec
import numpy
import pytest
import trio

from meetref.archive.assembling import FILM, INDEX, assemble
from meetref.archive.upload import PART, leftovers
from tests.archive.webm import duration_of, played
from tests.peers.browsers import Browser, BrowserError, chromium, firefox
from tests.peers.meetings import Served, enter, serve, state
from tests.peers.test_page_recording import badge, no_badge, press

Opened = Callable[[], AbstractAsyncContextManager[Browser]]


@asynccontextmanager
async def light_bot(server: Served) -> AsyncIterator[None]:
    """A robot in the room `algebra`, which replays its frames."""
    port = server.url.rpartition(":")[2]
    program = str(Path(sys.executable).with_name("meetref"))
    words = [program, "bot", "--light", "--room", "algebra", "--port", port]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: ASYNC220
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


async def records(browser: Browser, server: Served) -> None:
    """Enter the room, see the robot, and record until some seconds are safe."""
    await enter(browser, server.link("algebra", "Ada"), 1)
    await browser.until(
        "window.meetref.state().people.some((each) => !each.me && each.video.state === 'playing')", limit=40
    )
    await press(browser, "settings", "record-here")
    assert await badge(browser) == "You record in this browser"
    await browser.until("window.meetref.state().upload?.state === 'recording'")
    await press(browser, "settings-close")
    await safe(browser, 3)


async def safe(browser: Browser, pieces: int) -> None:
    """Wait until the server has acknowledged so many pieces more."""
    for _ in range(pieces):
        known = (await state(browser))["upload"]["acknowledged"]
        await browser.until(f"window.meetref.state().upload.acknowledged > {known}")


@asynccontextmanager
async def hidden(browser: Browser) -> AsyncIterator[None]:
    """Another tab lies over the page."""
    tree = await browser.command("browsingContext.getTree")
    other = await browser.command("browsingContext.create", type="tab")
    await browser.command("browsingContext.activate", context=other["context"])
    await browser.until("document.visibilityState === 'hidden'")
    yield
    assert await browser.evaluate("document.visibilityState") == "hidden"
    await browser.command("browsingContext.activate", context=tree["contexts"][0]["context"])


async def film(tmp_path: Path) -> Path:
    """The folder of the only recording, once it is assembled."""
    for _ in range(300):
        if found := list((tmp_path / "data" / "recordings").glob(f"*/{INDEX}")):
            return found[0].parent
        await trio.sleep(0.1)
    raise AssertionError("it was not assembled")


def looks(path: Path) -> tuple[float, float]:
    """How much the last picture varies from place to place, and how loud the sound is at its loudest."""
    with av.open(str(path)) as given:
        picture = list(given.decode(video=0))[-1].to_ndarray(format="gray")
    with av.open(str(path)) as given:
        peaks = [float(numpy.abs(frame.to_ndarray()).max()) for frame in given.decode(audio=0)]
    return float(picture.std()), max(peaks)


@pytest.mark.peer("chromium", "chromedriver", "firefox")
@pytest.mark.slow
@pytest.mark.parametrize("opened", [chromium, firefox], ids=["chromium", "firefox"])
async def test_a_browser_records_what_it_shows(opened: Opened, tmp_path: Path) -> None:
    async with serve(tmp_path) as server, light_bot(server), opened() as browser:
        await records(browser, server)
        sees_it: dict[str, Any] = (await state(browser))["recording"]
        assert [(own["name"], own["way"]) for own in sees_it["others"]] == [("Ada", "browser")]
        async with hidden(browser):
            await safe(browser, 2)
        await press(browser, "stop-recording")
        await no_badge(browser)
        await browser.until("window.meetref.state().upload === null")
        folder = await film(tmp_path)
        index = msgspec.json.decode((folder / INDEX).read_bytes())
        assert index["room"] == "algebra"
        assert duration_of(str(folder / FILM)) == pytest.approx(index["duration"], abs=0.2)
        assert index["duration"] > 2
        got = played(str(folder / FILM))
        assert got["video"] > 10
        assert got["audio"] > 20  # Chromium has 60 ms in a packet
        varied, loud = looks(folder / FILM)
        assert varied > 10
        await browser.open(f"{server.url}/recordings/{folder.name}")
        await browser.until("document.querySelector('[data-test=player]')?.duration > 2")
        if browser.name == "chromium":  # without a loudspeaker Firefox's AudioContext stays silent
            assert loud > 0.01


@pytest.mark.spec("recorder/upload-safe", "recorder/upload-cut")
@pytest.mark.peer("chromium", "chromedriver")
@pytest.mark.slow
async def test_what_was_acknowledged_outlives_a_browser_that_crashes(tmp_path: Path) -> None:
    root = tmp_path / "data" / "recordings"
    async with serve(tmp_path) as server, light_bot(server):
        with suppress(BrowserError, trio.BrokenResourceError, trio.ClosedResourceError):
            async with chromium() as browser:
                await records(browser, server)
                await safe(browser, 3)
                acknowledged = (await state(browser))["upload"]["acknowledged"]
                browser.kill()
        [part] = root.glob(f"*/{PART}")
        assert part.stat().st_size >= acknowledged
        assert leftovers(root) == [], "it is the server's that runs"
    [folder] = leftovers(root)
    assert assemble(folder)  # as the next server does at its start
    got = played(str(folder / FILM))
    assert got["video"] > 10
    assert got["audio"] > 5  # of 60 ms; on a busy machine they come late
    assert duration_of(str(folder / FILM)) > 1.5
