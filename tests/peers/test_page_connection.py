"""The connection in the panel: its path, its keys and its candidate pairs, as the browser's statistics tell them."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.peers.browsers import BROWSERS, Browser, chromium
from tests.peers.meetings import enter, sees_bot, serve, state
from tests.peers.natted import ONLY_RELAYS
from tests.peers.test_page_reach import AT_REST

ESCAPE = "\ue00c"

READ = """() => [...document.querySelectorAll("[data-test=path]")].map((path) => {
  const within = (root, name) => root.querySelector(`[data-test=${name}]`);
  const text = (root, name) => within(root, name).textContent.replaceAll("\\u00a0", " ");
  const value = (root, name) => within(root, name).hasAttribute("value") ? Number(within(root, name).value) : null;
  const box = (root, name) => {
    const inner = within(root, name).getBoundingClientRect(), outer = root.getBoundingClientRect();
    return [Math.round(outer.right - inner.right), Math.round(inner.top - outer.top)];
  };
  return {
    direction: path.dataset.direction,
    state: text(path, "path-state"), words: text(path, "path-words"), round_trip: value(path, "path-round-trip"),
    dtls: text(path, "path-dtls"), srtp: text(path, "path-srtp"),
    pairs: [...path.querySelectorAll("[data-test=pair]")].map((pair) => ({
      state: pair.dataset.state, words: text(pair, "pair-state"),
      selected: pair.dataset.selected === "true", marked: !within(pair, "pair-selected").hidden,
      nominated: !within(pair, "pair-nominated").hidden,
      local: text(pair, "pair-local"), remote: text(pair, "pair-remote"),
      round_trip: value(pair, "pair-round-trip"), round_trip_words: text(pair, "pair-round-trip"),
      sent: value(pair, "pair-sent"), received: value(pair, "pair-received"),
      sent_words: text(pair, "pair-sent"), received_words: text(pair, "pair-received"),
      places: ["pair-round-trip", "pair-sent", "pair-received"].map((name) => box(pair, name)),
    })),
  };
})"""
"""What the panel shows, word for word, and where the figures of a pair end."""

IN_USE = """[...document.querySelectorAll("[data-test=pair][data-selected=true][data-state=succeeded]")].filter(
  (pair) => !pair.querySelector("[data-test=pair-nominated]").hidden).length"""
"""How many of the two connections have a path that is there to stay."""

WIDE = """() => {
  const panel = document.querySelector("[data-test=panel]"), {left, right} = panel.getBoundingClientRect();
  const beyond = (each) => {
    const box = each.getBoundingClientRect();
    return box.width > 1 && (box.right > Math.min(right, innerWidth) + 0.5 || box.left < left - 0.5);
  };
  const scrolls = [document.documentElement, ...panel.querySelectorAll("*")].filter(
    (each) => each.scrollWidth > each.clientWidth + 1 && each.clientWidth > 1 && each.tagName !== "TEXTAREA");
  return [...[...panel.querySelectorAll("*")].filter(beyond), ...scrolls].map((each) => each.outerHTML.slice(0, 90));
}"""
"""What stands out of the panel at a side."""


async def open_panel(browser: Browser) -> None:
    await browser.click("[data-test=people]")
    await browser.click("[data-test=connection-tab]")
    await browser.until(f"{IN_USE} === 2")


async def read(browser: Browser) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await browser.call(READ)
    return found


def check_path(path: dict[str, Any], told: dict[str, Any], port: str) -> None:
    """One direction, against `window.meetref.state()` and the server's port."""
    assert path["state"] == "Connected"
    assert path["words"] in ("Directly over UDP, IPv4", "Directly over UDP, IPv6")
    assert path["dtls"] == f"{told['dtls']}, {told['dtls_cipher']}"
    assert path["srtp"] == told["srtp_profile"]
    first, *others = path["pairs"]
    assert (first["state"], first["words"]) == ("succeeded", "Succeeded")
    assert (first["selected"], first["marked"], first["nominated"]) == (True, True, True)
    assert not any(pair["selected"] or pair["marked"] for pair in others)
    assert " udp " in first["local"]
    assert first["remote"].startswith("host udp ")
    assert first["remote"].endswith(f":{port}")
    assert ("IPv6" in path["words"]) == ("[" in first["remote"])


@pytest.mark.peer("chromium", "chromedriver", "firefox")
@pytest.mark.slow
@pytest.mark.parametrize("kind", BROWSERS)
async def test_the_pair_in_use_and_its_figures(kind: str, tmp_path: Path) -> None:
    async with serve(tmp_path, bots=1) as server, BROWSERS[kind]() as browser:
        await enter(browser, server.link("demo", "Olga"), 1)
        await sees_bot(browser, "Ada", 0)
        await open_panel(browser)
        await browser.until("window.meetref.state().transports.every((each) => each.dtls)")
        await browser.until(
            "[...document.querySelectorAll('[data-test=path-dtls]')].every((e) => /1/.test(e.innerText))"
        )
        paths = await read(browser)
        assert [path["direction"] for path in paths] == ["up", "down"]
        for path, told in zip(paths, (await state(browser))["transports"], strict=True):
            check_path(path, told, server.url.rpartition(":")[2])
        if kind == "chromium":  # it measures with every check; Firefox may have no figure yet
            await browser.until("[...document.querySelectorAll('[data-test=path-round-trip]')].every((e) => e.value)")
        for direction, name in (("up", "sent"), ("down", "received")):
            before, after = await grown(browser, direction, name)
            pair = after["pairs"][0]
            assert pair["places"] == before["pairs"][0]["places"]  # figures grow without moving
            assert pair[f"{name}_words"] != before["pairs"][0][f"{name}_words"]
            assert after["round_trip"] == pair["round_trip"]
            assert pair["round_trip"] is None or 0 <= pair["round_trip"] < 5
            assert (pair["round_trip_words"] == "–") == (pair["round_trip"] is None)


async def grown(browser: Browser, direction: str, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """One path before and after 20 000 octets more on one pair: Chromium may change to another at the beginning."""
    cell = f"document.querySelector('[data-test=path][data-direction={direction}] [data-test=pair-{name}]')"
    for _ in range(5):
        before = (await read(browser))[direction == "down"]
        await browser.until(f"Number({cell}.value) > {before['pairs'][0][name] + 20_000}")
        after = (await read(browser))[direction == "down"]
        if after["pairs"][0]["local"] == before["pairs"][0]["local"]:
            return before, after
    raise AssertionError(f"the path does not settle: {before}, {after}")


@pytest.mark.peer("chromium", "chromedriver")
@pytest.mark.slow
async def test_the_panel_by_keyboard_and_on_a_phone(tmp_path: Path) -> None:
    async with serve(tmp_path, bots=1) as server, chromium() as browser:
        await enter(browser, server.link("demo", "Olga"), 1)
        await sees_bot(browser, "Ada", 0)
        await browser.type("p")
        await browser.type("\ue014")  # the arrow to the right
        await browser.until(f"{IN_USE} === 2")
        assert await browser.evaluate("document.activeElement.dataset.test") == "connection-tab"
        for sides in ((1400, 900), (390, 844), (320, 640)):
            await browser.size(*sides)
            await browser.until(f"innerWidth === {sides[0]} && {AT_REST}")
            assert await browser.call(WIDE) == [], sides
        nodes = (await browser.devtools("Accessibility.getFullAXTree"))["nodes"]
        roles = [each["role"]["value"] for each in nodes if not each["ignored"] and "role" in each]
        names = {each.get("name", {}).get("value") for each in nodes if not each["ignored"]}
        assert roles.count("table") == 2
        assert roles.count("columnheader") == 10
        assert roles.count("rowheader") >= 2
        assert {"Candidate pairs: what you send", "Candidate pairs: what you receive"} <= names
        await browser.type(ESCAPE)
        await browser.until("document.querySelector('[data-test=panel]').hidden")
        await browser.click("[data-test=settings]")
        await browser.until("/over UDP/.test(document.querySelector('[data-test=transports]').textContent)")
        await browser.click("[data-test=connection-show]")
        await browser.until("!document.querySelector('dialog[open]')")
        assert len(await read(browser)) == 2
        assert not await browser.evaluate("document.querySelector('[data-test=panel]').hidden")


@pytest.mark.peer("chromium", "chromedriver")
@pytest.mark.slow
async def test_a_relay_is_told_in_words(tmp_path: Path) -> None:
    async with serve(tmp_path, bots=1) as server, chromium() as browser:
        await browser.preload(ONLY_RELAYS)
        await enter(browser, server.link("demo", "Olga"), 1)
        await sees_bot(browser, "Ada", 0)
        await open_panel(browser)
        for path in await read(browser):
            assert path["words"] in ("Through the relay over UDP", "Through the relay over TCP")
            assert path["pairs"][0]["local"].startswith("relay udp by ")


@pytest.mark.peer("chromium", "chromedriver")
@pytest.mark.slow
async def test_the_words_of_trouble_lead_to_the_connection(tmp_path: Path) -> None:
    async with serve(tmp_path, bots=1) as server, chromium() as browser:
        await enter(browser, server.link("demo", "Olga"), 1)
        await sees_bot(browser, "Ada", 0)
        details = "document.querySelector('[data-test=connection-details]')"
        assert await browser.evaluate(f"{details}.offsetParent === null")
        server.process.send_signal(signal.SIGSTOP)
        try:
            await browser.until("window.meetref.state().connection === 'reconnecting'")
            await browser.until(f"!!{details}.offsetParent")
            await browser.click("[data-test=connection-details]")
            await browser.until("document.querySelector('[data-test=path-state]')?.textContent === 'Interrupted'")
        finally:
            server.process.send_signal(signal.SIGCONT)
        await browser.until("document.querySelector('[data-test=path-state]').textContent === 'Connected'")
        await browser.until(f"!{details}.offsetParent")
