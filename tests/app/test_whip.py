"""The doors of WHIP and WHEP: what they answer to every request, and what becomes of the room behind them.

Media flow in tests/stories/test_whip.py; others' clients come in in tests/peers/test_whip_*.py.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import trio.testing
from trio.testing import MockClock

from meetref.app.http import Site, make_app
from meetref.app.limits import Places
from meetref.app.tokens import make_admission, make_token
from meetref.app.whip import CHARGED_SIZE, FRAGMENT, OFFERS_PER_SECOND, PATCHES_AT_ONCE, SDP, routes
from meetref.meeting.oneway import OneWay
from meetref.meeting.participant import HANDSHAKE_WITHIN
from meetref.protocol.ice import Agent, Credentials
from meetref.wire import sdp, sdpfragment, signaling
from meetref.wire.signaling import IceServer
from tests.app.doorway import HOSTS
from tests.app.web import Answer, Web
from tests.meeting.rooms import Lobby, lobby
from tests.protocol.oneway_offers import publication, request
from tests.protocol.test_fragment import CANDIDATE, SECTION
from tests.protocol.test_negotiation import CLIENT

SECRET = bytes(range(32))
NOW = 1_000_000.0
TRICKLED = f"a=ice-ufrag:{CLIENT.ufrag}\r\na=ice-pwd:{CLIENT.password}\r\n{SECTION}{CANDIDATE}"
RENEWED = TRICKLED.replace(CLIENT.ufrag, "newufrag").replace(CLIENT.password, "n" * 22)

both = pytest.mark.parametrize("kind", ["whip", "whep"])


class Door:
    """Both doors of a lobby, and a client in front of them."""

    def __init__(self, rooms: Lobby, *, any_page: bool) -> None:
        self.lobby = rooms
        self._app = make_app(Site(hosts=HOSTS, more=tuple(routes(rooms.rooms, any_page=any_page))))
        self.web = Web(self._app)

    def client_at(self, host: str) -> Web:
        return Web(self._app, host)

    async def post(self, target: str, offer: str | None = None, **headers: str) -> Answer:
        if offer is None:
            offer = publication() if target.startswith("/whip") else request()
        return await self.web.ask("POST", target, offer, **{"content_type": SDP, **headers})

    async def patch(self, location: str, fragment: str = TRICKLED, **headers: str) -> Answer:
        return await self.web.ask("PATCH", location, fragment, **{"content_type": FRAGMENT, **headers})

    async def session(self, kind: str) -> tuple[str, str]:
        """A new one: its address and its tag."""
        answer = await self.post(f"/{kind}/algebra?name=Studio")
        assert answer.status == 201, answer
        location, tag = answer.header("location"), answer.header("etag")
        assert location is not None
        assert tag is not None
        return location, tag

    @property
    def visitor(self) -> OneWay:
        (person,) = self.lobby.rooms.rooms["algebra"].people.values()
        assert isinstance(person, OneWay)
        return person

    @property
    def remotes(self) -> list[str]:
        """Where the one visitor may be, as our agent was told."""
        agent = self.visitor._connection.peer.ice
        assert isinstance(agent, Agent)
        return [remote.host for remote in agent._checklist.remotes]


@asynccontextmanager
async def door(*, any_page: bool = False, handshakes: Places | None = None, **bounds: object) -> AsyncIterator[Door]:
    async with lobby(handshakes=handshakes, **bounds) as rooms:
        yield Door(rooms, any_page=any_page)


def why(answer: Answer) -> str:
    """The sentence of an error."""
    assert answer.header("content-type") == "application/problem+json"
    problem = json.loads(answer.body)
    assert problem["status"] == answer.status
    return str(problem["detail"])


# --- a session from its offer to its end ----------------------------------------------------------


@both
@pytest.mark.spec("whip/answer-created", "whip/tag-first", "whip/session-unguessable", "whip/full-ice")
async def test_an_offer_is_answered(autojump_clock: MockClock, kind: str) -> None:
    async with door() as at:
        answer = await at.post(f"/{kind}/algebra?name=Studio")
        assert (answer.status, answer.header("content-type")) == (201, SDP)
        assert answer.header("accept-patch") == FRAGMENT
        location, tag = answer.header("location") or "", answer.header("etag") or ""
        assert location.startswith(f"/{kind}/algebra/")
        assert len(location.rpartition("/")[2]) == 32
        described = sdp.parse(answer.text)
        assert tag == f'"{described.value("ice-ufrag")}"'
        assert {sdp.direction(described, each) for each in described.sections} == (
            {"recvonly"} if kind == "whip" else {"sendonly"}
        )
        agent = at.visitor._connection.peer.ice
        assert not described.has("ice-lite")
        assert (type(agent), agent.controlling) == (Agent, False)
        other = (await at.post(f"/{kind}/algebra")).header("location")
        assert other != location


@both
async def test_who_comes_in_is_a_person_to_the_others(autojump_clock: MockClock, kind: str) -> None:
    async with door() as at:
        olga = await at.lobby.joined("Olga")
        await at.post(f"/{kind}/algebra?name=Studio%20A")
        shown = [message.person for message in olga.of(signaling.PersonChanged)][-1]
        sends = "on" if kind == "whip" else "none"
        assert (shown.name, shown.microphone, shown.camera) == ("Studio A", sends, sends)
        seated = [seat.person for seat in olga.of(signaling.Seats)[-1].seats if seat.person] if kind == "whip" else []
        assert seated == ([shown.id] if kind == "whip" else [])


async def test_what_is_not_published_is_not_shown(autojump_clock: MockClock) -> None:
    async with door() as at:
        await at.post("/whip/algebra", publication("video"))
        assert (at.visitor.person.microphone, at.visitor.person.camera) == ("none", "on")
        assert at.visitor.person.name == "Publisher"


@pytest.mark.spec("whip/simulcast")
async def test_several_encodings_of_one_picture_are_taken(autojump_clock: MockClock) -> None:
    offer = publication("video").replace(
        "a=sendonly\r\n",
        "a=sendonly\r\na=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n"
        "a=rid:h send\r\na=rid:l send\r\na=simulcast:send h;l\r\n",
    )
    async with door() as at:
        answer = await at.post("/whip/algebra", offer)
        assert answer.status == 201
        assert "a=simulcast:recv h;l\r\n" in answer.text
        assert "a=rid:l recv\r\n" in answer.text


@both
@pytest.mark.spec("whip/delete-ends", "whip/tag-ignored", "whip/session-unknown")
async def test_delete_is_the_end(autojump_clock: MockClock, kind: str) -> None:
    async with door() as at:
        olga = await at.lobby.joined("Olga")
        location, _ = await at.session(kind)
        answer = await at.web.ask("DELETE", location, if_match='"not the tag"')
        assert (answer.status, answer.body) == (200, b"")
        assert (await at.web.ask("DELETE", location)).status == 404
        await trio.testing.wait_all_tasks_blocked()
        assert [message.reason for message in olga.of(signaling.PersonLeft)] == ["left"]
        assert len(at.lobby.exchange) == 1  # Olga's
        assert (await at.patch(location, if_match="*")).status == 404


@both
@pytest.mark.spec("whip/handshake-patience")
async def test_who_never_connects_is_gone_after_a_while(autojump_clock: MockClock, kind: str) -> None:
    async with door() as at:
        location, _ = await at.session(kind)
        await trio.sleep(HANDSHAKE_WITHIN + 1)
        assert (await at.web.ask("GET", location)).status == 404
        assert not at.lobby.rooms.rooms
        assert len(at.lobby.exchange) == 0
        assert not at.lobby.failures


# --- what a request must have ---------------------------------------------------------------------


@both
@pytest.mark.spec("whip/offer-type")
@pytest.mark.parametrize("given", ["application/json", "text/plain", "application/sdpx", FRAGMENT, ""])
async def test_an_offer_has_its_type(autojump_clock: MockClock, kind: str, given: str) -> None:
    async with door() as at:
        answer = await at.post(f"/{kind}/algebra", content_type=given)
        assert (answer.status, answer.header("accept-post")) == (415, SDP)
        assert (await at.post(f"/{kind}/algebra", content_type="Application/SDP; charset=utf-8")).status == 201


@both
@pytest.mark.spec("whip/offer-malformed", "whip/problem-details")
@pytest.mark.parametrize("offer", ["", "hello", "v=0\r\n", "\0", publication().replace("m=audio 9", "m=audio x")])
async def test_what_is_no_offer_is_a_bad_request(autojump_clock: MockClock, kind: str, offer: str) -> None:
    async with door() as at:
        answer = await at.post(f"/{kind}/algebra", offer)
        assert answer.status == 400
        assert "cannot be read" in why(answer)
        assert not at.lobby.rooms.rooms


@both
@pytest.mark.spec("whip/no-partial-answer", "whip/publishing-direction", "whip/watching-direction")
async def test_an_offer_of_which_nothing_can_come_is_unprocessable(autojump_clock: MockClock, kind: str) -> None:
    make = publication if kind == "whip" else request
    wrong = request() if kind == "whip" else publication()
    async with door() as at:
        for offer in (
            make().replace("VP8/90000", "H265/90000"),
            wrong,
            make().replace("setup:actpass", "setup:passive"),
        ):
            answer = await at.post(f"/{kind}/algebra", offer)
            assert answer.status == 422
            assert "cannot be taken" in why(answer)
        await trio.testing.wait_all_tasks_blocked()
        assert not at.lobby.rooms.rooms
        assert not at.lobby.failures


@both
@pytest.mark.spec("whip/body-bounded")
async def test_a_body_has_a_bound(autojump_clock: MockClock, kind: str) -> None:
    async with door() as at:
        assert (await at.post(f"/{kind}/algebra", "v" * (sdp.MAXIMUM_SIZE + 1))).status == 413
        location, tag = await at.session(kind)
        too_long = "a" * (sdpfragment.MAXIMUM_SIZE + 1)
        assert (await at.patch(location, too_long, if_match=tag)).status == 413
        answer = await at.web.ask("POST", f"/{kind}/algebra", b"\xff\xfe", content_type=SDP)
        assert answer.status == 400


@both
@pytest.mark.spec("whip/body-bounded")
async def test_a_body_comes_whole_and_soon(autojump_clock: MockClock, kind: str) -> None:
    async with door() as at:
        for rest, status in (("late", 408), ("gone", 400)):
            began = trio.current_time()
            answer = await at.web.ask("POST", f"/{kind}/algebra", "v=0", content_type=SDP, rest=rest)  # type: ignore[arg-type]
            assert answer.status == status
            assert trio.current_time() - began < 11
        assert not at.lobby.rooms.rooms


@both
@pytest.mark.parametrize("name", ["a" * 65, "line%0Aend", "%E2%80%AEturned"])
async def test_a_name_is_one_that_can_be_shown(autojump_clock: MockClock, kind: str, name: str) -> None:
    async with door() as at:
        answer = await at.post(f"/{kind}/algebra?name={name}")
        assert answer.status == 400
        assert "name" in why(answer)


@both
async def test_a_room_has_a_name_that_rooms_can_have(autojump_clock: MockClock, kind: str) -> None:
    async with door() as at:
        for room in ("Algebra", "-", "a" * 64):
            assert (await at.post(f"/{kind}/{room}")).status == 404
        assert (await at.web.ask("GET", f"/{kind}")).status == 404


@both
@pytest.mark.spec("whip/get-is-empty", "whip/head")
async def test_looking_finds_nothing_and_is_no_error(autojump_clock: MockClock, kind: str) -> None:
    async with door() as at:
        location, _ = await at.session(kind)
        for method in ("GET", "HEAD"):
            answer = await at.web.ask(method, f"/{kind}/algebra")
            assert (answer.status, answer.body, answer.header("content-type")) == (200, b"", SDP)
            assert (await at.web.ask(method, location)).status == 204
            assert (await at.web.ask(method, f"/{kind}/algebra/{'0' * 32}")).status == 404


@both
async def test_other_methods_are_not_allowed(autojump_clock: MockClock, kind: str) -> None:
    async with door() as at:
        location, _ = await at.session(kind)
        for target, methods in ((f"/{kind}/algebra", ("PUT", "PATCH", "DELETE")), (location, ("PUT", "POST"))):
            for method in methods:
                answer = await at.web.ask(method, target, content_type=SDP)
                assert answer.status == 405
                allowed = {word.strip() for word in (answer.header("allow") or "").split(",")}
                assert {"GET", "OPTIONS"} <= allowed
                assert method not in allowed


@pytest.mark.spec("whip/session-unknown")
async def test_a_session_belongs_to_one_door_and_one_room(autojump_clock: MockClock) -> None:
    async with door() as at:
        location, tag = await at.session("whip")
        name = location.rpartition("/")[2]
        await at.post("/whip/geometry")
        for elsewhere in (f"/whep/algebra/{name}", f"/whip/geometry/{name}", "/whip/algebra/caf%C3%A9", "/whip/none/x"):
            assert (await at.patch(elsewhere, if_match=tag)).status == 404
            assert (await at.web.ask("DELETE", elsewhere)).status == 404
        assert name not in (at.visitor.id, at.visitor.secret)


# --- who may --------------------------------------------------------------------------------------


def guarded() -> dict[str, object]:
    return {"admit": make_admission(SECRET, lambda: NOW)}


def token(room: str = "algebra", **more: object) -> str:
    return "Bearer " + make_token(SECRET, room=room, **{"now": NOW, "valid_for": 60.0, **more})  # type: ignore[arg-type]


@both
@pytest.mark.spec("whip/bearer")
async def test_a_token_is_asked_for_where_rooms_have_them(autojump_clock: MockClock, kind: str) -> None:
    async with door(**guarded()) as at:
        for given, status, challenge in (
            ({}, 401, "Bearer"),
            ({"authorization": "Basic YTpi"}, 401, "Bearer"),
            ({"authorization": "Bearer nonsense"}, 401, 'Bearer error="invalid_token"'),
            ({"authorization": token(now=NOW - 1000)}, 401, 'Bearer error="invalid_token"'),
            ({"authorization": token("geometry")}, 403, 'Bearer error="insufficient_scope"'),
            ({"authorization": token(name="Olga")}, 403, 'Bearer error="insufficient_scope"'),
        ):
            # Who may not come in does not hear what else is wrong.
            answer = await at.post(f"/{kind}/algebra?name=Studio", "", content_type="text/plain", **given)
            assert (answer.status, answer.header("www-authenticate")) == (status, challenge), given
            assert why(answer)
        assert not at.lobby.rooms.rooms
        assert (await at.post(f"/{kind}/algebra", authorization=token())).status == 201
        assert (await at.web.ask("OPTIONS", f"/{kind}/algebra")).status == 200  # browsers ask so before they have one


async def test_a_token_may_end_while_the_body_comes(autojump_clock: MockClock) -> None:
    admit, asked = make_admission(SECRET, lambda: NOW + 1000 * len(asked)), []

    def once(join: signaling.Join) -> None:
        admit(join)
        asked.append(join)

    async with door(admit=once) as at:
        answer = await at.post("/whip/algebra", authorization=token())
        assert (answer.status, len(asked)) == (401, 1)
        assert not at.lobby.rooms.rooms


async def test_the_name_is_that_of_the_token(autojump_clock: MockClock) -> None:
    async with door(**guarded()) as at:
        assert (await at.post("/whip/algebra", authorization=token(name="Camera 1"))).status == 201
        assert at.visitor.person.name == "Camera 1"
        assert (await at.post("/whip/algebra?name=Camera%202", authorization=token(name="Camera 1"))).status == 403


@both
@pytest.mark.spec("whip/bearer")
async def test_the_token_goes_with_every_request_of_the_session(autojump_clock: MockClock, kind: str) -> None:
    clock = [NOW]
    async with door(admit=make_admission(SECRET, lambda: clock[0])) as at:
        mine = token()
        answer = await at.post(f"/{kind}/algebra", authorization=mine)
        location, tag = answer.header("location") or "", answer.header("etag") or ""
        for given, status in (
            ({}, 401),
            ({"authorization": "Bearer x"}, 401),
            ({"authorization": token("other")}, 403),
        ):
            assert (await at.patch(location, if_match=tag, **given)).status == status
            assert (await at.web.ask("DELETE", location, **given)).status == status
        clock[0] += 3600  # it has expired, and is still the one that opened the session
        assert (await at.patch(location, if_match=tag, authorization=mine)).status == 204
        fresh = token(now=clock[0])
        assert (await at.patch(location, if_match=tag, authorization=fresh)).status == 204
        assert (await at.web.ask("DELETE", location, authorization=mine)).status == 200


@both
@pytest.mark.spec("whip/ice-servers")
async def test_relays_are_told_in_links(autojump_clock: MockClock, kind: str) -> None:
    async with lobby() as rooms:
        urls = ["turn:192.0.2.1:80?transport=tcp", "turns:192.0.2.1:80?transport=tcp"]
        servers = [IceServer(urls=urls, username="170:x", credential="c+/=")]
        rooms.rooms._place = replace(rooms.rooms._place, ice_servers=lambda participant: servers)
        answer = await Door(rooms, any_page=False).post(f"/{kind}/algebra")
        assert answer.every("link") == [
            f'<{url}>; rel="ice-server"; username="170:x"; credential="c+/="; credential-type="password"'
            for url in urls
        ]


# --- pages from elsewhere -------------------------------------------------------------------------


@both
@pytest.mark.spec("whip/options", "whip/options-without-relays")
async def test_a_browser_asks_before_a_page_from_elsewhere_may(autojump_clock: MockClock, kind: str) -> None:
    async with door(any_page=True, **guarded()) as at:
        asked = {"origin": "https://elsewhere.example", "access_control_request_method": "POST"}
        answer = await at.web.ask("OPTIONS", f"/{kind}/algebra", **asked)
        assert (answer.status, answer.header("accept-post"), answer.header("link")) == (200, SDP, None)
        assert answer.header("access-control-allow-origin") == "*"
        assert "POST" in (answer.header("access-control-allow-methods") or "")
        for name in ("authorization", "content-type", "if-match"):
            assert name in (answer.header("access-control-allow-headers") or "").lower()
        created = await at.post(f"/{kind}/algebra", authorization=token(), origin="https://elsewhere.example")
        assert (created.status, created.header("access-control-allow-origin")) == (201, "*")
        shown = (created.header("access-control-expose-headers") or "").lower()
        assert all(name in shown for name in ("location", "etag", "link"))
        location = created.header("location") or ""
        answer = await at.web.ask("OPTIONS", location, **(asked | {"access_control_request_method": "PATCH"}))
        assert (answer.status, answer.header("accept-patch")) == (200, FRAGMENT)
        assert {"PATCH", "DELETE"} <= set((answer.header("access-control-allow-methods") or "").split(", "))
        refused = await at.post(f"/{kind}/algebra", origin="https://elsewhere.example")
        assert (refused.status, refused.header("access-control-allow-origin")) == (401, "*")


@both
@pytest.mark.spec("whip/foreign-pages")
async def test_without_tokens_only_our_own_page_may(autojump_clock: MockClock, kind: str) -> None:
    """Else any page that somebody opens on this machine could listen to its meetings."""
    async with door() as at:
        location, tag = await at.session(kind)
        for origin in ("https://elsewhere.example", "null", "http://localhost:81"):
            assert (await at.post(f"/{kind}/algebra", origin=origin)).status == 403
            assert (await at.patch(location, if_match=tag, origin=origin)).status == 403
            assert (await at.web.ask("DELETE", location, origin=origin)).status == 403
            answer = await at.web.ask("OPTIONS", f"/{kind}/algebra", origin=origin)
            assert (answer.status, answer.header("access-control-allow-origin")) == (403, None)
        assert (await at.post(f"/{kind}/algebra", origin="http://localhost")).status == 201


# --- changes of ICE -------------------------------------------------------------------------------


@both
@pytest.mark.spec("whip/trickle-answer")
async def test_candidates_trickle_in(autojump_clock: MockClock, kind: str) -> None:
    async with door() as at:
        location, tag = await at.session(kind)
        answer = await at.patch(location, if_match=tag)
        assert (answer.status, answer.body, answer.header("etag")) == (204, b"", None)
        assert at.remotes == ["192.0.2.1"]
        for fragment in (TRICKLED, SECTION + CANDIDATE, TRICKLED + "a=end-of-candidates\r\n"):
            for condition in (tag, "*", f'"other", {tag}'):
                assert (await at.patch(location, fragment, if_match=condition)).status == 204
        assert at.remotes == ["192.0.2.1"]
        assert at.visitor.tag == tag.strip('"')


@both
@pytest.mark.spec("whip/candidate-discarded")
async def test_candidates_that_are_of_no_use_are_passed_over(autojump_clock: MockClock, kind: str) -> None:
    odd = "a=candidate:9 1 udp 1 name.invalid 9 typ host\r\na=candidate:8 1 sctp 1 192.0.2.2 9 typ host\r\n"
    async with door() as at:
        location, tag = await at.session(kind)
        assert (await at.patch(location, SECTION + odd + CANDIDATE, if_match=tag)).status == 204
        assert at.remotes == ["192.0.2.1"]


@both
@pytest.mark.spec("whip/tag-missing", "whip/tag-outdated")
async def test_a_change_says_which_ice_session_it_is_about(autojump_clock: MockClock, kind: str) -> None:
    async with door() as at:
        location, tag = await at.session(kind)
        assert (await at.patch(location)).status == 428
        for condition in ('"other"', f"W/{tag}", tag.strip('"'), '"*"', ""):
            assert (await at.patch(location, if_match=condition)).status == 412
        assert not at.remotes


@both
@pytest.mark.spec("whip/patch-type", "whip/fragment-malformed")
async def test_a_change_is_a_fragment(autojump_clock: MockClock, kind: str) -> None:
    async with door() as at:
        location, tag = await at.session(kind)
        for given in (SDP, "text/plain", ""):
            answer = await at.patch(location, if_match=tag, content_type=given)
            assert (answer.status, answer.header("accept-patch")) == (415, FRAGMENT)
        for fragment in ("hello", "v=0\r\n" + TRICKLED, "a=ice-ufrag:only\r\n" + SECTION):
            answer = await at.patch(location, fragment, if_match=tag)
            assert answer.status in (400, 422)
            assert "fragment" in why(answer)


@both
@pytest.mark.spec("whip/restart-answer", "whip/restart-asked", "whip/restart-replaces", "whip/tag-outdated")
async def test_other_credentials_are_a_restart(autojump_clock: MockClock, kind: str) -> None:
    async with door() as at:
        location, tag = await at.session(kind)
        await at.patch(location, TRICKLED.replace("192.0.2.1", "192.0.2.9"), if_match=tag)
        answer = await at.patch(location, RENEWED, if_match="*")
        assert (answer.status, answer.header("content-type")) == (200, FRAGMENT)
        told = sdpfragment.parse(answer.text)
        ours = at.visitor._connection.peer.credentials
        assert Credentials(told.value("ice-ufrag") or "", told.value("ice-pwd") or "") == ours
        assert answer.header("etag") == f'"{ours.ufrag}"' != tag
        assert told.sections[0].has("candidate")
        peer = at.visitor._connection.peer
        assert peer.remote_credentials == Credentials("newufrag", "n" * 22)
        assert at.remotes == ["192.0.2.1"]
        assert (await at.patch(location, if_match=tag)).status == 412, "the ICE session of before is over"
        assert (await at.patch(location, RENEWED, if_match=answer.header("etag") or "")).status == 204
        assert set(peer.ufrags) <= set(at.lobby.exchange._by_ufrag)


@both
async def test_a_restart_may_come_twice_and_with_the_tag(autojump_clock: MockClock, kind: str) -> None:
    async with door() as at:
        location, tag = await at.session(kind)
        tags = [tag]
        for number in range(4):
            renewed = RENEWED.replace("newufrag", f"newufrag{number}")
            answer = await at.patch(location, renewed, if_match=tags[-1])
            assert answer.status == 200
            tags.append(answer.header("etag") or "")
        assert len(set(tags)) == 5


@both
@pytest.mark.spec("whip/restart-refused-keeps")
async def test_a_restart_that_is_refused_changes_nothing(autojump_clock: MockClock, kind: str) -> None:
    async with door() as at:
        location, tag = await at.session(kind)
        for fragment in (RENEWED.replace("n" * 22, "short"), "a=ice-ufrag:newufrag\r\n" + SECTION):
            assert 400 <= (await at.patch(location, fragment, if_match="*")).status < 500
        peer = at.visitor._connection.peer
        assert (at.visitor.tag, peer.remote_credentials) == (tag.strip('"'), Credentials(CLIENT.ufrag, CLIENT.password))


# --- how many -------------------------------------------------------------------------------------


@both
@pytest.mark.spec("whip/too-many")
async def test_rooms_and_people_have_an_end(autojump_clock: MockClock, kind: str) -> None:
    async with door(maximum_rooms=1, maximum_people=2) as at:
        assert (await at.post(f"/{kind}/algebra")).status == 201
        assert (await at.post(f"/{kind}/algebra")).status == 201
        for room in ("algebra", "geometry"):
            answer = await at.post(f"/{kind}/{room}")
            assert (answer.status, answer.header("retry-after")) == (503, "10")
            assert "takes no more" in why(answer) or "as many rooms" in why(answer)
        late = at.lobby.come("Olga")
        await trio.testing.wait_all_tasks_blocked()
        assert late.codes == ["room-full"]


@both
@pytest.mark.spec("whip/too-many")
async def test_offers_that_nobody_follows_up_do_not_keep_others_out(autojump_clock: MockClock, kind: str) -> None:
    async with door(handshakes=Places(total=10, per_source=3)) as at:
        for _ in range(3):
            assert (await at.post(f"/{kind}/algebra")).status == 201
        for _ in range(5):
            assert (await at.post(f"/{kind}/algebra")).status == 503
        await trio.testing.wait_all_tasks_blocked()
        assert len(at.lobby.rooms.rooms["algebra"].people) == 3
        offer = publication() if kind == "whip" else request()
        other = at.client_at("198.51.100.9")
        assert (await other.ask("POST", f"/{kind}/algebra", offer, content_type=SDP)).status == 201
        await trio.sleep(HANDSHAKE_WITHIN + 1)
        assert (await at.post(f"/{kind}/algebra")).status == 201


@both
@pytest.mark.spec("whip/patch-rate")
async def test_changes_have_a_rate(autojump_clock: MockClock, kind: str) -> None:
    async with door() as at:
        location, tag = await at.session(kind)
        statuses = [(await at.patch(location, if_match=tag)).status for _ in range(int(PATCHES_AT_ONCE) + 5)]
        assert statuses == [204] * int(PATCHES_AT_ONCE) + [429] * 5
        await trio.sleep(1)
        assert (await at.patch(location, if_match=tag)).status == 204


@both
@pytest.mark.spec("whip/candidates-bounded")
async def test_candidates_have_an_end(autojump_clock: MockClock, kind: str) -> None:
    async with door() as at:
        location, tag = await at.session(kind)
        many = SECTION + "".join(CANDIDATE.replace("61764", str(9000 + number)) for number in range(100))
        assert [(await at.patch(location, many, if_match=tag)).status for _ in range(3)] == [204, 204, 422]
        assert len(at.remotes) <= 100


@both
@pytest.mark.spec("whip/offer-rate")
async def test_offers_of_one_source_have_a_rate(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A large offer that comes to nothing takes as long to read as any, and leaves no session."""
    monkeypatch.setattr("meetref.app.whip.OFFERS_AT_ONCE", 20.0)
    large = "v=0\r\n" + "x" * 4 * CHARGED_SIZE
    async with door() as at:
        statuses = [(await at.post(f"/{kind}/algebra", large)).status for _ in range(6)]
        assert statuses == [400] * 4 + [429] * 2
        assert (await at.client_at("198.51.100.9").ask("POST", f"/{kind}/a", large, content_type=SDP)).status == 400
        await trio.sleep(5 / OFFERS_PER_SECOND)
        assert (await at.post(f"/{kind}/algebra", large)).status == 400
