"""The shape that the vector sets of rtp, rtcp and vp8 share: groups of numbered codec cases.

Stands below `tests/generate/{rtp,rtcp,vp8}.py`. Specification: the vector format of this project (docs/vectors.md).
Numbers are given in the order of writing and never again: new cases go to the end of a set.
Read next: `tests/generate/rtp.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Case = dict[str, Any]


class Cases:
    """Collects one set. `notes` explains the flags that its cases carry."""

    def __init__(self, name: str, notes: dict[str, tuple[str, str]]) -> None:
        self.name = name
        self._notes = {flag: {"description": what, "effect": effect} for flag, (what, effect) in notes.items()}
        self._groups: list[dict[str, Any]] = []
        self._number = 0

    def group(self, operation: str, source: str, provenance: str = "generated") -> None:
        """Begin a group, all of whose cases take `operation`. Who confirms it is found out by tests/confirm."""
        group: dict[str, Any] = {"params": {"operation": operation}, "provenance": provenance, "source": source}
        self._groups.append({**group, "verified_by": [], "provisional": True, "tests": []})

    def valid(self, comment: str, reqs: str, given: bytes | Case, out: Any, flags: Sequence[str] = ()) -> None:
        """A case with an expected result; `reqs` are names of requirements, with or without their stem."""
        self._add(comment, reqs, given, flags)["out"] = out

    def invalid(
        self,
        comment: str,
        reqs: str,
        given: bytes | Case,
        flags: Sequence[str] = (),
        *,
        reaction: str = "drop",
        allowed: Sequence[str] = (),
    ) -> None:
        """A case that is to be dropped, or to be answered as `reaction` says; `allowed` are other ways to take it."""
        case = self._add(comment, reqs, given, flags)
        case.update(result="invalid", reaction=reaction)
        if allowed:
            case["allowed"] = list(allowed)

    def acceptable(
        self,
        comment: str,
        reqs: str,
        given: bytes | Case,
        out: Any,
        flags: Sequence[str] = (),
        *,
        allowed: Sequence[str] = ("drop",),
    ) -> None:
        """A case where the document leaves room: the result, or what `allowed` says."""
        self._add(comment, reqs, given, flags).update(out=out, result="acceptable", allowed=list(allowed))

    @property
    def last(self) -> Case:
        """The case that was added last."""
        case: Case = self._groups[-1]["tests"][-1]
        return case

    def _add(self, comment: str, reqs: str, given: bytes | Case, flags: Sequence[str]) -> Case:
        self._number += 1
        stem = self.name.partition("-")[0]
        case: Case = {
            "id": f"{self.name}-{self._number:04d}",
            "comment": comment,
            "reqs": [name if "/" in name else f"{stem}/{name}" for name in reqs.split()],
            "flags": list(flags),
            "in": {"hex": given.hex()} if isinstance(given, bytes) else given,
            "result": "valid",
        }
        self._groups[-1]["tests"].append(case)
        return case

    def finish(self) -> dict[str, Any]:
        """The JSON object of the set."""
        return {
            "schema": "codec",
            "set": self.name,
            "version": "1.0.0",
            "notes": self._notes,
            "groups": self._groups,
        }
