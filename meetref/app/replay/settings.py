"""What the command line of `meetref vectors replay` says: which target, how to come in, how it is configured.

A target is somebody's: its passwords, quotas and time limits are its own, so they are told here, and cases that need
something else of it are not tried. Stands below `app/replay/command`. Specification: docs/vectors.md.
Read next: `app/replay/command.py`.
"""

from __future__ import annotations

import argparse
import math
import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from meetref.app.command import CommandFailed, Exit
from meetref.app.relayaccounts import read_users
from meetref.app.tokens import read_secret
from meetref.protocol.check import UFRAG, Credentials
from meetref.wire.address import Address, canonical_host
from meetref.wire.reader import Malformed

TURN_OPTIONS = ("over", "user", "secret_file", "user_quota", "total_quota", "nonce_lasts")
ICE_OPTIONS = ("ufrag", "password", "own_ufrag")
WHIP_OPTIONS = ("whip", "whep", "token")
PATIENCE = 10.0  # seconds that a case may take unless told otherwise
LONGEST_TEXT = 60


@dataclass(slots=True, frozen=True, kw_only=True)
class Settings:
    """`users` are two at most, of whom the second is needed by a few cases; times are seconds."""

    stem: str
    target: Address
    time: float = PATIENCE
    over: Literal["udp", "tcp"] = "udp"
    users: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    secret: bytes | None = field(default=None, repr=False)
    user_quota: int | None = None
    total_quota: int | None = None
    nonce_lasts: float | None = None
    credentials: Credentials | None = None
    own_ufrag: str | None = None
    paths: tuple[tuple[str, str], ...] = ()
    token: str | None = field(default=None, repr=False)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options for every target, and those of each kind."""
    parser.add_argument("--target", required=True, metavar="HOST:PORT", help="where it listens")
    parser.add_argument("--anywhere", action="store_true", help="allow a target that is not on this machine's loopback")
    parser.add_argument("--time", metavar="SECONDS", help=f"try cases that take up to so long ({PATIENCE:.0f})")
    parser.add_argument("--json", action="store_true", help="write every outcome as JSON")
    parser.add_argument("--every", action="store_true", help="tell of the cases that passed, too")
    turn = parser.add_argument_group("a TURN server")
    turn.add_argument("--over", choices=("udp", "tcp"), help="how to get there (udp)")
    turn.add_argument(
        "--user", action="append", metavar="NAME:PASSWORD", help="an account there; a few cases need a second one"
    )
    turn.add_argument("--secret-file", type=Path, metavar="FILE", help="or the secret of names that expire")
    turn.add_argument("--user-quota", metavar="N", help="allocations that it gives one user; cases want 2")
    turn.add_argument("--total-quota", metavar="N", help="allocations that it gives all users; cases want 1")
    turn.add_argument("--nonce-lasts", metavar="SECONDS", help="when its nonces grow stale")
    ice = parser.add_argument_group("an ICE agent that is lite, or controlled")
    ice.add_argument("--ufrag", metavar="UFRAG", help="its user fragment")
    ice.add_argument("--password", metavar="PASSWORD", help="its password")
    ice.add_argument("--own-ufrag", metavar="UFRAG", help="the user fragment that it was told is ours (made up)")
    whip = parser.add_argument_group("a server of WHIP or WHEP")
    whip.add_argument("--whip", metavar="PATH", help="where one publishes there, such as /whip/ROOM")
    whip.add_argument("--whep", metavar="PATH", help="where one watches")
    whip.add_argument("--token", metavar="TOKEN", help="a bearer token that it wants")


def read_settings(arguments: argparse.Namespace) -> Settings:
    """Check the options. Raises `CommandFailed`."""
    stem = arguments.stem
    _refuse_foreign(arguments)
    target = read_target(arguments.target, anywhere=arguments.anywhere)
    users, secret = _accounts(arguments) if stem == "turn" else ((), None)
    return Settings(
        stem=stem,
        target=target,
        time=PATIENCE if arguments.time is None else _seconds("--time", arguments.time),
        over=arguments.over or "udp",
        users=users,
        secret=secret,
        user_quota=_count("--user-quota", arguments.user_quota),
        total_quota=_count("--total-quota", arguments.total_quota),
        nonce_lasts=None if arguments.nonce_lasts is None else _seconds("--nonce-lasts", arguments.nonce_lasts),
        credentials=_credentials(arguments) if stem == "ice" else None,
        own_ufrag=arguments.own_ufrag,
        paths=_paths(arguments) if stem == "whip" else (),
        token=arguments.token,
    )


def read_target(text: str, *, anywhere: bool) -> Address:
    """The address in `text`. Raises `CommandFailed`, also for one that is not loopback unless that is allowed."""
    host, _, port = text.rpartition(":")
    try:
        address = Address(canonical_host(host.strip("[]")), int(port))
    except (Malformed, ValueError):
        raise _wrong(f"{_short(text)} is no address and port") from None
    if not 0 < address.port < 65536:
        raise _wrong(f"{_short(port)} is no port")
    if not anywhere and not ip_address(address.host).is_loopback:
        raise _wrong(f"{address} is not on this machine; say --anywhere if its owner agrees to be sent broken messages")
    return address


def _refuse_foreign(arguments: argparse.Namespace) -> None:
    """An option that is for another kind of target is a mistake, and would be silently without effect."""
    for stem, options in (("turn", TURN_OPTIONS), ("ice", ICE_OPTIONS), ("whip", WHIP_OPTIONS)):
        for name in options:
            if arguments.stem != stem and getattr(arguments, name) is not None:
                raise _wrong(f"--{name.replace('_', '-')} is for {stem}, not for {arguments.stem}")


def _accounts(arguments: argparse.Namespace) -> tuple[tuple[tuple[str, str], ...], bytes | None]:
    users = tuple(read_users(arguments.user or ()).items())
    if bool(users) == (arguments.secret_file is not None):
        raise _wrong("a TURN server wants an account: say --user NAME:PASSWORD, or --secret-file FILE")
    if len(users) > 2:
        raise _wrong(f"two users are enough, and {len(users)} were told")
    return users, None if arguments.secret_file is None else read_secret(arguments.secret_file)


def _credentials(arguments: argparse.Namespace) -> Credentials:
    if not arguments.ufrag or not arguments.password:
        raise _wrong("an ICE agent answers who knows its credentials: say --ufrag UFRAG and --password PASSWORD")
    credentials = Credentials(arguments.ufrag, arguments.password)
    own = arguments.own_ufrag
    if not credentials.are_sound or (own is not None and not UFRAG.fullmatch(own)):
        sentence = "a user fragment has 4 to 256 letters, digits, + and /, a password 22 to 256 of them"
        raise _wrong(sentence)
    return credentials


def _paths(arguments: argparse.Namespace) -> tuple[tuple[str, str], ...]:
    paths = tuple((kind, path) for kind in ("whip", "whep") if (path := getattr(arguments, kind)) is not None)
    if not paths:
        raise _wrong("say where: --whip PATH, --whep PATH, or both")
    for kind, path in paths:
        if not re.fullmatch(r"/[!-~]{0,500}", path):
            raise _wrong(f"--{kind}: {_short(path)} is no path such as /{kind}/algebra")
    return paths


def _count(option: str, text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdecimal() or not text.isascii() or not 0 < len(text) < 10:
        raise _wrong(f"{option}: {_short(text)} is no number")
    return int(text)


def _seconds(option: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < 1e6:
        raise _wrong(f"{option}: {_short(text)} is no number of seconds")
    return seconds


def _short(text: str) -> str:
    return ascii(text[:LONGEST_TEXT])


def _wrong(sentence: str) -> CommandFailed:
    return CommandFailed(sentence, Exit.WRONG_COMMAND_LINE)
