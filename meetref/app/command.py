"""What a subcommand of `meetref` is: a module with `add_arguments` and `run`.

Stands below every command module of this floor and below the labs; `app/cli` finds, runs and reports them.
Specification: none; the exit codes are an interface that outside programs rely on (docs/commands.md).
Leaves out: options. Each command defines its own, in its own module.
Read next: `app/find.py`, the smallest command.
"""

from __future__ import annotations

import argparse
import json
import sys
from enum import IntEnum
from typing import Any, Protocol


class Exit(IntEnum):
    """What the shell is told."""

    DONE = 0
    DOES_NOT_HOLD = 1
    WRONG_COMMAND_LINE = 2
    UNSUPPORTED = 127


class CommandFailed(Exception):
    """Something outside keeps the command from its work; `args[0]` is a sentence for the person at the terminal."""

    def __init__(self, sentence: str, code: int = Exit.DOES_NOT_HOLD) -> None:
        super().__init__(sentence)
        self.code = code


class Command(Protocol):
    """The two functions of a command module."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it; the answer is the exit code. Raises `CommandFailed` for what the person can mend."""
        ...


def print_json(value: Any) -> None:
    """Write `value` as the one JSON document on standard output."""
    json.dump(value, sys.stdout, indent=2, sort_keys=True, ensure_ascii=False)
    sys.stdout.write("\n")


def first_error(error: BaseException) -> BaseException:
    """The first single error inside groups of groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
