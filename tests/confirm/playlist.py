"""Who else reads the playlists of vectors/playlist and finds in them what went in: m3u8 (PyPI), and video.js's readers.

The texts are read by programs of others, and what they found is held against the segments and parts of the case.
Stands above `tests/confirm/witness.py`. Read next: tests/peers/playlist_readers/main.mjs.
"""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from meetref.archive import dash
from tests.confirm.witness import Absent, Case, Witness, asked, one_by_one, package
from tests.peers.nodebuild import installed
from tests.vectors.test_playlist import playlist_of

PATIENCE = 60.0
HOW = {
    "media": "read: the same segments, parts, dates, hint and reports, and what is skipped",
    "multivariant": "read: the same renditions, codecs, bit rates, sound and captions",
}
DASH = {"dash": "read what archive/dash writes: the same addresses, times and durations"}


def confirm(set_name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    """A `verified_by` entry for each group and each reader that finds in all of its texts what went in."""
    return asked(
        data,
        Witness("m3u8", package("m3u8"), HOW, one_by_one(_ask_m3u8)),
        Witness("m3u8-parser", functools.partial(_version, "m3u8-parser"), HOW, _ask_videojs),
        Witness("mpd-parser", functools.partial(_version, "mpd-parser"), DASH, _ask_mpd),
    )


def _version(name: str) -> str:
    if shutil.which("npm") is None:
        raise Absent
    try:
        folder = installed("playlist_readers").parent
    except subprocess.CalledProcessError:
        raise Absent from None
    return str(json.loads((folder / "node_modules" / name / "package.json").read_text())["version"])


def _ask_node(questions: Iterable[Case]) -> list[Any]:
    command = ["node", str(installed("playlist_readers"))]
    given = "".join(json.dumps(question) + "\n" for question in questions)
    run = subprocess.run(command, input=given, capture_output=True, text=True, timeout=PATIENCE, check=True)
    return [json.loads(line) for line in run.stdout.splitlines()]


# --- what should be found -----------------------------------------------------------------------------

Found = dict[str, Any]


def _expected(given: Case, listed: Found) -> Found:
    """What the case has, with the parts of older segments left out where the reader found none."""
    playlist = given["playlist"]
    scale = playlist["timescale"]
    skipped = listed["skipped"]
    assert not skipped or given.get("skip")
    segments = []
    for segment, found in zip(playlist["segments"][skipped:], listed["segments"], strict=True):
        parts = [[each["uri"], each["duration"] / scale, each["independent"]] for each in segment["parts"]]
        shown = parts if found["parts"] or segment["duration"] is None else []
        whole = segment["duration"] is not None
        uri, lasts = (segment["uri"], segment["duration"] / scale) if whole else (None, None)
        segments.append({"uri": uri, "duration": lasts, "began_at": segment["began_at"], "parts": shown})
    return {
        "sequence": playlist["segments"][0]["number"],
        "target": playlist["target_duration"],
        "part_target": playlist["part_target"],
        "hint": playlist.get("hint"),
        "reports": [[each["uri"], each["segment"], each["part"]] for each in playlist.get("reports", [])],
        "breaks": [bool(each.get("breaks")) for each in playlist["segments"][skipped:]],
        "skipped": skipped,
        "ended": playlist.get("has_ended", False),
        "segments": segments,
    }


def _expected_variants(given: Case) -> Found:
    names = ("uri", "width", "height", "codecs", "peak_bps")
    variants = [[each[name] for name in names] for each in given["variants"]]
    return {"variants": variants, "sound": given["sound"], "captions": given.get("captions")}


def _compare(case: Case, found: Found, wanted: Found) -> None:
    assert found == wanted, f"{case['id']}: {found} is not {wanted}"


# --- m3u8 -------------------------------------------------------------------------------------------


def _ask_m3u8(operation: str, case: Case) -> None:
    import m3u8

    data = m3u8.loads(case["out"]["text"]).data
    if operation == "multivariant":
        variants = [_m3u8_variant(each) for each in data["playlists"]]
        beside = {each["type"]: each["uri"] for each in data["media"]}
        read = {"variants": variants, "sound": beside.get("AUDIO"), "captions": beside.get("SUBTITLES")}
        _compare(case, read, _expected_variants(case["in"]))
        return
    found = {
        "sequence": data["media_sequence"],
        "target": data["targetduration"],
        "part_target": data["part_inf"].get("part_target", 0.0),
        "hint": data.get("preload_hint", {}).get("uri"),
        "reports": [[each["uri"], each["last_msn"], each.get("last_part")] for each in data["rendition_reports"]],
        "breaks": [bool(each.get("discontinuity")) for each in data["segments"]],
        "skipped": data["skip"].get("skipped_segments", 0),
        "ended": data["is_endlist"],
        "segments": [_m3u8_segment(each) for each in data["segments"]],
    }
    _compare(case, found, _expected(case["in"], found))


def _m3u8_segment(read: Found) -> Found:
    parts = [[each["uri"], each["duration"], each.get("independent") == "YES"] for each in read.get("parts", [])]
    at = read.get("program_date_time") or read["parts"][0]["program_date_time"]
    return {"uri": read.get("uri"), "duration": read.get("duration"), "began_at": at.timestamp(), "parts": parts}


def _m3u8_variant(read: Found) -> list[Any]:
    about = read["stream_info"]
    width, height = map(int, about["resolution"].split("x"))
    return [read["uri"], width, height, about["codecs"], about["bandwidth"]]


# --- video.js ---------------------------------------------------------------------------------------


def _ask_videojs(operation: str, cases: list[Case]) -> None:
    answers = _ask_node({"kind": "hls", "text": case["out"]["text"]} for case in cases)
    for case, read in zip(cases, answers, strict=True):
        _check_videojs(operation, case, read)


def _check_videojs(operation: str, case: Case, read: Any) -> None:
    if operation == "multivariant":
        variants = [_videojs_variant(each) for each in read["playlists"]]
        found = {"variants": variants, "sound": _beside(read, "AUDIO"), "captions": _beside(read, "SUBTITLES")}
        _compare(case, found, _expected_variants(case["in"]))
        return
    growing = read.get("preloadSegment", {})
    hints = growing.get("preloadHints", [])
    segments = [*read["segments"], *([growing] if growing.get("parts") else [])]
    found = {
        "sequence": read["mediaSequence"],
        "target": read["targetDuration"],
        "part_target": read.get("partTargetDuration", 0.0),
        "hint": hints[0]["uri"] if hints else None,
        "reports": [[each["uri"], each["lastMsn"], each.get("lastPart")] for each in read.get("renditionReports", [])],
        "breaks": [bool(each.get("discontinuity")) for each in segments],
        "skipped": read.get("skip", {}).get("skippedSegments", 0),
        "ended": read.get("endList", False),
        "segments": [_videojs_segment(each) for each in segments],
    }
    _compare(case, found, _expected(case["in"], found))


def _beside(read: Found, kind: str) -> str | None:
    groups = read.get("mediaGroups", {}).get(kind, {})
    return next((each["uri"] for group in groups.values() for each in group.values()), None)


def _videojs_segment(read: Found) -> Found:
    parts = [[each["uri"], each["duration"], each.get("independent", False)] for each in read.get("parts", [])]
    at = datetime.fromisoformat(read["dateTimeObject"]).timestamp()
    return {"uri": read.get("uri"), "duration": read.get("duration"), "began_at": at, "parts": parts}


def _videojs_variant(read: Found) -> list[Any]:
    about = read["attributes"]
    size = about["RESOLUTION"]
    return [read["uri"], size["width"], size["height"], about["CODECS"], about["BANDWIDTH"]]


def _ask_mpd(operation: str, cases: list[Case]) -> None:
    answers = _ask_node(_written_mpd(case["in"]) for case in cases)
    for case, read in zip(cases, answers, strict=True):
        sounds = read["mediaGroups"]["AUDIO"]["audio"]["main"]["playlists"]
        for each, wanted in zip([*read["playlists"], *sounds], case["out"]["representations"], strict=True):
            found = [[every["uri"], every["presentationTime"], every["duration"]] for every in each["segments"]]
            assert found == wanted["segments"], f"{case['id']}: {found}"
            assert each["segments"][0]["map"]["uri"] == wanted["initialization"]


def _written_mpd(given: Case) -> Case:
    written = [
        dash.Representation(**{**each, "playlist": playlist_of(each["playlist"])}) for each in given["representations"]
    ]
    presentation = dash.Presentation(**given["presentation"])
    text = dash.description(presentation, written)
    return {"kind": "dash", "text": text, "now": presentation.published_at * 1000}
