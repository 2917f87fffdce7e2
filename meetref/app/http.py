"""HTTP: the page, its files, and what the server tells about itself.

    /  and  /ROOM     the page             /api/health    is it there? (for everybody)
    /recordings       what was recorded (`app/shelf` has its data)
    /page/...         its files            /api/rooms/..., /api/tree, /metrics    here, or with the admin token
    /whip/...  and  /whep/...              rooms for programs that speak HTTP (`app/whip`)
    /watch/ROOM/...                        what the audience of a webinar sees (`app/watch`)
    /api/uploads/...                       recordings that come from browsers (`app/uploads`)

Stands above Starlette and Hypercorn; `app/door` hands it connections, `app/server` the callables behind `/api`.
Source: docs/architecture.md (what outside programs may rely on); Content Security Policy level 3.
Leaves out: signaling (a WebSocket, `app/signaling`), bodies of requests (nothing here reads one).
Read next: `app/files.py`, `app/metrics.py`.
"""

from __future__ import annotations

import hmac
import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import h11
import msgspec
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import meetref
from meetref.app.command import CommandFailed, Exit
from meetref.app.files import is_current, read_page_file
from meetref.app.limits import is_loopback
from meetref.app.metrics import CONTENT_TYPE, Family, render
from meetref.app.origin import HostNames
from meetref.app.visitor import Visitor
from meetref.wire.signaling import RoomName

PAGE = Path(__file__).parent / "page"
KEEP_ALIVE_FOR = 10  # seconds without a request
READ_TIMEOUT = 30  # seconds for any octet of a request
# Names that a room cannot have in a link, because something else is there.
RESERVED = frozenset({"api", "metrics", "page", "recordings", "signal", "watch", "whep", "whip"})

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(self), display-capture=(self), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def content_policy(media_from: str | None = None) -> str:
    """What a page may load; pictures and media also from this origin."""
    more = f" {media_from}" if media_from else ""
    return (
        f"default-src 'self'; img-src 'self' data: blob:{more}; media-src 'self' blob: mediastream:{more}; "
        "connect-src 'self' ws: wss:; style-src 'self'; script-src 'self'; object-src 'none'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    )


def _no_tree() -> Any:
    return {}


def _no_families() -> Iterable[Family]:
    return ()


def _no_rooms(name: str | None) -> Any:
    return None


@dataclass(slots=True, frozen=True)
class Site:
    """What the HTTP side shows. `tree` is any JSON value, `families` the metrics; without an `admin_token` (a secret
    text) both are for clients on this machine only, and so are `rooms` (without a name all of them, with it one or
    None). `more` are routes of others, behind the same host check; `media_from` is an origin of media, too."""

    hosts: HostNames
    page: Path = PAGE
    tree: Callable[[], Any] = _no_tree
    families: Callable[[], Iterable[Family]] = _no_families
    rooms: Callable[[str | None], Any] = _no_rooms
    admin_token: str | None = field(default=None, repr=False)
    more: Sequence[Route] = ()
    media_from: str | None = None


def make_http_answer(site: Site) -> Callable[[Visitor], Awaitable[None]]:
    """The `answer_http` of a `Door`: Hypercorn on the visitor's stream, with the site's application."""
    config = Config()
    config.accesslog = None
    config.errorlog = logging.getLogger("meetref.http")
    config.include_server_header = False
    config.keep_alive_timeout = KEEP_ALIVE_FOR
    config.read_timeout = READ_TIMEOUT
    config.h11_max_incomplete_size = 16 * 1024
    app = ASGIWrapper(cast(Any, make_app(site)))
    context = WorkerContext(None)

    async def answer(visitor: Visitor) -> None:
        if not hasattr(visitor.stream, "socket"):
            await visitor.refuse(501, "There is no page on a virtual network, only signaling.")
            return
        await _OneAtATime(app, config, context, {}, cast(Any, visitor.stream)).run()

    return answer


class _OneAtATime(TCPServer):
    """Answers one request of a connection after the other: HTTP/1.1, whatever the visitor would like to go over to.

    In HTTP/2 a connection has a hundred requests at a time, and who breaks them off any number: the bounds of the door
    are bounds of connections.
    """

    async def _read_data(self) -> None:
        given = self.protocol
        given.protocol = _Only11(
            given.app, given.config, given.context, given.task_group, given.state, given.ssl, given.client,
            given.server, given.send,
        )  # fmt: skip
        await super()._read_data()


class _Only11(H11Protocol):
    async def _check_protocol(self, event: h11.Request) -> None:
        """Hypercorn would go over to HTTP/2 here."""


def make_app(site: Site) -> ASGIApp:
    """The Starlette application, in a coat of host check and security headers."""
    pages = _Pages(site)
    routes = [
        Route("/api/health", pages.health),
        Route("/api/tree", pages.tree),
        Route("/api/rooms", pages.rooms),
        Route("/api/rooms/{room}", pages.rooms),
        Route("/metrics", pages.metrics),
        Route("/page/{name:path}", pages.file),
        *site.more,
        Route("/", pages.index),
        Route("/recordings", pages.recordings),
        Route("/recordings/{name}", pages.recordings),
        Route("/{room}", pages.room),
    ]
    return _Coat(Starlette(routes=routes), site)


class _Pages:
    """The endpoints."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def health(self, request: Request) -> Response:
        return _json({"status": "ok", "version": meetref.__version__})

    async def tree(self, request: Request) -> Response:
        return self._refusal(request) or _json(self._site.tree())

    async def rooms(self, request: Request) -> Response:
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        found = self._site.rooms(request.path_params.get("room"))
        return _json(found) if found is not None else _sentence(404, "There is no such room now.")

    async def metrics(self, request: Request) -> Response:
        refusal = self._refusal(request)
        return refusal or Response(render(self._site.families()), headers={"Content-Type": CONTENT_TYPE})

    async def index(self, request: Request) -> Response:
        return await self._send_file(request, "index.html")

    async def recordings(self, request: Request) -> Response:
        return await self._send_file(request, "recordings.html")

    async def room(self, request: Request) -> Response:
        name = request.path_params["room"]
        if name in RESERVED:
            return _sentence(404, "There is no room of this name: something else has it.")
        # A name that no room can have gets the page all the same, which says so and proposes a better one.
        return await self._send_file(request, "index.html", status=200 if is_room_name(name) else 404)

    async def file(self, request: Request) -> Response:
        return await self._send_file(request, request.path_params["name"])

    async def _send_file(self, request: Request, name: str, *, status: int = 200) -> Response:
        return await send_page_file(request, self._site.page, name, status=status)

    def _refusal(self, request: Request) -> Response | None:
        """What tells on people is for this machine, or for who has the admin token."""
        if _comes_from_this_machine(request):
            return None
        expected = self._site.admin_token
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if expected and scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), expected.encode()):
            return None
        refusal = _sentence(401, "This is answered on the server's own machine, elsewhere only to the admin token.")
        refusal.headers["WWW-Authenticate"] = "Bearer"
        return refusal


async def send_page_file(request: Request, folder: Path, name: str, *, status: int = 200) -> Response:
    """A file of the page, or that the browser's copy of it is still good."""
    file = await trio.to_thread.run_sync(read_page_file, folder, name)
    if file is None:
        return _sentence(404, "There is no such file.")
    headers = {"ETag": file.tag, "Cache-Control": "no-cache"}
    # 304 would make a 200 of the browser's copy (RFC 9110, 13.2.1: conditions count only where 200 is the answer).
    if status == 200 and is_current(request.headers.get("if-none-match"), file.tag):
        return Response(status_code=304, headers=headers)
    return Response(file.octets, status, headers={**headers, "Content-Type": file.media_type})


class _Coat:
    """Around everything: requests for other names are turned away, and every answer has the security headers."""

    def __init__(self, inside: ASGIApp, site: Site) -> None:
        self._inside = inside
        self._hosts = site.hosts
        headers = {**SECURITY_HEADERS, "Content-Security-Policy": content_policy(site.media_from)}
        self._coat = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_in_coat(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", []), *self._coat]}
            await send(message)

        if scope["type"] == "http" and not self._hosts.allows(Request(scope).headers.get("host")):
            refusal = _sentence(421, "This server does not answer to that name; --host-name tells it its names.")
            await refusal(scope, receive, send_in_coat)
        else:
            await self._inside(scope, receive, send_in_coat)


def is_room_name(name: str) -> bool:
    """Is this the name of a room, as signaling defines it?"""
    return re.match(_ROOM_PATTERN, name) is not None


def check_room_name(name: str) -> None:
    """For a command line. Raises `CommandFailed` with what a room may be called."""
    if not is_room_name(name):
        raise CommandFailed(
            f"{name[:40]!r} is no name of a room: lower-case letters, digits and hyphens, at most 63",
            Exit.WRONG_COMMAND_LINE,
        )


def _room_pattern() -> str:
    (meta,) = cast(Any, RoomName).__metadata__
    return str(meta.pattern)


_ROOM_PATTERN = _room_pattern()


def _comes_from_this_machine(request: Request) -> bool:
    # A proxy on this machine makes everybody look local; it says so in these headers.
    if "forwarded" in request.headers or "x-forwarded-for" in request.headers or request.client is None:
        return False
    return is_loopback(request.client.host)


def _json(value: Any) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json", headers={"Cache-Control": "no-store"})


def _sentence(status: int, sentence: str) -> Response:
    return PlainTextResponse(f"{sentence}\n", status, headers={"Cache-Control": "no-store"})
