"""Janus' VideoRoom as a rival of our server: the installed program, joined by its WebSocket API.

Stands on `lab/child` and `lab/attending`. A publisher offers, a viewer is offered. Janus has a thread for each of them.
It never listens on loopback, and so is reached at another address of this machine; the packets take the same way.
Source: https://janus.conf.meetecho.com/docs/rest.html and videoroom.html.
Leaves out: all other plugins, which are not loaded; other settings are the defaults.
Read next: `lab/audience.py`.
"""

from __future__ import annotations

import itertools
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, open_websocket_url

from meetref.lab.attending import Connection
from meetref.lab.child import Child, ChildFailed, open_program
from meetref.lab.leg import HERE, free_port
from meetref.net.network import KernelNetwork

PROGRAM = "janus"
ROOM, FEED = 1, 1
KEPT_ALIVE_EVERY = 25.0  # seconds; a session ends after 60 without a word
OTHER_PLUGINS = "audiobridge duktape echotest lua nosip recordplay sip streaming textroom videocall voicemail"
OTHER_TRANSPORTS = "http mqtt nanomsg pfunix rabbitmq"

CONFIGURATION = {
    "janus.jcfg": """\
general: {{ debug_level = 2 }}
plugins: {{ disable = "{plugins}" }}
transports: {{ disable = "{transports}" }}
loggers: {{ disable = "libjanus_jsonlog.so" }}
""",
    "janus.plugin.videoroom.jcfg": """\
room-1: {{ description = "lab", publishers = 1, bitrate = 20000000, videocodec = "vp8", fir_freq = 0 }}
""",
    "janus.transport.websockets.jcfg": """\
general: {{ ws = true, ws_ip = "127.0.0.1", ws_port = {port}, wss = false }}
admin: {{ admin_ws = false, admin_wss = false }}
""",
}


def why_absent() -> str | None:
    """None when this machine has it."""
    return None if shutil.which(PROGRAM) else "there is no program janus on the PATH (apt install janus)"


def make_ready() -> None:
    """Nothing has to be built."""


class JanusDoor:
    """A door (`lab/audience`)."""

    def __init__(self, child: Child, host: str, url: str) -> None:
        self.child = child
        self.host = host
        self._url = url

    async def publish(self, connection: Connection, *, task_status: trio.TaskStatus[None]) -> None:
        async with self._attached(connection) as handle:
            await handle.ask({"request": "join", "ptype": "publisher", "room": ROOM, "id": FEED})
            answer = await handle.ask({"request": "publish"}, {"type": "offer", "sdp": connection.offer()})
            connection.take_answer(answer["jsep"]["sdp"])
            await _stay(connection, handle, task_status)

    async def watch(self, connection: Connection, number: int, *, task_status: trio.TaskStatus[None]) -> None:
        async with self._attached(connection) as handle:
            streams = [{"feed": FEED}]
            offer = await handle.ask({"request": "join", "ptype": "subscriber", "room": ROOM, "streams": streams})
            answer = connection.answer(offer["jsep"]["sdp"], 1)
            await handle.ask({"request": "start"}, {"type": "answer", "sdp": answer})
            await _stay(connection, handle, task_status)

    @asynccontextmanager
    async def _attached(self, connection: Connection) -> AsyncIterator[Handle]:
        """A handle of the VideoRoom, in a session of its own, beside the running connection."""
        async with (
            open_websocket_url(self._url, subprotocols=["janus-protocol"]) as socket,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(connection.run, name="connection")
            handle = Handle(socket)
            await handle.attach()
            yield handle


class Handle:
    """Asks the VideoRoom and waits for what it answers. Everything raises `ChildFailed` when Janus does not like it."""

    def __init__(self, socket: WebSocketConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count()
        self._place: dict[str, int] = {}

    async def attach(self) -> None:
        self._place["session_id"] = (await self._say({"janus": "create"}))["data"]["id"]
        attached = await self._say({"janus": "attach", "plugin": "janus.plugin.videoroom"})
        self._place["handle_id"] = attached["data"]["id"]

    async def ask(self, body: dict[str, Any], description: dict[str, str] | None = None) -> dict[str, Any]:
        """A request to the plugin; its event."""
        jsep = {} if description is None else {"jsep": description}
        return await self._say({"janus": "message", "body": body, **jsep})

    async def keep_alive(self) -> None:
        """Until cancelled."""
        while True:
            await trio.sleep(KEPT_ALIVE_EVERY)
            await self._say({"janus": "keepalive"}, last="ack")

    async def _say(self, message: dict[str, Any], last: str = "") -> dict[str, Any]:
        """Wait for what is more than an acknowledgement, or for that."""
        transaction = str(next(self._numbers))
        await self._socket.send_message(json.dumps({**message, **self._place, "transaction": transaction}))
        while True:
            try:
                answer: dict[str, Any] = json.loads(await self._socket.get_message())
            except ConnectionClosed as closed:
                raise ChildFailed(f"the janus hangs up: {closed.reason}") from None
            if answer.get("transaction") == transaction and answer["janus"] in ("success", "event", last):
                why = answer.get("plugindata", {}).get("data", {}).get("error")
                if why is not None:
                    raise ChildFailed(f"the janus refuses: {why}")
                return answer
            if answer["janus"] == "error":
                raise ChildFailed(f"the janus refuses: {answer['error']['reason']}")


async def _stay(connection: Connection, handle: Handle, task_status: trio.TaskStatus[None]) -> None:
    await connection.connected.wait()
    task_status.started()
    await handle.keep_alive()


def _own_address() -> str:
    """The first one that is not loopback. Raises `ChildFailed`."""
    for host in KernelNetwork().addresses():
        if ip_address(host).version == 4 and not ip_address(host).is_loopback:
            return host
    raise ChildFailed("this machine has no IPv4 address but loopback, and there the janus never listens")


@asynccontextmanager
async def open_door() -> AsyncIterator[JanusDoor]:
    """Run it until the block ends. Raises `ChildFailed`."""
    with tempfile.TemporaryDirectory(prefix="meetref-") as name:
        folder, port = Path(name), free_port()
        plugins, transports = (
            ",".join(f"libjanus_{word}.so" for word in words.split()) for words in (OTHER_PLUGINS, OTHER_TRANSPORTS)
        )
        for file, text in CONFIGURATION.items():
            (folder / file).write_text(text.format(plugins=plugins, transports=transports, port=port))
        command = [PROGRAM, "--configs-folder", name, "--config", str(folder / "janus.jcfg")]
        async with open_program("janus", command, by_signal=True, folder=folder) as child:
            await child.answers_at(port)
            yield JanusDoor(child, _own_address(), f"ws://{HERE}:{port}")
