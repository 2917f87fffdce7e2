"""A recording in real browsers: one presses the button, all see and hear it, also who comes later; and it is there."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from meetref.archive.journal import Journal, read
from tests.peers.browsers import Browser, chromium, firefox
from tests.peers.meetings import enter, sees, serve, state
from tests.peers.test_page_reach import AT_REST

CLEAR = """(() => {
  const clock = document.querySelector(".place .clock");
  const both = [document.querySelector("[data-test=recording]"), clock];
  const [badge, below] = both.map((each) => each.getBoundingClientRect());
  return !clock.checkVisibility({visibilityProperty: true}) || badge.left >= below.right || badge.top >= below.bottom;
})()"""
"""Whether the badge and the clock are not in each other's way."""


async def badge(browser: Browser) -> str:
    """What the badge says, once it can be seen."""
    await browser.until("document.querySelector('[data-test=recording]')?.offsetHeight > 0")
    words: str = await browser.evaluate("document.querySelector('[data-test=recording-words]').textContent")
    return words


async def press(browser: Browser, *names: str) -> None:
    """Press these, one after the other, each once nothing moves any more."""
    for name in names:
        await browser.until(f"document.querySelector('[data-test={name}]')?.offsetHeight > 0")
        await browser.until(AT_REST)
        await browser.click(f"[data-test={name}]")


async def no_badge(browser: Browser) -> None:
    await browser.until("document.querySelector('[data-test=recording]')?.offsetHeight === 0")
    assert (await state(browser))["recording"] is None


async def hears_of_it(browser: Browser) -> None:
    await browser.until("window.meetref.state().recording?.announced === 'heard'")


async def closed(recordings: Path) -> list[Journal]:
    """All journals, once they are ended: the badge goes at once, and the disk has still to do then."""
    with trio.fail_after(20):
        while True:
            paths = await trio.to_thread.run_sync(lambda: list(recordings.glob("*/*.mrj")))
            journals = [read(path.read_bytes()) for path in paths]
            if journals and all(journal.is_closed for journal in journals):
                return journals
            await trio.sleep(0.1)


@pytest.mark.peer("chromium", "chromedriver", "firefox")
@pytest.mark.slow
async def test_everybody_sees_and_hears_that_it_runs(tmp_path: Path) -> None:
    async with serve(tmp_path) as server, chromium() as ada, firefox() as ben:
        await enter(ada, server.link("algebra", "Ada"), 1)
        await enter(ben, server.link("algebra", "Ben"), 2)
        await sees(ada, "Ben", 2)
        assert (await state(ada))["recording"] is None
        await press(ada, "settings", "record")
        assert await badge(ada) == "Recording, started by you"
        assert await badge(ben) == "Recording, started by Ada"
        await hears_of_it(ada)
        told = (await state(ben))["recording"]
        assert (told["name"], told["trouble"]) == ("Ada", None)
        await press(ada, "settings-close")
        async with chromium() as cora:
            await enter(cora, server.link("algebra", "Cora"), 3)
            assert await badge(cora) == "Recording, started by Ada"
            await hears_of_it(cora)
            await sees(ada, "Cora", 3)
            await sees(cora, "Ada", 1)
            await press(cora, "stop-recording")
            for browser in (ada, ben, cora):
                await no_badge(browser)
        journals = await closed(tmp_path / "data" / "recordings")
        assert all(journal.damage is None for journal in journals)
        recorded = {
            (journal.header["name"], journal.header["source"]): len(journal.records)
            for journal in journals
            if journal.header["holds"] == "packets"
        }
        assert set(recorded) == {
            (name, source) for name in ("Ada", "Ben", "Cora") for source in ("camera", "microphone")
        }
        assert min(recorded.values()) > 5, recorded


@pytest.mark.peer("chromium", "chromedriver")
@pytest.mark.slow
async def test_the_badge_has_room_on_a_phone(tmp_path: Path) -> None:
    async with serve(tmp_path) as server, chromium() as ada:
        await ada.open(server.link("algebra", "Ada"))
        await ada.until("window.meetref.state().connection === 'connected'")
        await ada.size(375, 700)
        await press(ada, "settings", "record", "settings-close")
        await badge(ada)
        edges = await ada.evaluate(
            "(({left, right, top}) => [left, right, top])"
            "(document.querySelector('[data-test=recording]').getBoundingClientRect())"
        )
        assert edges[0] >= 0
        assert edges[1] <= 375
        assert edges[2] >= 0
        assert await ada.evaluate(CLEAR), "it lies over the clock"
