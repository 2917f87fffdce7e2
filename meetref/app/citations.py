"""Who cites a requirement: a line of code, the marker of a test, a case of a vector set; and which tests passed.

    # spec: stun/fingerprint-mismatch, stun/magic-cookie         in meetref/, at the deciding line
    @pytest.mark.spec("stun/fingerprint-mismatch")               on a test, a class, or in `pytestmark`
    {"reqs": ["stun/fingerprint-mismatch"], ...}                 in vectors/**/*.json

Stands beside `app/requirements`; `app/coverage` joins the two.
Specification: docs/requirements.md. Leaves out: whether a citation is deserved; that is for the reader.
Read next: `app/coverage.py`.
"""

from __future__ import annotations

import ast
import json
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RESULTS = ".cache/spec-results.json"
ID = re.compile(r"[a-z0-9-]+/[a-z0-9-]+")
COMMENT = re.compile(r"#\s*spec:\s*(?P<ids>[a-z0-9/, -]+)")


@dataclass
class Citations:
    """For each id the places that cite it (`path:line`), and in `passed` the ids for which something ran and passed."""

    code: dict[str, list[str]] = field(default_factory=dict)
    tests: dict[str, list[str]] = field(default_factory=dict)
    vectors: dict[str, list[str]] = field(default_factory=dict)
    passed: set[str] = field(default_factory=set)
    has_results: bool = False


def read_citations(root: Path) -> Citations:
    """Scan meetref/, tests/ and vectors/ below `root`, and the results of the last test runs."""
    citations = Citations()
    for path, number, identity in _in_code(root):
        citations.code.setdefault(identity, []).append(f"{path}:{number}")
    for path, number, identity in _in_tests(root):
        citations.tests.setdefault(identity, []).append(f"{path}:{number}")
    by_stem: dict[str, set[str]] = {}
    for path, identity in _in_vectors(root):
        citations.vectors.setdefault(identity, []).append(str(path))
        by_stem.setdefault(path.parts[1], set()).add(identity)
    _add_results(citations, root, by_stem)
    return citations


def _in_code(root: Path) -> Iterator[tuple[Path, int, str]]:
    for path in sorted((root / "meetref").rglob("*.py")):
        with path.open("rb") as file:
            for token in tokenize.tokenize(file.readline):
                if token.type == tokenize.COMMENT and (found := COMMENT.match(token.string)):
                    for identity in ID.findall(found["ids"]):
                        yield path.relative_to(root), token.start[0], identity


def _in_tests(root: Path) -> Iterator[tuple[Path, int, str]]:
    for path in sorted((root / "tests").rglob("test_*.py")):
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except SyntaxError:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("mark.spec"):
                for argument in node.args:
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                        yield path.relative_to(root), node.lineno, argument.value


def _in_vectors(root: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted((root / "vectors").rglob("*.json")):
        if path.relative_to(root).parts[1] != "schemas":
            try:
                document = json.loads(path.read_text(encoding="utf-8"))
            except ValueError:
                continue
            for identity in sorted(set(_requirements_inside(document))):
                yield path.relative_to(root), identity


def _requirements_inside(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        reqs = value.get("reqs")
        yield from (item for item in (reqs if isinstance(reqs, list) else []) if isinstance(item, str))
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _requirements_inside(item)


def _add_results(citations: Citations, root: Path, vectors_by_stem: dict[str, set[str]]) -> None:
    """A test that passed proves the ids of its marker; a runner that passed whole, those of its stem's vectors."""
    try:
        tests: dict[str, dict[str, Any]] = json.loads((root / RESULTS).read_text())["tests"]
    except (OSError, ValueError, KeyError):
        return
    citations.has_results = True
    runners: dict[str, list[bool]] = {}
    for nodeid, result in tests.items():
        file = nodeid.partition("::")[0]
        if result["passed"]:
            citations.passed.update(identity for identity in result["spec"] if _still_cites(citations, identity, file))
        if file.startswith("tests/vectors/test_"):
            runners.setdefault(file[len("tests/vectors/test_") : -len(".py")], []).append(result["passed"])
    for stem, passed in runners.items():
        if all(passed):
            citations.passed.update(vectors_by_stem.get(stem, ()))


def _still_cites(citations: Citations, identity: str, file: str) -> bool:
    return any(place.rpartition(":")[0] == file for place in citations.tests.get(identity, ()))
