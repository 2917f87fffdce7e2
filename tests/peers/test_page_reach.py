"""Everybody reaches everything: names for screen readers, focus, size, contrast in both schemes, the keyboard alone."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.peers.browsers import BROWSERS, Browser, chromium
from tests.peers.meetings import enter, sees_bot, serve

TAB, ENTER, ESCAPE = "\ue004", "\ue007", "\ue00c"
SIZES = {"desk": (1400, 900), "phone": (390, 844)}
SMALLEST = 44  # CSS pixels, WCAG 2.2 success criterion 2.5.5
CONTROLS = {"button", "link", "textbox", "combobox", "tab", "checkbox", "slider"}

FIND = """() => {
  const all = [...document.querySelectorAll("button, a[href], input, select, textarea")];
  const modal = document.querySelector("dialog[open]");
  return all.filter((each) => each.offsetParent && (!modal || modal.contains(each)));
}"""

SMALL = f"""(smallest) => ({FIND})().filter((each) => {{
  const {{width, height}} = each.getBoundingClientRect();
  return width < smallest - 0.01 || height < smallest - 0.01;
}}).map((each) => each.outerHTML.slice(0, 90))"""

FAINT = """() => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const paint = canvas.getContext("2d", {willReadFrequently: true});
  const read = (colour) => {
    paint.clearRect(0, 0, 1, 1);
    paint.fillStyle = colour;
    paint.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = paint.getImageData(0, 0, 1, 1).data;
    return [red, green, blue, alpha / 255];
  };
  const over = (top, below) => [0, 1, 2].map((at) => top[at] * top[3] + below[at] * (1 - top[3]));
  const luminance = (colour) => {
    const [red, green, blue] = colour.map((each) => each / 255)
      .map((each) => (each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const grounds = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      const colour = read(getComputedStyle(at).backgroundColor);
      if (colour[3] > 0) layers.push(colour);
      if (colour[3] > 0.99) break;
      // Over a picture, the worst that may lie there.
      if (at.matches(".tile.with-picture > *, .preview.with-picture > *"))
        return [[255, 255, 255], [0, 0, 0]].map((end) => layers.reduceRight((ground, each) => over(each, ground), end));
    }
    return [layers.reduceRight((ground, each) => over(each, ground), [255, 255, 255])];
  };
  const faint = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const {parentElement: element, data} = walker.currentNode;
    const style = getComputedStyle(element);
    const box = element.getBoundingClientRect();
    const hidden = !data.trim() || !element.checkVisibility({visibilityProperty: true}) || box.width < 2;
    if (hidden || element.closest("select, option, [aria-hidden=true] .picture")) continue;
    const size = parseFloat(style.fontSize), bold = Number(style.fontWeight) >= 700;
    const least = size >= 24 || (bold && size >= 18.66) ? 3 : 4.5;
    for (const ground of grounds(element)) {
      const [one, other] = [luminance(over(read(style.color), ground)), luminance(ground)];
      const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
      if (contrast < least) faint.push(`${contrast.toFixed(2)} ${element.className} ${data.trim().slice(0, 30)}`);
    }
  }
  return faint;
}"""
"""Texts whose contrast is below that of WCAG 2.2 success criterion 1.4.3."""

FOCUSED = """() => {
  const {activeElement: at} = document;
  const {outlineStyle, outlineWidth, outlineColor} = getComputedStyle(at);
  const seen = outlineStyle !== "none" && parseFloat(outlineWidth) >= 1 && !/, 0\\)$/.test(outlineColor);
  const box = at.getBoundingClientRect();
  const inside = box.right > 0 && box.bottom > 0 && box.left < innerWidth && box.top < innerHeight;
  const name = [at.dataset.test ?? at.tagName, at.ariaLabel].filter(Boolean).join(": ");
  return {name: at === document.body ? null : name, seen, inside};
}"""


async def unnamed(browser: Browser) -> list[str]:
    """Controls for which Chromium's accessibility tree has no name."""
    nodes: list[dict[str, Any]] = (await browser.devtools("Accessibility.getFullAXTree"))["nodes"]
    controls = [each for each in nodes if not each["ignored"] and each.get("role", {}).get("value") in CONTROLS]
    assert controls
    return [str(each) for each in controls if not each.get("name", {}).get("value", "").strip()]


async def walk(browser: Browser) -> list[dict[str, Any]]:
    """Press Tab until the focus is where it has been, or outside of the page."""
    steps: list[dict[str, Any]] = []
    await browser.evaluate("(app.tabIndex = -1, app.focus(), app.removeAttribute('tabindex'))")  # from the beginning
    for _ in range(60):
        await browser.evaluate("(window.focusBefore = document.activeElement, 0)")
        await browser.type(TAB)
        with suppress(TimeoutError):  # it may have nowhere to go
            await browser.until("document.activeElement !== window.focusBefore", limit=2, every=0.02)
        step = await browser.call(FOCUSED)
        if step["name"] is None or (steps and step == steps[0]):
            break
        steps.append(step)
    return steps


AT_REST = """document.getAnimations().every(
  (each) => each.playState !== "running" || each.effect.getComputedTiming().endTime === Infinity
)"""
"""No tile is on its way and no colour is changing; what goes on for ever does not count."""


async def check(browser: Browser, where: str) -> None:
    """Names, sizes, contrast and focus of what is shown now, at both sizes and in both schemes."""
    for size, sides in SIZES.items():
        await browser.size(*sides)
        await browser.until(AT_REST)
        assert not await browser.call(SMALL, SMALLEST), (where, size)
        for scheme in ("light", "dark"):
            feature = {"name": "prefers-color-scheme", "value": scheme}
            await browser.devtools("Emulation.setEmulatedMedia", features=[feature])
            await browser.until(AT_REST)
            assert not await browser.call(FAINT), (where, size, scheme)
    assert not await unnamed(browser), where
    steps = await walk(browser)
    assert len(steps) >= min(2, len(await browser.evaluate(f"({FIND})().map(() => 1)"))), where
    assert all(step["seen"] and step["inside"] for step in steps), (where, steps)


@pytest.mark.peer("chromium", "chromedriver")
@pytest.mark.slow
async def test_names_focus_size_and_contrast(tmp_path: Path) -> None:
    async with serve(tmp_path, bots=3) as server, chromium() as browser:
        await browser.open(f"{server.url}/")
        await check(browser, "start")
        await browser.open(f"{server.url}/Not%20a%20Room!")
        await check(browser, "bad name")
        await browser.open(f"{server.url}/demo?name=Grace")
        await browser.until("!!document.querySelector('.preview.with-picture')")
        await check(browser, "lobby")
        await browser.click("[data-test=join]")
        for number, name in enumerate(("Ada", "Blaise", "Cora")):
            await sees_bot(browser, name, number)
        await check(browser, "meeting")
        await browser.click("[data-test=layout]")
        await browser.until("!!document.querySelector('[data-large=true]')")
        await browser.until(AT_REST)  # tiles that are on their way cannot be hit
        await browser.click("[data-test=seat] [data-test=pin]")
        await browser.until("!!document.querySelector('.tile.pinned')")
        await check(browser, "speaker, one pinned")
        await browser.click("[data-test=chat]")
        await browser.type(f"Hello, everybody{ENTER}")
        await browser.until("window.meetref.state().chat.length == 1")
        await check(browser, "chat")
        await browser.click("[data-test=people-tab]")
        await check(browser, "people")
        await browser.click("[data-test=connection-tab]")
        await browser.until("!!document.querySelector('[data-test=pair]')")
        await check(browser, "connection")
        await browser.click("[data-test=xray-tab]")
        await browser.until("!!document.querySelector('[data-test=xray-person]')")
        await check(browser, "xray")
        await browser.click("[data-test=panel-close]")
        await browser.click("[data-test=settings]")
        await browser.until("!!document.querySelector('dialog[open] .fact')")
        await check(browser, "settings")
        await browser.click("[data-test=record]")
        await browser.until("document.querySelector('[data-test=recording]').offsetHeight > 0")
        await browser.click("[data-test=settings-close]")
        await check(browser, "recording")
        await browser.click("[data-test=stop-recording]")
        await browser.until("document.querySelector('[data-test=recording]').offsetHeight === 0")
        await browser.click("[data-test=camera]")
        await browser.click("[data-test=microphone]")
        await check(browser, "all off")
        await browser.click("[data-test=leave]")
        await check(browser, "left")


AT = "document.activeElement?.dataset.test"


async def tab_to(browser: Browser, name: str) -> None:
    for _ in range(40):
        if await browser.evaluate(AT) == name:
            return
        await browser.type(TAB)
    raise AssertionError(f"{name} is not reached by Tab")


async def press(browser: Browser, name: str) -> None:
    """Go to a button by Tab and press Enter."""
    await tab_to(browser, name)
    await browser.type(ENTER)
    if browser.name == "firefox":  # the window of a headless Firefox has no focus, and Enter presses no button there
        await browser.evaluate("document.activeElement.click()")


@pytest.mark.peer("chromium", "chromedriver", "firefox")
@pytest.mark.slow
@pytest.mark.parametrize("kind", BROWSERS)
async def test_a_whole_meeting_by_the_keyboard(kind: str, tmp_path: Path) -> None:
    async with serve(tmp_path, bots=1) as server, BROWSERS[kind]() as browser:
        await browser.open(f"{server.url}/")
        await tab_to(browser, "room")
        await browser.type(f"demo{ENTER}")
        await browser.until(f"{AT} == 'name'")
        await browser.type(f"Olga{ENTER}")
        await sees_bot(browser, "Ada", 0)
        me = "window.meetref.state().people.find(({me}) => me)"
        await browser.until(f"!{me}.audio.muted && {me}.video.state == 'playing'")
        await browser.type("m")
        await browser.until(f"{me}.audio.muted")
        await browser.type("v")
        await browser.until(f"{me}.video.state == 'off'")
        await browser.type("c")
        await browser.until(f"{AT} == 'chat-input'")
        await browser.type(f"mv c p{ENTER}")  # letters are letters while one writes
        await browser.until("window.meetref.state().chat.length == 1")
        assert (await browser.evaluate("window.meetref.state().chat[0].text")) == "mv c p"
        await browser.type(f"{ESCAPE}p")  # without a pause: the field that is just hidden must not get the letter
        await browser.until(f"{AT} == 'people-tab'")
        await browser.type(ESCAPE)
        await press(browser, "settings")
        await browser.until("!!document.querySelector('dialog[open]')")
        await browser.type(ESCAPE)
        await browser.until("!document.querySelector('dialog[open]')")
        await press(browser, "leave")
        await browser.until(f"{AT} == 'rejoin'")
        await press(browser, "rejoin")
        await sees_bot(browser, "Ada", 0)
        assert await browser.evaluate(f"{me}.audio.muted")  # as it was when one left


@pytest.mark.peer("chromium", "chromedriver")
@pytest.mark.slow
async def test_nothing_moves_for_who_does_not_want_it(tmp_path: Path) -> None:
    async with serve(tmp_path, bots=1) as server, chromium() as browser:
        feature = {"name": "prefers-reduced-motion", "value": "reduce"}
        await browser.devtools("Emulation.setEmulatedMedia", features=[feature])
        await enter(browser, server.link("demo", "Olga"), 1)
        await sees_bot(browser, "Ada", 0)
        await browser.click("[data-test=chat]")
        running = "document.getAnimations().filter(({playState}) => playState == 'running').length"
        assert await browser.evaluate(running) == 0
        assert await browser.evaluate("getComputedStyle(document.querySelector('.tile')).transitionDuration") == "0s"


@pytest.mark.peer("chromium", "chromedriver", "firefox")
@pytest.mark.slow
@pytest.mark.parametrize("kind", BROWSERS)
async def test_a_name_that_no_room_can_have_leads_to_one_that_can(kind: str, tmp_path: Path) -> None:
    async with serve(tmp_path) as server, BROWSERS[kind]() as browser:
        await browser.open(f"{server.url}/Big%20Room!")
        assert "Big Room!" in await browser.until("document.querySelector('[data-test=error] h1')?.textContent")
        await browser.click("[data-test=rejoin]")
        await browser.until("document.querySelector('[data-test=room-name]')?.textContent == 'big-room'")
        assert await browser.evaluate("location.pathname") == "/big-room"
