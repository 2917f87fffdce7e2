"""The audience's door: playlists and pieces with what caches need, waiting requests, and hands."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from meetref.app import watch
from meetref.app.http import PAGE, Site, make_app, send_page_file
from meetref.app.shows import EVERY_ROOM, KEPT_FOR, MOST_AT_ONCE, Shows
from meetref.archive.broadcast import CannotBroadcast
from meetref.wire import signaling
from tests.app.doorway import HOSTS
from tests.app.web import Web
from tests.archive.playlistrules import faults
from tests.archive.test_window import feed, show
from tests.meeting.rooms import Lobby, lobby
from tests.meeting.test_webinar import FakeBroadcast


class FakeShows(Shows):
    """Shows that no process makes."""

    @asynccontextmanager
    async def open(self, room: str) -> AsyncIterator[FakeBroadcast]:  # type: ignore[override]
        yield FakeBroadcast(room)


class Door:
    """The door, in front of a room in which alice is; its show has 11 parts."""

    def __init__(self, place: Lobby, shows: Shows) -> None:
        page = partial(send_page_file, folder=PAGE, name="watch.html")
        no_page = partial(send_page_file, folder=PAGE, name="index.html", status=404)
        audience = watch.Audience(
            place.rooms, shows, lambda: 1e9, page, no_page, lambda room, name: {"token": f"{room}+{name}"}
        )
        self.web = Web(make_app(Site(hosts=HOSTS, more=tuple(watch.routes(audience)))))
        self.show = show()
        feed(self.show, range(11))
        shows._shows["algebra"] = self.show, None


@asynccontextmanager
async def door() -> AsyncIterator[tuple[Door, Lobby]]:
    shows = FakeShows(frozenset(("algebra",)), lambda size: bytes(size))
    async with lobby(stage=shows.stage) as place:
        yield Door(place, shows), place


async def test_the_page_is_for_rooms_with_an_audience(autojump_clock: MockClock) -> None:
    async with door() as (front, _):
        answer = await front.web.ask("GET", "/watch/algebra")
        assert answer.status == 200
        assert "audience/main.js" in answer.text
        absent = await front.web.ask("GET", "/watch/history")
        assert absent.status == 404
        assert "/page/main.js" in absent.text, "a person is told so by the page"


async def test_lists_and_pieces_have_what_caches_need(autojump_clock: MockClock) -> None:
    async with door() as (front, _):
        index = await front.web.ask("GET", "/watch/algebra/index.m3u8")
        assert index.header("content-type") == watch.PLAYLIST
        assert "secret/v720/list.m3u8" in index.text.splitlines()
        listed = await front.web.ask("GET", "/watch/algebra/secret/v720/list.m3u8")
        assert faults(listed.text) == []
        assert (listed.header("cache-control"), listed.header("access-control-allow-origin")) == (watch.SHORT, "*")
        tag = listed.header("etag") or ""
        again = await front.web.ask("GET", "/watch/algebra/secret/v720/list.m3u8", if_none_match=tag)
        assert (again.status, again.body) == (304, b"")
        waited = await front.web.ask("GET", "/watch/algebra/secret/v720/list.m3u8?_HLS_msn=1&_HLS_part=2")
        assert (waited.text, waited.header("cache-control")) == (listed.text, watch.WAITED)
        piece = await front.web.ask("GET", "/watch/algebra/secret/v720/0.m4s")
        assert piece.body == b"".join(b"v720 %d;" % number for number in range(8))
        assert (piece.header("cache-control"), piece.header("content-type")) == (watch.FOR_EVER, "video/mp4")
        sound = await front.web.ask("GET", "/watch/algebra/secret/sound/init.mp4")
        assert (sound.body, sound.header("content-type")) == (b"sound", "audio/mp4")
        described = await front.web.ask("GET", "/watch/algebra/list.mpd")
        assert (described.status, described.header("content-type")) == (200, watch.DESCRIPTION)
        assert (await front.web.ask("GET", "/watch/algebra/time")).text.startswith("2001-09-09T01:46:40.000")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("other/v720/list.m3u8", 404),
        ("secret/v9/list.m3u8", 404),
        ("secret/v720/99.m4s", 404),
        ("secret/v720/1.m4s", 404),
        ("secret/v720/list.m3u8?_HLS_part=1", 400),
        ("secret/v720/list.m3u8?_HLS_msn=x", 400),
        ("secret/v720/list.m3u8?_HLS_msn=7", 400),
        ("secret/v720/list.m3u8?_HLS_msn=1", 503),  # nothing comes in this test
        ("secret/v720/1.3.m4s", 503),
    ],
)
async def test_what_is_not_there_is_told(path: str, status: int, autojump_clock: MockClock) -> None:
    async with door() as (front, _):
        answer = await front.web.ask("GET", f"/watch/algebra/{path}")
        assert answer.status == status
        assert answer.header("cache-control") == watch.NOT_KEPT
        assert answer.text.endswith(".\n")


@pytest.mark.spec("playlist/blocking-part")
async def test_a_request_waits_for_its_part(autojump_clock: MockClock) -> None:
    async with door() as (front, _), trio.open_nursery() as nursery:
        found: list[str] = []

        async def ask() -> None:
            answer = await front.web.ask("GET", "/watch/algebra/secret/v720/list.m3u8?_HLS_msn=1&_HLS_part=3")
            found.append(answer.text)

        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        assert found == []
        feed(front.show, range(11, 12))
        await wait_all_tasks_blocked()
        assert "1.3.m4s" in found[0]


async def test_before_and_after_a_show_there_is_nothing(autojump_clock: MockClock) -> None:
    async with door() as (front, _):
        for path in ("/watch/history/index.m3u8", "/watch/history/list.mpd", "/watch/history/secret/v720/list.m3u8"):
            assert (await front.web.ask("GET", path)).status == 404


async def test_a_hand_is_raised_waited_for_and_let_in(autojump_clock: MockClock) -> None:
    async with door() as (front, place):
        alice = await place.joined("alice")
        raised = await front.web.ask("POST", "/watch/algebra/hands?name=Vera%20V.")
        assert raised.status == 201
        hand = json.loads(raised.body)["hand"]
        assert alice.of(signaling.Audience)[-1].hands == {hand: "Vera V."}
        waiting = await front.web.ask("GET", f"/watch/algebra/hands/{hand}")
        assert json.loads(waiting.body) == {"answer": "waiting"}
        alice.says(signaling.Admit(hand=hand, yes=True))
        admitted = await front.web.ask("GET", f"/watch/algebra/hands/{hand}")
        assert json.loads(admitted.body) == {
            "answer": "admitted",
            "go": "/algebra?name=Vera+V.#token=algebra%2BVera+V.",
        }
        assert admitted.header("cache-control") == watch.NOT_KEPT


async def test_a_hand_is_declined_or_put_down(autojump_clock: MockClock) -> None:
    async with door() as (front, place):
        alice = await place.joined("alice")
        first, second = [
            json.loads((await front.web.ask("POST", f"/watch/algebra/hands?name={name}")).body)["hand"] for name in "AB"
        ]
        alice.says(signaling.Admit(hand=first, yes=False))
        assert json.loads((await front.web.ask("GET", f"/watch/algebra/hands/{first}")).body) == {"answer": "declined"}
        assert (await front.web.ask("DELETE", f"/watch/algebra/hands/{second}")).status == 204
        assert (await front.web.ask("GET", f"/watch/algebra/hands/{second}")).status == 404
        assert alice.of(signaling.Audience)[-1].hands == {}


@pytest.mark.parametrize("name", ["", "%20", "x" * 65, "a%0ab", "a%E2%80%AEb"])
async def test_a_hand_has_a_name(name: str, autojump_clock: MockClock) -> None:
    async with door() as (front, place):
        await place.joined("alice")
        answer = await front.web.ask("POST", f"/watch/algebra/hands?name={name}")
        assert answer.status == (201 if name == "a%0ab" else 400)  # a line's end is a space to us


async def test_hands_come_from_our_own_page_and_not_too_fast(autojump_clock: MockClock) -> None:
    async with door() as (front, place):
        foreign = await front.web.ask("POST", "/watch/algebra/hands?name=V", origin="https://elsewhere.example")
        assert foreign.status == 403
        assert (await front.web.ask("POST", "/watch/algebra/hands?name=V")).status == 404  # nobody is in the room
        await place.joined("alice")
        answers = [(await front.web.ask("POST", "/watch/algebra/hands?name=V")).status for _ in range(40)]
        assert answers.count(201) == watch.HANDS_AT_ONCE
        assert set(answers) == {201, 503}


async def test_a_show_goes_on_until_the_room_is_closed(autojump_clock: MockClock) -> None:
    shows = Shows(frozenset((EVERY_ROOM,)), lambda size: bytes(size))
    shows.over("algebra")
    running = show()
    feed(running, range(11))
    running.pause()
    shows._shows["algebra"] = running, None
    await trio.sleep(10 * KEPT_FOR)
    assert shows.find("algebra") is running
    shows._on_air["algebra"] = None  # type: ignore[assignment]
    shows.over("algebra")  # while somebody has come back
    assert running.can_go_on([rendition.form for rendition in running.renditions.values()])
    del shows._on_air["algebra"]
    shows.over("algebra")
    assert not running.can_go_on([rendition.form for rendition in running.renditions.values()])
    assert all(rendition.has_ended for rendition in running.renditions.values())
    shows.over("algebra")
    await trio.sleep(KEPT_FOR + 1)
    assert shows.find("algebra") is None


async def test_shows_are_bounded_and_kept_for_a_while_after_their_end(autojump_clock: MockClock) -> None:
    shows = Shows(frozenset((EVERY_ROOM,)), lambda size: bytes(size))
    assert shows.has("any")
    shows._shows["algebra"] = show(), trio.current_time()
    assert shows.find("algebra") is not None
    await trio.sleep(KEPT_FOR + 1)
    assert shows.find("algebra") is None
    shows._on_air = dict.fromkeys(map(str, range(MOST_AT_ONCE)))  # type: ignore[assignment]
    with pytest.raises(CannotBroadcast, match="no more at a time"):
        async with shows.open("late"):
            pass
