"""STUN and TURN servers on a command line: `--server URI --user NAME --password WORD`, any number of times.

Stands below the commands that gather candidates. Specification: RFC 7064 and RFC 7065 (the addresses).
Leaves out: reading them from a file; a shell does that.
Read next: `app/doctor.py`, `app/bot.py`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from meetref.app.command import CommandFailed, Exit
from meetref.net.news import Server
from meetref.wire import uri
from meetref.wire.reader import Malformed

Words = list[tuple[str, str]]


class _InOrder(argparse.Action):
    """Keeps options of several names in the order in which they came: a password belongs to the server before it."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        words: Words = [*(getattr(namespace, self.dest) or ()), (self.const, str(values))]
        setattr(namespace, self.dest, words)


def add_server_arguments(parser: argparse.ArgumentParser, option: str = "--server") -> None:
    """Let a command take servers; read them with `servers_of`."""
    for name, what, metavar, help_text in (
        (option, "server", "URI", "such as turn:192.0.2.1?transport=tcp; again for more"),
        ("--user", "user", "NAME", "for the server before it"),
        ("--password", "password", "WORD", "for the server before it"),
    ):
        parser.add_argument(name, action=_InOrder, dest="servers", const=what, metavar=metavar, help=help_text)


def servers_of(arguments: argparse.Namespace) -> list[Server]:
    """The servers, in their order. Raises `CommandFailed` for one that cannot be read."""
    servers: list[Server] = []
    words: Words = arguments.servers or []
    for what, word in words:
        if what == "server":
            try:
                servers.append(Server(uri.parse(word)))
            except Malformed as error:
                raise CommandFailed(f"{word[:80]!r} names no server: {error.what}", Exit.WRONG_COMMAND_LINE) from None
        elif not servers:
            raise CommandFailed(f"--{what} comes after the server that it is for", Exit.WRONG_COMMAND_LINE)
        elif what == "user":
            servers[-1] = replace(servers[-1], username=word)
        else:
            servers[-1] = replace(servers[-1], password=word)
    return servers
