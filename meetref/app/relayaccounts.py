"""What the command line says of a relay: named users, names that expire, or both, and the ports it may lend.

Stands on `protocol/credentials`; below `app/relay` and `app/serve`. Specification: draft-uberti-rtcweb-turn-rest-00.
Leaves out: accounts in a database; whoever has one makes expiring names with the shared secret.
Read next: `protocol/credentials.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from meetref.app.command import CommandFailed, Exit
from meetref.protocol.credentials import Accounts


class JoinedAccounts:
    """Several sources of accounts as one: a name may be known to any of them."""

    def __init__(self, *sources: Accounts) -> None:
        self._sources = sources
        # A client asked to hide its name must be found again, whichever source it is of.
        self.hashed = all(source.hashed for source in sources)

    def passwords(self, username: str, now: float) -> Sequence[str]:
        return [password for source in self._sources for password in source.passwords(username, now)]

    def username(self, userhash: bytes) -> str | None:
        names = (source.username(userhash) for source in self._sources)
        return next((name for name in names if name is not None), None)


def read_ports(text: str) -> tuple[int, int]:
    """FIRST-LAST, the ports that a relay may lend. Raises `CommandFailed`."""
    first, _, last = text.partition("-")
    if first.isdecimal() and last.isdecimal() and 1024 <= int(first) <= int(last) <= 65535:
        return int(first), int(last)
    raise CommandFailed("--relay-ports takes FIRST-LAST, two numbers from 1024 to 65535", Exit.WRONG_COMMAND_LINE)


def read_users(pairs: Sequence[str]) -> dict[str, str]:
    """NAME:PASSWORD pairs. Raises `CommandFailed`."""
    users = {}
    for pair in pairs:
        name, colon, password = pair.partition(":")
        if not name or not colon or not password:
            raise CommandFailed("--user takes NAME:PASSWORD", Exit.WRONG_COMMAND_LINE)
        users[name] = password
    return users
