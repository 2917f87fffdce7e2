"""Signed invitations: a text that opens one room until a given moment, checked without a table.

Stands on PyJWT; below `app/token` (makes them) and `app/safety` (the server asks for them).
Specification: RFC 7519 (JSON Web Token) with HMAC SHA-256 (RFC 7518 section 3.2, which also says how long the secret
has to be), best practice of RFC 8725: one algorithm, chosen by us and never by the token.
Leaves out: taking one back before it expires; change the secret for that.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt

from meetref.app.command import CommandFailed
from meetref.meeting.room import NotAdmitted
from meetref.wire.signaling import Join

ALGORITHM = "HS256"
MINIMUM_SECRET_SIZE = 32  # octets, as many as the hash has
LATEST = 2**53  # seconds since 1970 that are taken for a time; infinity and what is no number are not below it
LEEWAY = 30.0  # seconds by which two machines' clocks may differ


class TokenRefused(Exception):
    """The token does not open the door; the text is a sentence for the person who holds it.

    `is_known`: it is a good one, for another door.
    """

    def __init__(self, sentence: str, *, is_known: bool = False) -> None:
        super().__init__(sentence)
        self.is_known = is_known


def read_secret(path: Path) -> bytes:
    """The secret in a file, without the line's end. Raises `CommandFailed` with what to do."""
    try:
        secret = path.read_bytes().strip()
    except OSError as error:
        raise CommandFailed(
            f"the secret in {path} cannot be read ({error.strerror}); make one: openssl rand -base64 32 > {path}"
        ) from None
    if len(secret) < MINIMUM_SECRET_SIZE:
        raise CommandFailed(
            f"the secret in {path} has {len(secret)} octets, {MINIMUM_SECRET_SIZE} are needed; "
            f"make a better one: openssl rand -base64 32 > {path}"
        )
    return secret


def read_admin_token(path: Path) -> str:
    """The admin token in a file: a secret that travels in a header, so it is visible ASCII. Raises `CommandFailed`."""
    secret = read_secret(path)
    if not all(0x21 <= octet <= 0x7E for octet in secret):
        raise CommandFailed(
            f"the secret in {path} has characters that no HTTP header takes; "
            f"make a better one: openssl rand -base64 32 > {path}"
        )
    return secret.decode("ascii")


def make_token(
    secret: bytes, *, room: str, name: str | None = None, now: float, valid_for: float, may_record: bool = False
) -> str:
    """An invitation to `room`, for whoever has it or only under `name`; with `may_record` it also lets one record.

    `now` is the wall clock, `valid_for` seconds. Raises `ValueError` for a secret that is too short.
    """
    if len(secret) < MINIMUM_SECRET_SIZE:
        raise ValueError(f"a secret has at least {MINIMUM_SECRET_SIZE} octets")
    claims: dict[str, Any] = {"room": room, "exp": math.ceil(now + valid_for)}
    if name is not None:
        claims["name"] = name
    if may_record:
        claims["record"] = True
    return jwt.encode(claims, secret, algorithm=ALGORITHM)


def check_token(secret: bytes, token: str | None, *, room: str, name: str, now: float) -> None:
    """Does the token let somebody called `name` into `room`? Raises `TokenRefused` when not."""
    if not token:
        raise TokenRefused("This server needs an invitation; ask whoever runs it for a link.")
    try:
        # Expiry is compared below, with the caller's clock: PyJWT would ask the machine's.
        options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "require": ["exp", "room"]}
        claims = jwt.decode(token, secret, algorithms=[ALGORITHM], options=options)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise TokenRefused("The invitation is not one of this server's.") from None
    begins, ends = claims.get("nbf", 0), claims["exp"]
    if not _is_time(begins) or not _is_time(ends) or now < begins - LEEWAY:
        raise TokenRefused("The invitation is not valid yet, or says no sensible time.")
    if now > ends + LEEWAY:
        raise TokenRefused("The invitation has expired; ask for a new link.")
    if claims["room"] != room:
        raise TokenRefused("The invitation is for another room.", is_known=True)
    if claims.get("name") not in (None, name):
        raise TokenRefused("The invitation is for somebody else.", is_known=True)


def may_record(secret: bytes, join: Join) -> bool:
    """Does the token of somebody who was let in also let them record?"""
    options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
    try:
        claims = jwt.decode(join.token or "", secret, algorithms=[ALGORITHM], options=options)
    except (jwt.PyJWTError, ValueError, RecursionError):
        return False
    return claims.get("record") is True  # spec: recorder/permission


def name_in(token: str) -> str | None:
    """Whom a token is for, as it says itself: nobody has checked it yet."""
    try:
        name = jwt.decode(token, options={"verify_signature": False}).get("name")
    except (jwt.PyJWTError, ValueError, RecursionError):
        return None
    return name if isinstance(name, str) else None


def make_admission(secret: bytes, wall_clock: Callable[[], float]) -> Callable[[Join], None]:
    """What the rooms ask about everybody who wants to join. It raises `NotAdmitted`."""

    def admit(join: Join) -> None:
        try:
            check_token(secret, join.token, room=join.room, name=join.name, now=wall_clock())
        except TokenRefused as refused:
            raise NotAdmitted(str(refused), is_known=refused.is_known) from None

    return admit


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LATEST
