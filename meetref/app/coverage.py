"""Which requirements are verified: the join of what is asked, what cites it, and what ran and passed.

    verified    cited in the code, and a test or a vector for it passed
    untested    cited somewhere, yet nothing for it passed (or no code cites it)
    left out    we do not do it, and the file says why
    open        planned, or nobody cites it

Stands above `app/requirements` and `app/citations`; `app/spec` prints it.
Specification: docs/requirements.md. Leaves out: percentages without their denominator.
Read next: `app/spec.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from meetref.app.citations import Citations, read_citations
from meetref.app.requirements import Requirement, Specification, read_specification

STATES = ("verified", "untested", "left out", "open")
LOCK = "spec/coverage.lock"


@dataclass(frozen=True)
class Coverage:
    """`states` by requirement id; `problems` are sentences, empty when everything holds."""

    specification: Specification
    citations: Citations
    states: dict[str, str]
    problems: tuple[str, ...]

    def by_document(self) -> dict[str, Counter[str]]:
        """How many requirements of each document are in which state. One that two documents ask for counts in both."""
        members: dict[str, set[str]] = {}
        for document in self.specification.documents:
            ids = {identity for section in document.mapped.values() for identity in section}
            members.setdefault(document.id, set()).update(ids & self.states.keys())
        return {name: Counter(self.states[identity] for identity in ids) for name, ids in sorted(members.items())}

    def lock(self) -> str:
        """The text of spec/coverage.lock: one line a requirement, so that coverage is reviewed as a difference."""
        rows = sorted(self.specification.requirements.values(), key=lambda requirement: requirement.id)
        return "".join(f"{row.id} {row.level.replace(' ', '-')} {self.states[row.id]}\n" for row in rows)


def measure(root: Path) -> Coverage:
    """Read everything below `root` and join it."""
    specification, citations = read_specification(root), read_citations(root)
    states = {identity: _state(row, citations) for identity, row in specification.requirements.items()}
    problems = (*specification.problems, *_unknown(specification, citations), *_unmet(specification, citations))
    return Coverage(specification, citations, states, problems)


def _state(requirement: Requirement, citations: Citations) -> str:
    identity = requirement.id
    if requirement.left_out is not None:
        return "left out"
    if requirement.planned is not None:
        return "open"
    if identity in citations.code and identity in citations.passed:
        return "verified"
    cited = identity in citations.code or identity in citations.tests or identity in citations.vectors
    return "untested" if cited else "open"


def _unknown(specification: Specification, citations: Citations) -> Iterator[str]:
    for places in (citations.code, citations.tests, citations.vectors):
        for identity in sorted(places.keys() - specification.requirements.keys()):
            yield f"{places[identity][0]} cites {identity}, which no spec/*.toml has"


def _unmet(specification: Specification, citations: Citations) -> Iterator[str]:
    for identity, row in sorted(specification.requirements.items()):
        in_code, in_tests = identity in citations.code, identity in citations.tests or identity in citations.vectors
        excused = row.left_out is not None or row.planned is not None
        if excused and in_code and identity in citations.passed:
            yield f"{identity} is said to be left out or planned, yet {citations.code[identity][0]} does it"
        elif not excused and not in_code and not in_tests:
            yield f"{identity} is cited nowhere, and the file says neither why it is left out nor when it is planned"
        elif not excused and row.level.startswith("MUST") and not in_tests:
            yield f"{identity} is a MUST without a test or a vector"


def difference(old: str, new: str) -> list[str]:
    """What changed between two lock files, in words."""
    before = dict(line.partition(" ")[::2] for line in old.splitlines())
    after = dict(line.partition(" ")[::2] for line in new.splitlines())
    changed = [f"{key}: {before.get(key, 'new')} -> {after.get(key, 'gone')}"
               for key in sorted(before.keys() | after.keys()) if before.get(key) != after.get(key)]  # fmt: skip
    return changed or (["the order of the lines changed"] if old != new else [])
