"""What the sets of refused handshakes share: a case is all that its victim hears, until it gives up.

    params    version, role and certificate of the victim; nothing of the one who lies
    init      its settings, its dice in the order of drawing, the secrets that open what both said
    steps     what it hears and says, octet by octet; the last one is what must come of it

Stands above `dtlslies.py`, below `tests/generate/{handshake12,handshake13}refusals.py`.
Read next: tests/vectors/test_dtlsrefusals.py, which replays them; tests/confirm/refusals.py, who else agrees.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tests.generate.dtlsdiffering import differing_about
from tests.generate.dtlslies import Lie, Scene, certificate_values

GENTLE = ("no_renegotiation",)
"""Alerts after which the association goes on."""


def refusals(name: str, version: str, sides: dict[str, Sequence[Lie]], sources: dict[str, str]) -> dict[str, Any]:
    """The set `name`; `sides` are the lies for each role, `sources` the documents that each is about."""
    groups: list[dict[str, Any]] = []
    number = 0
    witnesses: set[str] = set()
    for role, lies in sides.items():
        common = {"operation": "refusal", "version": version, "role": role, "certificate": certificate_values(role)}
        by_differing: dict[str, list[dict[str, Any]]] = {}
        assert len({lie.comment for lie in lies}) == len(lies), "comments tell lies apart"
        for lie in lies:
            number += 1
            differing = differing_about(version, role, lie.comment)
            case = {"id": f"{name}-{number:04d}", **_case(name.partition("-")[0], version, role, lie, differing)}
            by_differing.setdefault(" ".join(differing), []).append(case)
            witnesses |= set(differing)
        groups += [_group(common, sources[role], tests) for tests in by_differing.values()]
    return {"schema": "machine", "set": name, "version": "1.0.0", "notes": notes(witnesses), "groups": groups}


def _group(params: dict[str, Any], source: str, tests: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "params": params,
        "provenance": "generated",
        "source": source,
        "verified_by": [],
        "provisional": True,
        "tests": tests,
    }


def notes(witnesses: Iterable[str]) -> dict[str, Any]:
    """What the flags mean that name those who differ."""
    return {
        f"{name}Differs": {
            "description": f"{name} was seen to do something else, or cannot be brought there",
            "effect": "the case counts all the same; who does as it says is right",
        }
        for name in sorted(witnesses)
    }


def _case(stem: str, version: str, role: str, lie: Lie, differing: Sequence[str]) -> dict[str, Any]:
    scene = Scene(version, role, lie).play()
    heard = scene.heard()
    gentle = lie.reaction in GENTLE
    assert scene.is_over != gentle, f"{lie.comment}: the victim {'gave up' if gentle else 'went on'}"
    assert gentle or heard == (None if lie.reaction == "abort" else lie.reaction), f"{lie.comment}: {heard}"
    if "expect" not in scene.steps[-1]:
        scene.steps.append({"at_ms": 0, "expect": {"send": None}})
    wanted = scene.steps[-1]["expect"] | {"connected": scene.is_connected, "ended": scene.is_over}
    if lie.reaction != "abort":
        wanted["alert"] = lie.reaction
    scene.steps[-1]["expect"] = wanted
    settings = {key: list(value) if isinstance(value, tuple) else value for key, value in lie.victim.items()}
    case = {
        "comment": lie.comment,
        "reqs": [each if "/" in each else f"{stem}/{each}" for each in lie.reqs.split()],
        "flags": [f"{each}Differs" for each in differing],
        "init": {"settings": settings, "dice": [each.hex() for each in scene.dice], "secrets": scene.key_log},
        "result": "invalid",
        "reaction": "abort" if lie.reaction == "abort" else f"alert:{lie.reaction}",
        "steps": scene.steps,
    }
    allowed = [each if each == "drop" else f"alert:{each}" for each in lie.allowed.split()]
    return case | ({"allowed": allowed} if allowed else {})
