"""What the server tells of a meeting, while one goes on."""

from __future__ import annotations

from typing import Any

import msgspec
import trio
from trio.testing import MockClock

from meetref.app.xray import XRay
from meetref.wire import signaling
from tests.stories.people import Meeting, meeting
from tests.stories.test_meeting import everyone_sees_everyone, until


def look(xray: XRay, name: str = "algebra") -> dict[str, Any]:
    """As a client gets it: through JSON."""
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(xray.look(name)))
    return found


def person(seen: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [each for each in seen["people"] if each["name"] == name]
    return dict(found)


def xray_of(scene: Meeting) -> XRay:
    return XRay(scene.server.rooms.rooms, scene.host.wall_clock)


async def test_people_sources_and_seats_with_their_rates(autojump_clock: MockClock) -> None:
    async with meeting(31) as scene:
        xray = xray_of(scene)
        assert xray.look("algebra") is None
        alice, bob = await scene.join("alice"), await scene.join("bob")
        await until(lambda: everyone_sees_everyone(scene, 30), 10)
        look(xray)
        await trio.sleep(2)
        seen = look(xray)
        assert abs(seen["at"] - scene.host.wall_clock()) < 1
        assert [each["name"] for each in seen["people"]] == ["alice", "bob"]
        assert alice.identity is not None
        assert bob.identity is not None
        up = person(seen, "alice")["up"]
        assert (up["state"], up["path"]) == ("connected", "udp")
        assert up["round_trip_time"] >= 0
        assert {source["source"]: source["seats"] for source in up["sources"]} == {"microphone": 1, "camera": 1}
        for source in up["sources"]:
            (encoding,) = source["encodings"]
            assert (encoding["living"], encoding["active"], encoding["loss"], encoding["lost"]) == (True, True, 0, 0)
            assert encoding["packets"] > 50
            assert encoding["bitrate_bps"] > 1000
        (seat,) = person(seen, "alice")["down"]["seats"]
        assert (seat["person"], seat["source"]) == (bob.identity.participant, "camera")
        assert (seat["state"], seat["reason"]) == ("playing", None)
        assert seat["rank"] in ("speaker", "rest")
        assert seat["video"]["bitrate_bps"] > 1000
        assert seat["audio"]["bitrate_bps"] > 1000
        assert seat["video"]["why"] in ("the best that is useful here", "as it comes")
        down = person(seen, "alice")["down"]
        assert down["bitrate_bps"] >= seat["video"]["bitrate_bps"]
        if down["estimate"] is not None:
            assert down["estimate"]["target_bps"] > 0
            assert down["estimate"]["state"] in ("normal", "overusing", "underusing")


async def test_what_a_viewer_looks_at_and_what_they_are_told(autojump_clock: MockClock) -> None:
    async with meeting(32) as scene:
        xray = xray_of(scene)
        for name in ("alice", "bob", "carol"):
            await scene.join(name)
        await until(lambda: everyone_sees_everyone(scene, 5), 10)
        identity = scene.people["carol"].identity
        assert identity is not None
        pin = signaling.Pin(identity.participant)
        look_at = signaling.Look(layout="speaker", tiles=1, page=5, pinned=(pin,), large=700, small=90)
        scene.people["alice"].say(look_at)
        await trio.sleep(0.5)
        (room,) = scene.server.rooms.rooms.values()
        (viewer,) = [each for each in room.people.values() if each.person.name == "alice"]
        assert viewer.seats is not None
        index = next(at for at, sight in enumerate(viewer.seats.sights) if sight is not None)
        viewer.seats.tell_video([signaling.SeatVideo(index, "paused", "paused: 180 of 220 kbit/s")])
        down = person(look(xray), "alice")["down"]
        assert (down["layout"], down["tiles"], down["page"], down["pages"]) == ("speaker", 1, 0, 1)
        assert down["pinned"] == [{"person": identity.participant, "source": "camera"}]
        seats = {each["person"]: each for each in down["seats"]}
        assert len(seats) == 2
        seen = seats.pop(identity.participant)
        assert (seen["rank"], seen["tile_height"]) == ("pinned", 700)
        assert (seen["state"], seen["reason"]) == ("paused", "paused: 180 of 220 kbit/s")
        (heard,) = seats.values()
        assert (heard["rank"], heard["video"]) == (None, None)
        assert heard["audio"]["packets"] > 10


async def test_all_rooms_in_short(autojump_clock: MockClock) -> None:
    async with meeting(33) as scene:
        xray = xray_of(scene)
        await scene.join("alice")
        await scene.join("bob", room="biology", sends=False)
        found = xray.look(None)
        assert found is not None
        assert found["rooms"] == [
            {"room": "algebra", "people": 1, "speaker": None},
            {"room": "biology", "people": 1, "speaker": None},
        ]
        silent = person(look(xray, "biology"), "bob")
        assert silent["up"] is None, "who sends nothing has none"
        assert silent["down"]["seats"] == []


async def test_a_large_room_has_voices_apart(autojump_clock: MockClock) -> None:
    async with meeting(34) as scene:
        xray = xray_of(scene)
        names = [f"person-{number}" for number in range(11)]
        for name in names:
            await scene.join(name)
        first = scene.people[names[0]]
        await until(lambda: len([seat for seat in first.seats if seat.video and seat.person]) == 10, 20)
        await until(lambda: len([seat for seat in first.seats if seat.audio and seat.person]) >= 4, 20)
        seats = person(look(xray), names[0])["down"]["seats"]
        voices = len(seats) - 10  # the five loudest, of whom oneself may be one
        assert voices in (4, 5)
        assert [seat["audio"] is None for seat in seats] == [True] * 10 + [False] * voices
        assert [seat["video"] is None for seat in seats] == [False] * 10 + [True] * voices
        numbers = [seat["seat"] for seat in seats]
        assert numbers == [seat.seat for seat in first.seats if seat.person], "the numbers of the page"
