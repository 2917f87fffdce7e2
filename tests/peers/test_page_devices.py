"""Devices that come and go, that the browser refuses, and sound that it holds back: the page says so and goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.peers.browsers import BROWSERS, Browser, chromium, firefox
from tests.peers.meetings import CAMERA, enter, person, sees, sees_bot, serve, state

PEERS = pytest.mark.peer("chromium", "chromedriver", "firefox")

SOCKETS = """() => {
  const devices = navigator.mediaDevices, open = devices.getUserMedia.bind(devices);
  const tracks = [], gone = new Set();
  const absent = (kind) => gone.has(kind) && !window.another;
  devices.getUserMedia = async (wanted) => {
    if (["audio", "video"].some((kind) => wanted[kind] && absent(kind)))
      throw new DOMException("Requested device not found", "NotFoundError");
    const stream = await open(wanted);
    for (const track of stream.getTracks()) {
      const told = [], add = track.addEventListener.bind(track);
      track.addEventListener = (type, act) => (type === "ended" ? told.push(act) : add(type, act));
      tracks.push({track, told});
    }
    return stream;
  };
  const real = devices.enumerateDevices.bind(devices);
  const some = ["audioinput", "videoinput"].map((kind) => ({kind, deviceId: kind, label: kind}));
  // Firefox does not answer without focus, and tells no names of devices that a script stands in for.
  const list = () => (navigator.userAgent.includes("Firefox") ? some : real());
  devices.enumerateDevices = async () =>
    (await list()).filter(({kind, label}) => !gone.has(kind.slice(0, 5)) && label !== window.hidden);
  window.replug = () => devices.dispatchEvent(new Event("devicechange"));
  window.unplug = (kind) => {
    gone.add(kind);
    for (const {track, told} of tracks.filter(({track}) => track.kind === kind && track.readyState === "live")) {
      track.stop();
      for (const act of told) act(new Event("ended"));
    }
    window.replug();
  };
  window.plug = (kind) => { gone.delete(kind); window.replug(); };
}"""
"""A browser does no more than this when a plug is pulled: the track ends, the list changes, opening fails.

Listeners are called and no event dispatched: Firefox delivers none to a track that was made by a script.
"""

REFUSED = """() => {
  navigator.mediaDevices.getUserMedia = async () => {
    throw new DOMException("Permission denied", "NotAllowedError");
  };
}"""

ME = "window.meetref.state().people.find(({me}) => me)"


def notice(words: str) -> str:
    """Does a notice say so?"""
    return f"[...document.querySelectorAll('[data-test=notice]')].some((each) => each.textContent.includes({words!r}))"


async def press(browser: Browser, name: str) -> None:
    await browser.click(f"[data-test={name}]")


@PEERS
@pytest.mark.slow
@pytest.mark.parametrize("kind", BROWSERS)
async def test_a_camera_is_unplugged_and_comes_back(kind: str, tmp_path: Path) -> None:
    async with serve(tmp_path) as server, BROWSERS[kind]() as ada, chromium() as bob:
        await ada.preload(f"() => {{ ({CAMERA})(1); ({SOCKETS})(); }}")
        await ada.open(server.link("algebra", "Ada"))
        await enter(bob, server.link("algebra", "Bob"), 2)
        await sees(bob, "Ada", 1)
        await ada.evaluate("window.unplug('video')")
        await ada.until(notice("unplugged"))
        await ada.until(f"{ME}.video.state == 'off'")
        seen = "window.meetref.state().people.find(({name}) => name == 'Ada')"
        await bob.until(f"{seen}.video.state == 'off'")
        before = (await person(bob, "Ada") or {})["audio"]["total_energy"]
        await bob.until(f"{seen}.audio.total_energy > {before + 0.001}")  # and is still heard
        await sees(ada, "Bob", 2)

        await ada.evaluate("window.plug('video')")
        await ada.until(notice("A camera was connected"))
        await press(ada, "camera")
        await ada.until(f"{ME}.video.state == 'playing'")
        await sees(bob, "Ada", 1)


@PEERS
@pytest.mark.slow
@pytest.mark.parametrize("kind", BROWSERS)
async def test_an_unplugged_microphone_is_replaced(kind: str, tmp_path: Path) -> None:
    async with serve(tmp_path) as server, BROWSERS[kind]() as ada, chromium() as bob:
        await ada.preload(f"() => {{ ({CAMERA})(1); ({SOCKETS})(); }}")
        await ada.open(server.link("algebra", "Ada"))
        await enter(bob, server.link("algebra", "Bob"), 2)
        await sees(bob, "Ada", 1)
        await ada.evaluate("(window.another = true, window.unplug('audio'))")
        await ada.until(notice("Now using"))
        await ada.until(f"!{ME}.audio.muted")
        before = (await person(bob, "Ada") or {})["audio"]["total_energy"]
        seen = "window.meetref.state().people.find(({name}) => name == 'Ada')"
        await bob.until(f"{seen}.audio.total_energy > {before + 0.001}")


SINKS = "[...document.querySelectorAll('audio')].map(({sinkId}) => sinkId)"
CHOOSE = """(label) => {
  const select = document.querySelector("[data-test=settings-dialog] [data-test=speaker-select]");
  const option = [...select.options].find(({text}) => text === label);
  select.value = option.value;
  select.dispatchEvent(new Event("change"));
  return option.value;
}"""


@pytest.mark.peer("chromium", "chromedriver")
@pytest.mark.slow
async def test_a_loudspeaker_is_chosen_and_unplugged(tmp_path: Path) -> None:
    async with serve(tmp_path, bots=1) as server, chromium() as browser:
        await browser.preload(SOCKETS)
        await browser.open(server.link("demo", "Ada"))
        await sees_bot(browser, "Ada", 0)
        await press(browser, "settings")
        await browser.until("document.querySelector('dialog [data-test=speaker-select]').options.length > 1")
        chosen = await browser.call(CHOOSE, "Fake Audio Output 2")
        assert chosen
        await browser.until(f"{SINKS}.length > 0 && {SINKS}.every((sink) => sink == {chosen!r})")
        await browser.evaluate("(window.hidden = 'Fake Audio Output 2', window.replug())")
        await browser.until(f"{SINKS}.every((sink) => sink != {chosen!r})")
        await browser.until(notice("was unplugged"))
        assert (await state(browser))["connection"] == "connected"


@pytest.mark.peer("firefox")
@pytest.mark.slow
async def test_a_browser_that_tells_no_loudspeakers_has_the_default_one(tmp_path: Path) -> None:
    """Firefox tells of loudspeakers only after a question of its own, which the page does not ask."""
    async with serve(tmp_path) as server, firefox() as browser:
        await browser.open(f"{server.url}/algebra")
        await browser.until("document.querySelector('[data-test=microphone-select]').options.length > 0")
        kinds = await browser.evaluate(
            "navigator.mediaDevices.enumerateDevices().then((all) => all.map(({kind}) => kind))"
        )
        offered = await browser.evaluate("!document.querySelector('[data-test=speaker-select]').disabled")
        assert offered == ("audiooutput" in kinds)


@PEERS
@pytest.mark.slow
@pytest.mark.parametrize("kind", BROWSERS)
async def test_refused_devices_are_explained_and_one_may_join_without(kind: str, tmp_path: Path) -> None:
    async with serve(tmp_path, bots=1) as server, BROWSERS[kind]() as browser:
        await browser.preload(REFUSED)
        await browser.open(f"{server.url}/demo?name=Ada")
        words = await browser.until("document.querySelector('[data-test=trouble]')?.textContent")
        assert "blocked by the browser" in words
        assert "Allow" in words
        assert await browser.evaluate("!!document.querySelector('[data-test=retry-devices]').offsetParent")
        await press(browser, "join")
        await sees_bot(browser, "Ada", 0)
        me = await browser.evaluate(ME)
        assert me["audio"]["muted"]
        assert me["video"]["state"] == "off"


@PEERS
@pytest.mark.slow
@pytest.mark.parametrize("kind", BROWSERS)
async def test_sound_that_the_browser_holds_back_is_one_click_away(kind: str, tmp_path: Path) -> None:
    held = {
        "chromium": chromium(without=["--autoplay-policy=no-user-gesture-required"]),
        "firefox": firefox({"media.autoplay.default": 1, "media.autoplay.blocking_policy": 0}),
    }[kind]
    async with serve(tmp_path, bots=1) as server, held as browser:
        await browser.preload(REFUSED)
        await browser.open(server.link("demo", "Olga"))
        await browser.until("window.meetref.state().sound == 'blocked'", gesture=False)
        shown = "!!document.querySelector('[data-test=enable-sound]').offsetParent"
        await browser.until(shown, gesture=False)
        audio = "[...document.querySelectorAll('audio')]"
        assert await browser.evaluate(f"{audio}.every(({{paused}}) => paused)", gesture=False)
        await press(browser, "enable-sound")
        await browser.until("window.meetref.state().sound == 'playing'", gesture=False)
        await browser.until(f"!({shown})", gesture=False)
        assert await browser.evaluate(f"{audio}.some(({{paused}}) => !paused)", gesture=False)
        heard = "window.meetref.state().people.some(({me, audio}) => !me && audio.total_energy > 0)"
        await browser.until(heard, gesture=False)
