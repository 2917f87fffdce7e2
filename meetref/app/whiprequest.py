"""What a request of WHIP or WHEP must have before anything comes of it: a body of the right kind and size, a token, and
where it is about one ICE session, the tag of that one.

Stands below `app/whip`. Specification: RFC 9725 section 4.1 (errors), 4.3.1 (conditions), 4.7.1 (tokens); RFC 6750
section 3 (the challenge), RFC 9110 section 13.1.1 (If-Match), RFC 9457 (problem details).
Leaves out: HTTP itself, which Hypercorn and Starlette do.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from http import HTTPStatus

import msgspec
import trio
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from meetref.meeting.room import NotAdmitted

BODY_WITHIN = 10.0
"""Seconds for a whole body."""


class Refusal(Exception):
    """The request is answered with an error; `sentence` is for whoever has to do with the client."""

    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.headers = status, sentence, dict(headers or {})

    def response(self) -> Response:
        """The error with its details as JSON."""
        # spec: whip/problem-details
        problem = {"title": HTTPStatus(self.status).phrase, "status": self.status, "detail": self.sentence}
        headers = {"Cache-Control": "no-store", **self.headers}
        return Response(msgspec.json.encode(problem), self.status, headers, "application/problem+json")


async def read_body(request: Request, media_type: str, maximum: int, accept: str) -> str:
    """The body as text. Raises `Refusal`; `accept` is the header that names what is taken."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != media_type:  # spec: whip/offer-type whip/patch-type
        raise Refusal(415, f"The body must be {media_type}.", {accept: media_type})
    try:
        return (await read_octets(request, maximum)).decode()
    except UnicodeDecodeError:
        raise Refusal(400, "The body is not UTF-8.") from None


async def read_octets(request: Request, maximum: int) -> bytes:
    """The body as it is. Raises `Refusal`."""
    octets = bytearray()
    with trio.move_on_after(BODY_WITHIN) as patience:
        try:
            async with aclosing(request.stream()) as pieces:
                async for piece in pieces:
                    octets += piece
                    if len(octets) > maximum:  # spec: whip/body-bounded
                        raise Refusal(413, f"The body has more than {maximum} octets.")
        except ClientDisconnect:
            raise Refusal(400, "The body ended early.") from None
    if patience.cancelled_caught:
        raise Refusal(408, f"The body did not come within {BODY_WITHIN:.0f} seconds.")
    return bytes(octets)


def bearer_token(request: Request) -> str | None:
    """The token in `Authorization`, if there is one."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def not_admitted(refused: NotAdmitted, token: str | None) -> Refusal:
    """No token, or one that opens nothing: 401. One for another door: 403."""
    # spec: whip/bearer
    if refused.is_known:
        return Refusal(403, str(refused), {"WWW-Authenticate": 'Bearer error="insufficient_scope"'})
    return Refusal(401, str(refused), {"WWW-Authenticate": 'Bearer error="invalid_token"' if token else "Bearer"})


def check_condition(request: Request, tag: str) -> None:
    """Is the request about the ICE session that `tag` names? Raises `Refusal`."""
    condition = request.headers.get("if-match")
    if condition is None:  # spec: whip/tag-missing
        raise Refusal(428, "Say with If-Match which ICE session is meant, by its ETag.")
    tags = [word.strip() for word in condition.split(",")]
    if tags != ["*"] and f'"{tag}"' not in tags:  # spec: whip/tag-outdated
        raise Refusal(412, "That ICE session is over: there was a restart.")
