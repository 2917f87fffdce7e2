"""The door for recordings that come from browsers, piece by piece.

    PUT  /api/uploads/ID?offset=N    octets from place N on; 204 once they are safe, with how many there are
    HEAD /api/uploads/ID             how many there are: where to go on after a broken connection
    POST /api/uploads/ID             that was all

Each is for who has the upload's token, which signaling told. An upload that nothing came of for a minute is over.
Stands on `archive/upload` and `archive/assembling`; below `app/server`, which gives the meeting `Uploads.open`.
Specification: docs/ways.md, spec/recorder.toml; RFC 9110 (409, 413, 429), RFC 4918 (507).
Leaves out: who may record, and that everybody knows (`meeting/ownrecordings`). Read next: `archive/upload.py`.
"""

from __future__ import annotations

import hmac
import logging
import sys
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

import trio
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from meetref.app.origin import is_same_origin
from meetref.app.recordings import recording_name
from meetref.app.whiprequest import Refusal, bearer_token, read_octets
from meetref.archive.assembling import FILM, INDEX, NOT_NOW, NOTHING, assemble, put_away
from meetref.archive.kept import KIND, room_in
from meetref.archive.log import EventLog, LogUnavailable
from meetref.archive.objects import Objects, ObjectsUnavailable
from meetref.archive.recorder import CannotRecord
from meetref.archive.upload import FULL, About, UploadFile, clear, leftovers, read_about
from meetref.net.network import Network
from meetref.wire import signaling

logger = logging.getLogger("meetref.recordings")

MAXIMUM_SIZE = 4 * 2**30  # octets of one upload: more than three hours of what our page makes
MAXIMUM_CHUNK = 4 * 2**20  # octets at a time
RATE, BURST = 2**20, 64 * 2**20  # octets a second, and at once after an interruption
MAXIMUM_UPLOADS, MAXIMUM_IN_ROOM = 16, 4
MAXIMUM_PIECES = 4  # of one upload that come at the same time: each is in memory until it is its turn
GONE_AFTER = 60.0  # seconds without an octet
LOOK_EVERY = 5.0
UNPLAYABLE = "Nothing of what the browser sent can be played."
DISK_FULL = "The server's disk is full: the recording has ended. What came before is kept."
MAXIMUM_ENTRIES = 1000  # leftovers that are assembled at a start
ASSEMBLE = (sys.executable, "-m", "meetref.archive.assembling")
ASSEMBLED_WITHIN = 600.0  # seconds; the largest upload takes a minute or two

T = TypeVar("T")


class Upload:
    """One that is going on. `told` is what its browser has to know."""

    def __init__(self, file: UploadFile, about: About, identity: str, token: str, now: float) -> None:
        self.file = file
        self.about = about
        self.told = signaling.Upload(
            recording=about.recording, id=identity, token=token, maximum=MAXIMUM_SIZE, chunk=MAXIMUM_CHUNK
        )
        self.people = {about.person}
        self.began = self.heard_at = now
        self.turn = trio.Lock()
        self.is_over = False
        self.coming = 0


class Uploads:
    """All of a server. `run` ends those whose browser is gone, and assembles."""

    def __init__(self, network: Network, root: Path, log: EventLog, objects: Objects | None, *, inline: bool) -> None:
        self.going: dict[str, Upload] = {}
        self._network = network
        self._root = root
        self._log = log
        self._objects = objects
        self._inline = inline
        self._opening = trio.Lock()
        self._done, self._to_assemble = trio.open_memory_channel[Path](MAXIMUM_ENTRIES + MAXIMUM_UPLOADS)

    async def open(self, room: str, person: signaling.Person) -> Upload:
        """Make room for somebody's recording. Raises `CannotRecord`."""
        async with self._opening:
            return await self._open(room, person)

    async def _open(self, room: str, person: signaling.Person) -> Upload:
        here = sum(upload.about.room == room for upload in self.going.values())
        if len(self.going) >= MAXIMUM_UPLOADS or here >= MAXIMUM_IN_ROOM:  # spec: recorder/upload-bounded
            where = "in this room" if here >= MAXIMUM_IN_ROOM else "here"
            raise CannotRecord(f"As many browsers record {where} as the server takes. Try again later.")
        name = recording_name(self._network, room)
        about = About(name, room, self._network.wall_clock(), person.id, person.name)
        try:
            file = await self._call(partial(UploadFile, self._root / name, about))
        except OSError as error:
            raise CannotRecord(f"Nothing can be written: {error.strerror}.") from error
        identity, token = (self._network.dice(16).hex() for _ in range(2))
        upload = self.going[identity] = Upload(file, about, identity, token, trio.current_time())
        return upload

    async def discard(self, upload: Upload) -> None:
        """Nothing comes of it."""
        upload.is_over = True
        self.going.pop(upload.told.id, None)
        await self._call(upload.file.discard)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Assemble what an earlier server left, and what comes, until cancelled."""
        for folder in (await self._call(partial(leftovers, self._root)))[:MAXIMUM_ENTRIES]:
            self._done.send_nowait(folder)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._assemble_all, name="assembling")
            task_status.started()
            try:
                while True:
                    await trio.sleep(LOOK_EVERY)
                    await self._look(trio.current_time())
            finally:
                for upload in self.going.values():  # the next start assembles them
                    if not upload.turn.locked():  # else a thread is still writing
                        upload.file.close()

    async def _look(self, now: float) -> None:
        gone = [each for each in self.going.values() if now - each.heard_at >= GONE_AFTER and not each.turn.locked()]
        for upload in gone:
            await self._end(upload)  # spec: recorder/upload-gone

    async def _end(self, upload: Upload) -> None:
        """No more is taken of it."""
        if upload.is_over:
            return
        upload.is_over = True
        self.going.pop(upload.told.id, None)
        if not upload.file.size:
            await self._call(upload.file.discard)
            name, room = upload.about.recording, upload.about.room
            body = {"recording": name, "what": "deleted", "way": "browser", "by": "nobody"}
            self._log.note(room, KIND, f"{name}-deleted", body)
            return
        upload.about.people = sorted(upload.people)
        with suppress(OSError):
            await self._call(partial(upload.file.describe, upload.about))
        upload.file.close()
        await self._done.send(upload.file.folder)

    # --- assembling -----------------------------------------------------------------------------------

    async def _assemble_all(self) -> None:
        """One after the other, so that a hundred of them take no more of the machine than one."""
        async for folder in self._to_assemble:
            try:
                await self._keep(folder)
            except (OSError, ObjectsUnavailable, LogUnavailable) as error:
                logger.warning("%s is not kept now, but at the next start: %s", folder.name, error)
            except Exception:  # a mistake of ours costs this recording, and not the server
                logger.exception("keeping %s failed", folder.name)

    async def _keep(self, folder: Path) -> None:
        """Assemble an upload, store what comes of it, and say so: then it is a recording like others."""
        about = await self._call(partial(read_about, folder))
        body: dict[str, object] = {"people": about.people or [about.person]}
        if await self._assemble(folder):
            body |= {"what": "composed", "prefix": f"{folder.name}/browser", "files": await self._store(folder)}
        else:
            body |= {"what": "failed", "trouble": UNPLAYABLE}
        room = room_in(folder.name)
        if room is not None:
            body |= {"recording": folder.name, "way": "browser"}
            await self._log.append(room, KIND, f"{folder.name}-{body['what']}", body)  # spec: recorder/upload-kept
        await self._call(partial(clear, folder))
        logger.info("%s: %s", folder.name, body["what"])

    async def _assemble(self, folder: Path) -> bool:
        if self._inline:
            return assemble(folder)
        code, words = None, "it takes too long"
        with trio.move_on_after(ASSEMBLED_WITHIN):
            # A session of its own: what interrupts the server at a terminal is no crash of this one.
            done = await trio.run_process(
                [*ASSEMBLE, str(folder)], check=False, capture_stderr=True, start_new_session=True
            )
            code, words = done.returncode, done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        if code == NOT_NOW:
            raise OSError(words)
        if code not in (0, NOTHING):  # what makes it crash, or hang, would do so at each start
            logger.warning("assembling %s: %s", folder.name, words or f"it ended with {code}")
            await self._call(partial(put_away, folder))
        return code == 0

    async def _store(self, folder: Path) -> list[dict[str, object]]:
        files: list[dict[str, object]] = []
        for name, media_type in ((FILM, "video/webm"), (INDEX, "application/json")):
            if self._objects is not None:
                stored = await self._objects.put(f"{folder.name}/browser/{name}", folder / name, media_type)
                files.append({"name": name, "type": media_type, "size": stored.size, "sha256": stored.sha256})
        return files

    # --- the door -------------------------------------------------------------------------------------

    def routes(self) -> Iterable[Route]:
        """Where it is."""
        for method, answer in (("PUT", self._put), ("HEAD", self._head), ("POST", self._post)):
            yield Route("/api/uploads/{id}", partial(self._answer, answer), methods=[method])

    async def _answer(self, answer: Callable[[Request, Upload], Awaitable[Response]], request: Request) -> Response:
        try:
            return await answer(request, self._upload(request))
        except Refusal as refusal:
            return refusal.response()

    def _upload(self, request: Request) -> Upload:
        """The upload that a request is about. Raises `Refusal`."""
        if not is_same_origin(request.headers.get("origin"), request.headers.get("host")):
            raise Refusal(403, "A page from elsewhere may not speak to this server.")
        upload = self.going.get(request.path_params["id"])
        if upload is None:
            raise Refusal(404, "There is no such upload, or it is over.")
        given = (bearer_token(request) or "").encode()
        if not hmac.compare_digest(given, upload.told.token.encode()):  # spec: recorder/upload-token
            raise Refusal(401, "That is not the token of this upload.", {"WWW-Authenticate": "Bearer"})
        return upload

    async def _head(self, request: Request, upload: Upload) -> Response:
        return _so_far(upload, 204)

    async def _post(self, request: Request, upload: Upload) -> Response:
        async with upload.turn:
            await self._end(upload)
        return _so_far(upload, 202)

    async def _put(self, request: Request, upload: Upload) -> Response:
        if upload.coming >= MAXIMUM_PIECES:  # spec: recorder/upload-bounded
            raise Refusal(429, "Too many pieces come at the same time.", {**_size_of(upload), "Retry-After": "1"})
        upload.coming += 1
        try:
            return await self._take(request, upload)
        finally:
            upload.coming -= 1

    async def _take(self, request: Request, upload: Upload) -> Response:
        offset = _offset(request)
        octets = await read_octets(request, MAXIMUM_CHUNK)
        async with upload.turn:  # spec: recorder/upload-in-order
            if upload.is_over:
                raise Refusal(404, "This upload is over.")
            if offset > upload.file.size:  # spec: recorder/upload-no-gap
                raise Refusal(409, f"There is a gap: {upload.file.size} octets are here.", _size_of(upload))
            await self._append(upload, octets[upload.file.size - offset :])  # what is here already is not written again
        return _so_far(upload, 204)

    async def _append(self, upload: Upload, octets: bytes) -> None:
        now, size = trio.current_time(), upload.file.size + len(octets)
        if size > MAXIMUM_SIZE:  # spec: recorder/upload-bounded
            raise Refusal(413, f"A recording has at most {MAXIMUM_SIZE} octets.", _size_of(upload))
        if size > BURST + RATE * (now - upload.began):  # spec: recorder/upload-bounded
            raise Refusal(429, "More comes than any recording of a page has.", {**_size_of(upload), "Retry-After": "5"})
        upload.heard_at = now
        if not octets:
            return
        try:
            await self._call(partial(upload.file.append, octets))
        except OSError as error:  # spec: recorder/upload-disk-full
            logger.warning("the upload %s: %s", upload.about.recording, error)
            why = DISK_FULL if error.errno in FULL else f"The server's disk fails ({error.strerror})."
            raise Refusal(507, why, _size_of(upload)) from error

    async def _call(self, work: Callable[[], T]) -> T:
        if self._inline:
            await trio.lowlevel.checkpoint()
            return work()
        return await trio.to_thread.run_sync(work)


def _offset(request: Request) -> int:
    text = request.query_params.get("offset", "")
    if not text.isascii() or not text.isdecimal() or len(text) > 15:
        raise Refusal(400, "`offset` is the place of the first octet.")
    return int(text)


def _size_of(upload: Upload) -> dict[str, str]:
    return {"Upload-Offset": str(upload.file.size)}


def _so_far(upload: Upload, status: int) -> Response:
    return Response(status_code=status, headers={**_size_of(upload), "Cache-Control": "no-store"})
