"""Join a room as one or more robots, through the same signaling, ICE, DTLS and SRTP as everybody.

    meetref bot --room demo --count 3

Each bot shows a robot with its name and the time, and hums, its mouth with it; several take turns. `--light` replays
frames that were encoded once, for load; `--silent` sends no sound, `--receive-only` nothing at all. What a bot received
it says when it leaves; with `--record` it sends nothing and writes that down.
Stands on `app/client`; `app/serve` runs three of them in the room `demo`.
Leaves out: reacting to what bots hear. Read next: `app/client.py`.
"""

from __future__ import annotations

import argparse
import os
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count as numbers
from pathlib import Path

import trio

from meetref.app import frames
from meetref.app.certificates import make_client_tls
from meetref.app.client import Client, open_client
from meetref.app.command import CommandFailed, Exit, first_error
from meetref.app.http import check_room_name
from meetref.app.keylog import open_key_log
from meetref.app.onlooker import NAME as RECORDER
from meetref.app.onlooker import look_on
from meetref.app.picture import Painter
from meetref.app.received import in_words
from meetref.app.sender import Sender
from meetref.app.servers import add_server_arguments, servers_of
from meetref.app.sound import Voice, level_of, silence
from meetref.app.stopping import until_terminated
from meetref.archive.recorder import CannotRecord
from meetref.media.codec import SoundEncoder, VideoEncoder, packetize
from meetref.meeting.channel import ChannelClosed
from meetref.net.gathering import Interfaces
from meetref.net.network import KernelNetwork, Network
from meetref.net.news import Server
from meetref.wire import signaling
from meetref.wire.address import Address, canonical_host
from meetref.wire.reader import Malformed

MAXIMUM_COUNT = 100
FRAME_RATE = 20
BITRATE_BPS = 500_000
TURN = 6.0
"""Seconds that one bot hums before the next one does."""
OPENS_AT = (48, 36)
"""Audio levels (decibels below full scale) at which a mouth is half open, and open."""

NAMES = ("Ada", "Blaise", "Cora", "Dirac", "Emmy", "Fibo", "Gauss", "Hypatia", "Ito", "Jacobi")


@dataclass(slots=True, frozen=True, kw_only=True)
class Behaviour:
    """How a bot is. `turn` of `turns` says when it hums; `light` replays ready-made frames. What it sees and hears it
    records below the folder `record`.

    `key_log` is told the secrets of its connections, and `tell`, in a line, what it received when it leaves.
    """

    name: str
    number: int = 0
    turn: int = 0
    turns: int = 1
    silent: bool = False
    receive_only: bool = False
    light: bool = False
    record: Path | None = None
    token: str | None = None
    servers: tuple[Server, ...] = ()
    interfaces: Interfaces = "all"
    host: str = "localhost"
    tls: ssl.SSLContext | None = None
    key_log: Callable[[str], None] | None = field(default=None, repr=False)
    tell: Callable[[str], None] | None = field(default=None, repr=False, compare=False)


async def be_bot(network: Network, server: Address, room: str, behaviour: Behaviour) -> None:
    """Be in the room until cancelled, or until the server says goodbye.

    Raises as `open_client` does, and `CannotRecord` where that was the task.
    """
    sends = not behaviour.receive_only
    join = signaling.Join(
        room=room,
        name=behaviour.name,
        bot=True,
        token=behaviour.token,
        microphone="on" if sends and not behaviour.silent else "none",
        camera="on" if sends else "none",
    )
    async with (
        open_client(
            network,
            server,
            join,
            host=behaviour.host,
            tls=behaviour.tls,
            key_log=behaviour.key_log,
            servers=behaviour.servers,
            interfaces=behaviour.interfaces,
        ) as client,
        trio.open_nursery() as nursery,
    ):
        if sends:
            await perform(client, behaviour, nursery)
        try:
            if behaviour.record is not None:
                await look_on(client, room, behaviour.record, tell=behaviour.tell or str)
            else:
                await client.closed.wait()
        finally:
            if behaviour.tell is not None:
                slots = [receiver.statistics for receiver in client.receivers.values()]
                behaviour.tell(in_words(behaviour.name, slots))
        nursery.cancel_scope.cancel()


async def perform(client: Client, behaviour: Behaviour, nursery: trio.Nursery) -> None:
    """Show a robot and hum, in tasks of `nursery`."""
    sources: list[signaling.Source] = ["camera"] if behaviour.silent else ["microphone", "camera"]
    await client.publish(sources)
    mouth = Mouth()
    show, hum = (show_light, hum_light) if behaviour.light else (mouth.show_picture, mouth.hum)
    nursery.start_soon(show, client.senders["camera"], behaviour, name="picture")
    if not behaviour.silent:
        nursery.start_soon(hum, client.senders["microphone"], behaviour, name="voice")


class Mouth:
    """Sound and picture of one bot: the mouth goes with the voice."""

    def __init__(self) -> None:
        self._level = 127

    async def show_picture(self, sender: Sender, behaviour: Behaviour) -> None:
        """Paint and encode in a thread, a frame at a time."""
        painter = Painter(behaviour.name, behaviour.number)
        encoder = VideoEncoder(painter.width, painter.height, frame_rate=FRAME_RATE, bitrate_bps=BITRATE_BPS)

        def make(number: int, keyframe: bool) -> bytes:
            mouth = sum(self._level < level for level in OPENS_AT)
            return encoder.encode(painter.paint(number, time.strftime("%H:%M:%S"), mouth=mouth), keyframe=keyframe)

        async for number in ticks(1 / FRAME_RATE):
            if sender.ready:
                keyframe, sender.keyframe_wanted = sender.keyframe_wanted, False
                frame = await trio.to_thread.run_sync(make, number, keyframe)
                sender.send(packetize(frame, number), trio.current_time())

    async def hum(self, sender: Sender, behaviour: Behaviour) -> None:
        """Hum when it is this bot's turn, and be silent otherwise."""
        voice, encoder = Voice(behaviour.number), SoundEncoder()
        async for _ in ticks(0.02):
            speaks = int(trio.current_time() / TURN) % behaviour.turns == behaviour.turn
            samples = voice.speak() if speaks else silence()
            self._level = level_of(samples)
            sender.send([encoder.encode(samples)], trio.current_time(), level=self._level)


async def show_light(sender: Sender, behaviour: Behaviour) -> None:
    """Replay the frames; whoever needs a keyframe gets the first one again, and the rest from there."""
    pictures = frames.load().pictures
    place = 0
    async for number in ticks(1 / frames.FRAME_RATE):
        if sender.ready:
            if sender.keyframe_wanted:
                place, sender.keyframe_wanted = 0, False
            sender.send(packetize(pictures[place], number), trio.current_time())
            place = (place + 1) % len(pictures)


async def hum_light(sender: Sender, behaviour: Behaviour) -> None:
    """Replay the ready-made sound."""
    sounds = frames.load().sounds
    async for number in ticks(0.02):
        sound, level = sounds[number % len(sounds)]
        sender.send([sound], trio.current_time(), level=level)


class ticks:  # noqa: N801 - reads as a verb in `async for`
    """0, 1, 2, ... every `interval` seconds; what is late is caught up with, not added."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._numbers = numbers()
        self._start: float | None = None

    def __aiter__(self) -> ticks:
        return self

    async def __anext__(self) -> int:
        if self._start is None:
            self._start = trio.current_time()
        number = next(self._numbers)
        await trio.sleep_until(self._start + number * self._interval)
        return number


async def be_bots(network: Network, server: Address, room: str, behaviours: list[Behaviour]) -> None:
    """Be several, each a task of its own."""
    async with trio.open_nursery() as nursery:
        for behaviour in behaviours:
            nursery.start_soon(be_bot, network, server, room, behaviour, name=behaviour.name)


def behaviours_of(
    count: int,
    *,
    silent: bool = False,
    receive_only: bool = False,
    light: bool = False,
    record: Path | None = None,
    token: str | None = None,
    servers: tuple[Server, ...] = (),
    interfaces: Interfaces = "all",
    host: str = "localhost",
    tls: ssl.SSLContext | None = None,
    key_log: Callable[[str], None] | None = None,
    tell: Callable[[str], None] | None = None,
) -> list[Behaviour]:
    """So many bots, which take turns."""
    return [
        Behaviour(
            name=RECORDER if record is not None else NAMES[index] if index < len(NAMES) else f"Bot {index + 1}",
            number=index % 16,
            turn=index,
            turns=count,
            silent=silent,
            receive_only=receive_only or record is not None,
            light=light,
            record=record,
            servers=servers,
            interfaces=interfaces,
            host=host,
            tls=tls,
            key_log=key_log,
            tell=tell,
            token=token,
        )
        for index in range(count)
    ]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--server", default="127.0.0.1", metavar="ADDRESS", help="IP address of the server (127.0.0.1)")
    parser.add_argument("--port", type=int, default=8080, help="its TCP port (8080)")
    parser.add_argument("--tls", action="store_true", help="the server has TLS, and a certificate for its --host")
    parser.add_argument("--host", default="localhost", metavar="NAME", help="what the server is called (localhost)")
    parser.add_argument("--insecure", action="store_true", help="TLS with any certificate, such as a self-signed one")
    parser.add_argument("--room", default="demo", help="the room to join (demo)")
    parser.add_argument("--count", type=int, default=1, help="how many bots (1)")
    parser.add_argument("--token", help="the token, where the room needs one")
    parser.add_argument("--silent", action="store_true", help="send no sound")
    parser.add_argument("--receive-only", action="store_true", help="send nothing")
    parser.add_argument(
        "--record",
        type=Path,
        metavar="FOLDER",
        help="record what is seen and heard in a new folder there; sends nothing",
    )
    parser.add_argument("--light", action="store_true", help="replay frames that were encoded once")
    add_server_arguments(parser, "--turn")
    parser.add_argument("--policy", choices=("all", "relay"), default="all", help="relay: only through a relay (all)")
    parser.add_argument("--seconds", type=float, help="leave after so long")


def run(arguments: argparse.Namespace) -> int:
    _check(arguments)
    try:
        trio.run(until_terminated, _run, arguments)
    except* ChannelClosed as closed:
        raise CommandFailed(f"the server does not let the bots in: {first_error(closed)}") from None
    except* CannotRecord as refused:
        raise CommandFailed(f"nothing is recorded: {first_error(refused)}") from None
    except* OSError:  # Trio tells of a refused connection by this one, which has no number
        raise CommandFailed(
            f"nobody answers at {arguments.server} port {arguments.port}; is the server running (make meet)?"
        ) from None
    return 0


def _check(arguments: argparse.Namespace) -> None:
    """Raises `CommandFailed` for a command line that can lead nowhere."""
    if not 1 <= arguments.count <= MAXIMUM_COUNT:
        raise CommandFailed(f"--count goes from 1 to {MAXIMUM_COUNT}", Exit.WRONG_COMMAND_LINE)
    if arguments.record is not None and arguments.count != 1:
        raise CommandFailed("--record is for one bot, which sees all that another one would", Exit.WRONG_COMMAND_LINE)
    if not 1 <= arguments.port <= 65535:
        raise CommandFailed("--port goes from 1 to 65535", Exit.WRONG_COMMAND_LINE)
    if arguments.seconds is not None and not arguments.seconds >= 0:
        raise CommandFailed(f"--seconds is how long to stay, not {arguments.seconds}", Exit.WRONG_COMMAND_LINE)
    try:
        arguments.server = canonical_host(arguments.server)
    except Malformed as error:
        raise CommandFailed(f"--server: {error.what[:100]}", Exit.WRONG_COMMAND_LINE) from None
    check_room_name(arguments.room)


async def _run(arguments: argparse.Namespace) -> None:
    server = Address(arguments.server, arguments.port)
    with open_key_log(os.environ) as key_log:
        behaviours = behaviours_of(
            arguments.count,
            silent=arguments.silent,
            receive_only=arguments.receive_only,
            light=arguments.light,
            record=arguments.record,
            servers=tuple(servers_of(arguments)),
            interfaces="none" if arguments.policy == "relay" else "all",
            token=arguments.token,
            host=arguments.host,
            tls=make_client_tls(insecure=arguments.insecure) if arguments.tls or arguments.insecure else None,
            key_log=key_log,
            tell=print,
        )
        with trio.move_on_after(arguments.seconds if arguments.seconds is not None else float("inf")):
            await be_bots(KernelNetwork(), server, arguments.room, behaviours)
