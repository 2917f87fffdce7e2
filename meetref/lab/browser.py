"""Real browsers, driven by WebDriver BiDi: `async with chromium() as browser`, `async with firefox() as browser`.

Both speak the same W3C protocol over a WebSocket: Firefox itself, Chromium through chromedriver. Each browser chooses
its own free port, lives in a folder of its own, and dies with the block, children included, whatever happened inside.
Stands on `trio-websocket` alone; labs measure with it, and the tests with browsers use the same.
Specification: https://w3c.github.io/webdriver-bidi/. Leaves out: everything but one page in one window.
Read next: `lab/glass.py`.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import urllib.request
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, open_websocket_url

CHROMIUM_ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
    "--autoplay-policy=no-user-gesture-required",
)

FIREFOX_PREFERENCES: dict[str, object] = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.autoplay.default": 0,
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "browser.safebrowsing.update.enabled": False,
    "extensions.update.enabled": False,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
}

FIREFOX_LOOPBACK: dict[str, object] = {
    "media.peerconnection.ice.loopback": True,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
}
"""Without these Firefox neither gathers nor checks 127.0.0.1: what a newcomer's Firefox does."""

START_LIMIT = 60  # seconds
COMMAND_LIMIT = 60


class BrowserError(RuntimeError):
    """A command was refused, or JavaScript threw."""


@dataclass(slots=True)
class _Waiting:
    done: trio.Event = field(default_factory=trio.Event)
    answer: dict[str, Any] = field(default_factory=dict)


class Browser:
    """One browser with one page. `log` collects what the page and the browser wrote to the console, oldest first."""

    def __init__(self, name: str, socket: WebSocketConnection) -> None:
        self.name = name
        self.version = ""
        self.log: list[str] = []
        self.home: Path | None = None
        self._socket = socket
        self._context = ""
        self._serial = 0
        self._waiting: dict[int, _Waiting] = {}

    async def command(self, method: str, /, *, limit: float = COMMAND_LIMIT, **parameters: object) -> dict[str, Any]:
        """One BiDi command and its result. Raises `BrowserError`, or `trio.TooSlowError` after `limit` seconds."""
        self._serial += 1
        waiting = self._waiting[self._serial] = _Waiting()
        request = {"id": self._serial, "method": method, "params": parameters}
        try:
            with trio.fail_after(limit):
                await self._socket.send_message(json.dumps(request))
                await waiting.done.wait()
        finally:
            del self._waiting[request["id"]]  # type: ignore[arg-type]
        answer = waiting.answer
        if answer.get("type") != "success":
            raise BrowserError(f"{self.name}: {method}: {answer.get('error')}: {answer.get('message')}")
        result: dict[str, Any] = answer["result"]
        return result

    async def open(self, url: str) -> None:
        """Go to a page and wait until it has loaded."""
        await self.command("browsingContext.navigate", context=self._context, url=url, wait="complete")

    async def evaluate(self, expression: str, *, limit: float = COMMAND_LIMIT, gesture: bool = True) -> Any:
        """The value of a JavaScript expression, awaited, by way of JSON. It counts as a person's `gesture`."""
        return await self.call(f"async () => ({expression})", limit=limit, gesture=gesture)

    async def call(self, function: str, *arguments: object, limit: float = COMMAND_LIMIT, gesture: bool = True) -> Any:
        """What a JavaScript function returns for some arguments; both travel as JSON."""
        wrapped = f"async (texts) => JSON.stringify(await ({function})(...JSON.parse(texts)))"
        result = await self.command(
            "script.callFunction",
            limit=limit,
            functionDeclaration=wrapped,
            arguments=[{"type": "string", "value": json.dumps(arguments)}],
            target={"context": self._context},
            awaitPromise=True,
            userActivation=gesture,
        )
        if result["type"] == "exception":
            raise BrowserError(f"{self.name}: {result['exceptionDetails']['text']}")
        return json.loads(result["result"].get("value", "null"))

    async def until(self, expression: str, *, limit: float = 30, every: float = 0.1, gesture: bool = True) -> Any:
        """The value of a JavaScript expression as soon as it is truthy. Raises `TimeoutError` after `limit` seconds."""
        value = None
        with trio.move_on_after(limit):
            while True:
                value = await self.evaluate(expression, gesture=gesture)
                if value:
                    return value
                await trio.sleep(every)
        raise TimeoutError(f"{self.name}: not within {limit} s: {expression}; last {value!r}; log {self.log[-5:]}")

    async def size(self, width: int, height: int) -> None:
        """Give the page's window another size, in CSS pixels."""
        await self.command("browsingContext.setViewport", context=self._context, viewport=_size(width, height))

    async def picture(self, path: Path | None = None) -> bytes:
        """A screenshot as PNG, also written to `path`."""
        shot = await self.command("browsingContext.captureScreenshot", context=self._context)
        octets = base64.b64decode(shot["data"])
        if path is not None:
            await trio.Path(path).write_bytes(octets)
        return octets

    async def preload(self, function: str) -> None:
        """Run a JavaScript function in every page that is opened from now on, before anything of its own."""
        await self.command("script.addPreloadScript", functionDeclaration=function)

    async def open_beside(self, url: str) -> None:
        """Open a page in another tab, behind the first one."""
        made = await self.command("browsingContext.create", type="tab", background=True)
        await self.command("browsingContext.navigate", context=made["context"], url=url, wait="complete")

    async def devtools(self, method: str, **parameters: object) -> dict[str, Any]:
        """One command of Chromium's own protocol, for what no standard has yet."""
        session = (await self.command("goog:cdp.getSession", context=self._context))["session"]
        answer = await self.command("goog:cdp.sendCommand", session=session, method=method, params=parameters)
        result: dict[str, Any] = answer["result"]
        return result

    async def click(self, selector: str) -> None:
        """Press the middle of the first element that a CSS selector finds, with the pointer as a person does."""
        x, y = await self.call(
            "(selector) => { const element = document.querySelector(selector); "
            "element.scrollIntoView({block: 'center', behavior: 'instant'}); "
            "const box = element.getBoundingClientRect(); "
            "return [Math.round(box.x + box.width / 2), Math.round(box.y + box.height / 2)]; }",
            selector,
        )
        steps = [
            {"type": "pointerMove", "x": x, "y": y},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        await self._perform({"type": "pointer", "id": "mouse", "actions": steps})

    def kill(self) -> None:
        """End it as a crash does: all of its processes, without a word to anybody."""
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if str(self.home).encode() in (process / "cmdline").read_bytes():
                    os.kill(int(process.name), signal.SIGKILL)

    async def type(self, text: str) -> None:
        """Press and release a key for every character, wherever the focus is."""
        steps = [{"type": way, "value": key} for key in text for way in ("keyDown", "keyUp")]
        await self._perform({"type": "key", "id": "keyboard", "actions": steps})

    async def _perform(self, source: dict[str, object]) -> None:
        await self.command("input.performActions", context=self._context, actions=[source])

    async def _read(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Hand every answer to the command that waits for it, and keep what the console said."""
        task_status.started()
        with suppress(ConnectionClosed):
            while True:
                message = json.loads(await self._socket.get_message())
                if message.get("method") == "log.entryAdded":
                    entry = message["params"]
                    self.log.append(f"{entry['level']}: {entry.get('text')}")
                waiting = self._waiting.get(message.get("id"))
                if waiting is not None:
                    waiting.answer = message
                    waiting.done.set()
        for waiting in self._waiting.values():
            waiting.answer = {"type": "error", "error": "the browser is gone", "message": ""}
            waiting.done.set()

    async def _begin(self) -> None:
        tree = await self.command("browsingContext.getTree")
        self._context = tree["contexts"][0]["context"]
        await self.command("session.subscribe", events=["log.entryAdded"])


def _size(width: int, height: int) -> dict[str, int]:
    return {"width": width, "height": height}


@asynccontextmanager
async def chromium(*arguments: str, without: Collection[str] = ()) -> AsyncIterator[Browser]:
    """A headless Chromium with fake devices; more command line `arguments` may be given, or some left out."""
    with _folder("chromium") as home:
        async with _process(["chromedriver", "--port=0"], home) as output:
            port = await _found(output, lambda text: re.search(r"started successfully on port (\d+)", text))
            base = f"http://127.0.0.1:{port}/session"
            options = {
                "binary": shutil.which("chromium"),
                "args": [
                    *(each for each in CHROMIUM_ARGUMENTS if each not in without),
                    f"--user-data-dir={home / 'profile'}",
                    *arguments,
                ],
            }
            wanted = {"browserName": "chrome", "webSocketUrl": True, "goog:chromeOptions": options}
            session = await _post(base, {"capabilities": {"alwaysMatch": wanted}})
            try:
                async with _connected("chromium", session["capabilities"]["webSocketUrl"]) as browser:
                    browser.version, browser.home = session["capabilities"]["browserVersion"], home
                    await browser._begin()
                    yield browser
            finally:
                with trio.CancelScope(shield=True), trio.move_on_after(10), suppress(OSError):
                    await _post(f"{base}/{session['sessionId']}", None, "DELETE")


@asynccontextmanager
async def firefox(
    preferences: Mapping[str, object] | None = None, *, loopback: bool = True, trusting: bool = False
) -> AsyncIterator[Browser]:
    """A headless Firefox with fake devices. `loopback` false leaves its address rules as a newcomer has them.

    With `trusting` it takes every certificate.
    """
    chosen = FIREFOX_PREFERENCES | (FIREFOX_LOOPBACK if loopback else {}) | dict(preferences or {})
    with _folder("firefox") as home:
        profile = home / "profile"
        profile.mkdir()
        rows = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in chosen.items()]
        (profile / "user.js").write_text("".join(rows))
        command = [
            "firefox-esr",
            "--headless",
            "--no-remote",
            "--profile",
            str(profile),
            "--remote-debugging-port",
            "0",
        ]
        wanted = {"alwaysMatch": {"acceptInsecureCerts": True}} if trusting else {}
        async with _process(command, home) as output:
            url = await _found(output, lambda text: re.search(r"WebDriver BiDi listening on (ws://\S+)", text))
            async with _connected("firefox", f"{url}/session") as browser:
                session = await browser.command("session.new", capabilities=wanted)
                browser.version, browser.home = session["capabilities"]["browserVersion"], home
                await browser._begin()
                yield browser


BROWSERS = {"chromium": chromium, "firefox": firefox}
"""For tests that do the same with each browser."""


@asynccontextmanager
async def _connected(name: str, url: str) -> AsyncIterator[Browser]:
    try:
        async with trio.open_nursery() as nursery:
            async with open_websocket_url(url, max_message_size=1 << 26) as socket:
                browser = Browser(name, socket)
                await nursery.start(browser._read)
                yield browser
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        if len(group.exceptions) == 1:
            raise group.exceptions[0] from None  # so that a failing test shows what failed, not a group of one
        raise


@contextmanager
def _folder(name: str) -> Iterator[Path]:
    """A temporary folder that is removed even while dying children still write to it."""
    path = Path(tempfile.mkdtemp(prefix=f"meetref-{name}-"))
    try:
        yield path
    finally:
        for _ in range(3):
            shutil.rmtree(path, ignore_errors=True)


@asynccontextmanager
async def _process(command: list[str], home: Path) -> AsyncIterator[Path]:
    """A program and all its children, in a process group that ends with the block. Gives the file of its output."""
    output = home / "output.txt"
    environment = os.environ | {"HOME": str(home), "MOZ_DISABLE_CONTENT_SANDBOX": "1", "MOZ_CRASHREPORTER_DISABLE": "1"}
    with output.open("wb") as file:
        process = await trio.lowlevel.open_process(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    try:
        yield output
    finally:
        with trio.CancelScope(shield=True):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            with trio.move_on_after(5):
                await process.wait()
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def _found(output: Path, search: Callable[[str], re.Match[str] | None]) -> str:
    """The first group of what `search` finds in a program's output. Raises `BrowserError`, with the output's end."""
    written = ""
    with trio.move_on_after(START_LIMIT):
        while True:
            written = await trio.Path(output).read_text(errors="replace")
            match = search(written)
            if match:
                return match.group(1)
            await trio.sleep(0.05)
    raise BrowserError(f"not ready within {START_LIMIT} s: {written[-2000:]}")


async def _post(url: str, body: object, method: str = "POST") -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"}, method=method)

    def ask() -> dict[str, Any]:
        with urllib.request.urlopen(request, timeout=START_LIMIT) as answer:
            value: dict[str, Any] = json.loads(answer.read())["value"] or {}
            return value

    return await trio.to_thread.run_sync(ask, abandon_on_cancel=True)
