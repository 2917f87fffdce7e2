"""What a server needs before anybody beyond this machine may reach it: TLS, and a secret for its rooms.

Stands on `app/certificates` and `app/tokens`; `app/serve` takes options from here and hands the result to the server.
Source: docs/architecture.md (who may reach them): HTTP on loopback is safe, everything else has to say how it is.
Leaves out: whom the media port answers (`app/server`).
"""

from __future__ import annotations

import argparse
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from meetref.app.certificates import load_tls, make_self_signed_tls
from meetref.app.command import CommandFailed, Exit
from meetref.app.limits import is_loopback
from meetref.app.origin import HostNames, is_name
from meetref.app.tokens import make_admission, make_token, may_record, read_admin_token, read_secret
from meetref.wire.address import canonical_host
from meetref.wire.reader import Malformed
from meetref.wire.signaling import Join

INVITED_FOR = 12 * 3600.0  # seconds, as long as `meetref token` gives when not told otherwise


@dataclass(slots=True, frozen=True)
class Protection:
    """What the door and the rooms are given. `is_public`: somebody beyond this machine may come."""

    hosts: HostNames
    is_public: bool
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    admin_token: str | None = field(default=None, repr=False)
    admit: Callable[[Join], None] | None = None
    may_record: Callable[[Join], bool] = lambda join: True
    invite: Callable[[str, str], dict[str, str]] = lambda room, name: {}


def add_safety_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `meetref serve` that are about who may come in."""
    group = parser.add_argument_group("who may come in")
    group.add_argument("--certificate", type=Path, metavar="FILE", help="TLS certificate with its chain (PEM)")
    group.add_argument("--key", type=Path, metavar="FILE", help="its private key (PEM)")
    group.add_argument("--self-signed", action="store_true", help="TLS with a certificate made now; browsers warn")
    group.add_argument("--room-secret-file", type=Path, metavar="FILE", help="rooms open only with `meetref token`")
    group.add_argument("--admin-token-file", type=Path, metavar="FILE", help="who has it may read /metrics from afar")
    group.add_argument("--host-name", action="append", default=[], metavar="NAME", help="a name of this server")


def check_safety(options: argparse.Namespace) -> None:
    """Refuse to listen beyond loopback without TLS and a room secret. Raises `CommandFailed` with what to add."""
    if (options.certificate is None) != (options.key is None):
        raise _wrong("--certificate and --key belong together")
    if options.self_signed and options.certificate is not None:
        raise _wrong("--self-signed and --certificate exclude each other")
    for name in options.host_name:
        if not is_name(name):
            raise _wrong(f"--host-name: {name[:40]!r} is no name such as meet.example (other alphabets as xn--...)")
    if not is_public(options.listen or ()):
        return
    missing = []  # spec: whip/https
    if options.certificate is None and not options.self_signed:
        missing.append("TLS (--certificate FILE --key FILE, or --self-signed)")
    if options.room_secret_file is None:
        missing.append("a room secret (--room-secret-file FILE)")
    if missing:
        raise _wrong(f"to listen at {', '.join(options.listen)}, others can reach it: add {' and '.join(missing)}")


def protect(options: argparse.Namespace, own_addresses: Sequence[str], wall_clock: Callable[[], float]) -> Protection:
    """Check the options and read the files they name. Raises `CommandFailed`."""
    check_safety(options)
    tls = None
    if options.certificate is not None:
        tls = load_tls(options.certificate, options.key)
    elif options.self_signed:
        names = ["localhost", "127.0.0.1", "::1", *own_addresses, *options.host_name]
        tls = make_self_signed_tls([name.partition("%")[0] for name in names], now=wall_clock())
    secret = read_secret(options.room_secret_file) if options.room_secret_file is not None else None
    admin = read_admin_token(options.admin_token_file) if options.admin_token_file is not None else None
    public = is_public(options.listen or ())
    return Protection(
        hosts=HostNames.told(options.host_name, only_loopback=not public),
        is_public=public,
        tls=tls,
        admin_token=admin,
        admit=make_admission(secret, wall_clock) if secret is not None else None,
        may_record=partial(may_record, secret) if secret is not None else (lambda join: True),
        invite=_inviter(secret, wall_clock) if secret is not None else (lambda room, name: {}),
    )


def _inviter(secret: bytes, wall_clock: Callable[[], float]) -> Callable[[str, str], dict[str, str]]:
    """What the link needs of somebody who watched a webinar and is let in: a token of their own."""

    def invite(room: str, name: str) -> dict[str, str]:
        return {"token": make_token(secret, room=room, name=name, now=wall_clock(), valid_for=INVITED_FOR)}

    return invite


def is_public(listen: Sequence[str]) -> bool:
    """Does one of these addresses let others than this machine in? Raises `CommandFailed` for what is no address."""
    try:
        return not all(is_loopback(canonical_host(host)) for host in listen)
    except Malformed as error:
        raise _wrong(f"--listen: {error.what}") from None


def _wrong(sentence: str) -> CommandFailed:
    return CommandFailed(sentence, Exit.WRONG_COMMAND_LINE)
