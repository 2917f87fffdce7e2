"""Start the server: the page, signaling and media, with an embedded default for everything.

    meetref serve                          a meeting on this machine, with bots in the room `demo`
    meetref serve --listen 0.0.0.0 --self-signed --room-secret-file FILE

Stands on `app/server`; here are the options, what is safe and what is not, and the sentences for what can go wrong.
Read next: `app/server.py`.
"""

from __future__ import annotations

import argparse
import errno
import logging
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import trio

from meetref.app.bot import be_bots, behaviours_of
from meetref.app.command import CommandFailed
from meetref.app.server import Settings, open_server
from meetref.net.capture import capture_file
from meetref.net.network import KernelNetwork
from meetref.wire.address import Address


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=8080, help="TCP port of the page and UDP port of the media (8080)")
    parser.add_argument("--media-port", type=int, help="another UDP port for the media")
    parser.add_argument("--listen", action="append", metavar="ADDRESS", help="address of the page (127.0.0.1 and ::1)")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of the event log (data)")
    parser.add_argument("--bots", type=int, default=3, metavar="N", help="bots in the room demo (3; 0 for none)")
    parser.add_argument(
        "--capture", type=Path, metavar="FILE", help="write a pcapng of the media, with its DTLS secrets"
    )


def run(arguments: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("trio-websocket").setLevel(logging.WARNING)
    settings = Settings(
        listen=tuple(arguments.listen or ("127.0.0.1",)),
        port=arguments.port,
        media_port=arguments.media_port,
        log=arguments.data / "events.sqlite",
    )
    try:
        trio.run(_serve, settings, arguments, strict_exception_groups=True)
    except* OSError as errors:
        error = errors.exceptions[0]
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise CommandFailed(
                f"port {arguments.port} is in use by another program; choose another with --port (PORT= with make)"
            ) from None
        raise
    return 0


async def _serve(settings: Settings, arguments: argparse.Namespace) -> None:
    network = KernelNetwork()
    with ExitStack() as stack:
        capture = None
        if arguments.capture is not None:
            offset = network.wall_clock() - trio.current_time()
            capture = stack.enter_context(capture_file(arguments.capture, clock_offset=offset))
            settings = replace(settings, key_log=capture.key_log)
        async with open_server(network, settings) as server:
            if capture is not None:
                capture.attach(server.port.sockets.values())
            print(f"meetref is at http://localhost:{server.http_port}/demo", flush=True)
            here = Address("127.0.0.1", server.http_port)
            await be_bots(network, here, "demo", behaviours_of(arguments.bots))
            await trio.sleep_forever()
