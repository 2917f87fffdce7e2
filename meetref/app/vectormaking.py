"""Making vector sets, and asking others whether they agree.

A generator is `tests/generate/<stem>.py` with `sets() -> {"stem/set": data}`, the same octets every time it runs.
What is no set, such as a capture, comes from `files() -> {"sessions/whole-call/session.pcapng": octets}`.
A confirmer is `tests/confirm/<stem>.py` with `confirm(set_name, data)`, which gives a `verified_by` entry for each
implementation of others that it could run here and that agreed; with `"group": 2` an entry is about one group only.
Where `data` says `"only_named": True`, those that a group's `verified_by` does not name need not be asked about it.
Stands beside `app/vectorset`; `app/vectors` is the command. Specification: docs/vectors.md.
Leaves out: replaying, which is what tests/vectors is for.
"""

from __future__ import annotations

import copy
import importlib
import json
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType
from typing import Any

from meetref.app.vectorset import WITNESSES, VectorSet, canonical, groups_of

SIDE_BY_SIDE = 6
"""Sets whose witnesses are asked at the same time: some compute, some play a conversation and wait."""


def generated(root: Path) -> dict[str, str]:
    """The text of every generated set by `stem/set`. Who confirmed it is kept from the file that is there."""
    texts = {}
    for generator in _modules(root, "generate", "sets"):
        for name, data in generator.sets().items():
            texts[name] = canonical(_keep_witnesses(root, name, data))
    return texts


def generated_files(root: Path) -> dict[Path, bytes]:
    """The files that generators make beside the sets: captures, and what belongs to them."""
    return {
        root / "vectors" / name: octets
        for generator in _modules(root, "generate", "files")
        for name, octets in generator.files().items()
    }


def path_of(root: Path, name: str) -> Path:
    """Where the set `stem/set` is kept."""
    return root / "vectors" / f"{name}.json"


def confirmed_side_by_side(
    root: Path, sets: Sequence[VectorSet], *, only_named: bool
) -> Iterator[tuple[VectorSet, dict[str, Any]]]:
    """Each set as `confirmed` has it, in their order; several are asked about at a time, each in a process."""
    if len(sets) == 1:
        yield sets[0], confirmed(root, sets[0], only_named=only_named)
        return
    pool = ProcessPoolExecutor(SIDE_BY_SIDE, mp_context=get_context("spawn"))
    try:
        begun = {
            each.name: pool.submit(confirmed, root, each, only_named=only_named)
            for each in sorted(sets, key=_is_computed)
        }
        for each in sets:
            yield each, begun[each.name].result()
    finally:
        pool.shutdown(cancel_futures=True)


def _is_computed(each: VectorSet) -> bool:
    """Steps come first: who is led through them has time-outs, and the end should not wait for those alone."""
    return (each.data or {}).get("schema") != "machine"


def confirmed(root: Path, each: VectorSet, *, only_named: bool = False) -> dict[str, Any]:
    """The set with `verified_by` as it turns out here: entries that are there and still hold stay as they are."""
    data: dict[str, Any] = {**copy.deepcopy(each.data or {}), "only_named": only_named}
    entries = [
        entry
        for confirmer in _modules(root, "confirm", "confirm", each.name.partition("/")[0])
        for entry in confirmer.confirm(each.name, data)
    ]
    del data["only_named"]
    for number, group in enumerate(groups_of(replace(each, data=data))):
        mine = [entry for entry in entries if entry.get("group", number) == number]
        _write_witnesses(group, [{key: value for key, value in entry.items() if key != "group"} for entry in mine])
    return data


def _write_witnesses(group: dict[str, Any], found: list[dict[str, Any]]) -> None:
    before = {(entry["implementation"], entry["version"], entry["how"]): entry for entry in group["verified_by"]}
    kept = [before.get((entry["implementation"], entry["version"], entry["how"]), entry) for entry in found]
    group["verified_by"] = sorted(kept, key=lambda entry: (entry["implementation"], entry["how"]))
    _mark_provisional(group)


def _mark_provisional(group: dict[str, Any]) -> None:
    group.pop("provisional", None)
    if len({entry["implementation"] for entry in group["verified_by"]}) < WITNESSES:
        group["provisional"] = True


def _keep_witnesses(root: Path, name: str, data: dict[str, Any]) -> dict[str, Any]:
    """A generator need not name witnesses: as long as a group's cases are the same, the file's still hold."""
    data = copy.deepcopy(data)
    path = path_of(root, name)
    if not path.exists():
        return data
    old = {canonical(group["tests"]): group for group in _groups(path)}
    for group in data.get("groups", []):
        if not group["verified_by"] and (same := old.get(canonical(group["tests"]))):
            group["verified_by"] = same["verified_by"]
            _mark_provisional(group)
    return data


def _groups(path: Path) -> Iterator[dict[str, Any]]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return
    yield from (group for group in data.get("groups", []) if "tests" in group)


def _modules(root: Path, folder: str, function: str, stem: str | None = None) -> Iterator[ModuleType]:
    """The modules of tests/<folder> that have `function`; only the one of `stem` when it is given."""
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    for path in sorted((root / "tests" / folder).glob("*.py")):
        if stem is None or path.stem == stem:
            module = importlib.import_module(f"tests.{folder}.{path.stem}")
            if hasattr(module, function):
                yield module
