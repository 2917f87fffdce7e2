"""Asks Pion's libraries what they read in STUN messages.

Stands on tests/peers/gobuild.py, which builds the program from tests/peers/pion_stun; below `tests/confirm/stun.py`.
The library does not know the newer integrity, and drops nothing by itself because of a fingerprint: whether
that fits is asked of it, as its users do.
Read next: tests/peers/pion_stun/main.go.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

from tests.confirm.witness import Absent, Case
from tests.peers.gobuild import built

VERSION = "4.0.1"  # as tests/peers/pion_stun/go.mod has it
PARSE = "Message.Decode, the getters, MessageIntegrity.Check and Fingerprint.Check give the same, or refuse"
PROTECTIONS = (("integrity", 0x0008), ("integrity_sha256", 0x001C), ("fingerprint", 0x8028))


def version() -> str:
    """The version of its STUN library. Raises `Absent` where there is no Go to build it with."""
    if shutil.which("go") is None:
        raise Absent
    return VERSION


def ask(operation: str, cases: list[Case]) -> None:
    """Hold what it reads against every case. Raises `AssertionError`."""
    for case, said in zip(cases, _answers(cases), strict=True):
        if case["result"] == "invalid":
            assert _refuses(case, said), f"Pion takes {case['id']}"
        else:
            assert "refused" not in said, f"Pion refuses {case['id']}: {said['refused']}"
            _compare(case, said)


def _answers(cases: list[Case]) -> list[dict[str, Any]]:
    asked = [{"hex": case["in"]["hex"], "key": case["in"].get("key", {}).get("hex", "")} for case in cases]
    lines = "".join(json.dumps(each) + "\n" for each in asked)
    run = subprocess.run([str(built("pion_stun"))], input=lines, capture_output=True, text=True, timeout=60, check=True)
    return [json.loads(line) for line in run.stdout.splitlines()]


def _refuses(case: Case, said: dict[str, Any]) -> bool:
    """By itself, or because of a protection that does not fit or, where it is demanded, is not there."""
    if "refused" in said:
        return True
    if "demands" in case["in"]:
        return False  # the newer integrity, which it does not know
    # Without a key an integrity that does not fit says nothing.
    seen = [said["fingerprint"], *([said["integrity"]] if "key" in case["in"] else [])]
    return False in seen or ("Forged" in case.get("flags", ()) and None in seen)


def _compare(case: Case, said: dict[str, Any]) -> None:
    out = case["out"]
    assert out["integrity_sha256"] is None, f"Pion cannot vouch for {case['id']}"
    types = [each["type"] for each in out["attributes"]]
    types += [kind for name, kind in PROTECTIONS if out[name] is not None]
    names = ("method", "transaction", "fingerprint", *(["integrity"] if "key" in case["in"] else []))
    for name in names:
        assert said[name] == out[name], f"Pion reads {case['id']} otherwise"
    assert said["class"] == {"success": "success response", "error": "error response"}.get(out["class"], out["class"])
    assert said["types"] == types, f"Pion reads {case['id']} otherwise"
    for each in out["attributes"]:
        first = next(other for other in out["attributes"] if other["type"] == each["type"])
        if each is first:
            assert said["values"][str(each["type"])] == each["value"], f"Pion reads {case['id']} otherwise"
