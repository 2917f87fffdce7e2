"""Whom one looks at: the speaker's view, pins, pages, and what the page says of a picture that is held back."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.peers.browsers import Browser, chromium
from tests.peers.meetings import Served, enter, person, sees_bot, serve, state
from tests.peers.test_page_reach import AT_REST

ENTER, PAGE_DOWN, PAGE_UP = "\ue007", "\ue00f", "\ue00e"

TILES = """() => Object.fromEntries([...document.querySelectorAll("[data-test=seat]:not([hidden])")].map(
  (tile) => {
    const {width, height} = tile.getBoundingClientRect();
    const name = tile.querySelector("[data-test=tile-name]").textContent;
    const {seat, large} = tile.dataset;
    return [name, {seat, large: large === "true", size: width * height}];
  }))"""
"""Everybody on the stage but oneself."""

INJECT = """() => {
  const Real = WebSocket, sockets = [];
  window.WebSocket = class extends Real {
    constructor(...all) {
      super(...all);
      sockets.push(this);
      this.addEventListener("message", (event) => {
        if (event.isTrusted && said.has(JSON.parse(event.data).type)) event.stopImmediatePropagation();
      });
    }
  };
  const said = new Set();
  window.serverSays = (message) => {
    said.add(message.type);
    sockets.at(-1).dispatchEvent(new MessageEvent("message", {data: JSON.stringify(message)}));
  };
}"""
"""Lets a test say something in the place of the server, which is not heard any more of what the test has spoken of."""


async def tiles(browser: Browser) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = await browser.call(TILES)
    return found


async def view(browser: Browser) -> dict[str, Any]:
    found: dict[str, Any] = (await state(browser))["view"]
    return found


async def large(browser: Browser, name: str | None, *, limit: float = 10) -> None:
    """Wait until the large tile is this person's, or until all are alike."""
    wanted = f"'{name}'" if name else "undefined"
    await browser.until(
        "document.querySelector('[data-large=true]:not([hidden]) [data-test=tile-name]')?.textContent === " + wanted,
        limit=limit,
    )
    await browser.until(AT_REST)


@asynccontextmanager
async def crowd(server: Served, count: int) -> AsyncIterator[None]:
    """So many bots that cost little."""
    words = [str(Path(sys.executable).with_name("meetref")), "bot", "--light", "--count", str(count)]
    process = await trio.lowlevel.open_process([*words, "--port", server.url.rpartition(":")[2]])
    try:
        yield
    finally:
        with trio.CancelScope(shield=True):
            process.terminate()
            await process.wait()


@pytest.mark.peer("chromium", "chromedriver")
@pytest.mark.slow
async def test_who_speaks_is_large_and_nobody_changes_seats(tmp_path: Path) -> None:
    async with serve(tmp_path, bots=3) as server, chromium() as browser:
        await browser.open(server.link("demo", "Olga"))
        await browser.size(1400, 900)
        for number, name in enumerate(("Ada", "Blaise", "Cora")):
            await sees_bot(browser, name, number)
        before = await tiles(browser)
        assert not any(tile["large"] for tile in before.values())
        await browser.type("l")
        await browser.until("window.meetref.state().view.layout === 'speaker' && window.meetref.state().view.large")
        seen: set[str] = set()
        with trio.move_on_after(60):
            while len(seen) < 2:  # the bots take turns
                now = await tiles(browser)
                seen |= {name for name, tile in now.items() if tile["large"]}
                assert {name: tile["seat"] for name, tile in now.items()} == {
                    name: tile["seat"] for name, tile in before.items()
                }
                await trio.sleep(0.3)
        assert len(seen) >= 2, (seen, await view(browser))
        await browser.until(AT_REST)
        (first, *others) = sorted((await tiles(browser)).values(), key=lambda tile: -tile["size"])
        assert first["large"]
        assert all(first["size"] > 5 * other["size"] for other in others)
        found = await view(browser)
        (told,) = [one for one in (await state(browser))["people"] if one["id"] == found["large"]["person"]]
        assert told["video"]["state"] == "playing"
        assert told["name"] in seen
        await browser.click("[data-test=layout]")
        await large(browser, None)
        assert (await view(browser))["layout"] == "grid"


@pytest.mark.peer("chromium", "chromedriver")
@pytest.mark.slow
async def test_a_pinned_tile_is_large_whoever_speaks(tmp_path: Path) -> None:
    async with serve(tmp_path, bots=3) as server, chromium() as browser:
        await browser.open(server.link("demo", "Olga"))
        for number, name in enumerate(("Ada", "Blaise", "Cora")):
            await sees_bot(browser, name, number)
        blaise = (await tiles(browser))["Blaise"]["seat"]
        pin = f"[data-test=seat][data-seat='{blaise}'] [data-test=pin]"
        await browser.click(pin)
        await large(browser, "Blaise")
        assert await browser.evaluate(f"document.querySelector(\"{pin}\").getAttribute('aria-pressed')") == "true"
        assert await browser.evaluate(f'document.querySelector("{pin}").ariaLabel') == "Pin Blaise"
        await browser.type("l")
        await large(browser, "Blaise")
        await browser.type("l")
        found = await view(browser)
        assert [pinned["source"] for pinned in found["pinned"]] == ["camera"]
        assert found["large"] == found["pinned"][0]
        # By the keyboard: the newest pin is the large one.
        await browser.evaluate("document.querySelector('[aria-label=\"Pin Cora\"]').focus(), null")
        await browser.type(ENTER)
        await large(browser, "Cora")
        await browser.type(ENTER)
        await large(browser, "Blaise")
        await browser.click(pin)
        await large(browser, None)
        assert (await view(browser))["pinned"] == []


NAMES = """[...document.querySelectorAll('[data-test=tile-name]')]
  .filter((name) => name.closest('[data-test=seat]')).map(({textContent}) => textContent).join()"""


async def out_of_sight(browser: Browser) -> set[str]:
    """Who is on no tile."""
    return {one["name"] for one in (await state(browser))["people"] if not one["me"]} - set(await tiles(browser))


async def leafs(browser: Browser) -> bool:
    """To the second page, where only who was missing is seen, and back to the same first page.

    False where somebody else came to lead meanwhile, as one of a crowd that all hums does now and then: the order is
    another one then.
    """
    first = set(await tiles(browser))
    (missing,) = await out_of_sight(browser)
    await browser.click("[data-test=page-next]")
    await browser.until(f"window.meetref.state().view.page === 1 && !{NAMES}.includes(',')")
    shown = await browser.evaluate(NAMES)
    await browser.until("document.querySelectorAll('[data-test=seat].with-picture').length === 1")
    assert await browser.evaluate("document.querySelector('[data-test=page-next]').ariaDisabled") == "true"
    await browser.type(PAGE_UP)
    await browser.until("document.querySelectorAll('[data-test=seat].with-picture').length === 7")
    return shown == missing and set(await tiles(browser)) == first


@pytest.mark.peer("chromium", "chromedriver")
@pytest.mark.slow
async def test_pages_show_everybody_and_only_voices_come_from_the_others(tmp_path: Path) -> None:
    async with serve(tmp_path) as server, chromium() as browser, crowd(server, 8):
        await browser.size(390, 844)
        await enter(browser, server.link("demo", "Olga"), 1)
        await browser.until("window.meetref.state().people.length === 9", limit=30)
        await browser.until("window.meetref.state().view.pages === 2")
        await browser.until("document.querySelectorAll('[data-test=seat]:not([hidden])').length === 7")
        assert await browser.evaluate("document.querySelector('[data-test=pages]').textContent") == "Page 1 of 2"
        (missing,) = await out_of_sight(browser)
        hidden = await person(browser, missing)
        assert hidden is not None
        assert (hidden["video"]["state"], hidden["video"]["reason"]) == ("paused", "on another page")
        energy = "window.meetref.state().people.find(({name}) => name === '" + missing + "').audio.total_energy"
        heard = await browser.evaluate(energy)
        await browser.until(f"{energy} > {heard} + 0.0001", limit=60)
        seats = "(await (await fetch('/api/rooms/demo')).json()).people.find(({name}) => name === 'Olga').down.seats"
        assert await browser.evaluate(f"{seats}.filter(({{video}}) => video).length") == 7
        assert await browser.evaluate(f"{seats}.filter(({{audio}}) => audio).length") == 8
        assert any([await leafs(browser) for _ in range(2)]), "another one is missing on each way back"
        await browser.type(PAGE_DOWN)
        await browser.until("window.meetref.state().view.page === 1")
        await browser.size(1400, 900)  # there is room for all: no pages any more
        await browser.until("document.querySelectorAll('[data-test=seat].with-picture').length === 8")
        assert (await view(browser))["pages"] == 1
        assert await browser.evaluate("document.querySelector('[data-test=pages]').offsetParent === null")


@pytest.mark.peer("chromium", "chromedriver")
@pytest.mark.slow
async def test_a_picture_that_is_held_back_says_why_and_bars_tell_of_connections(tmp_path: Path) -> None:
    async with serve(tmp_path, bots=2) as server, chromium() as browser:
        await browser.preload(INJECT)
        await browser.open(server.link("demo", "Olga"))
        for number, name in enumerate(("Ada", "Blaise")):
            await sees_bot(browser, name, number)
        bars = "[...document.querySelectorAll('.tile [data-test=bars]')].every(({dataset}) => dataset.bars >= 1)"
        await browser.until(f"document.querySelectorAll('.tile').length >= 3 && {bars}")
        assert all(1 <= one["bars"] <= 4 for one in (await state(browser))["people"])
        ada = int((await tiles(browser))["Ada"]["seat"])
        held = {"seat": ada, "state": "paused", "reason": "paused: 180 of 220 kbit/s", "layer": None}
        tile = f"document.querySelector(\"[data-test=seat][data-seat='{ada}']\")"
        await browser.call(
            "(message) => window.serverSays(message)",
            {"type": "video", "seats": [held, {"seat": 1 - ada, "state": "playing", "reason": None, "layer": "half"}]},
        )
        words = f"{tile}.querySelector('[data-test=tile-words]')"
        # The tile may have been paused before, for want of pictures.
        await browser.until(f"{words}.textContent === 'Paused: 180 of 220 kbit/s'")
        assert await browser.evaluate(f"['paused', 'with-picture'].every((name) => {tile}.classList.contains(name))")
        assert "Paused: 180" in await browser.evaluate(f"{tile}.ariaLabel")
        seen = {one["name"]: one["video"] for one in (await state(browser))["people"]}
        assert (seen["Ada"]["state"], seen["Ada"]["reason"]) == ("paused", "paused: 180 of 220 kbit/s")
        assert seen["Blaise"]["layer"] == "half"
        blaise = "window.meetref.state().people.find(({name}) => name === 'Blaise')"
        await browser.until(f"{blaise}.video.state === 'playing'")  # a busy machine may hold it back for a moment
        await browser.call("(message) => window.serverSays(message)", {"type": "video", "seats": []})
        await browser.until(f"!{tile}.classList.contains('paused') && {words}.hidden")
        ada_id = next(one["id"] for one in (await state(browser))["people"] if one["name"] == "Ada")
        weak = {"type": "quality", "people": [{"person": ada_id, "bars": 1}]}
        await browser.call("(message) => window.serverSays(message)", weak)
        await browser.until(f"{tile}.querySelector('[data-test=bars]').dataset.bars === '1'")
        assert "weak connection" in await browser.evaluate(f"{tile}.ariaLabel")
