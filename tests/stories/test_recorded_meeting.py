"""Meetings on the virtual network that are recorded: all that came is there, and nobody sees a difference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from meetref.app.client import Client
from meetref.archive.journal import Record, read
from meetref.archive.recorder import MANIFEST
from meetref.archive.recovery import events_of, recover
from meetref.net.virtuallink import Impairments
from meetref.wire import rtcp, rtp, signaling
from meetref.wire.vp8 import is_keyframe
from tests.stories.people import Meeting, meeting

ROUGH = Impairments(delay=0.03, jitter=0.01, loss=0.05, reordering=0.02)


def sent_by(client: Client) -> dict[int, list[bytes]]:
    """All packets that leave from now on, as they are before the lock, by SSRC."""
    sent: dict[int, list[bytes]] = {}
    assert client.up is not None
    send = client.up.send

    def note(plain: bytes) -> bytes | None:
        sent.setdefault(int.from_bytes(plain[8:12]), []).append(plain)
        return send(plain)

    client.up.send = note  # type: ignore[method-assign]
    return sent


def recorded(root: Path, name: str, source: str) -> list[Record]:
    """What the only recording has of somebody's source."""
    journals = [read(path.read_bytes()) for path in sorted(root.glob("*/*.mrj")) if path.name != MANIFEST]
    assert all(journal.is_closed and journal.damage is None for journal in journals)
    mine = [each for each in journals if (each.header["name"], each.header["source"]) == (name, source)]
    return [record for journal in sorted(mine, key=lambda each: each.header["segment"]) for record in journal.records]


def media(records: list[Record]) -> list[bytes]:
    return [record.content for record in records if not 192 <= record.content[1] <= 223]


def reports(records: list[Record]) -> list[rtcp.SenderReport]:
    control = [rtcp.parse(record.content) for record in records if 192 <= record.content[1] <= 223]
    return [packet for packets in control for packet in packets if isinstance(packet, rtcp.SenderReport)]


def events(root: Path) -> list[tuple[float, dict[str, Any]]]:
    [manifest] = [read(path.read_bytes()) for path in root.glob(f"*/{MANIFEST}")]
    assert manifest.is_closed
    return [(at / 1e6, event) for at, event in events_of(manifest)]


def times_of(root: Path, kind: str) -> list[float]:
    return [at for at, event in events(root) if event["event"] == kind]


async def begin(scene: Meeting, client: Client) -> float:
    client.say(signaling.Record(on=True))
    await trio.sleep(0.01)
    return trio.current_time()


async def end(client: Client) -> None:
    client.say(signaling.Record(on=False))
    await trio.sleep(0.5)


@pytest.mark.spec("recorder/as-received", "recorder/sender-reports", "recorder/events")
async def test_a_whole_meeting_is_recorded(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with meeting(1, recordings=tmp_path) as scene:
        alice, bob = await scene.join("alice"), await scene.join("bob")
        await trio.sleep(3)
        sent = {"alice": sent_by(alice), "bob": sent_by(bob)}
        began = await begin(scene, alice)
        await trio.sleep(7)
        cora = await scene.join("cora")
        sent["cora"] = sent_by(cora)
        await trio.sleep(5)
        bob.say(signaling.Devices(microphone="muted", camera="on"))
        await trio.sleep(3)
        scene.leave("bob")
        await trio.sleep(6)
        await end(alice)
        lasted = trio.current_time() - began - 0.5
    for name, by_ssrc in sent.items():
        for source in ("microphone", "camera"):
            got = media(recorded(tmp_path, name, source))
            made = by_ssrc[int.from_bytes(got[0][8:12])]
            start = made.index(got[0])
            assert got == made[start : start + len(got)]
            assert len(made) - len(got) < 40, (name, source)  # the first few, until the tap and a keyframe are there
            if source == "camera":
                assert is_keyframe(rtp.parse(got[0]).payload)
    for name in ("alice", "cora"):
        for source in ("microphone", "camera"):
            assert len(reports(recorded(tmp_path, name, source))) >= 10
    assert times_of(tmp_path, "joined") == pytest.approx([0, 0, 7], abs=0.3)
    assert times_of(tmp_path, "devices") == pytest.approx([12], abs=0.3)
    assert times_of(tmp_path, "left") == pytest.approx([15], abs=0.3)
    assert times_of(tmp_path, "ended") == pytest.approx([lasted], abs=0.3)
    assert times_of(tmp_path, "speaker")
    arrivals = [record.at for record in recorded(tmp_path, "alice", "microphone")]
    assert arrivals == sorted(arrivals)
    assert arrivals[-1] / 1e6 == pytest.approx(lasted, abs=0.3)


@pytest.mark.spec("recorder/as-received")
async def test_what_is_lost_on_the_way_in_is_recorded_when_it_comes_again(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with meeting(2, recordings=tmp_path) as scene:
        alice, bob = await scene.join("alice", way=ROUGH), await scene.join("bob")
        await trio.sleep(3)
        sent = sent_by(alice)
        await begin(scene, bob)
        await trio.sleep(20)
        await end(bob)
    got = media(recorded(tmp_path, "alice", "camera"))
    made = sent[int.from_bytes(got[0][8:12])]
    made = made[made.index(got[0]) : made.index(got[-1]) + 1]
    assert len(got) == len(set(got))
    assert len(set(made) - set(got)) <= len(made) // 100
    assert set(got) <= set(made) | set(got[-5:])


@pytest.mark.spec("recorder/no-seat")
async def test_nobody_changes_places_and_pictures_go_on(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with meeting(3, recordings=tmp_path) as scene:
        people = [await scene.join(name) for name in ("alice", "bob", "cora")]
        await trio.sleep(4)
        before = [[(seat.seat, seat.person) for seat in client.seats] for client in people]
        await begin(scene, people[0])
        await trio.sleep(0.5)
        frames = [sum(each.frames for each in client.receivers.values()) for client in people]
        await trio.sleep(2)
        await end(people[0])
        assert [[(seat.seat, seat.person) for seat in client.seats] for client in people] == before
        after = [sum(each.frames for each in client.receivers.values()) for client in people]
        assert all(new - old > 60 for new, old in zip(after, frames, strict=True))
        room = scene.server.rooms.rooms["algebra"]
        tracks = [track for person in room.people.values() if person.up for track in person.up.tracks.values()]
        assert all(track.on_report is None and len(track.slots) == 2 for track in tracks)


@pytest.mark.spec("recorder/counts-as-viewer")
async def test_somebody_alone_is_recorded(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with meeting(4, recordings=tmp_path) as scene:
        alice = await scene.join("alice")
        await trio.sleep(10)  # long enough for what nobody sees to be switched off
        await begin(scene, alice)
        await trio.sleep(5)
        await end(alice)
    assert len(media(recorded(tmp_path, "alice", "camera"))) > 50
    assert len(media(recorded(tmp_path, "alice", "microphone"))) > 200


async def test_when_all_have_left_the_recording_is_complete(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with meeting(5, recordings=tmp_path) as scene:
        alice = await scene.join("alice")
        await trio.sleep(2)
        await begin(scene, alice)
        await trio.sleep(3)
        scene.leave("alice")
        await trio.sleep(1)
        assert not scene.server.rooms.rooms
        assert recover(tmp_path) == []
        entries = [entry for entry in await _log(scene) if entry["kind"] == "recording"]
        assert [entry["what"] for entry in entries] == ["began", "ended"]
    assert len(media(recorded(tmp_path, "alice", "microphone"))) > 100


async def _log(scene: Meeting) -> list[dict[str, Any]]:
    log: Any = scene.server.rooms._log
    return [{"kind": entry.kind, **entry.body} for entry in await log.read("algebra")]


def test_the_same_seed_makes_the_same_recording(tmp_path: Path) -> None:
    async def record(root: Path) -> None:
        async with meeting(6, recordings=root) as scene:
            alice = await scene.join("alice", way=ROUGH)
            await scene.join("bob")
            await trio.sleep(2)
            await begin(scene, alice)
            await trio.sleep(4)
            await end(alice)

    def contents(root: Path) -> dict[str, bytes]:
        trio.run(record, root, clock=MockClock(autojump_threshold=0))
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*.mrj")}

    first, second = contents(tmp_path / "first"), contents(tmp_path / "second")
    assert len(first) == 5
    assert first == second


@pytest.mark.spec("captions/kept")
async def test_captions_are_in_the_recording_at_the_time_when_they_came(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with meeting(17, recordings=tmp_path) as scene:
        alice, bob = await scene.join("alice"), await scene.join("bob")
        assert alice.identity is not None
        one = alice.identity.participant
        await trio.sleep(2)
        bob.say(signaling.WriteCaption(text="before it began"))
        await trio.sleep(0.5)
        began = await begin(scene, alice)
        await trio.sleep(3)
        bob.say(signaling.WriteCaption(text="good morning", person=one))
        at = trio.current_time() - began
        await trio.sleep(3)
        await end(alice)
    [(noted_at, caption)] = [(at, event) for at, event in events(tmp_path) if event["event"] == "caption"]
    assert noted_at == pytest.approx(at, abs=0.3)
    assert (caption["person"], caption["name"], caption["text"]) == (one, "alice", "good morning")
