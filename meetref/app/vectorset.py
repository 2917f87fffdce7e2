"""Vector sets as files: found, read, written in the one format, and held against their schema.

Stands above the files only; `app/vectors` is the command, `app/vectormaking` makes and confirms sets.
Specification: docs/vectors.md and vectors/schemas/*.schema.json (JSON Schema 2020-12).
Leaves out: what a case means. The runners in tests/vectors replay them.
Read next: `app/vectors.py`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

MAXIMUM_SIZE = 20_000_000  # octets in all of vectors/
WITNESSES = 2  # with fewer implementations of others, a group is provisional


@dataclass(frozen=True)
class VectorSet:
    """One JSON file below vectors/. `name` is `stem/set`; `data` is None where the file is not JSON."""

    path: Path
    name: str
    text: str
    data: dict[str, Any] | None

    @property
    def is_session(self) -> bool:
        return self.name.startswith("sessions/")


def canonical(data: Any) -> str:
    """The one text of a JSON value in this tree."""
    return json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def read_sets(root: Path) -> list[VectorSet]:
    """Every set and every session manifest below `root`/vectors, in the order of their paths."""
    return [_read(root, path) for path in sorted((root / "vectors").rglob("*.json")) if _is_set(root, path)]


def _is_set(root: Path, path: Path) -> bool:
    folder = path.relative_to(root / "vectors").parts[0]
    return folder != "schemas" and (folder != "sessions" or path.name == "manifest.json")


def _read(root: Path, path: Path) -> VectorSet:
    text = path.read_text(encoding="utf-8")
    try:
        data = json.loads(text)
    except ValueError:
        data = None
    name = path.relative_to(root / "vectors").with_suffix("").as_posix()
    return VectorSet(path, name, text, data if isinstance(data, dict) else None)


def problems_of(root: Path, sets: list[VectorSet], requirements: frozenset[str]) -> Iterator[str]:
    """A sentence for everything wrong with the sets, but for what a replay would show."""
    validators = read_schemas(root)
    for each in sets:
        yield from _problems_of_one(each, validators, requirements)
    ids = Counter(case["id"] for each in sets for case in cases_of(each) if "id" in case)
    yield from (f"the id {identity} is used {count} times" for identity, count in ids.items() if count > 1)
    for folder in sorted({each.path.parent for each in sets}):
        if not (folder / "README.md").exists():
            yield f"{folder.relative_to(root)} has no README.md"
    size = sum(path.stat().st_size for path in (root / "vectors").rglob("*") if path.is_file())
    if size > MAXIMUM_SIZE:
        yield f"vectors/ has {size} octets, more than {MAXIMUM_SIZE}"


def read_schemas(root: Path) -> dict[str, Draft202012Validator]:
    """The validators by kind. Raises `jsonschema.SchemaError` when a schema itself is wrong."""
    validators = {}
    for path in sorted((root / "vectors" / "schemas").glob("*.schema.json")):
        schema = json.loads(path.read_text(encoding="utf-8"))
        Draft202012Validator.check_schema(schema)
        validators[path.name.removesuffix(".schema.json")] = Draft202012Validator(schema)
    return validators


def cases_of(each: VectorSet) -> Iterator[dict[str, Any]]:
    """All cases of a set, whatever group they stand in."""
    for group in groups_of(each):
        cases = group.get("tests")
        yield from (case for case in (cases if isinstance(cases, list) else []) if isinstance(case, dict))


def groups_of(each: VectorSet) -> Iterator[dict[str, Any]]:
    """The groups of a set; a session is one group without cases."""
    if each.data is not None and each.is_session:
        yield each.data
    groups = (each.data or {}).get("groups")
    yield from (group for group in (groups if isinstance(groups, list) else []) if isinstance(group, dict))


def _problems_of_one(
    each: VectorSet, validators: dict[str, Draft202012Validator], requirements: frozenset[str]
) -> Iterator[str]:
    if each.data is None:
        yield f"{each.name}: not a JSON object"
        return
    if each.text != canonical(each.data):
        yield f"{each.name}: not in the one format; say `meetref vectors fmt`"
    kind = each.data.get("schema")
    if kind not in validators:
        yield f"{each.name}: its schema {kind!r} is none of {', '.join(validators)}"
        return
    for error in validators[kind].iter_errors(each.data):
        yield f"{each.name}: at {error.json_path}: {error.message[:300]}"
    yield from _problems_of_names(each, requirements)


def _problems_of_names(each: VectorSet, requirements: frozenset[str]) -> Iterator[str]:
    data = each.data or {}
    stem, _, rest = each.name.partition("/")
    name = data.get("id" if each.is_session else "set")
    allowed = {rest.partition("/")[0]} if each.is_session else {rest, f"{stem}-{rest}"}
    if name not in allowed:
        yield f"{each.name}: calls itself {name!r}"
    for group in groups_of(each):
        witnesses = {str(entry.get("implementation")) for entry in group.get("verified_by", [])}
        if (len(witnesses) < WITNESSES) is not group.get("provisional", False):
            yield f"{each.name}: {len(witnesses)} implementations confirmed a group, so `provisional` is wrong"
    for case in [*cases_of(each), *([data] if each.is_session else [])]:
        identity = case.get("id", each.name)
        if not each.is_session and not str(identity).startswith(f"{name}-"):
            yield f"{each.name}: the id {identity} does not begin with the name of the set"
        for requirement in set(case.get("reqs", ())) - requirements:
            yield f"{each.name}: {identity} names the requirement {requirement}, which no spec/*.toml has"
        for flag in set(case.get("flags", ())) - data.get("notes", {}).keys():
            yield f"{each.name}: {identity} carries the flag {flag}, which notes do not explain"
