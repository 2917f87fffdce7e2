"""Who else sees and hears in a film of the sample what vectors/composer says: FFmpeg's programs, and libvpx.

The film and the files of people are ours; what is in them these programs say: how long they are, each picture as it
comes out of their own decoder, the octets of each packet, colours and loudness in the film. FFmpeg's decoder of VP8
and libvpx share no code, and VP8 leaves a decoder no room.
Stands above `tests/confirm/witness.py`. Read next: tests/generate/composer.py.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import json
import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np

from meetref.archive.composer import compose
from meetref.archive.film import NEAREST
from tests.confirm.witness import Absent, Case, Witness, asked
from tests.vectors.codeccases import VECTORS

PATIENCE = 120.0
COLOUR_WITHIN = 3.0
HEARD, SILENT = 0.01, 0.001
FFMPEG = {
    "meeting": "ffprobe says how long the film is that meetref composes",
    "picture": "its own decoder of VP8 gives the same pictures of a person's file then, and the film the colours",
    "sound": "decoded from the film",
    "person": "the hash of all packets of a person's file, how many they are, and when the first and the last one is",
}
LIBVPX = {"picture": "gives the same pictures of a person's file then"}


def confirm(set_name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    """A `verified_by` entry for each group and each program that says the same of all of its cases."""
    return asked(data, Witness("FFmpeg", _ffmpeg, FFMPEG, _ask_ffmpeg), Witness("libvpx", _libvpx, LIBVPX, _ask_libvpx))


def _ffmpeg() -> str:
    if shutil.which("ffmpeg") is None or shutil.which("ffprobe") is None:
        raise Absent
    return _run("ffmpeg", "-version").decode().split()[2]


def _libvpx() -> str:
    name = ctypes.util.find_library("vpx")
    if name is None or "libvpx" not in _run("ffmpeg", "-hide_banner", "-decoders").decode():
        raise Absent
    version = ctypes.CDLL(name).vpx_codec_version_str
    version.restype = ctypes.c_char_p
    return str(version().decode())


def _run(*words: str) -> bytes:
    return subprocess.run(words, capture_output=True, check=True, timeout=PATIENCE).stdout


@cache
def _made() -> tuple[Path, dict[str, Any]]:
    """The films of the sample, and their index."""
    folder = Path(mkdtemp(prefix="composer-")) / "out"
    return folder, compose(VECTORS / "journal" / "sample", folder)


def _file_of(name: str) -> tuple[Path, float]:
    """Somebody's file, and when it begins."""
    folder, index = _made()
    [person] = [each["person"] for each in index["people"] if each["name"] == name]
    [entry] = [each for each in index["files"] if each.get("person") == person]
    return folder / entry["name"], entry["begins"]


@cache
def _hashes(name: str, decoder: str, stream: str) -> list[tuple[float, str]]:
    """When each picture of somebody's file is, and its hash; `decoder` "copy" leaves them encoded."""
    path, begins = _file_of(name)
    copied = decoder == "copy"
    words = [
        "ffmpeg",
        "-v",
        "error",
        *([] if copied else ["-c:v", decoder]),
        "-copyts",
        "-i",
        str(path),
        "-map",
        f"0:{stream}",
    ]
    words += ["-c", "copy"] if copied else ["-fps_mode", "passthrough", "-enc_time_base", "-1"]
    lines = _run(*words, "-f", "framehash", "-hash", "sha256", "-").decode().splitlines()
    [base] = [line.split()[-1] for line in lines if line.startswith("#tb")]
    over, under = (int(part) for part in base.split("/"))
    rows = [line.split(",") for line in lines if not line.startswith("#")]
    return [(begins + int(row[2]) * over / under, row[5].strip()) for row in rows]


def _check_hashes(case: Case, decoder: str) -> None:
    for tile in case["out"]["tiles"]:
        before = [digest for at, digest in _hashes(tile["name"], decoder, "v") if at <= case["in"]["at"] + NEAREST]
        assert before[-1] == tile["sha256"], f"{case['id']}: {tile['name']}"


def _ask_libvpx(operation: str, cases: list[Case]) -> None:
    for case in cases:
        _check_hashes(case, "libvpx")


def _ask_ffmpeg(operation: str, cases: list[Case]) -> None:
    checks: dict[str, Any] = {
        "meeting": _check_meeting, "picture": _check_picture, "sound": _check_sound, "person": _check_person
    }  # fmt: skip
    for case in cases:
        checks[operation](case)


def _check_meeting(case: Case) -> None:
    words = ["ffprobe", "-v", "error", "-show_format", "-of", "json", str(_made()[0] / "film.mp4")]
    lasts = float(json.loads(_run(*words))["format"]["duration"])
    assert abs(lasts - case["out"]["duration"]) < 0.05, lasts


def _check_picture(case: Case) -> None:
    _check_hashes(case, "vp8")
    for tile in case["out"]["tiles"]:
        left, top, width, height = tile["place"]
        # The middle of the film's picture, so that no rounding takes the one before.
        begins, cut = f"{case['in']['at'] + NEAREST / 2:.3f}", f"crop={width}:{height}:{left}:{top}"
        words = ["ffmpeg", "-v", "error", "-i", str(_made()[0] / "film.mp4"), "-vf", f"trim=start={begins},{cut}"]
        octets = _run(*words, "-frames:v", "1", "-pix_fmt", "yuv444p", "-f", "rawvideo", "-")
        means = np.frombuffer(octets, np.uint8).reshape(3, -1).mean(axis=1)
        assert np.abs(means - tile["colour"]).max() < COLOUR_WITHIN, f"{case['id']}: {means}"


def _check_sound(case: Case) -> None:
    words = ["ffmpeg", "-v", "error", "-i", str(_made()[0] / "film.mp4"), "-map", "0:a", "-ar", "48000"]
    samples = np.frombuffer(_run(*words, "-f", "f32le", "-"), np.float32)
    begins, ends = (round(case["in"][word] * 48000) for word in ("from", "to"))
    loudest = float(np.abs(samples[begins:ends]).max())
    assert loudest > HEARD if case["out"]["heard"] else loudest < SILENT, f"{case['id']}: {loudest}"


def _check_person(case: Case) -> None:
    name, stream = case["in"]["name"], "v" if case["in"]["kind"] == "pictures" else "a"
    packets = _hashes(name, "copy", stream)
    words = ["ffmpeg", "-v", "error", "-i", str(_file_of(name)[0]), "-map", f"0:{stream}", "-c", "copy"]
    digest = _run(*words, "-f", "hash", "-hash", "sha256", "-").decode().strip().partition("=")[2]
    out = case["out"]
    assert (len(packets), digest) == (out["count"], out["sha256"]), case["id"]
    assert max(abs(packets[0][0] - out["begins"]), abs(packets[-1][0] - out["ends"])) < 0.02, packets[-1]
