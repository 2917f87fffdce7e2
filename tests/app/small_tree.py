"""A made-up source tree with two requirements, one module, one test and one vector set, for the tests of the tools.

Used by test_coverage.py, test_spec.py, test_vectorset.py, test_vectors.py and test_find.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from meetref.app.vectorset import canonical

REAL = Path(__file__).parent.parent.parent

SPEC = """
[[document]]
id = "rfc1"
title = "Tea"
[document.sections]
"1" = ["boil", "pour"]
"2" = "skipped: about cups"

[boil]
source = "RFC 1 section 1"
level = "MUST"
says = "The water boils first."

[pour]
source = "RFC 1 section 1"
level = "SHOULD"
says = "Pour slowly."
"""

TEXT = """
Tea

1.  Introduction

   The key words "MUST" and "MAY" are to be read as in RFC 2119.

   Water MUST boil.

2.  Cups

   A cup MAY be white.

2.1.  Saucers

   A saucer SHOULD be there.

Appendix A.  Milk

   Some take milk.
"""


def plant(root: Path) -> Path:
    """Write the tree below `root`: both requirements are cited in code, a test proves one, a vector the other."""
    write(root, "pyproject.toml", "")
    write(root, "spec/tea.toml", SPEC)
    write(root, "meetref/wire/tea.py", "def brew():\n    pass  # spec: tea/boil, tea/pour\n")
    write(root, "tests/wire/test_tea.py", "import pytest\n\n@pytest.mark.spec('tea/boil')\ndef test_boil(): ...\n")
    write(root, "vectors/tea/README.md", "# Tea\n")
    write(root, "vectors/tea/cups.json", canonical(vector_set()))
    for schema in (REAL / "vectors" / "schemas").glob("*.json"):
        write(root, f"vectors/schemas/{schema.name}", schema.read_text(encoding="utf-8"))
    pass_tests(root, {"tests/wire/test_tea.py::test_boil": ["tea/boil"], "tests/vectors/test_tea.py::test_cups": []})
    return root


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def pass_tests(root: Path, tests: dict[str, list[str]], failed: tuple[str, ...] = ()) -> None:
    """Write results as a run of the tests does."""
    results = {name: {"passed": name not in failed, "spec": ids} for name, ids in tests.items()}
    write(root, ".cache/spec-results.json", json.dumps({"tests": results}))


def vector_set(**changes: Any) -> dict[str, Any]:
    """A set with one valid and one invalid case, confirmed by two."""
    case = {"id": "tea-cups-0001", "comment": "green", "reqs": ["tea/pour"], "flags": [], "in": {"hex": "00"}}
    witnesses = [
        {"implementation": name, "version": "1", "date": "2026-01-01", "how": "drank it"} for name in ("ann", "ben")
    ]
    group = {
        "params": {"operation": "parse"},
        "provenance": "generated",
        "source": "RFC 1 section 1",
        "verified_by": witnesses,
        "tests": [
            {**case, "out": {"kind": "green"}, "result": "valid"},
            {**case, "id": "tea-cups-0002", "flags": ["Cold"], "result": "invalid", "reaction": "drop"},
        ],
    }
    notes = {"Cold": {"description": "The water was cold"}}
    return {"schema": "codec", "set": "tea-cups", "version": "1.0.0", "notes": notes, "groups": [group], **changes}
