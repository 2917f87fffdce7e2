"""`meetref spec`: which requirements of which documents are verified, and what is missing.

Stands above `app/coverage`, which measures; this module prints.
Specification: docs/requirements.md.
Leaves out: reading the results of anything but our own test runs.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from pathlib import Path

from meetref.app.checkout import checkout
from meetref.app.command import CommandFailed, Exit, print_json
from meetref.app.coverage import LOCK, STATES, Coverage, difference, measure
from meetref.app.requirements import read_specification
from meetref.app.sections import forgotten


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The three questions: report, lock, check."""
    questions = parser.add_subparsers(dest="question", required=True, metavar="report | lock | check")
    report = questions.add_parser("report", help="coverage for each document; exit 1 when something is wrong")
    report.add_argument("--check", action="store_true", help=f"also compare with {LOCK}")
    report.add_argument("--json", action="store_true", help="write it as JSON")
    report.add_argument("--state", choices=STATES, help="also list the requirements in this state")
    questions.add_parser("lock", help=f"write {LOCK}")
    check = questions.add_parser("check", help="prove that no section with normative words was forgotten")
    check.add_argument(
        "--text", type=Path, required=True, metavar="DIR", help="the documents' plain text, DIR/rfc8489.txt"
    )


def run(arguments: argparse.Namespace) -> int:
    """Answer one of the questions."""
    root = checkout()
    if arguments.question == "check":
        return _check_sections(root, arguments.text)
    coverage = measure(root)
    if arguments.question == "lock":
        return _write_lock(root, coverage)
    problems = [*coverage.problems, *(_lock_problems(root, coverage) if arguments.check else [])]
    if arguments.json:
        print_json(_as_json(coverage, problems))
    else:
        _print_report(coverage, arguments.state)
        for problem in problems:
            print(f"problem: {problem}")
    return Exit.DOES_NOT_HOLD if problems else Exit.DONE


def _print_report(coverage: Coverage, listed: str | None) -> None:
    print(f"{'document':<24}{'requirements':>13}" + "".join(f"{state:>11}" for state in STATES))
    rows = coverage.by_document()
    rows["in all"] = Counter(coverage.states.values())
    for name, states in rows.items():
        total = sum(states.values())
        print(f"{name:<24}{total:>13}" + "".join(f"{states[state]:>11}" for state in STATES))
    total, verified = len(coverage.states), rows["in all"]["verified"]
    print(f"{verified} of {total} requirements are verified.")
    if not coverage.citations.has_results:
        print("No test results are here yet, so nothing counts as verified: run `make test` first.")
    for identity in sorted(coverage.states) if listed else []:
        if coverage.states[identity] == listed:
            row = coverage.specification.requirements[identity]
            print(f"{identity} ({row.level}, {row.source}): {row.left_out or row.planned or row.says}")


def _as_json(coverage: Coverage, problems: list[str]) -> dict[str, object]:
    citations = coverage.citations
    return {
        "documents": {name: dict(states) for name, states in coverage.by_document().items()},
        "requirements": {
            row.id: {
                "level": row.level, "source": row.source, "says": row.says, "state": coverage.states[row.id],
                "left_out": row.left_out, "planned": row.planned, "code": citations.code.get(row.id, []),
                "tests": citations.tests.get(row.id, []), "vectors": citations.vectors.get(row.id, []),
            }
            for row in coverage.specification.requirements.values()
        },
        "problems": problems,
    }  # fmt: skip


def _lock_problems(root: Path, coverage: Coverage) -> list[str]:
    path = root / LOCK
    locked = path.read_text(encoding="utf-8") if path.exists() else ""
    return [f"{LOCK} differs ({change}); look at it, then `meetref spec lock`"
            for change in difference(locked, coverage.lock())]  # fmt: skip


def _write_lock(root: Path, coverage: Coverage) -> int:
    if not coverage.citations.has_results:
        raise CommandFailed("no test results are here: run `make test` first")
    (root / LOCK).write_text(coverage.lock(), encoding="utf-8")
    states = Counter(coverage.states.values())
    print(f"{LOCK}: " + ", ".join(f"{states[state]} {state}" for state in STATES))
    return Exit.DONE


def _check_sections(root: Path, folder: Path) -> int:
    if not os.path.isdir(folder):  # `Path.is_dir` raises where a name is too long
        raise CommandFailed(f"{str(folder)[:100]} is not a folder", Exit.WRONG_COMMAND_LINE)
    specification = read_specification(root)
    problems = [*specification.problems, *forgotten(specification.documents, folder)]
    for problem in problems:
        print(problem)
    present = sum(any(folder.glob(f"{name}.*")) for name in {document.id for document in specification.documents})
    print(f"{present} documents compared, {len(problems)} problems")
    return Exit.DOES_NOT_HOLD if problems else Exit.DONE
