"""The audience's door: the page that plays, playlists, segments and parts, and hands that are raised.

    /watch/ROOM                              the page
    /watch/ROOM/index.m3u8, list.mpd         all renditions, for HLS and DASH; both name the run
    /watch/ROOM/RUN/RENDITION/list.m3u8      a rendition's playlist, which may wait (`_HLS_msn`, `_HLS_part`)
    /watch/ROOM/RUN/RENDITION/PIECE          initialization, segments, parts: never changed, so cached for long
    /watch/ROOM/hands, hands/HAND            raise one, ask what became of it, put it down
    /watch/ROOM/time                         the time of day, for players of DASH

Whoever knows the room's name may watch: that is what a webinar is. Caches may stand in front (docs/webinar.md).
Stands on `app/shows` and `meeting/webinar`; below `app/server`.
Specification: HTTP Live Streaming 2nd Edition (draft-pantos-hls-rfc8216bis-22) sections 6.2.5, 6.2.6, B.1; RFC 9111.
Leaves out: who watches. Read next: `archive/window.py`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode

import msgspec
import trio
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from meetref.app.files import is_current
from meetref.app.limits import TokenBucket
from meetref.app.origin import is_same_origin
from meetref.app.shows import Shows
from meetref.archive.reload import BadRequest, read_directives
from meetref.archive.window import LIST, Show, TooLate
from meetref.meeting.room import Rooms
from meetref.meeting.webinar import Webinar
from meetref.wire.signalingvalues import NAME_PATTERN

PLAYLIST: Final = "application/vnd.apple.mpegurl"
DESCRIPTION: Final = "application/dash+xml"
MEDIA_TYPES: Final = {"sound": "audio/mp4", "captions": "text/vtt; charset=utf-8"}  # others are pictures
FOR_EVER: Final = "public, max-age=3600, immutable"
SHORT: Final = "public, max-age=1"
WAITED: Final = "public, max-age=18"  # six target durations: a playlist that was waited for is asked for by name
NOT_KEPT: Final = "no-store"
HAND_WAITS: Final = 15.0  # seconds until who asks for an answer is told to ask again
LONGEST_NAME: Final = 64
HANDS_PER_SECOND, HANDS_AT_ONCE = 0.5, 20.0  # of all who watch: the people on stage have to read the names
ANYWHERE: Final = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "Age, Date"}


@dataclass(slots=True, frozen=True)
class Audience:
    """What the door stands on. `page` answers with the page itself, `invite` makes the link for who is let in."""

    rooms: Rooms
    shows: Shows
    wall_clock: Callable[[], float]
    page: Callable[[Request], Awaitable[Response]]
    no_page: Callable[[Request], Awaitable[Response]]
    """Says that a room has no audience."""
    invite: Callable[[str, str], dict[str, str]]


def routes(audience: Audience) -> Iterable[Route]:
    """The routes of all of it."""
    door = _Door(audience)
    yield Route("/watch/{room}", door.page)
    yield Route("/watch/{room}/index.m3u8", door.index)
    yield Route("/watch/{room}/list.mpd", door.description)
    yield Route("/watch/{room}/time", door.time)
    yield Route("/watch/{room}/hands", door.raise_hand, methods=["POST"])
    yield Route("/watch/{room}/hands/{hand}", door.hand, methods=["GET", "DELETE"])
    yield Route("/watch/{room}/{run}/{rendition}/{piece}", door.piece)


class _Door:
    def __init__(self, audience: Audience) -> None:
        self._audience = audience
        self._hands = TokenBucket(rate=HANDS_PER_SECOND, burst=HANDS_AT_ONCE, now=0.0)

    async def page(self, request: Request) -> Response:
        """The page; also before the webinar begins, which it then waits for."""
        if not self._audience.shows.has(request.path_params["room"]):
            return await self._audience.no_page(request)
        return await self._audience.page(request)

    async def index(self, request: Request) -> Response:
        show = self._show(request)
        if show is None:
            return _sentence(404, "The webinar has not begun, or it is over.")
        return _tagged(request, show.all_renditions(_addresses(show)), PLAYLIST, SHORT)

    async def description(self, request: Request) -> Response:
        show = self._show(request)
        if show is None or not show.has_whole_segment:
            return _sentence(404, "The webinar has not begun, or it is over.")
        now = self._audience.wall_clock()
        return _tagged(request, show.description(now, _addresses(show), "time"), DESCRIPTION, SHORT)

    async def time(self, request: Request) -> Response:
        now = datetime.fromtimestamp(self._audience.wall_clock(), UTC).isoformat(timespec="milliseconds")
        return Response(now, media_type="text/plain", headers={"Cache-Control": NOT_KEPT, **ANYWHERE})

    async def piece(self, request: Request) -> Response:
        """A playlist, or octets that never change."""
        show, params = self._show(request), request.path_params
        if show is None or show.name != params["run"]:
            return _sentence(404, "This show is over; ask for index.m3u8 again.")
        try:
            if params["piece"] == LIST:
                return await _playlist(request, show, params["rendition"])
            octets = await show.piece_of(params["rendition"], params["piece"])
        except BadRequest as error:
            return _sentence(400, f"{error}.")
        except TooLate:
            return _sentence(503, "What was waited for did not come; try again.")
        if octets is None:
            return _sentence(404, "There is no such piece; perhaps it is too old.")
        media_type = MEDIA_TYPES.get(params["rendition"], "video/mp4")
        return Response(octets, media_type=media_type, headers={"Cache-Control": FOR_EVER, **ANYWHERE})

    def _show(self, request: Request) -> Show | None:
        return self._audience.shows.find(request.path_params["room"])

    # --- hands ------------------------------------------------------------------------------------------

    async def raise_hand(self, request: Request) -> Response:
        """Out comes the hand's name, which only who raised it and the room know."""
        webinar = self._webinar(request)
        name = " ".join(request.query_params.get("name", "").split())
        if not is_same_origin(request.headers.get("origin"), request.headers.get("host")):
            return _sentence(403, "A hand is raised from this server's own page.")
        if not 1 <= len(name) <= LONGEST_NAME or re.match(NAME_PATTERN, name) is None:
            return _sentence(400, f"Say who you are: a name of 1 to {LONGEST_NAME} characters.")
        if webinar is None:
            return _sentence(404, "The webinar has not begun, or it is over.")
        now = trio.current_time()
        hand = webinar.raise_hand(name, now) if self._hands.take(now) else None
        if hand is None:
            return _sentence(503, "Too many hands are up. Try again later.")
        return _json({"hand": hand.id}, 201)

    async def hand(self, request: Request) -> Response:
        """Wait a while for the answer, or put the hand down."""
        webinar = self._webinar(request)
        hand = webinar.hand(request.path_params["hand"], trio.current_time()) if webinar is not None else None
        if hand is None or webinar is None:
            return _sentence(404, "This hand is not up any more.")
        if request.method == "DELETE":
            webinar.lower(hand.id)
            return Response(status_code=204)
        with trio.move_on_after(HAND_WAITS):
            await hand.answered.wait()
        if hand.answer != "admitted":
            return _json({"answer": hand.answer})
        room = request.path_params["room"]
        needs = urlencode(self._audience.invite(room, hand.name))  # behind the `#`: no browser sends it, no log has it
        go = f"/{room}?{urlencode({'name': hand.name})}" + (f"#{needs}" if needs else "")
        return _json({"answer": hand.answer, "go": go})

    def _webinar(self, request: Request) -> Webinar | None:
        room = self._audience.rooms.rooms.get(request.path_params["room"])
        return room.webinar if room is not None else None


async def _playlist(request: Request, show: Show, rendition: str) -> Response:
    directives = read_directives(request.query_params)
    text = await show.list_of(rendition, directives)
    if text is None:
        return _sentence(404, "There is no such rendition.")
    return _tagged(request, text, PLAYLIST, WAITED if directives.segment is not None else SHORT)


def _addresses(show: Show) -> Callable[[str, str], str]:
    return lambda rendition, file: f"{show.name}/{rendition}/{file}"


def _tagged(request: Request, text: str, media_type: str, cache: str) -> Response:
    octets = text.encode()
    tag = f'"{hashlib.sha256(octets).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": cache, **ANYWHERE}
    if is_current(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=headers)
    return Response(octets, headers={**headers, "Content-Type": media_type})


def _json(value: object, status: int = 200) -> Response:
    headers = {"Cache-Control": NOT_KEPT}
    return Response(msgspec.json.encode(value), status, media_type="application/json", headers=headers)


def _sentence(status: int, sentence: str) -> Response:
    headers = {"Cache-Control": NOT_KEPT, **ANYWHERE}
    return Response(f"{sentence}\n", status, media_type="text/plain; charset=utf-8", headers=headers)
