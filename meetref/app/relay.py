"""Run a TURN server by itself: it lends addresses to clients that find no other way to each other.

    meetref relay --user alice:wonder                                   on this machine, for trying
    meetref relay --listen 203.0.113.7 --secret-file FILE --self-signed

Stands on `net/relay`; here are the options. Relaying is closed by default: what is private, and this machine, is opened
by `--allow` alone. `meetref serve` has a relay of its own for its meetings.
Leaves out: RFC 6062, DTLS to clients. Read next: `net/relay.py`, `protocol/relayguard.py`.
"""

from __future__ import annotations

import argparse
import logging
import ssl
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import trio

from meetref.app.certificates import load_tls, make_self_signed_tls
from meetref.app.command import CommandFailed, Exit, first_error
from meetref.app.relayaccounts import JoinedAccounts, read_ports, read_users
from meetref.app.relaydoor import RelayDoor
from meetref.app.stopping import until_terminated
from meetref.app.tokens import read_secret
from meetref.net.addresses import OwnAddresses
from meetref.net.datagram import AVOIDS_FRAGMENTS
from meetref.net.network import KernelNetwork, Network
from meetref.net.port import Port, on_free_number, open_port
from meetref.net.relay import RelayServer
from meetref.net.stream import Listener
from meetref.protocol.authenticator import Authenticator
from meetref.protocol.credentials import Accounts, ExpiringAccounts, FixedAccounts
from meetref.protocol.relay import Relay
from meetref.protocol.relayguard import Guard, read_network
from meetref.protocol.relayguard import Network as AddressRange
from meetref.protocol.relaylimits import Limits
from meetref.wire import turn
from meetref.wire.address import Address, canonical_host
from meetref.wire.reader import Malformed

ANY = {"0.0.0.0": 4, "::": 6}
NONCE_SECRET_SIZE = 16


@dataclass(slots=True, frozen=True, kw_only=True)
class Settings:
    """What a relay is told. `hosts` are own addresses, `outside` maps them to what a NAT in front makes of them.

    `users` and `secrets` are who may come in; `tls` opens `tls_port`.
    """

    hosts: tuple[str, ...]
    port: int = 3478
    tls_port: int = 5349
    realm: str = "meetref"
    users: dict[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[bytes, ...] = field(default=(), repr=False)
    allowed: tuple[AddressRange, ...] = ()
    outside: dict[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    last_channel: int = turn.LAST_CHANNEL


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `meetref relay`."""
    parser.add_argument("--listen", action="append", metavar="ADDRESS", help="own IP address, may be repeated")
    parser.add_argument("--port", type=int, default=3478, help="UDP and TCP port (3478)")
    parser.add_argument("--tls-port", type=int, default=5349, metavar="PORT", help="TCP port for TLS (5349)")
    parser.add_argument("--announce", metavar="ADDRESS", help="address that a NAT in front of us has")
    parser.add_argument("--realm", default="meetref", help="what clients are told their password is for (meetref)")
    who = parser.add_argument_group("who may use it")
    who.add_argument("--user", action="append", default=[], metavar="NAME:PASSWORD", help="may be repeated")
    who.add_argument("--secret-file", type=Path, metavar="FILE", help="shared secret of names that expire")
    what = parser.add_argument_group("what may be relayed")
    what.add_argument("--relay-ports", default="49152-65535", metavar="FIRST-LAST", help="ports to lend (49152-65535)")
    what.add_argument(
        "--allow", action="append", default=[], metavar="NETWORK", help="relay to this private network, too"
    )
    what.add_argument("--user-quota", type=int, default=40, metavar="N", help="allocations of one user (40)")
    what.add_argument("--total-quota", type=int, default=2000, metavar="N", help="allocations of all (2000)")
    what.add_argument(
        "--bandwidth", type=int, default=16_000, metavar="KBPS", help="kilobits a second of one allocation (16000)"
    )
    what.add_argument("--old-channels", action="store_true", help="channel numbers as in RFC 5766, up to 7fff")
    tls = parser.add_argument_group("TLS")
    tls.add_argument("--certificate", type=Path, metavar="FILE", help="TLS certificate with its chain (PEM)")
    tls.add_argument("--key", type=Path, metavar="FILE", help="its private key (PEM)")
    tls.add_argument("--self-signed", action="store_true", help="TLS with a certificate made now; browsers refuse it")


def run(arguments: argparse.Namespace) -> int:
    """Relay until interrupted. Raises `CommandFailed`."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s", datefmt="%H:%M:%S")
    network = KernelNetwork()
    settings = read_settings(arguments, network)
    try:
        trio.run(until_terminated, _relay, network, settings)
    except* OSError as errors:
        raise CommandFailed(f"the relay cannot start: {first_error(errors)}") from None
    return Exit.DONE


def read_settings(arguments: argparse.Namespace, network: Network) -> Settings:
    """Check the options and read the files they name. Raises `CommandFailed`."""
    hosts = tuple(host for text in arguments.listen or ["127.0.0.1"] for host in _hosts(text, network))
    users = read_users(arguments.user)
    secrets = (read_secret(arguments.secret_file),) if arguments.secret_file is not None else ()
    if not users and not secrets:
        raise _wrong("an open relay serves nobody well: add --user NAME:PASSWORD or --secret-file FILE")
    if min(arguments.user_quota, arguments.total_quota, arguments.bandwidth) < 1:
        raise _wrong("--user-quota, --total-quota and --bandwidth are 1 at least: with less nobody is served")
    first, last = read_ports(arguments.relay_ports)
    return Settings(
        hosts=hosts,
        port=arguments.port,
        tls_port=arguments.tls_port,
        realm=arguments.realm,
        users=users,
        secrets=secrets,
        allowed=tuple(_network(text) for text in arguments.allow),
        outside=_outside(arguments.announce, hosts),
        limits=Limits(
            allocations=arguments.total_quota,
            allocations_per_user=arguments.user_quota,
            bytes_per_second=arguments.bandwidth * 125.0,
            burst_bytes=max(64_000.0, arguments.bandwidth * 62.5),
            first_port=first,
            last_port=last,
        ),
        tls=_tls(arguments, hosts, network),
        last_channel=turn.LAST_OLD_CHANNEL if arguments.old_channels else turn.LAST_CHANNEL,
    )


def make_relay(network: Network, settings: Settings) -> Relay:
    """The machine that these settings ask for."""
    sources: list[Accounts] = []
    if settings.users:
        sources.append(FixedAccounts(settings.realm, settings.users))
    if settings.secrets:
        sources.append(ExpiringAccounts(settings.secrets, network.wall_clock() - trio.current_time()))
    authenticator = Authenticator(settings.realm, JoinedAccounts(*sources), network.dice(NONCE_SECRET_SIZE))
    own = OwnAddresses(network.addresses)
    guard = Guard(
        is_own=own.holds, relayed=frozenset(settings.hosts), allowed=settings.allowed, outside=settings.outside
    )
    return Relay(
        authenticator,
        guard,
        settings.hosts,
        network.dice,
        limits=settings.limits,
        avoids_fragments=AVOIDS_FRAGMENTS,
        last_channel=settings.last_channel,
    )


async def serve(
    network: Network, settings: Settings, *, task_status: trio.TaskStatus[RelayServer] = trio.TASK_STATUS_IGNORED
) -> None:
    """Relay until cancelled; reports the running server. Raises `OSError` where a port is taken."""
    async with AsyncExitStack() as stack:
        port, listeners = await on_free_number(settings.port, partial(_open, network, settings, stack))
        server = RelayServer(network, make_relay(network, settings), port)
        door = RelayDoor(server, settings.tls)
        async with trio.open_nursery() as nursery:
            await nursery.start(server.run, name="relay")
            nursery.start_soon(server.run_port, name="clients")
            for listener in listeners:
                await nursery.start(door.serve, listener, name=f"tcp {listener.local}")
            task_status.started(server)


async def _open(
    network: Network, settings: Settings, stack: AsyncExitStack, number: int
) -> tuple[Port, list[Listener]]:
    """The UDP port, and TCP under the same number on each of its addresses, and TLS; `stack` has them to close."""
    async with AsyncExitStack() as opened:
        port = await open_port(network, settings.hosts, number)
        opened.callback(port.close)
        listeners = []
        for each in [port.number] + ([settings.tls_port] if settings.tls is not None else []):
            for local in port.locals:
                listener = await network.open_listener(Address(local.host, each))
                opened.push_async_callback(listener.aclose)
                listeners.append(listener)
        stack.push_async_exit(opened.pop_all())
    return port, listeners


async def _relay(network: KernelNetwork, settings: Settings) -> None:
    async with trio.open_nursery() as nursery:
        server = await nursery.start(serve, network, settings)
        where = ", ".join(str(address) for address in server.port.locals)
        tls = f", TLS on port {settings.tls_port}" if settings.tls is not None else ""
        print(f"meetref relays at {where}{tls}   (Ctrl+C stops it)", flush=True)


def _hosts(text: str, network: Network) -> list[str]:
    host = _address("--listen", text)
    if host in ANY:
        return [own for own in network.addresses() if (":" in own) == (ANY[host] == 6)]
    return [host]


def _outside(announce: str | None, hosts: tuple[str, ...]) -> dict[str, str]:
    if announce is None:
        return {}
    outside = _address("--announce", announce)
    return {next((host for host in hosts if (":" in host) == (":" in outside)), hosts[0]): outside}


def _network(text: str) -> AddressRange:
    try:
        return read_network(text)
    except Malformed as error:
        raise _wrong(f"--allow: {error.what}") from None


def _tls(arguments: argparse.Namespace, hosts: tuple[str, ...], network: Network) -> ssl.SSLContext | None:
    if (arguments.certificate is None) != (arguments.key is None):
        raise _wrong("--certificate and --key belong together")
    if arguments.certificate is not None:
        return load_tls(arguments.certificate, arguments.key)
    if arguments.self_signed:
        return make_self_signed_tls(["localhost", *hosts], now=network.wall_clock())
    return None


def _address(option: str, text: str) -> str:
    try:
        return canonical_host(text)
    except Malformed as error:
        raise _wrong(f"{option}: {error.what}") from None


def _wrong(sentence: str) -> CommandFailed:
    return CommandFailed(sentence, Exit.WRONG_COMMAND_LINE)
