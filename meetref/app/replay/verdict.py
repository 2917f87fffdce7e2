"""What a running target did with a vector, held against what the vector requires.

Stands below `app/replay/command` and the targets it drives (`app/replay/stun`, `app/replay/turn`, `app/replay/ice`).
Specification: docs/vectors.md. Read next: `app/replay/command.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Case = Mapping[str, Any]
Verdict = Literal["pass", "non-strict", "fail", "error", "untried"]
SUCCESS = "success"
GONE = "no sane answer to anything any more"


@dataclass(frozen=True)
class Outcome:
    """How one case ended. The reactions are the words of the vectors, and "success"; `got` of an untried one is why."""

    id: str
    comment: str
    verdict: Verdict
    expected: tuple[str, ...]
    got: str


class Target(Protocol):
    """One kind of server, or of agent."""

    sets: tuple[str, ...]
    """The sets that can be replayed against it; with `:operation` behind a name only groups of that operation."""

    async def why_unusable(self) -> str | None:
        """Ask for the simplest right answer; a few words on why there was none, to go behind the target's address."""
        ...

    async def play(self, case: Case) -> Outcome: ...

    def lasts_for(self, case: Case) -> float:
        """How many seconds of waiting a case consists of."""
        ...

    async def close(self) -> None: ...


def expected_of(case: Case) -> tuple[str, ...]:
    """The required reaction first, then what else the document permits."""
    first = case["reaction"] if case["result"] == "invalid" else SUCCESS
    return (str(first), *case.get("allowed", ()))


def judge(case: Case, got: str | None) -> Outcome:
    """Hold what a target did against what the case requires; None if it stopped answering altogether."""
    expected = expected_of(case)
    verdict: Verdict = "error" if got is None else "pass" if got in expected else "fail"
    # To take an invalid part for nothing is to succeed without it.
    if got == SUCCESS and "ignore-part" in expected:
        verdict = "pass"
    if verdict == "fail" and case.get("level", "MUST") != "MUST":
        verdict = "non-strict"
    return Outcome(case["id"], case["comment"], verdict, expected, got or GONE)


def untried(case: Case, why: str) -> Outcome:
    """The case cannot be tried with this target, or not from here."""
    return Outcome(case["id"], case["comment"], "untried", (), why)


def agreed(case: Case) -> Outcome:
    """A case of several steps of which each went as it must."""
    return Outcome(case["id"], case["comment"], "pass", (), "as required")


def differed(case: Case, expected: str, got: str) -> Outcome:
    """A case of several steps, one of which did not."""
    return Outcome(case["id"], case["comment"], "fail", (expected,), got)


def last_moment(case: Case) -> float:
    """Seconds from the first step of a case to the last."""
    moments = (step["at_ms"] for step in case.get("steps", ()))
    return max((max(at) if isinstance(at, list) else at for at in moments), default=0) / 1000
