"""The recordings over HTTP: who was in the room sees them, and who has a link that one of those made.

    POST   /api/visits                    a ticket of signaling becomes part of a cookie
    GET    /api/recordings                those of rooms in which one was while they ran
    GET    /api/recordings/NAME[/index]   one, with addresses of its files; also with the token of a link
    POST   /api/recordings/NAME/links     a link for others       DELETE  /api/recordings/NAME   by who began it
    POST   /api/recordings/NAME/again     one that failed is tried once more, for who began it
    GET    /api/files/KEY?until=...       a file in the folder, by an address that was signed; ranges of it
Stands on `archive/kept` and `app/passes`; `app/keeping` puts it up. Source: docs/keeping.md, spec/shelf.toml.
Leaves out: files in S3, which browsers fetch there, by addresses that S3 checks. Read next: `app/passes.py`.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import trio
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from meetref.app.origin import is_same_origin
from meetref.app.passes import FILE_FOR, VISITS_FOR, Passes, Visit
from meetref.archive.attempt import TYPES
from meetref.archive.keeper import delete
from meetref.archive.kept import Kept, read_kept, read_progress, room_in
from meetref.archive.log import EventLog, LogUnavailable
from meetref.archive.objects import NoSuchObject, Objects, ObjectsUnavailable, is_key
from meetref.archive.worker import has_journals, want_again

logger = logging.getLogger("meetref.recordings")

COOKIE = "meetref-visits"
MAXIMUM_SHOWN = 200  # recordings in one answer
MAXIMUM_INDEX = 16 * 2**20  # octets
ERASE_WITHIN = 20.0  # seconds; what is left then the worker takes away
NOT_YOURS = "There is no such recording, or you were not in it: open it in the browser you met with, or by a link."


class Shelf:
    """The endpoints. `recordings` is the folder of the journals; `is_secure`: the server has TLS."""

    def __init__(
        self, log: EventLog, recordings: Path, objects: Objects, passes: Passes, *, is_secure: bool = False
    ) -> None:
        self._log = log
        self._recordings = recordings
        self._objects = objects
        self._passes = passes
        self._is_secure = is_secure

    def routes(self) -> Sequence[Route]:
        """What is put up in `app/http`."""
        return [
            Route("/api/visits", self._answering(self.visit), methods=["POST"]),
            Route("/api/recordings", self._answering(self.list)),
            Route("/api/recordings/{name}", self._answering(self.show), methods=["GET"]),
            Route("/api/recordings/{name}", self._answering(self.delete), methods=["DELETE"]),
            Route("/api/recordings/{name}/index", self._answering(self.index)),
            Route("/api/recordings/{name}/links", self._answering(self.share), methods=["POST"]),
            Route("/api/recordings/{name}/again", self._answering(self.again), methods=["POST"]),
            Route("/api/files/{key:path}", self.file),
        ]

    def _answering(self, endpoint: Any) -> Any:
        """Around an endpoint: no foreign page may ask, and what is away is told."""

        async def answer(request: Request) -> Response:
            if not is_same_origin(request.headers.get("origin"), request.headers.get("host")):
                return _sentence(403, "This is for the server's own page.")  # spec: shelf/own-page
            try:
                response: Response = await endpoint(request)
            except LogUnavailable as error:
                return _sentence(503, f"The event log cannot be used: {error}. Try again later.")
            except ObjectsUnavailable as error:
                return _sentence(503, str(error))
            return response

        return answer

    async def visit(self, request: Request) -> Response:
        visit = self._passes.read_ticket(_bearer(request))
        if visit is None:
            return _sentence(401, "The ticket is none of this server's, or it is too old: join the room again.")
        visits = [*self._visits(request), visit]
        response = Response(status_code=204, headers={"Cache-Control": "no-store"})
        response.set_cookie(  # spec: shelf/cookie
            COOKIE,
            self._passes.visits(visits),
            max_age=round(VISITS_FOR),
            path="/api/",
            secure=self._is_secure,
            httponly=True,
            samesite="lax",
        )
        return response

    async def list(self, request: Request) -> Response:
        visits = self._visits(request)
        found = []
        for room in dict.fromkeys(visit.room for visit in visits):
            for kept in (await read_kept(self._log, room)).values():
                if _was_there(kept, visits):
                    found.append(kept)
        found.sort(key=lambda kept: kept.began_at, reverse=True)
        return _json({"recordings": [await self._tell(kept, visits) for kept in found[:MAXIMUM_SHOWN]]})

    async def show(self, request: Request) -> Response:
        kept = await self._find(request)
        if kept is None:
            return _sentence(404, NOT_YOURS)
        told = await self._tell(kept, self._visits(request))
        files = [{**msgspec.to_builtins(file), "url": self._address(kept, file.name)} for file in kept.files]
        return _json({**told, "files": files})

    async def index(self, request: Request) -> Response:
        kept = await self._find(request)
        if kept is None or kept.file("index.json") is None:
            return _sentence(404, NOT_YOURS)
        try:
            octets = await self._objects.read(f"{kept.prefix}/index.json", MAXIMUM_INDEX)
        except (NoSuchObject, ValueError):
            return _sentence(404, "The index of this recording is not there.")
        return Response(octets, media_type="application/json", headers={"Cache-Control": "no-store"})

    async def share(self, request: Request) -> Response:
        kept = await self._find(request, by_link=False)
        if kept is None:
            return _sentence(404, NOT_YOURS)
        token, until = self._passes.link(kept.name)
        return _json({"link": f"/recordings/{kept.name}#{token}", "until": until})

    async def again(self, request: Request) -> Response:
        kept = await self._find(request, by_link=False)
        if kept is None:
            return _sentence(404, NOT_YOURS)
        if not _is_mine(kept, self._visits(request)):  # spec: shelf/who-tries-again
            return _sentence(403, "Only the person who began a recording may have it tried again.")
        if kept.state != "failed":
            return _sentence(409, "This recording has not failed, or it is being tried again already.")
        if not await has_journals(self._recordings, kept.name):
            return _sentence(409, "There is nothing left of which this recording could be put together.")
        await want_again(self._log, kept)
        return Response(status_code=204)

    async def delete(self, request: Request) -> Response:
        kept = await self._find(request, by_link=False)
        if kept is None:
            return _sentence(404, NOT_YOURS)
        visits = self._visits(request)
        if not _is_mine(kept, visits):  # spec: shelf/who-deletes
            return _sentence(403, "Only the person who began a recording may delete it.")
        with trio.move_on_after(ERASE_WITHIN):
            try:
                await delete(self._log, self._recordings, self._objects, kept, str(kept.by))
            except (ObjectsUnavailable, OSError) as error:
                # The log says so: nobody is shown it, and the worker, or the next sweep, takes it away.
                logger.warning("%s is deleted, and not yet gone: %s", kept.name, error)
        return Response(status_code=204)

    async def file(self, request: Request) -> Response:
        key, query = request.path_params["key"], request.query_params
        if not self._passes.opens_file(key, query.get("until", ""), query.get("signature", "")):
            return _sentence(403, "This address is not valid, or not any more: load the page of the recording again.")
        if self._objects.folder is None or not is_key(key):
            return _sentence(404, "There is no such file.")
        path = self._objects.path(key)
        found = await trio.to_thread.run_sync(_look, path)
        if found is None:
            return _sentence(404, "There is no such file any more.")
        headers = {"ETag": f'"{found.st_ino:x}-{found.st_size:x}"', "Cache-Control": "private, max-age=3600"}
        media_type = TYPES.get(path.suffix, "application/octet-stream")
        # spec: shelf/ranges
        return _Ranges(path, headers=headers, media_type=media_type, stat_result=found)

    # --- who may what ---------------------------------------------------------------------------------

    def _visits(self, request: Request) -> Sequence[Visit]:
        return self._passes.read_visits(request.cookies.get(COOKIE))

    async def _find(self, request: Request, *, by_link: bool = True) -> Kept | None:
        """The recording that is asked for, if it is there and may be seen."""
        name = request.path_params["name"]
        room = room_in(name)
        visits = self._visits(request)
        may = by_link and self._passes.opens(_bearer(request), name)  # spec: shelf/link
        if room is None or not (may or any(visit.room == room for visit in visits)):
            return None
        kept = (await read_kept(self._log, room)).get(name)
        if kept is None or kept.state == "deleted":
            return None
        return kept if may or _was_there(kept, visits) else None

    async def _tell(self, kept: Kept, visits: Sequence[Visit]) -> dict[str, Any]:
        if kept.state == "waiting":
            await read_progress(self._log, kept)
        is_mine = _is_mine(kept, visits)
        may_retry = is_mine and kept.state == "failed" and await has_journals(self._recordings, kept.name)
        return {
            "recording": kept.name,
            "room": kept.room,
            "state": kept.state,
            "began_at": kept.began_at,
            "ended_at": kept.ended_at,
            "by": kept.by_name,
            "done": kept.done,
            "trouble": kept.trouble,
            "size": sum(file.size for file in kept.files),
            "may_share": _was_there(kept, visits),
            "may_delete": is_mine,
            "may_retry": may_retry,
        }

    def _address(self, kept: Kept, name: str) -> str:
        key = f"{kept.prefix}/{name}"
        return self._objects.sign(key, FILE_FOR) or f"/api/files/{key}?{self._passes.sign_file(key)}"


class _Ranges(FileResponse):
    """A file, or what is wanted of it; a unit that is not known is passed over (RFC 9110 section 14.2)."""

    chunk_size = 256 * 1024

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = MutableHeaders(scope=scope)
        if not headers.get("range", "bytes=").replace(" ", "").lower().startswith("bytes="):
            del headers["range"]
        await super().__call__(scope, receive, send)


def _was_there(kept: Kept, visits: Sequence[Visit]) -> bool:
    """Was one of these people in the room while it was recorded? Of what still runs nobody is shown anything."""
    # spec: shelf/who-was-there
    return kept.state != "deleted" and any(visit.room == kept.room and visit.person in kept.people for visit in visits)


def _is_mine(kept: Kept, visits: Sequence[Visit]) -> bool:
    return any(visit.room == kept.room and visit.person == kept.by for visit in visits)


def _look(path: Path) -> os.stat_result | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found if stat.S_ISREG(found.st_mode) else None


def _bearer(request: Request) -> str | None:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    return given.strip() if scheme.lower() == "bearer" else None


def _json(value: Any) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json", headers={"Cache-Control": "no-store"})


def _sentence(status: int, sentence: str) -> Response:
    return PlainTextResponse(f"{sentence}\n", status, headers={"Cache-Control": "no-store"})
