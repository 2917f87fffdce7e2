"""What a crash leaves is healed: every journal cut back to its last whole record, and ended, once and for all."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
import trio
from trio.testing import MockClock

from meetref.archive.journal import MAGIC, read
from meetref.archive.recorder import MANIFEST
from meetref.archive.recovery import ending, recover
from meetref.archive.upload import About, UploadFile, leftovers
from meetref.wire.reader import Malformed
from tests.archive.test_recorder import events, in_the_background, must, opened, packets, send


async def interrupted(root: Path) -> Path:
    """A recording of 13 s of two streams, as it stands on the disk in the moment of a crash."""
    async with opened(root / "running") as recorder, trio.open_nursery() as nursery:
        in_the_background(nursery, recorder)
        for name in ("voice", "camera"):
            nursery.start_soon(send, must(recorder.open_stream(name, {"person": name})), 13)
        for person in ("p2", "p1", "p2"):
            recorder.note({"event": "joined", "person": person}, trio.current_time())
        await trio.sleep(13.1)
        folder = root / "recordings" / "crashed"
        folder.mkdir(parents=True)
        for path in recorder.folder.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
        recorder.finish()
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.spec("recorder/healed", "journal/healing-again", "recorder/witnesses")
async def test_an_open_recording_is_healed_and_closed(tmp_path: Path, autojump_clock: MockClock) -> None:
    folder = await interrupted(tmp_path)
    before = {name: packets(folder, name) for name in ("voice", "camera")}
    [healed] = recover(folder.parent)
    assert (healed.name, healed.journals, healed.cut, healed.unreadable) == ("crashed", 2, 0, [])
    assert ending(folder) == {
        "recording": "crashed",
        "what": "recovered",
        "people": ["p2", "p1"],
        "journals": 2,
        "cut": 0,
        "unreadable": [],
    }
    for name, records in before.items():
        assert packets(folder, name) == records
        assert records[-1].at >= 12_000_000
    assert all(read(path.read_bytes()).is_closed for path in folder.glob("*.mrj"))
    assert events(folder)[-1] == {"event": "recovered", "journals": 2, "cut": 0, "unreadable": []}
    assert not (folder / "reserve").exists()
    after = contents(folder)
    assert recover(folder.parent) == []
    assert contents(folder) == after


@pytest.mark.spec("recorder/healed")
@pytest.mark.soak(ci=20, full=2000)
async def test_files_cut_or_filled_anywhere_are_healed(tmp_path: Path, autojump_clock: MockClock, seed: int) -> None:
    """Every open journal ends somewhere: in a record, in its opening, with zeros, or with what was never written."""
    dice = Random(seed)
    folder = await interrupted(tmp_path)
    left: dict[str, list[bytes]] = {}
    damaged: dict[str, bytes] = {}
    for path in sorted(folder.glob("*-00000[34].mrj")):
        octets = path.read_bytes()
        octets = octets[: dice.randrange(len(octets) + 1)]
        with suppress(Malformed):
            left[path.name] = [record.content for record in read(octets).records]
        damaged[path.name] = octets + dice.choice([b"", bytes(dice.randrange(5000)), dice.randbytes(30)])
        path.write_bytes(damaged[path.name])
    manifest = folder / MANIFEST
    octets = manifest.read_bytes()
    manifest.write_bytes(octets[: dice.randrange(150, len(octets) + 1)])
    recover(folder.parent)
    after = contents(folder)
    for name, octets in damaged.items():
        if name not in left:  # not even the opening was whole
            assert after.get(name, octets) == octets
            continue
        journal = read(after[name])
        assert journal.is_closed
        assert journal.damage is None
        assert [record.content for record in journal.records] == left[name]
    assert read(manifest.read_bytes()).is_closed
    for name in ("voice-000001.mrj", "camera-000002.mrj"):
        assert len(read(after[name]).records) > 450  # what was complete is as it was
    recover(folder.parent)
    assert contents(folder) == after


@pytest.mark.spec("recorder/being-written")
async def test_what_another_server_writes_is_left_to_it(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with opened(tmp_path) as recorder, trio.open_nursery() as nursery:
        in_the_background(nursery, recorder)
        nursery.start_soon(send, must(recorder.open_stream("voice", {})), 5)
        await trio.sleep(2)
        before = contents(recorder.folder)
        assert recover(recorder.folder.parent) == []
        assert contents(recorder.folder) == before
        assert ending(recorder.folder) is None
        await trio.sleep(4)
        recorder.finish()
    assert events(recorder.folder)[-1] == {"event": "ended"}
    assert len(packets(recorder.folder, "voice")) > 200
    assert (ending(recorder.folder) or {})["what"] == "ended"


@pytest.mark.spec("recorder/being-written")
def test_what_is_delivered_to_another_server_is_no_leftover(tmp_path: Path) -> None:
    file = UploadFile(tmp_path / "20261128T102345Z-algebra-9fe37c", About("x", "algebra", 0.0, "p1", "Ada"))
    assert leftovers(tmp_path) == []
    file.close()
    assert leftovers(tmp_path) == [file.folder]


@pytest.mark.spec("recorder/finished-not-touched")
async def test_a_recording_that_was_ended_is_not_touched(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with opened(tmp_path) as recorder:
        must(recorder.open_stream("voice", {})).take(b"packet", trio.current_time())
    stray = recorder.folder / "stray.mrj"
    stray.write_bytes(b"somebody else's")
    before = contents(recorder.folder)
    assert recover(tmp_path / "recordings") == []
    assert contents(recorder.folder) == before


@pytest.mark.spec("recorder/never-begun", "journal/nothing-without-header")
async def test_a_journal_that_had_just_begun_goes(tmp_path: Path, autojump_clock: MockClock) -> None:
    folder = await interrupted(tmp_path)
    (folder / "voice-000009.mrj").write_bytes(MAGIC[:5])
    (folder / "camera-000010.mrj").write_bytes(b"")
    [healed] = recover(folder.parent)
    assert healed.unreadable == []
    assert not (folder / "voice-000009.mrj").exists()
    assert not (folder / "camera-000010.mrj").exists()
    (tmp_path / "recordings" / "no-more").mkdir()
    (tmp_path / "recordings" / "no-more" / MANIFEST).write_bytes(MAGIC)
    assert recover(folder.parent) == []
    assert not (tmp_path / "recordings" / "no-more" / MANIFEST).exists()


@pytest.mark.spec("journal/magic", "journal/version")
async def test_what_is_no_journal_of_ours_is_left_alone_and_told(tmp_path: Path, autojump_clock: MockClock) -> None:
    folder = await interrupted(tmp_path)
    later = bytearray((folder / "voice-000001.mrj").read_bytes())
    later[9] = 2
    foreign = {"later.mrj": bytes(later), "other.mrj": b"RIFF....WAVEfmt ", "notes.txt": b"read me"}
    for name, octets in foreign.items():
        (folder / name).write_bytes(octets)
    [healed] = recover(folder.parent)
    assert healed.unreadable == ["later.mrj", "other.mrj"]
    assert events(folder)[-1]["unreadable"] == ["later.mrj", "other.mrj"]
    assert {name: (folder / name).read_bytes() for name in foreign} == foreign


def test_where_there_are_no_recordings_nothing_is_done(tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("")
    (tmp_path / "a folder").mkdir()
    assert recover(tmp_path) == []
    assert recover(tmp_path / "nowhere") == []
