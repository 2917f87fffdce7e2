"""The command line: `meetref COMMAND ...`.

Stands on top of everything. A command's module is imported only when it is asked for, so that `meetref --help`
answers at once and a broken command cannot break another.
Specification: the exit codes of `app/command`; an interrupted command ends quietly with 130, as shells expect.
Leaves out: options of the commands; each is defined in its own module.
Read next: `app/serve.py`.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import cast

import meetref
from meetref.app.command import Command, CommandFailed, Exit, first_error

COMMANDS = {
    "serve": "start the server: the page, signaling and media",
    "worker": "compose recordings that have ended, beside a server or elsewhere",
    "relay": "run a TURN server by itself",
    "bot": "join a room as one or more robots",
    "doctor": "find out whether a meeting could connect from here",
    "tree": "print the task tree of a running server in words",
    "token": "make a signed token that opens a room",
    "compose": "make films of a recording",
    "lab": "run an experiment; without a name, list them",
    "pcap": "decrypt a capture of a meeting, or explain its handshake",
    "find": "list everything there is about one stem",
    "spec": "report which requirements are verified",
    "vectors": "verify, format, generate or confirm test vectors",
}
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the answer is the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    show_traceback = "--traceback" in words
    code: int = Exit.DOES_NOT_HOLD
    try:
        code = _dispatch([word for word in words if word != "--traceback"])
        sys.stdout.flush()
    except* KeyboardInterrupt:
        code = INTERRUPTED
    except* BrokenPipeError:
        code = _reader_left()
    except* CommandFailed as group:
        failure = cast(CommandFailed, first_error(group))
        code = _report(str(failure), failure.code)
    except* Exception as group:
        if show_traceback:
            traceback.print_exception(group)
        code = _report(_sentence(first_error(group)) + ("" if show_traceback else " (--traceback shows more)"))
    return code


def _dispatch(words: list[str]) -> int:
    name, rest = _choose(words)
    command = _load(name)
    parser = argparse.ArgumentParser(prog=f"meetref {name}", description=_description(command), allow_abbrev=False)
    command.add_arguments(parser)
    return command.run(parser.parse_args(rest))


def _choose(words: list[str]) -> tuple[str, list[str]]:
    """The command's name and its own words; answers --help and --version itself."""
    parser = _parser()
    first = next((number for number, word in enumerate(words) if not word.startswith("-")), len(words))
    parser.parse_args(words[:first])
    if first == len(words):
        parser.print_help(sys.stderr)
        raise SystemExit(Exit.WRONG_COMMAND_LINE)
    name = words[first]
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(COMMANDS)}"
        raise CommandFailed(f"there is no command {name[:40]!r}; {hint}", Exit.WRONG_COMMAND_LINE)
    return name, words[first + 1 :]


def _parser() -> argparse.ArgumentParser:
    commands = "\n".join(f"  {name:<9} {what}" for name, what in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="meetref",
        usage="meetref [--version] [--traceback] COMMAND ...",
        description="A complete video-conferencing system, written to be read.",
        epilog=f"commands:\n{commands}\n\n`meetref COMMAND --help` tells more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"meetref {meetref.__version__}")
    parser.add_argument("--traceback", action="store_true", help="show where an unexpected error came from")
    return parser


def _load(name: str) -> Command:
    module = f"meetref.app.{name}"
    try:
        return cast(Command, importlib.import_module(module))
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.startswith("meetref"):
            raise CommandFailed(
                f"{name} is not part of this installation (no {error.name})", Exit.UNSUPPORTED
            ) from None
        raise CommandFailed(f"{name} needs the Python package {error.name}", Exit.UNSUPPORTED) from None


def _description(command: Command) -> str:
    return (command.__doc__ or "").strip().partition("\n\n")[0]


def _reader_left() -> int:
    """Whoever read our output has enough (`| head`): let the interpreter's last flush go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return Exit.DONE


def _sentence(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return f"unexpected {type(error).__name__}: {str(error)[:500]}"


def _report(sentence: str, code: int = Exit.DOES_NOT_HOLD) -> int:
    print(f"meetref: {sentence}", file=sys.stderr)
    return code
