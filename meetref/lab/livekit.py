"""LiveKit as a rival of our server: installed through Go's module proxy, joined as its clients do.

Stands on `lab/goprogram` and `lab/attending`. Its signaling is protobuf over a WebSocket; the few messages that a load
needs are read and written here by their field numbers. As its newer clients do, everybody offers one connection.
Source: https://docs.livekit.io/reference/internals/client-protocol/, livekit_rtc.proto of github.com/livekit/protocol.
Leaves out: everything else that LiveKit does; its settings are the defaults but for addresses and logging.
Read next: `lab/audience.py`.
"""

from __future__ import annotations

import base64
import json
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import jwt
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, open_websocket_url

from meetref.lab import goprogram, protobuf
from meetref.lab.attending import Connection
from meetref.lab.child import Child, ChildFailed, open_program
from meetref.lab.leg import HERE, free_port
from meetref.wire import candidate

PACKAGE, VERSION = "github.com/livekit/livekit-server/cmd/server", "1.13.3"
KEY, SECRET = "lab", "measure-measure-measure-measure-"
ROOM = "lab"

CONFIGURATION = """\
port: {http}
bind_addresses: ["127.0.0.1"]
rtc:
  udp_port: {udp}
  tcp_port: {tcp}
  node_ip: 127.0.0.1
  use_external_ip: false
  enable_loopback_candidate: true
  interfaces: {{includes: [lo]}}
keys: {{{key}: {secret}}}
logging: {{level: error}}
"""

# Fields of a request and of what is answered, of a description, of a candidate, of a new track, and of who joins.
SAY_OFFER, SAY_TRACK = 1, 4
HEAR_ANSWER, HEAR_TRICKLE, HEAR_PUBLISHED, HEAR_LEAVE, HEAR_NEEDED = 2, 4, 6, 8, 25
HEARD = {HEAR_ANSWER, HEAR_TRICKLE, HEAR_PUBLISHED, HEAR_NEEDED}
KIND, SDP = 1, 2
CANDIDATE = 1
CLIENT_ID, TRACK_TYPE, WIDTH, HEIGHT, SOURCE = 1, 3, 4, 5, 8
JOIN, CLIENT, SETTINGS, CLIENT_PROTOCOL, SUBSCRIBES = 2, 1, 2, 3, 1
VIDEO, CAMERA, PROTOCOL = 1, 1, 16


def why_absent() -> str | None:
    """None when this machine has it, or can install it."""
    return goprogram.why_absent(goprogram.program_of_module(PACKAGE, VERSION))


def make_ready() -> None:
    """Install it, the first time: two minutes. Raises `CommandFailed`."""
    goprogram.install_module(PACKAGE, VERSION)


class LiveKitDoor:
    """A door (`lab/audience`)."""

    host = HERE

    def __init__(self, child: Child, url: str) -> None:
        self.child = child
        self._url = url

    async def publish(self, connection: Connection, *, task_status: trio.TaskStatus[None]) -> None:
        track: dict[int, protobuf.Written] = {CLIENT_ID: str(connection.ssrc), TRACK_TYPE: VIDEO, SOURCE: CAMERA}
        async with self._open("publisher") as socket, _running(connection, task_status):
            await socket.send_message(protobuf.serialize({SAY_TRACK: {**track, WIDTH: 1280, HEIGHT: 720}}))
            await _negotiate(connection, socket, HEAR_PUBLISHED, connection.offer)

    async def watch(self, connection: Connection, number: int, *, task_status: trio.TaskStatus[None]) -> None:
        async with self._open(f"viewer-{number}") as socket, _running(connection, task_status):
            await _negotiate(connection, socket, HEAR_NEEDED, connection.offer_to_receive)

    def _open(self, name: str) -> AbstractAsyncContextManager[WebSocketConnection]:
        publishes = name == "publisher"
        rights = {"roomJoin": True, "room": ROOM, "canPublish": publishes, "canSubscribe": not publishes}
        claims = {"iss": KEY, "sub": name, "video": rights, "exp": int(time.time()) + 3600}
        token = jwt.encode(claims, SECRET, algorithm="HS256")
        joining: dict[int, protobuf.Written] = {CLIENT: {CLIENT_PROTOCOL: PROTOCOL}, SETTINGS: {SUBSCRIBES: 1}}
        join = base64.urlsafe_b64encode(protobuf.serialize({JOIN: joining})).decode()
        return open_websocket_url(f"{self._url}/rtc/v1?access_token={token}&join_request={join}")


async def _negotiate(connection: Connection, socket: WebSocketConnection, begin: int, offer: Callable[[], str]) -> None:
    """Make an offer when the server says the message `begin`, and take what it answers, until cancelled."""
    offered = False
    async for field, contents in _messages(socket):
        if field == begin and not offered:
            offered = True
            await socket.send_message(protobuf.serialize({SAY_OFFER: {KIND: "offer", SDP: offer()}}))
        elif field == HEAR_ANSWER:
            connection.take_answer(contents[SDP].decode())
        elif field == HEAR_TRICKLE:
            connection.add_candidate(candidate.parse(json.loads(contents[CANDIDATE])["candidate"]))


@asynccontextmanager
async def _running(connection: Connection, task_status: trio.TaskStatus[None]) -> AsyncIterator[None]:
    """Run it for as long as the block lasts, and report when it is connected."""

    async def report() -> None:
        await connection.connected.wait()
        task_status.started()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(connection.run, name="connection")
        nursery.start_soon(report)
        yield


async def _messages(socket: WebSocketConnection) -> AsyncIterator[tuple[int, dict[int, bytes]]]:
    """What the server says: the field of each message, and the texts in it. Raises `ChildFailed` at a goodbye."""
    while True:
        try:
            message = await socket.get_message()
        except ConnectionClosed as closed:
            raise ChildFailed(f"the livekit hangs up: {closed.reason}") from None
        octets = message if isinstance(message, bytes) else message.encode()
        for field, content in protobuf.parse(octets)[1].items():
            if field == HEAR_LEAVE:
                raise ChildFailed("the livekit sends a viewer away")
            if field in HEARD:
                yield field, protobuf.parse(content)[1]


@asynccontextmanager
async def open_door() -> AsyncIterator[LiveKitDoor]:
    """Run it until the block ends. Raises `ChildFailed`."""
    with tempfile.TemporaryDirectory(prefix="meetref-") as folder:
        http, udp, tcp = (free_port() for _ in range(3))
        file = Path(folder) / "livekit.yaml"
        file.write_text(CONFIGURATION.format(http=http, udp=udp, tcp=tcp, key=KEY, secret=SECRET))
        program = str(goprogram.program_of_module(PACKAGE, VERSION))
        async with open_program(
            "livekit", [program, "--config", str(file)], by_signal=True, folder=Path(folder)
        ) as child:
            await child.answers_at(http)
            yield LiveKitDoor(child, f"ws://{HERE}:{http}")
