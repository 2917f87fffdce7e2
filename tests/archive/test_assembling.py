"""What comes of what a browser uploaded: a file with a duration that can be sought, wherever it was cut."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from random import Random

import av
import msgspec
import numpy as np
import pytest

from meetref.archive.assembling import DAMAGED, FILM, INDEX, NOT_NOW, NOTHING, assemble
from meetref.archive.upload import ABOUT, About, UploadFile, clear, leftovers
from tests.archive.webm import duration_of, played, streamed

ABOUT_IT = About("20261128T102345Z-algebra-9fe37c", "algebra", 1.8e9, "a1", "Ada")
WHOLE = streamed(3)


def uploaded(root: Path, octets: bytes) -> Path:
    file = UploadFile(root / ABOUT_IT.recording, ABOUT_IT)
    file.append(octets)
    file.close()
    return file.folder


@pytest.mark.spec("recorder/upload-assembled")
def test_it_has_a_duration_and_can_be_sought(tmp_path: Path) -> None:
    with av.open(BytesIO(WHOLE)) as given:
        assert not given.duration  # as it came
    folder = uploaded(tmp_path, WHOLE)
    assert leftovers(tmp_path) == [folder]
    assert assemble(folder)
    assert duration_of(str(folder / FILM)) == pytest.approx(3, abs=0.1)
    assert played(str(folder / FILM)) == played(BytesIO(WHOLE))
    clear(folder)
    assert {path.name for path in folder.iterdir()} == {FILM, INDEX}
    index = msgspec.json.decode((folder / INDEX).read_bytes())
    [file] = index.pop("files")
    lasts = index.pop("duration")
    assert lasts == pytest.approx(3, abs=0.1)
    assert index == {
        "version": 1, "recording": ABOUT_IT.recording, "room": "algebra", "began_at": 1.8e9,
        "people": [], "chapters": [], "chat": [], "told": [],
    }  # fmt: skip
    octets = (folder / FILM).read_bytes()
    assert file == {
        "name": FILM, "holds": "film", "type": "video/webm", "size": len(octets),
        "sha256": hashlib.sha256(octets).hexdigest(), "begins": 0.0, "ends": lasts,
    }  # fmt: skip
    assert leftovers(tmp_path) == []


@pytest.mark.spec("recorder/upload-cut")
def test_wherever_it_is_cut_what_is_before_can_be_played(tmp_path: Path) -> None:
    dice = Random(7)
    whole = sum(played(BytesIO(WHOLE)).values())
    for number in range(12):
        cut = dice.randrange(4000, len(WHOLE))
        folder = uploaded(tmp_path / str(number), WHOLE[:cut])
        assert assemble(folder)
        got = played(str(folder / FILM))
        assert sum(got.values()) >= whole * cut / len(WHOLE) - 75  # a second of both
        assert got["audio"]


@pytest.mark.spec("recorder/upload-unreadable")
@pytest.mark.parametrize("octets", [b"no film", WHOLE[:40], b"\x00" * 5000], ids=["words", "opening", "nothing"])
def test_what_cannot_be_played_is_kept_under_another_name(octets: bytes, tmp_path: Path) -> None:
    folder = uploaded(tmp_path, octets)
    assert not assemble(folder)
    assert (folder / DAMAGED).read_bytes() == octets
    assert not (folder / FILM).exists()
    assert leftovers(tmp_path) == []


def test_done_again_after_a_crash_it_does_the_same(tmp_path: Path) -> None:
    folder = uploaded(tmp_path, WHOLE)
    (folder / f"{FILM}.draft").write_bytes(b"half of it")
    assert assemble(folder)
    first = (folder / INDEX).read_bytes()
    assert leftovers(tmp_path) == [folder]
    assert assemble(folder)
    assert msgspec.json.decode((folder / INDEX).read_bytes())["duration"] == msgspec.json.decode(first)["duration"]
    clear(folder)
    assert {path.name for path in folder.iterdir()} == {FILM, INDEX}


def test_the_program_says_by_its_exit_code_what_became_of_it(tmp_path: Path) -> None:
    for octets, code in ((WHOLE, 0), (b"no film", NOTHING)):
        folder = uploaded(tmp_path / str(code), octets)
        done = subprocess.run([sys.executable, "-m", "meetref.archive.assembling", str(folder)], check=False)
        assert done.returncode == code


def foreign(codec: str) -> bytes:
    """A Matroska file that FFmpeg reads, of a codec that no WebM may have."""
    made = BytesIO()
    with av.open(made, "w", format="matroska") as file:
        if codec == "pcm_s16le":
            stream = file.add_stream(codec, rate=8000, layout="mono")
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), dtype=np.int16), format="s16", layout="mono")
            frame.sample_rate = 8000
        else:
            stream = file.add_stream(codec, rate=5, width=64, height=64, pix_fmt="yuv420p")
            frame = av.VideoFrame.from_ndarray(np.zeros((96, 64), dtype=np.uint8), format="yuv420p")
        for number in range(2):
            frame.pts = number * 800
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return made.getvalue()


@pytest.mark.spec("recorder/upload-unreadable")
@pytest.mark.parametrize("codec", ["mpeg4", "pcm_s16le"])
def test_what_can_be_read_and_is_no_webm_is_put_away_too(codec: str, tmp_path: Path) -> None:
    folder = uploaded(tmp_path, foreign(codec))
    assert not assemble(folder)
    assert {path.name for path in folder.iterdir()} == {DAMAGED, ABOUT}
    assert leftovers(tmp_path) == []


def test_a_disk_that_fails_is_nothing_of_the_uploads(tmp_path: Path) -> None:
    folder = uploaded(tmp_path, WHOLE)
    (folder / f"{FILM}.draft").mkdir()
    command = [sys.executable, "-m", "meetref.archive.assembling", str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == NOT_NOW
    assert "directory" in done.stderr
    assert leftovers(tmp_path) == [folder], "the next start tries again"
