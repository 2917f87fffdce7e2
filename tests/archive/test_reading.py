"""A recording is read as far as it goes; what cannot be read is told and passed over."""

from __future__ import annotations

from pathlib import Path

import pytest

from meetref.archive.journal import HEADER_AT
from meetref.archive.reading import CannotCompose, open_recording
from meetref.archive.recorder import MANIFEST
from tests.archive.recorded import BEGAN_AT, Person, Recorded, Source, send_tone, steady


def talk(folder: Path, seconds: float = 25.0) -> Path:
    recorded, ada = Recorded(folder), Person("Ada")
    recorded.join(0.1, ada)
    source = Source(ada, 48000, 5, steady())
    send_tone(source, 0, seconds, 440)
    recorded.add("microphone", source)
    return recorded.write(seconds)


def test_a_stream_is_read_over_all_its_journals(tmp_path: Path) -> None:
    recording = open_recording(talk(tmp_path / "r"))
    assert (recording.name, recording.room, recording.began_at) == ("r", "algebra", BEGAN_AT)
    assert [event["event"] for _, event in recording.events] == ["joined", "ended"]
    [stream] = recording.streams
    assert (stream.person, stream.person_name, stream.source, stream.kind) == ("ada", "Ada", "microphone", "audio")
    assert len(stream.journals) == 3
    arrivals = list(stream.arrivals())
    assert [arrival.at for arrival in arrivals] == sorted(arrival.at for arrival in arrivals)
    assert sum(not arrival.is_control for arrival in arrivals) == 25 * 50
    assert sum(arrival.is_control for arrival in arrivals) == 5
    assert recording.told == []


@pytest.mark.spec("composer/damage-told")
def test_a_damaged_journal_is_read_up_to_its_damage(tmp_path: Path) -> None:
    folder = talk(tmp_path / "r")
    second = sorted(folder.glob("ada-*.mrj"))[1]
    data = bytearray(second.read_bytes())
    data[len(data) // 2] ^= 1
    second.write_bytes(data)
    recording = open_recording(folder)
    count = sum(not arrival.is_control for arrival in recording.streams[0].arrivals())
    assert 700 < count < 25 * 50
    assert recording.told == [f"{second.name} is damaged: a record with a wrong CRC"]
    assert sum(1 for _ in recording.streams[0].arrivals()) > count
    assert len(recording.told) == 1


@pytest.mark.spec("composer/damage-told")
@pytest.mark.parametrize("how", ["header", "magic", "empty", "other"])
def test_an_unreadable_journal_is_passed_over(tmp_path: Path, how: str) -> None:
    folder = talk(tmp_path / "r")
    first = sorted(folder.glob("ada-*.mrj"))[0]
    data = bytearray(first.read_bytes())
    match how:
        case "header":
            data[HEADER_AT + 5] ^= 1
        case "magic":
            data[0] = 0
        case "empty":
            data = bytearray()
        case "other":
            data = bytearray((folder / MANIFEST).read_bytes())
    first.write_bytes(data)
    recording = open_recording(folder)
    assert len(recording.streams[0].journals) == 2
    assert len(recording.told) == 1
    assert recording.told[0].startswith(f"{first.name} cannot be read: ")


def test_what_is_no_recording_is_told(tmp_path: Path) -> None:
    with pytest.raises(CannotCompose, match="is no recording"):
        open_recording(tmp_path / "nothing")
    folder = talk(tmp_path / "r", 1)
    (folder / MANIFEST).write_bytes(b"nonsense")
    with pytest.raises(CannotCompose, match="cannot be read: no journal"):
        open_recording(folder)


def test_a_manifest_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    folder = talk(tmp_path / "r", 1)
    data = (folder / MANIFEST).read_bytes()
    (folder / MANIFEST).write_bytes(data[:-20])
    recording = open_recording(folder)
    assert [event["event"] for _, event in recording.events] == ["joined"]
    assert len(recording.told) == 1
