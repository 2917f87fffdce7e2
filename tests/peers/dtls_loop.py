"""One endpoint on one UDP socket of loopback, and programs beside it: what the DTLS peer tests stand on.

Deliberately not `net/driver`: a peer test that fails should point at the protocol, not at the loop under it.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

import trio

from meetref.protocol.certificate import Certificate
from meetref.protocol.handshake12 import Closed, Connected, Endpoint, Failed, Received
from meetref.protocol.machine import Datagram, Event, Ignored
from meetref.wire.address import Address

LABEL = "EXTRACTOR-dtls_srtp"


class Door:
    """A socket and an endpoint. As server it answers whoever sends first; as client it speaks to `remote`."""

    def __init__(
        self,
        socket: trio.socket.SocketType,
        role: Literal["client", "server"],
        kind: Callable[..., Any] = Endpoint,
        **settings: Any,
    ) -> None:
        self.socket = socket
        self.local = Address(*socket.getsockname()[:2])
        self.key_log: list[str] = []
        self.happened: list[Event] = []
        self.ignored: list[str] = []
        self.datagrams: list[bytes] = []
        self._changed = trio.Event()
        nowhere = Address("127.0.0.1", 0)
        settings = {"address_verified": True, "remote": nowhere} | settings
        certificate = Certificate.generate(os.urandom, now_wall=trio.current_time() + 1.8e9)
        self.endpoint = kind(
            role=role,
            certificate=certificate,
            dice=os.urandom,
            local=self.local,
            key_log=self.key_log.append,
            **settings,
        )

    async def run(self) -> None:
        self.endpoint.start(trio.current_time())
        await self.flush()
        while True:
            with trio.move_on_at(self.endpoint.next_timeout()):
                data, source = await self.socket.recvfrom(65536)
                self.datagrams.append(data)
                self.endpoint.remote = Address(*source[:2])
                self.endpoint.receive_datagram(Datagram(data, self.local, self.endpoint.remote), trio.current_time())
            if self.endpoint.next_timeout() <= trio.current_time():
                self.endpoint.handle_timeout(trio.current_time())
            await self.flush()

    async def flush(self) -> None:
        for datagram in self.endpoint.transmits():
            self.datagrams.append(datagram.data)
            await self.socket.sendto(datagram.data, tuple(datagram.remote))
        for event in self.endpoint.events():
            if isinstance(event, Ignored):
                self.ignored.append(event.why)
            else:
                self.happened.append(event)
        self._changed.set()
        self._changed = trio.Event()

    async def until(self, wanted: type[Event] | Callable[[], bool]) -> Any:
        """Wait until such an event has come, or until the condition holds. Fails when the association does."""
        while True:
            if isinstance(wanted, type):
                found = next((event for event in self.happened if isinstance(event, wanted)), None)
                if found is not None:
                    return found
            elif wanted():
                return None
            over = next((event for event in self.happened if isinstance(event, Failed | Closed)), None)
            assert over is None, over
            await self._changed.wait()

    def received(self) -> bytes:
        return b"".join(event.data for event in self.happened if isinstance(event, Received))

    async def say(self, data: bytes) -> None:
        self.endpoint.send(data, trio.current_time())
        await self.flush()

    async def close(self) -> None:
        self.endpoint.close(trio.current_time())
        await self.flush()


class Program:
    """A child process whose output is read as it comes."""

    def __init__(self, process: trio.Process) -> None:
        self.process = process
        self.output = ""
        self._changed = trio.Event()

    async def read(self, stream: trio.abc.ReceiveStream) -> None:
        async for data in stream:
            self.output += data.decode(errors="replace")
            self._changed.set()
            self._changed = trio.Event()
        self.output += "\n[end of output]"
        self._changed.set()

    async def until(self, text: str) -> str:
        """Wait until the program has printed `text`; what follows it on its line."""
        while text not in self.output or "\n" not in self.output.split(text, 1)[1]:
            assert "[end of output]" not in self.output, self.output
            await self._changed.wait()
        return self.output.split(text, 1)[1].splitlines()[0].strip()

    async def say(self, text: str) -> None:
        assert self.process.stdin is not None
        await self.process.stdin.send_all(text.encode())


@asynccontextmanager
async def open_door(role: Literal["client", "server"], **settings: Any) -> AsyncIterator[Door]:
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as socket:
        await socket.bind(("127.0.0.1", 0))
        door = Door(socket, role, **settings)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(door.run)
            yield door
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def open_program(command: Sequence[str], **environment: str) -> AsyncIterator[Program]:
    async with trio.open_nursery() as nursery:
        run = partial(
            trio.run_process,
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            env=os.environ | environment,
        )
        process: trio.Process = await nursery.start(run)
        program = Program(process)
        assert process.stdout is not None
        nursery.start_soon(program.read, process.stdout)
        try:
            yield program
        finally:
            process.kill()


async def free_port() -> int:
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as socket:
        await socket.bind(("127.0.0.1", 0))
        port: int = socket.getsockname()[1]
        return port


def make_identity(folder: Path, kind: str) -> tuple[str, str]:
    """A key and a certificate made by OpenSSL: "P-256", "P-384" or "RSA"."""
    key, certificate = folder / f"{kind}.key", folder / f"{kind}.pem"
    algorithm = ["rsa:2048"] if kind == "RSA" else ["ec", "-pkeyopt", f"ec_paramgen_curve:{kind}"]
    subprocess.run(
        [
            *["openssl", "req", "-x509", "-nodes", "-subj", "/CN=peer", "-newkey"],
            *algorithm,
            "-keyout",
            key,
            "-out",
            certificate,
        ],
        check=True,
        capture_output=True,
    )
    return str(key), str(certificate)


__all__ = ["LABEL", "Closed", "Connected", "Door", "Failed", "free_port", "make_identity", "open_door", "open_program"]
