"""Sets are held against their schema, and against each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from meetref.app.vectorset import canonical, problems_of, read_schemas, read_sets
from tests.app.small_tree import REAL, plant, vector_set, write

KNOWN = frozenset({"tea/boil", "tea/pour"})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return plant(tmp_path)


def problems(root: Path) -> list[str]:
    return list(problems_of(root, read_sets(root), KNOWN))


def put(root: Path, data: dict[str, Any]) -> list[str]:
    write(root, "vectors/tea/cups.json", canonical(data))
    return problems(root)


def test_a_good_set_has_no_problems(root: Path) -> None:
    assert problems(root) == []


def test_the_format_is_one(root: Path) -> None:
    path = root / "vectors/tea/cups.json"
    path.write_text(path.read_text().rstrip("\n"))
    assert problems(root) == ["tea/cups: not in the one format; say `meetref vectors fmt`"]
    path.write_text("{")
    assert problems(root) == ["tea/cups: not a JSON object"]
    path.write_text("[]")
    assert problems(root) == ["tea/cups: not a JSON object"]


def changed(path: str, value: Any) -> dict[str, Any]:
    """The good set with one value changed; `path` is dotted, a value of `...` removes."""
    data = vector_set()
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place: Any = data
    for part in way:
        place = place[part]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return data


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("schema", "coffee", "its schema 'coffee' is none of"),
        ("schema", ..., "its schema None is none of"),
        ("more", 1, "'more' was unexpected"),
        ("set", "tea-pots", "calls itself 'tea-pots'"),
        ("notes", {}, "carries the flag Cold, which notes do not explain"),
        ("groups", [], "should be non-empty"),
        ("groups.0.provenance", "dreamt", "'dreamt' is not one of"),
        ("groups.0.verified_by", [], "0 implementations confirmed a group, so `provisional` is wrong"),
        ("groups.0.provisional", True, "2 implementations confirmed a group, so `provisional` is wrong"),
        ("groups.0.tests.0.more", 1, "'more' was unexpected"),
        ("groups.0.tests.0.out", ..., "'out' is a required property"),
        ("groups.0.tests.1.reaction", ..., "'reaction' is a required property"),
        ("groups.0.tests.1.reaction", "shrug", "does not match"),
        ("groups.0.tests.0.reqs", ["tea/stir"], "names the requirement tea/stir, which no spec/*.toml has"),
        ("groups.0.tests.0.id", "tea-pots-0001", "does not begin with the name of the set"),
        ("groups.0.tests.0.id", "tea-cups-0002", "the id tea-cups-0002 is used 2 times"),
    ],
)
def test_what_is_wrong_is_told(root: Path, path: str, value: Any, problem: str) -> None:
    assert any(problem in each for each in put(root, changed(path, value)))


def test_a_withdrawn_case_keeps_its_id_and_nothing_else(root: Path) -> None:
    data = changed("groups.0.tests.0.out", ...)
    data["groups"][0]["tests"][0]["withdrawn"] = "the document was corrected"
    assert put(root, data) == []


def test_every_folder_has_a_readme(root: Path) -> None:
    (root / "vectors/tea/README.md").unlink()
    assert problems(root) == ["vectors/tea has no README.md"]


def test_a_session_is_held_against_its_schema(root: Path) -> None:
    manifest = {
        "schema": "session", "id": "first-cup", "version": "1.0.0", "title": "One cup", "provenance": "generated",
        "reqs": ["tea/boil"], "files": {"session.pcapng": "the packets"}, "verified_by": [], "provisional": True,
        "endpoints": {"pot": {"addresses": ["192.0.2.1"], "what": "pours"}},
    }  # fmt: skip
    write(root, "vectors/sessions/first-cup/README.md", "# One cup\n")
    write(root, "vectors/sessions/first-cup/secrets.json", "not a set")
    write(root, "vectors/sessions/first-cup/manifest.json", canonical(manifest))
    assert problems(root) == []
    write(root, "vectors/sessions/first-cup/manifest.json", canonical({**manifest, "reqs": ["tea/stir"]}))
    wanted = "sessions/first-cup/manifest: first-cup names the requirement tea/stir, which no spec/*.toml has"
    assert problems(root) == [wanted]


def test_the_schemas_share_their_definitions() -> None:
    schemas: dict[str, Draft202012Validator] = read_schemas(REAL)
    assert set(schemas) == {"codec", "crypto", "machine", "sdp", "session"}
    definitions: dict[str, Any] = {}
    for validator in schemas.values():
        for name, definition in validator.schema["$defs"].items():
            if name not in ("test", "step"):
                assert definitions.setdefault(name, definition) == definition


def test_a_machine_set_has_steps(root: Path) -> None:
    steps = [
        {"at_ms": 0, "event": "lit"},
        {"at_ms": [90_000, 120_000], "expect": {"event": "boils"}, "bind": {"tid": "t1"}},
    ]
    case = {"id": "tea-cups-0001", "comment": "boiling", "reqs": ["tea/boil"], "init": {}, "steps": steps}
    data = vector_set(schema="machine")
    data["groups"][0]["tests"] = [case]
    assert put(root, data) == []
    del steps[0]["at_ms"]
    assert any("'at_ms' is a required property" in each for each in put(root, data))
