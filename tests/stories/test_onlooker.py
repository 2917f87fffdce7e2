"""A bot that records what it sees, on the virtual network: who sent what is told apart, and everybody knew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from meetref.app.client import Client
from meetref.app.onlooker import look_on
from meetref.archive.journal import Journal, read
from meetref.archive.reading import open_recording
from meetref.archive.recorder import MANIFEST, CannotRecord
from meetref.archive.recovery import events_of
from meetref.net.virtuallink import Impairments
from meetref.wire import rtcp, rtp, signaling
from meetref.wire.vp8 import is_keyframe
from tests.stories.people import Meeting, meeting

ROUGH = Impairments(delay=0.03, jitter=0.01, loss=0.05, reordering=0.02)


def payloads_of(client: Client) -> dict[str, set[bytes]]:
    """The payloads that leave from now on, by source: what a viewer gets is rewritten but for those."""
    sent: dict[str, set[bytes]] = {}
    assert client.up is not None
    send = client.up.send
    by_ssrc = {sender.ssrc: source for source, sender in client.senders.items()}

    def note(plain: bytes) -> bytes | None:
        packet = rtp.parse(plain)
        sent.setdefault(by_ssrc[packet.ssrc], set()).add(packet.payload[-40:])
        return send(plain)

    client.up.send = note  # type: ignore[method-assign]
    return sent


def journals(root: Path) -> list[Journal]:
    found = [read(path.read_bytes()) for path in sorted(root.glob("*/*.mrj")) if path.name != MANIFEST]
    assert all(journal.is_closed and journal.damage is None for journal in found)
    return found


def media(journal: Journal) -> list[rtp.Packet]:
    packets = [rtp.parse(record.content) for record in journal.records if not 192 <= record.content[1] <= 223]
    return [packet for packet in packets if packet.payload]


def reports(journal: Journal) -> list[rtcp.Packet]:
    control = [rtcp.parse(record.content) for record in journal.records if 192 <= record.content[1] <= 223]
    return [packet for packets in control for packet in packets if isinstance(packet, rtcp.SenderReport)]


def events(root: Path) -> list[dict[str, Any]]:
    [manifest] = [read(path.read_bytes()) for path in root.glob(f"*/{MANIFEST}")]
    assert manifest.is_closed
    return [event for _, event in events_of(manifest)]


async def onlooker(scene: Meeting, folder: Path, *, way: Impairments | None = None, tiles: int = 25) -> Client:
    """A bot that records until the scene ends or it is told to leave."""
    client = await scene.join("Recorder", way=way, sends=False)
    client.say(signaling.Look(tiles=tiles))
    await trio.sleep(1)

    async def record() -> None:
        await look_on(client, "algebra", folder, tell=str, inline=True)

    scene.nursery.start_soon(record)
    await client.until(lambda: bool(client.recording.others))
    return client


@pytest.mark.soak(ci=2, full=50)
@pytest.mark.spec("recorder/own-told-before", "recorder/bot-divides", "recorder/bot-once", "recorder/bot-from-keyframe")
async def test_three_people_and_one_changes_the_seat(tmp_path: Path, autojump_clock: MockClock, seed: int) -> None:
    sent = {}
    async with meeting(seed, recordings=tmp_path / "server") as scene:
        people = {name: await scene.join(name) for name in ("alice", "bob", "cora")}
        sent = {name: payloads_of(client) for name, client in people.items()}
        await trio.sleep(2)
        recorder = await onlooker(scene, tmp_path / "bot", way=ROUGH)
        assert [(own.name, own.way) for own in people["alice"].recording.others] == [("Recorder", "bot")]
        people["cora"].say(signaling.WriteCaption(text="good morning"))
        await trio.sleep(3)
        scene.leave("bob")
        await trio.sleep(0.5)
        dora = await scene.join("dora")  # takes bob's seat
        sent["dora"] = payloads_of(dora)
        await trio.sleep(4)
        assert recorder.recording.others
        scene.leave("Recorder")
        await trio.sleep(1)
        assert people["alice"].recording.others == ()
    found = journals(tmp_path / "bot")
    assert_told_apart(found, sent)
    seats = {header["name"]: header["mid"] for header in (each.header for each in found) if header["kind"] == "video"}
    assert seats["bob"] == seats["dora"]
    [folder] = (tmp_path / "bot").iterdir()
    composed = open_recording(folder)  # as the composer does
    assert (composed.room, composed.told) == ("algebra", [])
    assert {(each.person_name, each.source) for each in composed.streams} == {
        (name, source) for name in sent for source in ("camera", "microphone")
    }
    noted = [(event["event"], event.get("name")) for event in events(tmp_path / "bot")]
    assert [name for event, name in noted if event == "joined"] == ["alice", "bob", "cora", "dora"]
    assert [event for event, _ in noted].count("left") == 1
    [caption] = [event for event in events(tmp_path / "bot") if event["event"] == "caption"]
    assert caption["text"] == "good morning"


def assert_told_apart(found: list[Journal], sent: dict[str, dict[str, set[bytes]]]) -> None:
    """Each journal has what its person sent, nothing twice, soon a keyframe, with reports and few gaps."""
    streams: dict[tuple[str, str], list[rtp.Packet]] = {}
    for journal in sorted(found, key=lambda each: each.header["segment"]):
        name, source = journal.header["name"], journal.header["source"]
        packets = media(journal)
        assert {packet.payload[-40:] for packet in packets} <= sent[name][source], (name, source)
        assert str(packets[0].payload_type) in journal.header["codecs"]
        assert reports(journal), (name, source)
        streams.setdefault((name, source), []).extend(packets)
    assert set(streams) == {(name, source) for name in sent for source in ("camera", "microphone")}
    for (name, source), packets in streams.items():
        numbers = [packet.sequence for packet in packets]
        assert len(numbers) == len(set(numbers)), (name, source)
        span = (max(numbers) - min(numbers)) if max(numbers) - min(numbers) < 2**15 else len(numbers)
        enough = 0.97 if source == "camera" else 0.9  # what was lost of a picture is sent again
        assert len(numbers) >= enough * span, (name, source, len(numbers), span)
        if source == "camera":
            packets.sort(key=lambda each: (each.timestamp, each.sequence))
            began = next(packet.timestamp for packet in packets if is_keyframe(packet.payload))
            assert began - packets[0].timestamp < 90000, name  # who was seen before is asked for one


async def test_what_a_small_stage_shows_is_what_is_recorded(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with meeting(4, recordings=tmp_path / "server") as scene:
        for name in ("alice", "bob", "cora"):
            await scene.join(name)
        recorder = await onlooker(scene, tmp_path / "bot", tiles=1)
        await trio.sleep(2)
        recorder.say(signaling.Look(tiles=1, page=1))
        await trio.sleep(2)
        scene.leave("Recorder")
        await trio.sleep(1)
    found = [journal.header for journal in journals(tmp_path / "bot")]
    cameras = [header["name"] for header in found if header["source"] == "camera"]
    assert len(cameras) == len(set(cameras)) == 2  # one after the other, and never the third
    assert {header["name"] for header in found if header["source"] == "microphone"} == {"alice", "bob", "cora"}
    assert {header["way"] for header in found} == {"bot"}


@pytest.mark.spec("recorder/permission", "recorder/own-told-before")
async def test_a_bot_that_may_not_takes_nothing(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with meeting(5, recordings=tmp_path / "server", may_record=lambda join: False) as scene:
        await scene.join("alice")
        client = await scene.join("Recorder", sends=False)
        with pytest.raises(CannotRecord, match="did not give you the right to record"):
            await look_on(client, "algebra", tmp_path / "bot", tell=str, inline=True)
        assert client.witness is None
    assert not (tmp_path / "bot").exists()
