"""DTLS with a program of somebody else's stack: `meet` plays one handshake and tells what both sides say of it.

Each program is the client or the server, prints one line of JSON when it is done (version, group, SRTP profile, the
first octets of the exported keys, what it received), and as server sends one message back. Between it and us there may
be a bad wire.
Read next: tests/peers/native.py (C and Rust), tests/peers/pion_dtls/main.go, tests/peers/bad_wire.py.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import trio

from meetref.protocol import dtls
from meetref.protocol.association import Connected
from meetref.wire import dtls as records
from meetref.wire.address import Address
from meetref.wire.extension import Cookie, WantedGroup, find_extension
from meetref.wire.handshake13 import CLIENT_HELLO, SERVER_HELLO
from meetref.wire.reader import Malformed, Reader
from meetref.wire.tls import SRTP_PROFILES, parse_server_hello
from tests.peers.bad_wire import BadWire, open_bad_wire
from tests.peers.dtls_loop import Door, Program, free_port, make_identity, open_door, open_program
from tests.peers.gobuild import built
from tests.peers.native import NATIVES

Role = Literal["client", "server"]
PROFILES: dict[Any, int] = {name: number for number, name in SRTP_PROFILES.items()} | {
    "SRTP_AES128_CM_SHA1_80": 1,
    "AES128_CM_SHA1_80": 1,
    "AEAD_AES_128_GCM": 7,
    "AEAD_AES_256_GCM": 8,
    1: 1,
    7: 7,
    8: 8,
}
PATIENCE = 60.0


def program_of(name: str) -> Path:
    """Where it is; the first time it is built, which takes up to some minutes."""
    return built("pion_dtls") if name == "pion" else NATIVES[name].path()


@asynccontextmanager
async def wire_to(target: Address, seed: int | None) -> AsyncIterator[BadWire | None]:
    """A bad wire of that seed; None where there is to be none."""
    if seed is None:
        yield None
    else:
        async with open_bad_wire(seed, target) as wire:
            yield wire


async def meet(
    tmp_path: Path,
    name: str,
    role: Role,
    *words: str,
    versions: str = "1.3 only",
    seed: int | None = None,
    **settings: Any,
) -> tuple[Connected, dict[str, Any], Door]:
    """Play a handshake in which we are `role`, over a bad wire if there is a `seed`; what we say of it, and they."""
    identity = make_identity(tmp_path, "P-256")
    for found, wanted in zip(identity, ("key.pem", "cert.pem"), strict=True):
        os.link(found, tmp_path / wanted)
    path = await trio.to_thread.run_sync(program_of, name)
    settings |= {"kind": dtls.Endpoint, "versions": versions}

    def command(other: Role, port: int) -> list[str]:
        return ["sh", "-c", f"cd {tmp_path} && exec {path} " + " ".join((other, str(port), *words))]

    with trio.fail_after(PATIENCE):
        if role == "server":
            async with open_door("server", **settings) as door, wire_to(door.local, seed) as wire:
                port = (wire.address if wire is not None else door.local).port
                async with open_program(command("client", port)) as program:
                    connected = await door.until(Connected)
                    await door.until(lambda: door.received() == b"hello")
                    await door.say(b"hello")
                    return connected, await result(program), door
        port = await free_port()
        async with open_program(command("server", port)) as program, wire_to(Address("127.0.0.1", port), seed) as wire:
            # It says nothing when it listens: a hello that comes too early is repeated.
            remote = wire.address if wire is not None else Address("127.0.0.1", port)
            async with open_door("client", remote=remote, **settings) as door:
                connected = await door.until(Connected)
                await say_until(door, b"hello", lambda: door.until(lambda: bool(door.received())))
                return connected, await result(program), door


async def say_until(door: Door, data: bytes, arrives: Callable[[], Awaitable[object]]) -> None:
    """Over a bad wire the other side may still lack the end of the handshake when the first data come: say it again."""
    while True:
        await door.say(data)
        with trio.move_on_after(0.5):
            await arrives()
            return


async def result(program: Program) -> dict[str, Any]:
    found: dict[str, Any] = json.loads("{" + await program.until("{"))
    return found


def agrees(connected: Connected, theirs: dict[str, Any], door: Door, version: str = "1.3") -> None:
    """The same version and profile, the same exported octets, a certificate on each side; and the data arrived."""
    assert connected.version == version
    assert version in theirs["version"].replace("_", ".")
    assert theirs["app"] == "hello"
    assert theirs.get("peer_cert") is True or theirs.get("peer_cert_len", 0) > 100
    assert connected.peer_certificate
    profile = connected.srtp_profile
    assert profile is not None
    assert PROFILES[theirs["srtp"]] == profile
    keys = connected.srtp_keys
    assert keys is not None
    clients = keys.local_key if door.endpoint.role == "client" else keys.remote_key
    assert clients[:8].hex() == theirs["exporter"]


def asked_again_for(door: Door) -> set[str]:
    """What the HelloRetryRequests of this handshake wanted, ours or theirs: "cookie", "group"."""
    wanted = set()
    for fragment in plain_fragments(door):
        if fragment.type == SERVER_HELLO and len(fragment.body) == fragment.length:
            hello = parse_server_hello(Reader(fragment.body))
            if hello.is_retry:
                wanted |= {"cookie"} if find_extension(hello.extensions, Cookie) is not None else set()
                wanted |= {"group"} if find_extension(hello.extensions, WantedGroup) is not None else set()
    return wanted


def hello_was_in_fragments(door: Door) -> bool:
    return any(each.type == CLIENT_HELLO and len(each.body) < each.length for each in plain_fragments(door))


def plain_fragments(door: Door) -> list[records.Fragment]:
    """The fragments that travelled in the clear, both ways."""
    found: list[records.Fragment] = []
    for data in door.datagrams:
        try:
            for record in records.mixed_records(data):
                if isinstance(record, records.Record) and record.content_type == records.HANDSHAKE:
                    found += records.fragments(record.payload)
        except Malformed:
            pass  # a record of 1.2 that 1.3 does not have
    return found
