"""Programs that read payloads of sound and video and take lines of JSON: Pion, LiveKit, werift and GStreamer.

Stands on tests/peers/gobuild.py and nodebuild.py, which build or install them once; below `tests/confirm/vp9.py`,
`h264.py`, `av1.py`, `red.py` and `fec.py`. Each `ask_*` gives an answer for every question, in their order.
Read next: tests/peers/pion_media/main.go, and tests/confirm/vp9.py.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tests.confirm.witness import Absent
from tests.peers.gobuild import built
from tests.peers.nodebuild import installed

PATIENCE = 300.0
SYSTEM_PYTHON = "/usr/bin/python3"
GSTREAMER = Path(__file__).parent.parent / "peers" / "gst_media.py"
PEERS = GSTREAMER.parent

Question = dict[str, Any]
Answers = list[dict[str, Any]]


def _asked(command: Sequence[str], questions: Sequence[Question]) -> Answers:
    lines = "".join(json.dumps(question) + "\n" for question in questions)
    run = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=PATIENCE, check=True)
    return [json.loads(line) for line in run.stdout.splitlines()]


def _go_version(folder: str, module: str) -> str:
    if shutil.which("go") is None:
        raise Absent
    words = (PEERS / folder / "go.mod").read_text(encoding="utf-8").split()
    return words[words.index(module) + 1].removeprefix("v")


def pion_version() -> str:
    """The version of its RTP library. Raises `Absent` where there is no Go to build it with."""
    return _go_version("pion_media", "github.com/pion/rtp")


def livekit_version() -> str:
    """The version of its server. Raises `Absent` where there is no Go to build it with."""
    return _go_version("livekit_media", "github.com/livekit/livekit-server")


def werift_version() -> str:
    """The version of werift. Raises `Absent` where there is no npm to install it with."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        raise Absent
    package = json.loads((PEERS / "werift_media" / "package.json").read_text(encoding="utf-8"))
    version: str = package["dependencies"]["werift"]
    return version


def ffmpeg_version() -> str:
    """The version of FFmpeg's libraries, as PyAV has them."""
    import av

    version: str = av.ffmpeg_version_info
    return version


@cache
def gstreamer_version() -> str:
    """The version of GStreamer. Raises `Absent` where its elements or their bindings for Python are not there."""
    try:
        [said] = _asked([SYSTEM_PYTHON, str(GSTREAMER)], [{"what": "version"}])
        for element in ("rtpulpfecenc", "rtpreddec"):
            subprocess.run(["gst-inspect-1.0", "--exists", element], check=True, timeout=60, capture_output=True)
    except (OSError, subprocess.SubprocessError, ValueError):
        raise Absent from None
    version: str = said["version"]
    return version


def ask_pion(questions: Sequence[Question]) -> Answers:
    return _asked([str(built("pion_media"))], questions)


def ask_livekit(questions: Sequence[Question]) -> Answers:
    return _asked([str(built("livekit_media"))], questions)


def ask_werift(questions: Sequence[Question]) -> Answers:
    return _asked(["node", str(installed("werift_media"))], questions)


def ask_gstreamer(questions: Sequence[Question]) -> Answers:
    return _asked([SYSTEM_PYTHON, str(GSTREAMER)], questions)
