"""STUN with coturn: its client asks our server, our client asks its server, over UDP and TCP, with every credential."""

from __future__ import annotations

import secrets
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import trio

from meetref.net.datagram import KernelDatagramSocket
from meetref.net.driver import Driver, drive_socket
from meetref.net.stream import open_kernel_stream
from meetref.protocol.account import Account, Credentials
from meetref.protocol.binding import answer_binding
from meetref.protocol.credentials import ExpiringAccounts
from meetref.protocol.machine import Datagram, Event
from meetref.protocol.stun import Answered, Client, Failed, mapped_address
from meetref.wire import stun
from meetref.wire.address import Address
from tests.peers.coturn import turnserver

pytestmark = pytest.mark.peer("coturn")

LOOPBACK = Address("127.0.0.1", 0)
PATIENCE = 20.0  # seconds for a whole test
ACCOUNT = ("-a", "-u", "alice:wonder", "-r", "example.org", "--secure-stun")


async def serve_binding(socket: KernelDatagramSocket) -> None:
    while True:
        for datagram in await socket.receive():
            said = answer_binding(datagram.data, datagram.remote)
            if isinstance(said, bytes):
                socket.send((said,), datagram.remote)


async def ask_udp(server: Address, credentials: Credentials | None = None, times: int = 1) -> tuple[Event, Address]:
    """Ask for a mapping `times` times one after the other; the last event, and where we asked from."""
    socket = KernelDatagramSocket(LOOPBACK)
    machine = Client(socket.local, server, secrets.token_bytes, credentials)
    send, receive = trio.open_memory_channel[Event](100)

    def deliver(event: Event) -> None:
        if isinstance(event, Answered | Failed):
            send.send_nowait(event)

    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            driver: Driver = await nursery.start(partial(drive_socket, machine, socket, deliver))
            for _ in range(times):
                machine.ask_mapping(trio.current_time())
                driver.turn(trio.current_time())
                event = await receive.receive()
            nursery.cancel_scope.cancel()
    socket.close()
    return event, socket.local


async def ask_tcp(server: Address, credentials: Credentials | None = None) -> tuple[Event, Address]:
    """The same over a stream, on which messages follow each other without anything between them."""
    with trio.fail_after(PATIENCE):
        async with await open_kernel_stream(server) as stream:
            local = Address(*stream.socket.getsockname()[:2])
            machine = Client(local, server, secrets.token_bytes, credentials, reliable=True)
            machine.ask_mapping(trio.current_time())
            unread = b""
            while True:
                for datagram in machine.transmits():
                    await stream.send_all(datagram.data)
                for event in machine.events():
                    if isinstance(event, Answered | Failed):
                        return event, local
                unread += await stream.receive_some(4096)
                while (size := stun.message_size(unread)) is not None and len(unread) >= size:
                    machine.receive_datagram(Datagram(unread[:size], local, server), trio.current_time())
                    unread = unread[size:]


def seen(result: tuple[Event, Address]) -> bool:
    """Whether the server saw us where we are: there is no NAT on loopback."""
    event, local = result
    assert isinstance(event, Answered), event
    return mapped_address(event.message) == local


@pytest.mark.spec("stun/bare-server", "stun/mapped-address")
async def test_its_client_understands_our_server() -> None:
    socket = KernelDatagramSocket(LOOPBACK)
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve_binding, socket)
            command = ["turnutils_stunclient", "-p", str(socket.local.port), socket.local.host]
            said = await trio.run_process(command, capture_stdout=True, capture_stderr=True)
            nursery.cancel_scope.cancel()
    socket.close()
    assert b"UDP reflexive addr: 127.0.0.1:" in said.stdout
    assert socket.counters.datagrams_in > 0


@pytest.mark.spec("stun/mapped-address-required")
async def test_our_client_understands_its_server() -> None:
    with turnserver("--no-auth") as server:
        assert seen(await ask_udp(server))
        assert seen(await ask_tcp(server))


@pytest.mark.spec("stun/long-term-credentials", "stun/first-request", "stun/subsequent-request")
async def test_our_client_logs_in_with_a_name_and_a_password() -> None:
    with turnserver(*ACCOUNT) as server:
        assert seen(await ask_udp(server, Account("alice", "wonder"), times=2))
        assert seen(await ask_tcp(server, Account("alice", "wonder")))


@pytest.mark.spec("stun/no-second-try")
async def test_a_wrong_password_ends_after_one_try() -> None:
    with turnserver(*ACCOUNT) as server:
        for event, _ in (
            await ask_udp(server, Account("alice", "wonderland")),
            await ask_tcp(server, Account("alice", "wonderland")),
            await ask_udp(server),
        ):
            assert isinstance(event, Failed)
            assert event.code == 401


@pytest.mark.spec("stun/expiring-name")
async def test_names_that_we_issue_are_good_there_until_they_expire() -> None:
    secret = "shared with the server"
    accounts = ExpiringAccounts([secret.encode()], time.time())
    with turnserver(
        "--use-auth-secret", "--static-auth-secret", secret, "-r", "example.org", "--secure-stun"
    ) as server:
        assert seen(await ask_udp(server, Account(*accounts.issue("fred", 600.0, 0.0))))
        event, _ = await ask_udp(server, Account(*accounts.issue("fred", -600.0, 0.0)))
        assert isinstance(event, Failed)
        assert event.code == 401


async def test_the_vectors_are_replayed_against_its_server() -> None:
    """From the command line, as others use it; and against nobody, which is another exit code."""
    replay = [str(Path(sys.executable).with_name("meetref")), "vectors", "replay", "stun", "--target"]
    with turnserver("--no-auth") as server:
        played = await trio.run_process([*replay, str(server)], capture_stdout=True)
        assert b" pass" in played.stdout
    nobody = await trio.run_process([*replay, str(server)], check=False, capture_stderr=True)
    assert nobody.returncode == 127
