"""The page that explains a handshake, in a browser: by mouse, by keyboard, in a narrow window."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meetref.app.pcap import handshake_page
from tests.peers.browsers import BROWSERS, Browser

pytestmark = [pytest.mark.peer("chromium"), pytest.mark.peer("firefox")]
SESSION = Path(__file__).parent.parent.parent / "vectors" / "sessions" / "dtls13-handshake"
CHOSEN = "document.querySelector('.chosen')"
HEADING = "document.querySelector('#panel h2').textContent"
PRESS = """(key) => document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}))"""


@pytest.fixture(params=sorted(BROWSERS))
async def browser(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Browser]:
    page = tmp_path / "page.html"
    page.write_text(handshake_page(SESSION / "session.pcapng", SESSION / "secrets.json"), encoding="utf-8")
    async with BROWSERS[request.param]() as found:
        await found.open(page.as_uri())
        yield found


async def test_by_mouse(browser: Browser) -> None:
    """Any octet can be chosen, and the panel says which one it is."""
    assert await browser.evaluate(HEADING) == "content type"
    octets = "document.querySelectorAll('.octets')[0].querySelectorAll('i')"
    await browser.evaluate(f"{octets}[30].click()")
    assert await browser.evaluate(HEADING) == "random"
    assert "you chose number 4 of 32" in await browser.evaluate("document.querySelector('#panel').textContent")
    assert await browser.evaluate("location.hash") == "#1.1.30"
    assert await browser.evaluate("document.querySelectorAll('.chosen').length") == 1
    await browser.evaluate("document.querySelector('#panel .way button:last-child').click()")
    assert await browser.evaluate(HEADING) == "ClientHello, octets 0 to 1174 of 1381"


async def test_every_field_can_be_chosen(browser: Browser) -> None:
    """And none leaves the panel without a heading, a place and the octets themselves."""
    wrong = await browser.evaluate(
        """[...document.querySelectorAll('.octets > span')].filter((span) => {
          span.click();
          const shown = document.querySelector('#panel .hex').textContent.split(' ...')[0];
          return !document.querySelector('#panel h2').textContent || !document.querySelector('#panel .where')
            || !span.textContent.startsWith(shown.slice(0, 2));
        }).map((span) => span.id)"""
    )
    assert wrong == []


async def test_by_keyboard(browser: Browser) -> None:
    """One stop of the Tab key for each block; the arrows go through all fields, and stop at the ends."""
    blocks = await browser.evaluate("document.querySelectorAll('.octets').length")
    assert await browser.evaluate("document.querySelectorAll('.octets > [tabindex=\"0\"]').length") == blocks
    await browser.evaluate(f"{CHOSEN}.focus()")
    places = ["#1.1.1", "#1.1.3", "#1.1.1", "#2.1.0", "#1.1.0", "#1.1.0"]
    for key, place in zip(("Right", "Right", "Left", "Down", "Up", "Left"), places, strict=True):
        await browser.call(PRESS, f"Arrow{key}")
        assert await browser.evaluate("location.hash") == place, key
    for key in ("End", "ArrowRight"):
        await browser.call(PRESS, key)
        last = "[...document.querySelectorAll('.octets > span')].at(-1)"
        assert await browser.evaluate(f"{CHOSEN} === {last}"), key
    assert await browser.evaluate(f"document.activeElement === {CHOSEN}")
    assert await browser.evaluate("document.querySelectorAll('.octets > [tabindex=\"0\"]').length") == blocks


async def test_computations_are_shown(browser: Browser) -> None:
    await browser.evaluate(
        "[...document.querySelectorAll('.octets > span')].find((each) => each.title.startsWith('verify data')).click()"
    )
    shown = await browser.evaluate("document.querySelector('#panel').textContent")
    assert "verify data = HMAC(finished key, transcript hash)" in shown
    assert "these octets" in shown


@pytest.mark.parametrize("width", [390, 1400])
async def test_nothing_is_wider_than_the_window(browser: Browser, width: int) -> None:
    await browser.size(width, 844)
    assert await browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await browser.evaluate(
        "[...document.querySelectorAll('.octets')].every((each) => each.scrollWidth <= each.clientWidth + 1)"
    )
