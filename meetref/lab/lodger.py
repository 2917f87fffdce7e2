"""A client of a relay and the peer it talks to, both bare sockets: what `lab/relay` sends through a server.

The client allocates, binds one channel (or asks for a permission, and sends indications), and then both sides send
numbered packets and count what comes. Stands on `lab/leg` and `wire/turn`. Specification: RFC 8656.
Leaves out: refreshing anything; a measurement lasts less than five minutes.
Read next: `lab/relay.py`.
"""

from __future__ import annotations

from random import Random
from typing import Any

import trio

from meetref.lab.child import ChildFailed
from meetref.lab.leg import Leg
from meetref.protocol.credentials import long_term_key
from meetref.wire import attribute, stun, turn
from meetref.wire.address import Address
from meetref.wire.attribute import Attribute

USER, PASSWORD = "lab", "measure"
CHANNEL = 0x4000
PATIENCE = 3.0  # seconds for an answer
TRIES = 3


class Lodger:
    """One allocation at `server` with one peer. `at_peer` and `at_client` count relayed packets."""

    def __init__(self, server: Address, dice: Random, *, by_channel: bool) -> None:
        self.client, self.peer = Leg(), Leg()
        self.at_peer = self.at_client = 0
        self.relayed = Address("", 0)
        self._server = server
        self._dice = dice
        self._by_channel = by_channel
        self._answers: dict[bytes, bytes] = {}
        self._answered = trio.Event()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Allocate, then count until cancelled. Raises `ChildFailed` when the server does not give what is asked."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.client.run, self._from_server)
                nursery.start_soon(self.peer.run, self._at_peer)
                await self._settle()
                task_status.started()
        finally:
            self.client.close()
            self.peer.close()

    def send_to_peer(self, payloads: list[bytes], joined: bool) -> None:
        """A burst from the client, `joined` or one by one."""
        if self._by_channel:
            packets = [turn.serialize_channel_data(CHANNEL, payload) for payload in payloads]
        else:
            transaction = self._dice.randbytes(12)
            packets = [
                turn.serialize_indication(turn.SEND_TYPE, transaction, self.peer.local, payload) for payload in payloads
            ]
        _send(self.client, packets, self._server, joined)

    def send_to_client(self, payloads: list[bytes], joined: bool) -> None:
        """A burst from the peer."""
        _send(self.peer, payloads, self.relayed, joined)

    def _from_server(self, data: bytes, _: int) -> None:
        if data[0] > 3 or data[:2] == b"\0\x17":
            self.at_client += 1
        else:
            self._answers[data[8:20]] = data
            self._answered.set()

    def _at_peer(self, data: bytes, _: int) -> None:
        self.at_peer += 1

    async def _settle(self) -> None:
        transport = Attribute(attribute.REQUESTED_TRANSPORT, turn.UDP)
        challenge = await self._ask(turn.ALLOCATE, [transport], None)
        realm = challenge.get(attribute.REALM) or ""
        names = [
            Attribute(attribute.USERNAME, USER),
            Attribute(attribute.REALM, realm),
            Attribute(attribute.NONCE, challenge.get(attribute.NONCE) or ""),
        ]
        key = long_term_key(USER, realm, PASSWORD)
        answer = await self._ask(turn.ALLOCATE, [transport, *names], key)
        relayed = answer.get(attribute.XOR_RELAYED_ADDRESS)
        if relayed is None:
            raise ChildFailed(f"no allocation at {self._server}: {answer.get(attribute.ERROR_CODE)}")
        self.relayed = relayed
        peer: list[Attribute] = [Attribute(attribute.XOR_PEER_ADDRESS, self.peer.local)]
        method = turn.CREATE_PERMISSION
        if self._by_channel:
            peer.append(Attribute(attribute.CHANNEL_NUMBER, CHANNEL))
            method = turn.CHANNEL_BIND
        answer = await self._ask(method, [*peer, *names], key)
        if answer.kind is not stun.Class.SUCCESS:
            raise ChildFailed(f"no channel at {self._server}: {answer.get(attribute.ERROR_CODE)}")

    async def _ask(self, method: int, attributes: list[Any], key: bytes | None) -> stun.Message:
        transaction = self._dice.randbytes(12)
        message = stun.Message(stun.Class.REQUEST, method, transaction, attributes)
        data = stun.serialize(message, integrity_key=key, fingerprint=False)
        for _ in range(TRIES):
            self.client.send(data, self._server)
            with trio.move_on_after(PATIENCE):
                while transaction not in self._answers:
                    self._answered = trio.Event()
                    await self._answered.wait()
                return stun.parse(self._answers.pop(transaction))
        raise ChildFailed(f"the relay at {self._server} does not answer")


def _send(leg: Leg, packets: list[bytes], remote: Address, joined: bool) -> None:
    if joined:
        leg.send_joined(packets, remote)
    else:
        for packet in packets:
            leg.send(packet, remote)
