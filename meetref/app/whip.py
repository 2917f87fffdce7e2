"""WHIP and WHEP: rooms for programs that speak HTTP, encoders that publish and players that watch.

    POST   /whip/ROOM, /whep/ROOM    an offer in; out comes 201, the answer, and where the session is
    PATCH  /whip/ROOM/SESSION        candidates, or an ICE restart
    DELETE /whip/ROOM/SESSION        the end

Stands above `meeting/oneway` and `app/whiprequest`; below `app/server`, which puts the routes behind the page's door.
Specification: RFC 9725 (WHIP), draft-ietf-wish-whep-03 (WHEP); Fetch (CORS).
Leaves out: a counter-offer (WHEP, 406), redirection to other servers, extensions. A page from elsewhere may come in
only where every request must have a token: else any page in somebody's browser could look into the meetings of a server
that listens to that machine alone.
Read next: `meeting/oneway.py`.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Sequence
from typing import Literal
from weakref import WeakKeyDictionary

import msgspec
import trio
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from meetref.app.limits import SourceBuckets, TokenBucket
from meetref.app.origin import is_same_origin
from meetref.app.tokens import name_in
from meetref.app.whiprequest import Refusal, bearer_token, check_condition, not_admitted, read_body
from meetref.meeting.exchange import Full
from meetref.meeting.oneway import OneWay
from meetref.meeting.room import NotAdmitted, Rooms
from meetref.protocol.answering import Offer
from meetref.protocol.description import Unusable
from meetref.protocol.fragment import read_fragment
from meetref.protocol.negotiation import Codec
from meetref.protocol.oneway import read_publication, read_request
from meetref.wire import sdp, sdpfragment, signaling
from meetref.wire.address import Address, canonical_host
from meetref.wire.reader import Malformed

Kind = Literal["whip", "whep"]

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"
RETRY_AFTER = {"Retry-After": "10"}
PATCHES_PER_SECOND, PATCHES_AT_ONCE = 2.0, 20.0  # a client that trickles has a dozen candidates in a second
OFFERS_PER_SECOND, OFFERS_AT_ONCE = 50.0, 1500.0  # of a source
CHARGED_SIZE = 4096  # octets; an offer counts once more for each: the largest takes a tenth of a second to read

ENDPOINT = ("POST", "OPTIONS", "GET", "HEAD")
SESSION = ("PATCH", "DELETE", "OPTIONS", "GET", "HEAD")

NAMELESS = {"whip": "Publisher", "whep": "Viewer"}
READ: dict[Kind, Callable[[str, Sequence[Codec], bool], Offer]] = {"whip": read_publication, "whep": read_request}


def routes(rooms: Rooms, *, any_page: bool) -> Iterable[Route]:
    """Where both are. With `any_page` pages from elsewhere may come in."""
    kinds: tuple[Kind, ...] = ("whip", "whep")
    for kind in kinds:
        door = _Door(kind, rooms, any_page)
        yield Route(f"/{kind}/{{room}}", door.endpoint, methods=ENDPOINT)
        yield Route(f"/{kind}/{{room}}/{{session}}", door.session, methods=SESSION)


class _Door:
    """One of the two."""

    def __init__(self, kind: Kind, rooms: Rooms, any_page: bool) -> None:
        self._kind = kind
        self._rooms = rooms
        self._any_page = any_page
        self._offers = SourceBuckets(rate=OFFERS_PER_SECOND, burst=OFFERS_AT_ONCE)
        self._patches: WeakKeyDictionary[OneWay, TokenBucket] = WeakKeyDictionary()

    async def endpoint(self, request: Request) -> Response:
        """A room."""
        try:
            self._check(request)
            if request.method == "POST":
                response = await self._open(request)
            else:  # spec: whip/get-is-empty whip/options whip/options-without-relays whip/head
                response = Response(headers={"Accept-Post": SDP, "Allow": ", ".join(ENDPOINT)}, media_type=SDP)
        except Refusal as refusal:
            response = refusal.response()
        return self._show(request, response, ENDPOINT)

    async def session(self, request: Request) -> Response:
        """Somebody in the room who came by this door."""
        try:
            self._check(request)
            if request.method == "OPTIONS":
                response = Response(headers={"Accept-Patch": FRAGMENT, "Allow": ", ".join(SESSION)})
            else:
                response = await self._of_session(request, self._visitor(request))
        except Refusal as refusal:
            response = refusal.response()
        return self._show(request, response, SESSION)

    async def _of_session(self, request: Request, visitor: OneWay) -> Response:
        if request.method in ("GET", "HEAD"):
            return Response(status_code=204)
        self._check_token(request, visitor)
        if request.method == "PATCH":
            return await self._change(request, visitor)
        visitor.leave("left")  # spec: whip/delete-ends whip/tag-ignored
        return Response()

    # --- what is the same for all ---------------------------------------------------------------------

    def _check(self, request: Request) -> None:
        """May this page ask, and can there be such a room? Raises `Refusal`."""
        here = is_same_origin(request.headers.get("origin"), request.headers.get("host"))
        if not here and not self._any_page:  # spec: whip/foreign-pages
            raise Refusal(403, "A page from elsewhere may not speak to this server.")
        try:
            msgspec.convert(request.path_params["room"], signaling.RoomName)
        except msgspec.ValidationError:
            raise Refusal(404, "No room can be called so.") from None

    def _show(self, request: Request, response: Response, methods: Iterable[str]) -> Response:
        """Let the page that asked read the answer (CORS): no cookie is ever looked at, only tokens."""
        if self._any_page and "origin" in request.headers:  # spec: whip/options
            response.headers["Access-Control-Allow-Origin"] = "*"
            response.headers["Access-Control-Expose-Headers"] = "Location, ETag, Link, Accept-Patch"
            if request.method == "OPTIONS":
                response.headers["Access-Control-Allow-Methods"] = ", ".join(methods)
                response.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type, If-Match"
                response.headers["Access-Control-Max-Age"] = "86400"
        return response

    # --- a new session --------------------------------------------------------------------------------

    async def _open(self, request: Request) -> Response:
        join = self._join(request)
        self._admit(join)
        text = await read_body(request, SDP, sdp.MAXIMUM_SIZE, "Accept-Post")
        if not self._offers.take(_remote(request), trio.current_time(), 1 + len(text) // CHARGED_SIZE):
            raise Refusal(
                429, "More offers than anybody needs come from your network.", RETRY_AFTER
            )  # spec: whip/offer-rate
        try:  # spec: whip/simulcast
            offer = READ[self._kind](text, self._rooms.video, self._rooms.fec)
            kinds = {track.kind for track in offer.tracks} if self._kind == "whip" else set()
            join.microphone = "on" if "audio" in kinds else "none"
            join.camera = "on" if "video" in kinds else "none"
            visitor = await self._rooms.visit(join, offer, _remote(request))
            answer = await visitor.answer()
        except Unusable as error:
            raise Refusal(422, f"The offer cannot be taken: {error.what}.") from None
        except Malformed as error:  # spec: whip/offer-malformed
            raise Refusal(400, f"The offer cannot be read: {error.what}.") from None
        except NotAdmitted as refused:  # the token's time was over while the body came
            raise not_admitted(refused, join.token) from None
        except Full as full:  # spec: whip/too-many
            raise Refusal(503, f"{full}", RETRY_AFTER) from None
        # spec: whip/answer-created whip/session-unguessable whip/tag-first
        headers = {"Location": f"/{self._kind}/{join.room}/{visitor.session}", "ETag": f'"{visitor.tag}"'}
        response = Response(answer, 201, {**headers, "Accept-Patch": FRAGMENT, "Cache-Control": "no-store"}, SDP)
        for link in _links(visitor.ice_servers()):
            response.headers.append("Link", link)
        return response

    def _join(self, request: Request) -> signaling.Join:
        token = bearer_token(request)
        name = request.query_params.get("name") or (token and name_in(token)) or NAMELESS[self._kind]
        try:
            said = {"type": "join", "room": request.path_params["room"], "name": name, "token": token}
            return msgspec.convert(said, signaling.Join)
        except msgspec.ValidationError as error:
            raise Refusal(400, f"Nobody can join so: {error}.") from None

    def _admit(self, join: signaling.Join) -> None:
        try:
            self._rooms.admit(join)
        except NotAdmitted as refused:
            raise not_admitted(refused, join.token) from None

    # --- a session that there is ----------------------------------------------------------------------

    def _visitor(self, request: Request) -> OneWay:
        visitor = self._rooms.visitor(request.path_params["room"], request.path_params["session"])
        if visitor is None or visitor.is_shown != (self._kind == "whip"):  # spec: whip/session-unknown
            raise Refusal(404, "There is no such session, or it is over.")
        return visitor

    def _check_token(self, request: Request, visitor: OneWay) -> None:
        """The token that opened the session stays good for it, also when its time is over."""
        token = bearer_token(request)
        if not hmac.compare_digest((token or "").encode(), (visitor.join.token or "").encode()):
            self._admit(msgspec.structs.replace(visitor.join, token=token))

    async def _change(self, request: Request, visitor: OneWay) -> Response:
        now = trio.current_time()
        bucket = self._patches.get(visitor)
        if bucket is None:
            bucket = self._patches[visitor] = TokenBucket(rate=PATCHES_PER_SECOND, burst=PATCHES_AT_ONCE, now=now)
        if not bucket.take(now):  # spec: whip/patch-rate
            raise Refusal(429, "More changes than a path can need.", {"Retry-After": "1"})
        text = await read_body(request, FRAGMENT, sdpfragment.MAXIMUM_SIZE, "Accept-Patch")
        self._visitor(request)  # is it still there?
        check_condition(request, visitor.tag)
        try:  # spec: whip/restart-refused-keeps
            answer = visitor.take(read_fragment(text, visitor.offer))
        except Unusable as error:
            raise Refusal(422, f"The fragment cannot be taken: {error.what}.") from None
        except Malformed as error:  # spec: whip/fragment-malformed
            raise Refusal(400, f"The fragment cannot be read: {error.what}.") from None
        if answer is None:
            return Response(status_code=204)  # spec: whip/trickle-answer
        # spec: whip/restart-answer
        return Response(answer, 200, {"ETag": f'"{visitor.tag}"', "Cache-Control": "no-store"}, FRAGMENT)


def _links(servers: Iterable[signaling.IceServer]) -> Iterable[str]:
    """A Link header for each address of a relay."""
    for server in servers:
        for url in server.urls:  # spec: whip/ice-servers
            words = f'username="{server.username}"; credential="{server.credential}"; credential-type="password"'
            yield f'<{url}>; rel="ice-server"; {words}'


def _remote(request: Request) -> Address:
    assert request.client is not None
    return Address(canonical_host(request.client.host), request.client.port)
