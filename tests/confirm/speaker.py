"""Who else names the speakers of vectors/speaker: Jitsi's dominant speaker identification and mediasoup's observer.

Both run the algorithm of Volfin and Cohen on audio levels, each in its own program (tests/peers/native.py), to which a
trace is given packet by packet in virtual time. mediasoup's is written after Jitsi's: they are two programs, and hardly
two opinions. mediasoup knows no silence. Jitsi fills the pauses of senders at half their pace, so `with-pauses` is not
its to judge; until somebody has spoken it names whom it heard first, so with silence it is asked from the first who
spoke on.
Stands above `tests/confirm/witness.py`. Read next: tests/generate/speaker.py.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

from tests.confirm.witness import Absent, Case, Witness, asked
from tests.generate.speaker import NOTHING, PERIOD
from tests.peers.native import NATIVES

Changes = list[list[Any]]

JITSI = {
    "without-silence": "DominantSpeakerIdentification names the same people in the same milliseconds",
    "with-silence": "DominantSpeakerIdentification, with a time-out to silence, agrees from the first who spoke on",
}
MEDIASOUP = {
    "without-silence": "ActiveSpeakerObserver names the same people in the same milliseconds",
    "with-pauses": "ActiveSpeakerObserver names the same people in the same milliseconds",
}


def confirm(set_name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    """A `verified_by` entry for each group and each witness that can be had here and agrees."""
    return asked(
        data,
        Witness("jitsi-utils", _version("jitsi"), JITSI, _ask_jitsi),
        Witness("mediasoup", _version("mediasoup"), MEDIASOUP, _ask_mediasoup),
    )


def _version(native: str) -> Callable[[], str]:
    def version() -> str:
        if NATIVES[native].why_absent() is not None:
            raise Absent
        return NATIVES[native].version

    return version


def _ask_jitsi(operation: str, cases: list[Case]) -> None:
    native = NATIVES["jitsi"]
    folder = native.path().parent
    told = _answers(["java", "-cp", f"{folder}:{folder}/libraries/*", "Main"], cases)
    for case, theirs in zip(cases, told, strict=True):
        ours = case["out"]["changes"]
        if case["in"]["silence_after_ms"] is not None:
            first = ours[0][0] if ours else case["in"]["silence_after_ms"]
            ours, theirs = _from(first, ours), _from(first, theirs)
        assert ours == theirs, f"{case['id']}: jitsi says {theirs}"


def _ask_mediasoup(operation: str, cases: list[Case]) -> None:
    for case, theirs in zip(cases, _answers([str(NATIVES["mediasoup"].path())], cases), strict=True):
        assert theirs == case["out"]["changes"], f"{case['id']}: mediasoup says {theirs}"


def _from(first: int, changes: Changes) -> Changes:
    """The changes after an instant, with whoever leads then in front."""
    leading = next((who for at, who in reversed(changes) if at <= first), None)
    return [[first, leading], *([at, who] for at, who in changes if at > first)]


def _answers(command: list[str], cases: list[Case]) -> list[Changes]:
    text = "".join(_trace(case) for case in cases)
    said = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=120)
    assert said.returncode == 0, said.stderr[-1000:]
    traces: list[Changes] = []
    for line in said.stdout.splitlines():
        if line == "TRACE":
            traces.append([])
        else:
            at, who = line.split()
            traces[-1].append([int(at), None if who == "-" else who])
    return traces


def _trace(case: Case) -> str:
    """A case as the two programs read it."""
    silence = case["in"]["silence_after_ms"]
    levels = {who: bytes.fromhex(text) for who, text in case["in"]["levels"].items()}
    lines = [f"TRACE {-1 if silence is None else silence}"]
    for step in range(len(next(iter(levels.values())))):
        heard = ((who, trace[step]) for who, trace in levels.items())
        lines += [f"{step * PERIOD} {who} {level}" for who, level in heard if level != NOTHING]
    return "\n".join(lines) + "\n"
