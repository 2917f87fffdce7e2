"""A webinar as an audience has it: through nginx, in real browsers, with our player, hls.js and dash.js."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
import trio
from trio_websocket import open_websocket_url

from meetref.lab.edge import Edge, open_edge
from tests.archive.playlistrules import change_faults, faults
from tests.peers.browsers import BROWSERS, Browser, BrowserError, chromium
from tests.peers.meetings import Served, enter, serve
from tests.peers.nodebuild import installed

BEGINS_WITHIN = 40.0  # seconds; a machine that is busy begins late
WATCHING = "window.meetref?.watching()"
PLAYS = f"{WATCHING}?.state === 'playing' && {WATCHING}.position > {{}}"
HLS_PAGE = """<!doctype html><video id="v" muted playsinline></video><script src="hls.min.js"></script><script>
const video = document.getElementById("v"), hls = new Hls({lowLatencyMode: true, enableWorker: false});
window.errors = []; window.parts = 0;
hls.on(Hls.Events.ERROR, (_, data) => window.errors.push(data.details + (data.fatal ? " fatal" : "")));
hls.on(Hls.Events.FRAG_LOADED, (_, data) => { window.parts += data.part ? 1 : 0; });
hls.on(Hls.Events.SUBTITLE_TRACKS_UPDATED, () => { hls.subtitleDisplay = true; hls.subtitleTrack = 0; });
hls.loadSource("/watch/demo/index.m3u8"); hls.attachMedia(video); video.play();
window.captions = () => [...video.textTracks].flatMap((each) => [...(each.activeCues ?? [])].map(({text}) => text));
window.told = () => ({at: video.currentTime, height: video.videoHeight, parts: window.parts, latency: hls.latency,
  fatal: window.errors.filter((each) => each.endsWith("fatal"))});
</script>"""
DASH_PAGE = """<!doctype html><video id="v" muted playsinline></video><script src="dash.all.min.js"></script><script>
const video = document.getElementById("v"), player = dashjs.MediaPlayer().create();
window.errors = [];
player.on(dashjs.MediaPlayer.events.ERROR, (event) => window.errors.push(event.error?.message ?? "error"));
player.initialize(video, "/watch/demo/list.mpd", true);
window.told = () => ({at: video.currentTime, height: video.videoHeight, fatal: window.errors});
</script>"""

pytestmark = pytest.mark.slow


async def write_captions(server: Served) -> None:
    """Come in as a program without sound or picture, and write a line now and then, until cancelled."""
    async with open_websocket_url(f"{server.url.replace('http', 'ws')}/signal") as signaling:
        await signaling.send_message(json.dumps({"type": "join", "room": "demo", "name": "Writer", "bot": True}))
        for number in range(1000):
            await signaling.send_message(json.dumps({"type": "write-caption", "text": f"line {number}"}))
            await trio.sleep(1.5)


@asynccontextmanager
async def on_air(tmp_path: Path, *browsers: str) -> AsyncIterator[tuple[Served, Edge, list[Browser]]]:
    """A webinar with two robots, an edge, and browsers of these names."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serve(tmp_path, "--webinar", "demo", bots=2))
        front = await stack.enter_async_context(open_edge(server.url.replace("localhost", "127.0.0.1")))
        opened = [await stack.enter_async_context(BROWSERS[name]()) for name in browsers]
        await _begun(front, "index.m3u8")
        writer = await stack.enter_async_context(trio.open_nursery())
        writer.start_soon(write_captions, server)
        yield server, front, opened
        writer.cancel_scope.cancel()


async def _begun(front: Edge, name: str) -> str:
    """Wait until something is there, and fetch it."""
    with trio.fail_after(BEGINS_WITHIN):
        while True:
            try:
                return await trio.to_thread.run_sync(_fetch, f"{front.url}/watch/demo/{name}")
            except OSError:
                await trio.sleep(0.5)


def _fetch(url: str) -> str:
    try:
        with urlopen(url, timeout=30) as answer:
            return str(answer.read().decode())
    except HTTPError as refused:
        refused.close()
        raise OSError(f"{url}: {refused.code}") from None


async def _plays(browser: Browser, seconds: float) -> dict[str, Any]:
    """Wait until our page has begun, perhaps at a touch, and has played so long."""
    await browser.until(f"['playing', 'blocked'].includes({WATCHING}?.state)", limit=BEGINS_WITHIN)
    if await browser.evaluate(f"{WATCHING}.state") == "blocked":
        await browser.click("[data-test=watch-play]")
    begun = (await browser.evaluate(WATCHING))["position"]
    await browser.until(PLAYS.format(begun + seconds), limit=BEGINS_WITHIN)
    found: dict[str, Any] = await browser.evaluate(WATCHING)
    return found


async def _comes(browser: Browser, selector: str) -> None:
    """Wait for something on the page that this one goes to."""
    with trio.fail_after(BEGINS_WITHIN):
        while True:
            try:
                await browser.until(f"document.querySelector('{selector}')?.offsetHeight > 0", limit=BEGINS_WITHIN)
                return
            except BrowserError:  # it was just going
                await trio.sleep(0.2)


def kill_studios(server: Served) -> None:
    """Kill -9 whatever makes pictures for its audience now."""
    for path in Path(f"/proc/{server.process.pid}/task").glob("*/children"):
        with suppress(OSError):  # a thread that has just ended
            for child in path.read_text().split():
                if b"studioprocess" in Path(f"/proc/{child}/cmdline").read_bytes():
                    os.kill(int(child), signal.SIGKILL)


async def keep_killing(server: Served) -> None:
    while True:
        kill_studios(server)
        await trio.sleep(0.1)


@pytest.mark.peer("nginx", "chromium", "chromedriver", "firefox")
async def test_both_browsers_watch_the_origin_is_asked_once_for_each_piece_and_a_studio_may_die(tmp_path: Path) -> None:
    async with on_air(tmp_path, "chromium", "firefox") as (server, front, browsers):
        for browser in browsers:
            await browser.open(f"{front.url}/watch/demo")
        for browser in browsers:
            seen = await _plays(browser, 4.0)
            assert seen["error"] is None
            assert seen["height"] in (180, 360, 720)
            assert seen["latency"] < 10
            await browser.until(f"{WATCHING}.captions[0]?.startsWith('line ')", limit=BEGINS_WITHIN)
        viewers, origin = front.asked()
        pieces = [address for address in viewers if address.endswith((".m4s", ".vtt"))]
        assert len(pieces) > 20
        assert any(address.endswith(".vtt") for address in pieces)
        assert {origin[address] for address in pieces} == {1}
        waited = [address for address in viewers if "_HLS_part" in address]
        assert {origin[address] for address in waited} == {1}
        assert any(viewers[address] > 1 for address in pieces)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep_killing, server)
            for browser in browsers:
                await browser.until(f"{WATCHING}.state === 'stalled'", limit=BEGINS_WITHIN)
                said = await browser.evaluate("document.querySelector('[data-test=watch-words]').textContent")
                assert said.startswith("One moment")
            nursery.cancel_scope.cancel()
        for browser in browsers:
            seen = await _plays(browser, 3.0)
            assert seen["error"] is None
            assert seen["latency"] < 10


@pytest.fixture
def many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.peer("nginx")
@pytest.mark.usefixtures("many_files")
async def test_of_more_than_a_thousand_who_wait_for_a_playlist_one_asks_the_origin() -> None:
    """nginx counts in ten bits who asks for something, and would let the 1024th pass."""
    asked, answers = Counter[str](), trio.Event()

    async def answer(stream: trio.SocketStream) -> None:
        address = bytes(await stream.receive_some(4096)).split(b" ")[1].decode()
        asked[address] += 1
        if address != "/last.m3u8":
            await answers.wait()
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nCache-Control: max-age=18\r\n\r\nok")

    async def ask(port: int, address: str) -> trio.SocketStream:
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        await stream.send_all(f"GET {address} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return stream

    with trio.fail_after(BEGINS_WITHIN):
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(partial(trio.serve_tcp, answer, 0, host="127.0.0.1"))
            async with open_edge(f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}") as front:
                viewers = [await ask(front.port, "/list.m3u8?_HLS_msn=7&_HLS_part=1") for _ in range(1100)]
                viewers.append(await ask(front.port, "/last.m3u8"))
                assert await viewers[-1].receive_some(), "nginx has heard them all"
                answers.set()
                for viewer in viewers[:-1]:
                    assert b" 200 OK\r\n" in await viewer.receive_some()
                for viewer in viewers:
                    await viewer.aclose()
            nursery.cancel_scope.cancel()
    assert asked == {"/list.m3u8?_HLS_msn=7&_HLS_part=1": 1, "/last.m3u8": 1}


@pytest.mark.peer("nginx", "chromium", "chromedriver", "firefox", "hls-players")
@pytest.mark.parametrize("name", ["chromium", "firefox"])
async def test_players_of_others_play_the_same_lists(name: str, tmp_path: Path) -> None:
    packages = installed("hls_players").parent / "node_modules"
    async with on_air(tmp_path, name) as (server, front, (browser,)):
        shutil.copy(packages / "hls.js" / "dist" / "hls.min.js", front.players)
        shutil.copy(packages / "dashjs" / "dist" / "modern" / "umd" / "dash.all.min.js", front.players)
        (front.players / "hls.html").write_text(HLS_PAGE)
        (front.players / "dash.html").write_text(DASH_PAGE)
        await _begun(front, "list.mpd")
        for page in ("hls", "dash"):
            await browser.open(f"{front.url}/players/{page}.html")
            await browser.until("window.told().height > 0", limit=BEGINS_WITHIN)
            begun = (await browser.evaluate("window.told()"))["at"]
            await browser.until(f"window.told().at > {begun + 3}", limit=BEGINS_WITHIN)
            told = await browser.evaluate("window.told()")
            assert told["fatal"] == []
            if page == "hls":
                assert told["parts"] > 3
                await browser.until("window.captions()[0]?.startsWith('line ')", limit=BEGINS_WITHIN)
                kill_studios(server)
                ends = await browser.evaluate("video.buffered.end(video.buffered.length - 1)")
                await browser.until(f"window.told().at > {ends + 1}", limit=BEGINS_WITHIN)
                assert (await browser.evaluate("window.told().fatal")) == []


@pytest.mark.peer("nginx", "ffmpeg")
async def test_live_playlists_keep_the_rules_and_ffprobe_plays_them(tmp_path: Path) -> None:
    async with on_air(tmp_path) as (_, front, _browsers):
        index = await _begun(front, "index.m3u8")
        address = next(line for line in index.splitlines() if line.endswith("/v360/list.m3u8"))
        before = await _begun(front, address)
        for _ in range(8):
            part = re.findall(r'URI="(\d+)\.(\d+)\.m4s"', before)[-1]  # what is hinted at
            after = await _begun(front, f"{address}?_HLS_msn={part[0]}&_HLS_part={part[1]}")
            assert faults(after) == []
            assert change_faults(before, after) == []
            assert f"{part[0]}.{part[1]}.m4s" in after.partition("PRELOAD-HINT")[0]
            before = after
        await _begun(front, "list.mpd")  # a whole segment is there
        shown = ["-show_entries", "stream=codec_name,width", "-of", "csv=p=0"]
        command = ["ffprobe", "-v", "error", "-live_start_index", "0", *shown, f"{front.url}/watch/demo/index.m3u8"]
        run = await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False)
        assert run.returncode == 0, run.stderr
        streams = run.stdout.decode().split()
        assert {"h264,1280", "h264,640", "h264,320", "aac"} <= {line.rstrip(",") for line in streams}


@pytest.mark.peer("nginx", "chromium", "chromedriver")
async def test_a_browser_without_h264_says_so(tmp_path: Path) -> None:
    async with on_air(tmp_path, "chromium") as (_, front, (viewer,)):
        await viewer.preload("() => { MediaSource.isTypeSupported = (type) => !type.includes('avc1'); }")
        await viewer.open(f"{front.url}/watch/demo")
        await viewer.until(f"{WATCHING}?.state === 'failed'", limit=BEGINS_WITHIN)
        said = await viewer.evaluate("document.querySelector('[data-test=watch-words]').textContent")
        assert said.startswith("It cannot be played here. This browser does not play H264")
        assert "another one" in said


@pytest.mark.peer("nginx", "chromium", "chromedriver")
async def test_who_raises_a_hand_is_let_in(tmp_path: Path) -> None:
    async with on_air(tmp_path, "chromium") as (server, front, (viewer,)), chromium() as panelist:
        await enter(panelist, f"{server.url}/demo?name=Ada&join=now", 1)
        await panelist.until("document.querySelector('[data-test=audience]')?.offsetHeight > 0")
        await viewer.open(f"{front.url}/watch/demo")
        await viewer.until("!!document.querySelector('[data-test=watch-name]')?.offsetParent")
        await viewer.click("[data-test=watch-name]")
        await viewer.type("Vera")
        await viewer.click("[data-test=watch-raise]")
        await panelist.until("document.querySelector('[data-test=admit]')?.offsetHeight > 0")
        await panelist.click("[data-test=admit]")
        await _comes(viewer, "[data-test=join]")  # of the lobby: devices are chosen first
        await viewer.click("[data-test=join]")
        await panelist.until("window.meetref.state().people.some((each) => each.name === 'Vera')", limit=BEGINS_WITHIN)
        assert await panelist.evaluate("document.querySelector('[data-test=admit]') === null")
