"""The tree as a whole: what stands at the top, stems that line up, pages that tell the truth about commands."""

from __future__ import annotations

import argparse
import importlib
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from meetref.app.cli import COMMANDS
from tests.house.source import ROOT, modules

TOP = {"meetref", "spec", "vectors", "tutorials", "tests", "docs", "pyproject.toml", "README.md"}
TOP |= {"LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "Makefile"}
NOT_STEMS = {"schemas", "sessions"}
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES += sorted((ROOT / "tutorials").glob("*.md"))
MADE_BY_SPHINX = {"docs/signaling.md", "docs/states.md"}


def checked_in() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    return listed.stdout.splitlines()


def test_nothing_else_stands_at_the_top() -> None:
    top = {name.partition("/")[0] for name in checked_in()}
    assert {name for name in top - TOP if not name.startswith(".")} == set()


def test_nothing_generated_or_large_is_checked_in() -> None:
    names = checked_in()
    assert not [name for name in names if name.endswith((".pyc", ".sqlite")) or "__pycache__" in name]
    assert not [name for name in names if (ROOT / name).is_file() and (ROOT / name).stat().st_size > 5_000_000]


# --- stems ----------------------------------------------------------------------------------------


def stems_of_code() -> set[str]:
    return {module.name.rpartition(".")[2] for module in modules()}


@pytest.mark.parametrize("path", sorted((ROOT / "spec").glob("*.toml")), ids=lambda path: path.stem)
def test_each_spec_is_about_a_module(path: Path) -> None:
    assert path.stem in stems_of_code()


def stems_of_vectors() -> Iterator[str]:
    for path in sorted((ROOT / "vectors").iterdir()):
        if path.is_dir() and path.name not in NOT_STEMS:
            yield path.name


@pytest.mark.parametrize("stem", list(stems_of_vectors()))
def test_each_folder_of_vectors_has_all_that_belongs_to_it(stem: str) -> None:
    wanted = [
        f"spec/{stem}.toml",
        f"vectors/{stem}/README.md",
        f"tests/generate/{stem}.py",
        f"tests/confirm/{stem}.py",
        f"tests/vectors/test_{stem}.py",
    ]
    assert [name for name in wanted if not (ROOT / name).exists()] == []


def test_each_test_of_a_floor_names_a_module_of_it() -> None:
    wrong = []
    for floor in sorted({module.floor for module in modules()} - {None}):
        stems = {module.name.rpartition(".")[2] for module in modules() if module.floor == floor}
        for path in sorted((ROOT / "tests" / str(floor)).glob("test_*.py")):
            if not any(path.stem == f"test_{stem}" or path.stem.startswith(f"test_{stem}_") for stem in stems):
                wrong.append(str(path.relative_to(ROOT)))
    assert not wrong, "\n".join(wrong)


# --- pages ----------------------------------------------------------------------------------------


def test_links_between_pages_lead_somewhere() -> None:
    broken = []
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            path = (page.parent / target).resolve()
            outside = target.startswith(("http:", "https:", "mailto:"))
            if not outside and not path.exists() and str(path.relative_to(ROOT)) not in MADE_BY_SPHINX:
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert not broken, "\n".join(broken)


def test_modules_that_are_named_are_there() -> None:
    """In backticks, as `wire/rtp` or `app/page/xray.js`: by such names a reader finds the way."""
    floors = "|".join(sorted({str(module.floor) for module in modules()} - {"None"}))
    named = re.compile(rf"`(?:meetref/)?((?:{floors})/[a-z0-9_/]+)(\.[a-z]+)?`")
    missing = []
    for path in [*PAGES, *(module.path for module in modules())]:
        for stem, ending in named.findall(path.read_text(encoding="utf-8")):
            candidates = [ROOT / "meetref" / (stem + each) for each in (ending, ".py", "")]
            if not any(candidate.exists() for candidate in candidates):
                missing.append(f"{path.relative_to(ROOT)}: {stem}")
    assert not missing, "\n".join(missing)


def test_make_knows_every_target_that_is_written_about() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    assert targets >= {"setup", "meet", "test", "lint", "docs", "soak"}
    written = {
        word
        for page in PAGES
        for word in re.findall(r"(?:^|`|\$ )make ([a-z]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert written - targets == set()


def test_the_readme_shows_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make meet" in text
    assert "make test" in text


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = [project["project"]["dependencies"], *project["dependency-groups"].values()]
    names = {re.split(r"[\[<>=]", line)[0].lower() for group in groups for line in group}
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8").lower()
    assert {name for name in names if not re.search(rf"\b{re.escape(name)}\b", page)} == set()


def options_of(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                yield name
                yield from options_of(inner)
        elif not isinstance(action, argparse._HelpAction):
            yield action.option_strings[-1] if action.option_strings else str(action.metavar or action.dest)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_documented(name: str) -> None:
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    section = re.search(rf"^## meetref {name}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    assert section is not None
    parser = argparse.ArgumentParser(prog=name)
    importlib.import_module(f"meetref.app.{name}").add_arguments(parser)
    words = set(re.findall(r"--[a-z-]+|[A-Za-z.]+", section[1]))
    assert set(options_of(parser)) - words == set()
