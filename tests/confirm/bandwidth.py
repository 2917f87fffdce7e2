"""Who else makes of vectors/bandwidth what we do: two other branches of the same family, aiortc's and Pion's.

aiortc estimates at the receiver, by the older Kalman filter and without loss, and begins with what arrives in the
first three seconds. Pion's controller stands where ours does, with the Kalman filter and a loss controller, and is
driven in virtual time by tests/peers/pion_gcc; its states are not given out. Both get the same packets at the same
times, and are held to the same bounds. Nobody gives out what a probe is found to say.
Read next: tests/generate/bandwidth.py.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

from tests.confirm.witness import Absent, Case, Witness, asked, one_by_one, package
from tests.peers.gobuild import built

PION_VERSION = "0.1.51"  # as tests/peers/pion_gcc/go.mod has it
AIORTC = {
    "delay": "RemoteBitrateEstimator, fed with the packets that arrived, is within the same bounds at the same times"
}
_PION = "gcc.NewSendSideBWE, fed with packets and feedback in virtual time, is within the same bounds at the same times"
PION = {"delay": _PION, "loss": _PION, "application-limited": _PION}
ABSOLUTE_SEND_TIME = 1 << 18  # its units in a second


def confirm(set_name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    """A `verified_by` entry for each group and each witness on this machine that agrees with all of its cases."""
    return asked(
        data,
        Witness("aiortc", package("aiortc"), AIORTC, one_by_one(_ask_aiortc)),
        Witness("Pion interceptor", _pion_version, PION, _ask_pion),
    )


# --- aiortc ---------------------------------------------------------------------------------------


def _ask_aiortc(operation: str, case: Case) -> None:
    from aiortc.rate import RemoteBitrateEstimator

    estimator = RemoteBitrateEstimator()
    target: float | None = None
    seen: list[tuple[float, str]] = []
    for step in case["steps"]:
        at = step["at_ms"]
        if "receive" not in step:
            _expect(case, step["expect"], at, target, seen)
            continue
        packets = sorted(_packets(step["receive"]["reports"]), key=lambda packet: packet[2])
        for size, sent_us, came_us in packets:
            told = estimator.add(
                abs_send_time=round(sent_us / 1e6 * ABSOLUTE_SEND_TIME) & 0xFFFFFF,
                arrival_time_ms=came_us // 1000,
                payload_size=size,
                ssrc=1,
            )
            if told is not None:
                target = told[0]
        seen.append((at, estimator.detector.state().name.lower()))


def _packets(reports: list[str]) -> list[tuple[int, int, int]]:
    """Size, departure and arrival, in microseconds, of what arrived."""
    fields = [text.split() for text in reports]
    return [(int(size), int(sent), int(came)) for _, size, sent, came in fields if came != "-"]


def _expect(case: Case, wanted: dict[str, Any], at: Any, target: float | None, seen: list[tuple[float, str]]) -> None:
    where = f"{case['id']} at {at} ms"
    if "target_bps" in wanted:
        least, most = wanted["target_bps"]
        assert target is not None, f"aiortc has no estimate: {where}"
        assert least <= target <= most, f"aiortc says {target}: {where}"
        return
    states = {state for when, state in seen if at[0] <= when <= at[1]}
    if "sees" in wanted:
        assert wanted["sees"] in states, f"aiortc saw {states}: {where}"
    else:
        assert states <= set(wanted["only"]), f"aiortc saw {states}: {where}"


# --- Pion -----------------------------------------------------------------------------------------


def _pion_version() -> str:
    if shutil.which("go") is None:
        raise Absent
    return PION_VERSION


def _ask_pion(operation: str, cases: list[Case]) -> None:
    lines = "".join(json.dumps(_question(case)) + "\n" for case in cases)
    command = [str(built("pion_gcc"))]
    run = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=120, check=True)
    for case, line in zip(cases, run.stderr.splitlines(), strict=True):
        bounds = [step["expect"]["target_bps"] for step in case["steps"] if "target_bps" in step.get("expect", {})]
        for target, (least, most) in zip(json.loads(line)["targets"], bounds, strict=True):
            assert least <= target <= most, f"Pion says {target}: {case['id']}"


def _question(case: Case) -> dict[str, Any]:
    sent: dict[int, tuple[int, int]] = {}
    told = []
    for step in case["steps"]:
        if "receive" not in step:
            continue
        fields = [text.split() for text in step["receive"]["reports"]]
        # What came late is told of again, in front of what is new; a feedback of Pion's is about a run of numbers.
        new = [(int(number), size, at, came) for number, size, at, came in fields if int(number) not in sent]
        sent |= {number: (int(at), int(size)) for number, size, at, _ in new}
        newest = max((int(came) for *_, came in new if came != "-"), default=None)
        if newest is not None:
            ticks = [None if came == "-" else round((newest - int(came)) * 1024 / 1e6) for *_, came in new]
            told.append({"at_us": step["at_ms"] * 1000, "time_us": newest, "first": new[0][0], "offsets": ticks})
    asked_at = [step["at_ms"] * 1000 for step in case["steps"] if "target_bps" in step.get("expect", {})]
    bounds = {name: case["init"][name] for name in ("start_bps", "minimum_bps", "maximum_bps")}
    return {**bounds, "sent": [sent[number] for number in sorted(sent)], "told": told, "ask_us": asked_at}
