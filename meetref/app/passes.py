"""Signed words of this server to itself: who was in a room, who may see a recording, which file may be fetched.

    ticket    "person P was in room R", handed out in signaling, good for a day
    visits    a few of those, in a cookie that scripts cannot read, for thirty days
    link      "recording N may be seen", in the fragment of a shared address, for thirty days
    file      "this object may be fetched", in an address that lasts for hours
The first three are JSON Web Tokens, each with an audience of its own, so that none passes for another; the last is a
bare HMAC, for it stands in a request line. Stands on PyJWT; below `app/shelf`. Specification: RFC 7519, RFC 8725.
Leaves out: taking one back; a new key in the file ends all of them. Read next: `app/shelf.py`.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import jwt

ALGORITHM = "HS256"
KEY_SIZE = 32  # octets
DAY = 86400.0
TICKET_FOR = 1 * DAY
VISITS_FOR = 30 * DAY
LINK_FOR = 30 * DAY
FILE_FOR = DAY / 4
MAXIMUM_VISITS = 20  # in a cookie, which browsers keep up to 4096 octets of
MAXIMUM_TOKEN = 4096  # octets that are looked at


class Visit(NamedTuple):
    """That somebody, by the `id` of signaling, was in a room."""

    room: str
    person: str


def read_key(path: Path) -> bytes:
    """The server's own key, made when there is none yet. Raises `OSError`."""
    if not path.exists():
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(os.urandom(KEY_SIZE))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # another server was faster
            os.link(fresh, path)
        fresh.unlink()
    key = path.read_bytes()
    if len(key) != KEY_SIZE:
        raise OSError(None, f"it has {len(key)} octets and not {KEY_SIZE}: delete it", str(path))
    return key


class Passes:
    """Makes and checks them with one key. Nothing here raises for what strangers send."""

    def __init__(self, key: bytes, wall_clock: Callable[[], float]) -> None:
        self._key = key
        self._wall_clock = wall_clock

    def ticket(self, room: str, person: str) -> str:
        """Says that somebody is in a room now."""
        return self._seal("ticket", TICKET_FOR, {"visits": [[room, person]]})

    def read_ticket(self, token: str | None) -> Visit | None:
        """What a ticket says, if it is one of ours and not too old."""
        visits = self._visits("ticket", token)
        return visits[0] if visits else None

    def visits(self, visits: Sequence[Visit]) -> str:
        """Says where somebody was; of more than the bound the last ones."""
        last = list(dict.fromkeys(reversed(visits)))[:MAXIMUM_VISITS]  # spec: shelf/bounded-visits
        return self._seal("visits", VISITS_FOR, {"visits": [list(visit) for visit in reversed(last)]})

    def read_visits(self, token: str | None) -> list[Visit]:
        """Where somebody was, in order; nowhere, if it is none of ours or too old."""
        return self._visits("visits", token)

    def link(self, recording: str) -> tuple[str, float]:
        """Opens one recording; and until when."""
        return self._seal("link", LINK_FOR, {"recording": recording}), self._wall_clock() + LINK_FOR

    def opens(self, token: str | None, recording: str) -> bool:
        """Does the token of a link open this recording?"""
        return self._open("link", token).get("recording") == recording

    def sign_file(self, key: str) -> str:
        """The query of an address that opens an object."""
        until = math.ceil(self._wall_clock() + FILE_FOR)
        return f"until={until}&signature={self._signature(key, until)}"

    def opens_file(self, key: str, until: str, signature: str) -> bool:
        """Is this the signature for an object, and is it not too late?"""
        if not (until.isascii() and until.isdigit() and len(until) <= 12):
            return False
        expected = self._signature(key, int(until))
        # spec: shelf/signed-files
        return hmac.compare_digest(signature.encode(), expected.encode()) and self._wall_clock() <= int(until)

    def _signature(self, key: str, until: int) -> str:
        return hmac.new(self._key, f"file\n{key}\n{until}".encode(), hashlib.sha256).hexdigest()

    def _seal(self, kind: str, lasts_for: float, claims: dict[str, Any]) -> str:
        ends = math.ceil(self._wall_clock() + lasts_for)
        return jwt.encode({**claims, "aud": kind, "exp": ends}, self._key, algorithm=ALGORITHM)

    def _open(self, kind: str, token: str | None) -> dict[str, Any]:
        """What a token says; nothing, if it is not of this kind, not ours, or too old."""
        if not token or len(token) > MAXIMUM_TOKEN:
            return {}
        # Expiry is compared below, with the server's clock: PyJWT would ask the machine's.
        options: Any = {"verify_exp": False, "require": ["exp", "aud"]}
        try:
            claims = jwt.decode(token, self._key, algorithms=[ALGORITHM], audience=kind, options=options)
        except (jwt.PyJWTError, ValueError, RecursionError):  # spec: shelf/tampered
            return {}
        return claims if self._wall_clock() <= claims["exp"] else {}  # spec: shelf/expired

    def _visits(self, kind: str, token: str | None) -> list[Visit]:
        return [Visit(str(room), str(person)) for room, person in self._open(kind, token).get("visits", ())]
