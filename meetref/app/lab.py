"""`meetref lab`: experiments, found by entry point.

Stands beside the labs without importing them (they are the floor above): the group `meetref.labs` of the
installed package names them, and each is a command module like those of this floor.
Specification: none; what a lab prints and writes is described in docs/commands.md.
Leaves out: everything an experiment does.
"""

from __future__ import annotations

import argparse
import difflib
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import cast

from meetref.app.command import Command, CommandFailed, Exit, print_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The name of a lab, and its own words."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="the lab to run; without one, they are listed")
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="...", help="its options; `meetref lab NAME --help`")
    parser.add_argument("--json", action="store_true", help="list them as JSON")


def run(arguments: argparse.Namespace) -> int:
    """List the labs, or run one."""
    labs = {point.name: point for point in entry_points(group="meetref.labs")}
    if arguments.name is None:
        return _list(labs, arguments.json)
    if arguments.name not in labs:
        near = difflib.get_close_matches(arguments.name, labs, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(labs)) or 'none'}"
        raise CommandFailed(f"there is no lab {arguments.name[:40]!r}; {hint}", Exit.WRONG_COMMAND_LINE)
    lab = _load(labs[arguments.name])
    parser = argparse.ArgumentParser(prog=f"meetref lab {arguments.name}", description=_what(lab), allow_abbrev=False)
    lab.add_arguments(parser)
    chosen = parser.parse_args(arguments.words)
    _check_files(chosen)
    return lab.run(chosen)


def _check_files(chosen: argparse.Namespace) -> None:
    """A lab may run for minutes before it writes anything. Raises `CommandFailed`."""
    for file in vars(chosen).values():
        if isinstance(file, Path) and not file.parent.is_dir():
            raise CommandFailed(
                f"there is no folder {file.parent}; name a file in one that is there", Exit.WRONG_COMMAND_LINE
            )


def _list(labs: dict[str, EntryPoint], as_json: bool) -> int:
    rows = {name: _line(point) for name, point in sorted(labs.items())}
    if as_json:
        print_json(rows)
    for name, what in {} if as_json else rows.items():
        print(f"{name:<14} {what}")
    return Exit.DONE


def _load(point: EntryPoint) -> Command:
    try:
        return cast(Command, point.load())
    except ModuleNotFoundError as error:
        raise CommandFailed(f"lab {point.name} needs the Python package {error.name}", Exit.UNSUPPORTED) from None


def _line(point: EntryPoint) -> str:
    """What a list says about a lab; one that cannot run here does not hide the others."""
    try:
        return _what(cast(Command, point.load()))
    except ModuleNotFoundError as error:
        return f"(needs the Python package {error.name})"


def _what(lab: Command) -> str:
    """The first line of a lab's docstring."""
    return (lab.__doc__ or "").strip().partition("\n")[0]
