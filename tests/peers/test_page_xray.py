"""X-ray: what the page says of every stream agrees with what the server tells, and everybody can read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.peers.browsers import Browser, chromium
from tests.peers.meetings import enter, sees_bot, serve
from tests.peers.test_page_connection import WIDE
from tests.peers.test_page_reach import AT_REST, FAINT, SMALL, SMALLEST, unnamed

FAR_AWAY = """() => {
  const near = window.fetch;
  window.fetch = (path, options = {}) =>
    near(path, {...options, headers: {...options.headers, "X-Forwarded-For": "192.0.2.1"}});
}"""
"""To the server the page is on another machine."""

FIGURES = """(test) => [...document.querySelectorAll(`[data-test=${test}]`)].map((row) => ({
  ...row.dataset, name: row.querySelector("[data-test=xray-name]")?.textContent,
  why: row.querySelector("[data-test=xray-why]")?.textContent,
  ...Object.fromEntries([...row.querySelectorAll("data")].map((cell) => {
    const {dataset: {test}, value, textContent} = cell;
    return [test.replace("xray-", ""), cell.hasAttribute("value") ? Number(value) : textContent];
  })),
}))"""


async def open_xray(browser: Browser) -> None:
    await browser.type("x")
    await browser.until("document.querySelectorAll('[data-test=xray-person]').length >= 3")
    for row in ("seat", "sent", "person"):
        bitrate = "xray-sends" if row == "person" else "xray-bitrate"
        await browser.until(
            f"[...document.querySelectorAll('[data-test=xray-{row}] [data-test={bitrate}]')]"
            ".some(({value}) => Number(value) > 1000)"
        )


@pytest.mark.peer("chromium", "chromedriver")
@pytest.mark.slow
async def test_streams_seats_people_and_tasks(tmp_path: Path) -> None:
    async with serve(tmp_path, bots=2) as server, chromium() as browser:
        await enter(browser, server.link("demo", "Olga"), 1)
        for number, name in enumerate(("Ada", "Blaise")):
            await sees_bot(browser, name, number)
        await open_xray(browser)
        up, down = await browser.call(FIGURES, "xray-link")
        assert (up["direction"], down["direction"]) == ("up", "down")
        assert up["total"] > 1000
        assert down["total"] > 1000
        names = [row["name"] for row in await browser.call(FIGURES, "xray-sent")]
        assert names[0] == "Microphone"
        assert set(names[1:]) == {"Camera"}
        seats = await browser.call(FIGURES, "xray-seat")
        assert {row["name"] for row in seats} == {"Ada", "Blaise"}
        assert all(row["why"] and row["size"].startswith("640×360") for row in seats)
        people = {row["person"]: row for row in await browser.call(FIGURES, "xray-person")}
        told = await browser.evaluate("(await fetch('/api/rooms/demo')).json()")
        assert {one["id"]: one["name"] for one in told["people"]} == {key: row["name"] for key, row in people.items()}
        (me,) = [one for one in told["people"] if one["name"] == "Olga"]
        assert {seat["seat"] for seat in me["down"]["seats"]} == {int(row["seat"]) for row in seats}
        tasks = await browser.until("document.querySelector('[data-test=xray-tasks] ul')?.textContent")
        assert "room demo" in tasks
        assert "Olga" in tasks
        line = "document.querySelector('[data-test=xray-link] .line-0').getAttribute('d')"
        before = await browser.until(line)
        await browser.until(f"{line} !== '{before}'")
        await browser.click(".flow summary")
        await browser.until("document.querySelector('.flow details').open")
        streams = await browser.until("document.querySelector('.flow .streams').textContent")
        assert "Sends camera" in streams
        await browser.click("[data-test=panel-close]")
        asked = await browser.evaluate(
            "performance.getEntriesByType('resource').filter(({name}) => /api/.test(name)).length"
        )
        await browser.evaluate("new Promise((resolve) => setTimeout(resolve, 2500))")
        later = await browser.evaluate(
            "performance.getEntriesByType('resource').filter(({name}) => /api/.test(name)).length"
        )
        assert later <= asked + 1, "nobody asks while nobody looks"


@pytest.mark.peer("chromium", "chromedriver")
@pytest.mark.slow
async def test_everybody_can_read_it(tmp_path: Path) -> None:
    async with serve(tmp_path, bots=2) as server, chromium() as browser:
        await enter(browser, server.link("demo", "Olga"), 1)
        for number, name in enumerate(("Ada", "Blaise")):
            await sees_bot(browser, name, number)
        await open_xray(browser)
        await browser.evaluate("document.querySelectorAll('.flow details').forEach((each) => (each.open = true)), null")
        for sides in ((1400, 900), (1000, 700), (390, 844), (320, 640)):
            await browser.size(*sides)
            await browser.until(f"innerWidth === {sides[0]} && {AT_REST}")
            assert await browser.call(WIDE) == [], sides
            assert await browser.call(SMALL, SMALLEST) == [], sides
            for scheme in ("light", "dark"):
                feature = {"name": "prefers-color-scheme", "value": scheme}
                await browser.devtools("Emulation.setEmulatedMedia", features=[feature])
                await browser.until(AT_REST)
                assert await browser.call(FAINT) == [], (sides, scheme)
        assert await unnamed(browser) == []


@pytest.mark.peer("chromium", "chromedriver")
@pytest.mark.slow
async def test_from_afar_the_server_wants_the_admin_token(tmp_path: Path) -> None:
    secret = tmp_path / "admin"
    secret.write_text("s3cret-of-the-administrator-0123456789")
    async with serve(tmp_path, "--admin-token-file", str(secret), bots=2) as server, chromium() as browser:
        await browser.preload(FAR_AWAY)
        await enter(browser, server.link("demo", "Olga"), 1)
        await sees_bot(browser, "Ada", 0)
        await browser.type("x")
        await browser.until("!!document.querySelector('[data-test=xray-refused]')?.offsetParent")
        seat = "[...document.querySelectorAll('[data-test=xray-seat] [data-test=xray-bitrate]')]"
        await browser.until(f"{seat}.some(({{value}}) => Number(value) > 1000)")  # the browser's own side is there
        assert await browser.evaluate("document.querySelectorAll('[data-test=xray-person]').length") == 0
        await browser.evaluate("document.querySelector('[data-test=admin-token]').focus(), null")
        await browser.type("wrong\ue007")
        await browser.evaluate("new Promise((resolve) => setTimeout(resolve, 1500))")
        assert await browser.evaluate("!!document.querySelector('[data-test=xray-refused]').offsetParent")
        await browser.evaluate("document.querySelector('[data-test=admin-token]').select(), null")
        await browser.type(f"{secret.read_text()}\ue007")
        await browser.until("document.querySelectorAll('[data-test=xray-person]').length === 3")
        assert await browser.evaluate("document.querySelector('[data-test=xray-refused]').offsetParent === null")
