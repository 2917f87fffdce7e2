"""Requirements, citations and results join into states, and everything wrong is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from meetref.app.coverage import difference, measure
from tests.app.small_tree import SPEC, pass_tests, plant, write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return plant(tmp_path)


def test_cited_in_code_and_passed_is_verified(root: Path) -> None:
    coverage = measure(root)
    assert coverage.problems == ()
    assert coverage.states == {"tea/boil": "verified", "tea/pour": "verified"}
    assert coverage.by_document()["rfc1"] == {"verified": 2}


def test_what_did_not_run_or_failed_is_untested(root: Path) -> None:
    pass_tests(
        root,
        {"tests/wire/test_tea.py::test_boil": ["tea/boil"], "tests/vectors/test_tea.py::test_cups": []},
        failed=("tests/wire/test_tea.py::test_boil", "tests/vectors/test_tea.py::test_cups"),
    )
    assert set(measure(root).states.values()) == {"untested"}
    (root / ".cache/spec-results.json").unlink()
    coverage = measure(root)
    assert set(coverage.states.values()) == {"untested"}
    assert not coverage.citations.has_results


def test_a_stems_vectors_count_only_when_their_whole_runner_passed(root: Path) -> None:
    runner = "tests/vectors/test_tea.py::test_"
    pass_tests(root, {f"{runner}cups": [], f"{runner}pots": []}, failed=(f"{runner}pots",))
    assert measure(root).states["tea/pour"] == "untested"


def test_a_result_of_a_test_that_no_longer_cites_the_id_does_not_count(root: Path) -> None:
    write(root, "tests/wire/test_tea.py", "def test_boil(): ...\n")
    assert measure(root).states["tea/boil"] == "untested"


def test_a_test_without_code_is_not_enough(root: Path) -> None:
    write(root, "meetref/wire/tea.py", '"""Says # spec: tea/boil in a text only."""\n')
    coverage = measure(root)
    assert coverage.states["tea/boil"] == "untested"
    assert coverage.problems == ()


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("meetref/wire/tea.py", "pass  # spec: tea/boil, tea/pour, tea/unknown\n"),
        ("tests/wire/test_other.py", "import pytest\npytestmark = pytest.mark.spec('tea/unknown')\n"),
        ("vectors/tea/more.json", '{"groups": [{"tests": [{"reqs": ["tea/unknown"]}]}]}'),
    ],
)
def test_an_unknown_id_is_a_problem(root: Path, file: str, text: str) -> None:
    write(root, file, text)
    assert [problem for problem in measure(root).problems if "tea/unknown" in problem]


def test_cited_nowhere_needs_a_reason_or_a_plan(root: Path) -> None:
    write(root, "meetref/wire/tea.py", "pass  # spec: tea/boil\n")
    write(root, "vectors/tea/cups.json", "{}")
    assert measure(root).problems == (
        "tea/pour is cited nowhere, and the file says neither why it is left out nor when it is planned",
    )
    write(root, "spec/tea.toml", SPEC + 'left_out = "because we stir"\n')
    assert measure(root).problems == ()
    assert measure(root).states["tea/pour"] == "left out"
    write(root, "spec/tea.toml", SPEC + 'planned = "with spoons"\n')
    assert measure(root).problems == ()
    assert measure(root).states["tea/pour"] == "open"


def test_a_must_needs_a_test(root: Path) -> None:
    write(root, "tests/wire/test_tea.py", "def test_boil(): ...\n")
    assert measure(root).problems == ("tea/boil is a MUST without a test or a vector",)


def test_what_is_said_to_be_left_out_must_not_be_done(root: Path) -> None:
    write(root, "spec/tea.toml", SPEC + 'left_out = "because we stir"\n')
    assert [problem for problem in measure(root).problems if problem.startswith("tea/pour is said to be left out")]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (('level = "MUST"', 'level = "OUGHT"'), "level 'OUGHT' is none of"),
        (('level = "MUST"', ""), "level is missing"),
        (('says = "The', 'sais = "The'), "unknown field sais"),
        (("[boil]", "[Boil]"), "a name has lower-case letters"),
        (('["boil", "pour"]', '["boil"]'), "tea/pour: no section of a document names it"),
        (('["boil", "pour"]', '["boil", "pour", "stir"]'), "names tea/stir, which is not there"),
        (('"skipped: about cups"', '"about cups"'), "neither a list nor 'skipped: reason'"),
        (('"skipped: about cups"', '"skipped: "'), "neither a list nor 'skipped: reason'"),
        (('id = "rfc1"', ""), "a document has no id"),
        (("[[document]]", "stir = 3\n[[document]]"), "tea/stir: a requirement is a table"),
        (("[pour]", "[pour"), "tea.toml: "),
    ],
)
def test_what_is_wrong_with_a_file_is_told(root: Path, change: tuple[str, str], problem: str) -> None:
    write(root, "spec/tea.toml", SPEC.replace(*change))
    assert any(problem in each for each in measure(root).problems)


def test_the_lock_has_a_line_for_each_requirement(root: Path) -> None:
    assert measure(root).lock() == "tea/boil MUST verified\ntea/pour SHOULD verified\n"


def test_a_difference_between_locks_is_told_in_words() -> None:
    old, new = "a/a MUST verified\na/b MAY open\n", "a/a MUST untested\na/c MAY open\n"
    assert difference(old, new) == [
        "a/a: MUST verified -> MUST untested",
        "a/b: MAY open -> gone",
        "a/c: new -> MAY open",
    ]
    assert difference(old, old) == []
