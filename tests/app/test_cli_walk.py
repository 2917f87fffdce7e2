"""A walk through every command, verb, lab and option: --help, and nonsense wherever a value is wanted.

No command really runs here: servers and labs only read their options, the others work on a made-up tree.
"""

from __future__ import annotations

import argparse
import importlib
import re
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from meetref.app import cli, serve
from tests.app.small_tree import plant

NONSENSE = [
    "",
    "nonsense",
    "No Room",
    "-1",
    "0.5",
    "nan",
    "9" * 30,
    "\x1b[31m",
    "\u2603",
    "/nowhere/at/all",
    "x" * 5000,
]

# What a verb needs besides the option that is tried, so that it goes as far as it can without doing anything.
NEEDED = {
    "bot": ["--server=127.0.0.1", "--port=1"],
    "serve": ["--port=0"],
    "token": ["--room=algebra", "--secret-file=secret"],
    "tree": ["--url=http://127.0.0.1:1"],
    "spec check": ["--text=texts"],
    "vectors generate": ["--check"],
    "vectors fmt": ["--check"],
    "vectors confirm": ["--check"],
    "vectors replay": ["--target=127.0.0.1:1"],
    "vectors verify": ["--no-replay"],
}


def labs() -> list[str]:
    return sorted(point.name for point in entry_points(group="meetref.labs"))


def verbs() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Each command with its verbs, and each lab, and the parser that reads its words."""
    for name in cli.COMMANDS:
        parser = argparse.ArgumentParser()
        importlib.import_module(f"meetref.app.{name}").add_arguments(parser)
        inner = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
        for action in inner:
            yield from ((f"{name} {verb}", each) for verb, each in action.choices.items())
        if not inner:
            yield name, parser
    for point in entry_points(group="meetref.labs"):
        parser = argparse.ArgumentParser()
        point.load().add_arguments(parser)
        yield f"lab {point.name}", parser


def wishes() -> Iterator[tuple[str, list[str]]]:
    """Every option that wants a value, and all positional arguments at once, with each piece of nonsense."""
    for verb, parser in verbs():
        needed = NEEDED.get(verb, [])
        positional = [action for action in parser._actions if not action.option_strings and action.nargs != "..."]
        fill = ["nonsense"] * len(positional)
        for value in NONSENSE:
            if positional:
                yield verb, [*needed, "--", *[value] * len(positional)]
            for action in parser._actions:
                if action.option_strings and action.nargs != 0:
                    yield verb, [*needed, f"{action.option_strings[-1]}={value}", *fill]
        yield verb, [*needed, *fill]
        yield verb, [*needed, *fill, "one", "more"]
        yield verb, ["--no-such-option"]


def named(wish: tuple[str, list[str]]) -> str:
    return ascii(" ".join([wish[0], *wish[1]]))[1:60]


@pytest.fixture(autouse=True)
def scenery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of our own, a server that ends as soon as it has read its options, labs that do nothing."""

    async def serve_nothing(*arguments: object) -> None:
        return

    monkeypatch.chdir(plant(tmp_path))
    (tmp_path / "texts").mkdir(exist_ok=True)
    (tmp_path / "secret").write_bytes(b"s" * 40)
    monkeypatch.setattr(serve, "_serve", serve_nothing)
    for point in entry_points(group="meetref.labs"):
        monkeypatch.setattr(point.load(), "run", lambda arguments: 0)


def answer(words: list[str]) -> int:
    try:
        return cli.main(words)
    except SystemExit as leaving:
        return int(leaving.code or 0)


@pytest.mark.parametrize("verb", [verb for verb, _ in verbs()])
def test_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer([*verb.split(), "--help"]) == 0
    out, said = capsys.readouterr()
    assert out.startswith(f"usage: meetref {verb} ")
    assert said == ""


@pytest.mark.parametrize("wish", list(wishes()), ids=named)
def test_nonsense_is_answered_with_a_sentence(wish: tuple[str, list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    verb, words = wish
    code = answer([*verb.split(), *words])
    said = capsys.readouterr().err
    assert code in (0, 1, 2, 127)
    assert "Traceback" not in said
    assert "unexpected" not in said
    assert "--traceback" not in said
    assert "Errno" not in said
    if code == 2 and said.startswith("usage: "):  # argparse says it, behind the usage
        assert re.search(rf"^meetref {verb.split()[0]}[a-z -]*: error: \S", said, re.MULTILINE)
    elif code:
        assert re.fullmatch(r"meetref: \S.*\n", said)
