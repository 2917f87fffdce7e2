"""Start the server: the page, signaling and media, with an embedded default for everything.

    meetref serve                          a meeting on this machine, with bots in the room `demo`
    meetref serve --listen 0.0.0.0 --self-signed --room-secret-file FILE

Stands on `app/server`; here are the options and the sentences for what can go wrong. What is safe says `app/safety`.
Leaves out: running in the background; the shell and the system's services do that.
Read next: `app/server.py`.
"""

from __future__ import annotations

import argparse
import errno
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import trio

from meetref.app.bot import MAXIMUM_COUNT, be_bots, behaviours_of
from meetref.app.certificates import make_client_tls
from meetref.app.collector import relax_collector
from meetref.app.command import CommandFailed, Exit, first_error
from meetref.app.descriptors import FOR_CONNECTIONS, allow_many
from meetref.app.door import MAXIMUM_CONNECTIONS
from meetref.app.http import check_room_name
from meetref.app.keeping import Keeping, add_keeping_arguments, objects_at, read_days
from meetref.app.keylog import both, open_key_log
from meetref.app.relayaccounts import read_ports
from meetref.app.safety import Protection, add_safety_arguments, protect
from meetref.app.server import CannotOpen, Server, Settings, open_server
from meetref.app.shows import EVERY_ROOM
from meetref.app.stopping import until_terminated
from meetref.app.worker import check_log
from meetref.archive.log import LogUnavailable
from meetref.meeting.channel import ChannelClosed
from meetref.net.capture import Capture, capture_file
from meetref.net.network import KernelNetwork
from meetref.protocol.dtls import Versions
from meetref.protocol.srtp import Engine
from meetref.protocol.videocodecs import VIDEO
from meetref.wire.address import Address, canonical_host
from meetref.wire.reader import Malformed

DEMO_ROOM = "demo"
VERSIONS: dict[str, Versions] = {"any": "1.3 preferred", "1.3": "1.3 only", "1.2": "1.2 only"}
SRTP_ENGINES: dict[str, Engine | None] = {"faster": None, "ours": "ours", "libsrtp": "libsrtp"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `meetref serve`."""
    parser.add_argument("--port", type=int, default=8080, help="TCP port of the page, UDP port of the media (8080)")
    parser.add_argument("--media-port", type=int, metavar="PORT", help="another UDP port for the media")
    parser.add_argument(
        "--listen", action="append", metavar="ADDRESS", help="IP address of the page, may be repeated (127.0.0.1)"
    )
    parser.add_argument(
        "--announce", action="append", default=[], metavar="ADDRESS", help="address that a NAT in front of us has"
    )
    parser.add_argument(
        "--data", type=Path, default=Path("data"), metavar="FOLDER", help="where the log and the recordings are (data)"
    )
    parser.add_argument("--log", metavar="URL", help="keep the log in Kafka instead: kafka://HOST:PORT/TOPIC")
    add_keeping_arguments(parser)
    parser.add_argument("--no-worker", action="store_true", help="compose no recordings here: `meetref worker` does")
    parser.add_argument("--keep-recordings", type=read_days, metavar="DAYS", help="delete them after so long")
    parser.add_argument("--bots", type=int, metavar="N", help="bots in the room demo (3; none where others may come)")
    parser.add_argument(
        "--relay-ports",
        metavar="FIRST-LAST",
        help="UDP ports by which the relay reaches the world, not just this server",
    )
    parser.add_argument("--capture", type=Path, metavar="FILE", help="write a pcapng of the media, with its secrets")
    parser.add_argument("--dtls", choices=VERSIONS, default="any", help="versions of DTLS: any prefers 1.3 (any)")
    parser.add_argument("--srtp", choices=SRTP_ENGINES, default="faster", help="who locks the media (faster)")
    parser.add_argument(
        "--video",
        type=_codecs,
        default=(),
        metavar="CODEC,...",
        help="codecs to take before others: vp8, h264, vp9, av1",
    )
    parser.add_argument(
        "--video-fec", action="store_true", help="protect VP8 pictures by FEC where asking again takes too long"
    )
    parser.add_argument(
        "--hide-headers", action="store_true", help="encrypt RTP headers, too, where the browser takes that (cryptex)"
    )
    add_audience_argument(parser)
    add_safety_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Serve until interrupted. Raises `CommandFailed`."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("trio-websocket").setLevel(logging.ERROR)
    arguments.listen = [_address("--listen", text) for text in arguments.listen or ["127.0.0.1"]]
    arguments.announce = [_address("--announce", text) for text in arguments.announce]
    _check(arguments)
    network = KernelNetwork()
    protection = protect(arguments, network.addresses(), network.wall_clock)
    settings = _settings(arguments, protection)
    if arguments.bots is None:
        arguments.bots = 0 if protection.is_public else 3
    try:
        trio.run(until_terminated, _serve, network, settings, arguments)
    except* OSError as errors:
        raise _explain(first_error(errors)) from None
    except* LogUnavailable as errors:
        where = f"at {arguments.log}" if arguments.log else f"in {arguments.data}"
        raise CommandFailed(f"the event log {where} cannot be used: {first_error(errors)}") from None
    return Exit.DONE


def _settings(arguments: argparse.Namespace, protection: Protection) -> Settings:
    """What the server is told. Raises `CommandFailed`."""
    return Settings(
        listen=arguments.listen,
        port=arguments.port,
        media_port=arguments.media_port,
        only_local=not protection.is_public,
        announce=arguments.announce,
        log=arguments.log or arguments.data / "events.sqlite",
        recordings=arguments.data / "recordings",
        keeping=Keeping(
            arguments.data,
            objects_at(arguments.objects, arguments.data),
            works=not arguments.no_worker,
            days=arguments.keep_recordings,
        ),
        tls=protection.tls,
        hosts=protection.hosts,
        admin_token=protection.admin_token,
        dtls_versions=VERSIONS[arguments.dtls],
        srtp_engine=SRTP_ENGINES[arguments.srtp],
        hides_headers=arguments.hide_headers,
        video=arguments.video,
        video_fec=arguments.video_fec,
        admit=protection.admit or (lambda join: None),
        may_record=protection.may_record,
        any_page=protection.admit is not None,
        webinars=_webinars(arguments.webinar or ()),
        invite=protection.invite,
        relay_ports=read_ports(arguments.relay_ports) if arguments.relay_ports is not None else None,
        maximum_connections=min(MAXIMUM_CONNECTIONS, round(FOR_CONNECTIONS * allow_many())),
    )


def _check(arguments: argparse.Namespace) -> None:
    """Raises `CommandFailed` for what cannot be."""
    for name in ("port", "media_port"):
        if not 0 <= (getattr(arguments, name) or 0) <= 65535:
            raise CommandFailed(f"--{name.replace('_', '-')} goes from 0 to 65535", Exit.WRONG_COMMAND_LINE)
    if not 0 <= (arguments.bots or 0) <= MAXIMUM_COUNT:
        raise CommandFailed(f"--bots goes from 0 to {MAXIMUM_COUNT}", Exit.WRONG_COMMAND_LINE)
    if arguments.hide_headers and arguments.srtp == "libsrtp":
        raise CommandFailed("--srtp libsrtp hides no headers here; choose ours or faster", Exit.WRONG_COMMAND_LINE)
    if arguments.log is not None:
        check_log(arguments.log)


async def _serve(network: KernelNetwork, settings: Settings, arguments: argparse.Namespace) -> None:
    with ExitStack() as stack:
        capture, key_log = None, stack.enter_context(open_key_log(os.environ))
        if arguments.capture is not None:
            offset = network.wall_clock() - trio.current_time()
            capture = stack.enter_context(_open_capture(arguments.capture, offset))
            key_log = both(capture.key_log, key_log)
        settings = replace(settings, key_log=key_log)
        async with open_server(network, settings) as server:
            if capture is not None:
                server.port.take_back()
                capture.attach(server.port.sockets.values())
            relax_collector()
            print(f"meetref is at {_url(server, settings)}   (Ctrl+C stops it)", flush=True)
            if arguments.bots:
                await _demonstrate(network, settings, server, arguments.bots)
            await trio.sleep_forever()


@contextmanager
def _open_capture(path: Path, clock_offset: float) -> Iterator[Capture]:
    with ExitStack() as stack:
        try:
            capture = stack.enter_context(capture_file(path, clock_offset=clock_offset))
        except OSError as error:
            raise CommandFailed(f"the capture {path} cannot be written ({error.strerror}); name another file") from None
        yield capture


async def _demonstrate(network: KernelNetwork, settings: Settings, server: Server, count: int) -> None:
    """Bots in the demo room, so that a person alone sees a lively meeting."""
    here = Address(settings.listen[0], server.http_port)
    try:
        tls = make_client_tls(insecure=True) if settings.tls is not None else None  # the server is this very process
        await be_bots(network, here, DEMO_ROOM, behaviours_of(count, tls=tls))
    except* ChannelClosed as closed:
        logging.getLogger("meetref.bots").warning("the demo's bots cannot join: %s", first_error(closed))


def _url(server: Server, settings: Settings) -> str:
    scheme = "https" if settings.tls is not None else "http"
    host = settings.listen[0]
    shown = "localhost" if host == "127.0.0.1" else f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}:{server.http_port}/{DEMO_ROOM}"


def _explain(error: BaseException) -> CommandFailed:
    if isinstance(error, CannotOpen):
        advice = {
            errno.EADDRINUSE: "is in use by another program; choose another with --port (PORT= with make)",
            errno.EACCES: "is not ours to open; numbers from 1024 on need no privilege",
            errno.EADDRNOTAVAIL: "cannot be opened, it is no address of this machine; `ip address` lists those",
        }.get(error.errno or 0, f"cannot be opened ({error.strerror})")
        return CommandFailed(f"{error.what} {advice}")
    return CommandFailed(f"the server cannot start: {(isinstance(error, OSError) and error.strerror) or error}")


def add_audience_argument(parser: argparse.ArgumentParser) -> None:
    """The option that gives rooms an audience."""
    said = "give this room an audience at /watch/ROOM, or every room; may be repeated"
    parser.add_argument("--webinar", action="append", nargs="?", const=EVERY_ROOM, metavar="ROOM", help=said)


def _webinars(rooms: Sequence[str]) -> frozenset[str]:
    """The rooms with an audience. Raises `CommandFailed`."""
    for room in rooms:
        if room != EVERY_ROOM:
            check_room_name(room)
    return frozenset(rooms)


def _address(option: str, text: str) -> str:
    try:
        return canonical_host(text)
    except Malformed as error:
        raise CommandFailed(f"{option}: {error.what}", Exit.WRONG_COMMAND_LINE) from None


def _codecs(text: str) -> tuple[str, ...]:
    """The names in a list with commas. Raises `argparse.ArgumentTypeError`."""
    names = tuple(name.strip().lower() for name in text.split(","))
    known = {codec.name.lower() for codec in VIDEO}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(sorted(known))}")
    return names
