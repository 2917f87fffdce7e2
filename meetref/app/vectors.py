"""`meetref vectors`: verify, format, generate, confirm and replay the test vectors.

Stands above `app/vectorset` (reading, schemas), `app/vectormaking` (generators, confirmers) and `app/replay` (driving
somebody's server with them). Specification: docs/vectors.md.
Leaves out: adapters for implementations that are no servers.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from meetref.app.checkout import checkout
from meetref.app.command import CommandFailed, Exit, print_json
from meetref.app.replay import command as replay
from meetref.app.requirements import read_specification
from meetref.app.vectormaking import confirmed_side_by_side, generated, generated_files, path_of
from meetref.app.vectorset import canonical, cases_of, groups_of, problems_of, read_sets


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is to be done with the vectors."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="verify | fmt | generate | confirm | replay")
    verify = verbs.add_parser(
        "verify", help="check every set against its schema, then replay them all against our code"
    )
    verify.add_argument("--no-replay", action="store_true", help="only check the files")
    verify.add_argument("--json", action="store_true", help="write what was found as JSON; does not replay")
    for verb, what in (
        ("fmt", "write every set in the one format"),
        ("generate", "write the generated sets anew"),
        ("confirm", "ask the implementations of others that are here, and write verified_by"),
    ):
        parser_of_verb = verbs.add_parser(verb, help=what)
        parser_of_verb.add_argument(
            "--check", action="store_true", help="write nothing; exit 1 if something would change"
        )
        if verb == "confirm":
            parser_of_verb.add_argument("stem", nargs="?", metavar="STEM", help="only the sets of this stem")
    replay.add_arguments(verbs.add_parser("replay", help="drive a server that is running with the vectors of a stem"))


def run(arguments: argparse.Namespace) -> int:
    """Do it, or with --check say what would change."""
    if arguments.verb == "replay":
        return replay.run(arguments)
    root = checkout()
    if arguments.verb == "verify":
        return _verify(root, arguments)
    if arguments.verb == "generate":
        contents = {path_of(root, name): text.encode() for name, text in generated(root).items()}
        contents |= generated_files(root)
    elif arguments.verb == "confirm":
        return _confirm(root, arguments)
    else:
        contents = {each.path: canonical(each.data).encode() for each in read_sets(root) if each.data is not None}
    return _write(root, contents, check=arguments.check)


def _write(root: Path, contents: dict[Path, bytes], *, check: bool) -> int:
    changed = [path for path, octets in contents.items() if not path.exists() or path.read_bytes() != octets]
    for path in changed:
        print(f"{path.relative_to(root)} {'would change' if check else 'written'}")
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(contents[path])
    print(f"{len(contents)} files, {len(changed)} {'would change' if check else 'changed'}")
    return Exit.DOES_NOT_HOLD if check and changed else Exit.DONE


def _verify(root: Path, arguments: argparse.Namespace) -> int:
    sets = read_sets(root)
    problems = list(problems_of(root, sets, frozenset(read_specification(root).requirements)))
    cases = sum(1 for each in sets for case in cases_of(each) if "withdrawn" not in case)
    groups = [group for each in sets for group in groups_of(each)]
    provisional = sum(group.get("provisional", False) for group in groups)
    if arguments.json:
        print_json({"sets": len(sets), "cases": cases, "groups": len(groups), "provisional_groups": provisional,
                    "problems": problems})  # fmt: skip
        return Exit.DOES_NOT_HOLD if problems else Exit.DONE
    for problem in problems:
        print(problem)
    print(
        f"{len(sets)} sets, {cases} cases; {provisional} of {len(groups)} groups provisional; {len(problems)} problems"
    )
    if problems or arguments.no_replay:
        return Exit.DOES_NOT_HOLD if problems else Exit.DONE
    print("replaying them against our code ...", flush=True)
    command = [sys.executable, "-m", "pytest", "tests/vectors", "-q", "-p", "no:cacheprovider"]
    replayed = subprocess.run(command, cwd=root, env=os.environ, check=False)
    return Exit.DONE if replayed.returncode == 0 else Exit.DOES_NOT_HOLD


def _confirm(root: Path, arguments: argparse.Namespace) -> int:
    """With --check only those who are named are asked, and must agree: versions differ from machine to machine."""
    contents: dict[Path, bytes] = {}
    lost = 0
    sets = read_sets(root)
    stems = {each.name.partition("/")[0] for each in sets}
    if arguments.stem not in {None, *stems}:
        raise CommandFailed(f"no vectors are about {arguments.stem[:40]!r}; there are {', '.join(sorted(stems))}")
    chosen = [each for each in sets if each.data and arguments.stem in (None, each.name.partition("/")[0])]
    for each, data in confirmed_side_by_side(root, chosen, only_named=arguments.check):
        for number, (before, after) in enumerate(
            zip(groups_of(each), groups_of(replace(each, data=data)), strict=True)
        ):
            claimed = {entry["implementation"] for entry in before["verified_by"]}
            agreed = {entry["implementation"] for entry in after["verified_by"]}
            print(f"{each.name} group {number}: {', '.join(sorted(agreed)) or 'nobody'}", flush=True)
            for name in sorted(claimed - agreed):
                print(f"{each.name} group {number}: {name} is named in verified_by and did not confirm it here")
                lost += 1
        contents[each.path] = canonical(data).encode()
    if arguments.check:
        return Exit.DOES_NOT_HOLD if lost else Exit.DONE
    return _write(root, contents, check=False)
