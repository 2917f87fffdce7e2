"""Clients of a TURN server and their peers, as a case of vectors/turn needs them: sockets and what they have heard.

Stands above `net/relayed` (a way to the server over UDP or TCP) and `protocol/account` (who signs, and whether an
answer is proven), below `app/replay/turn`. Unlike `protocol/turn` these clients do what they are told, right or wrong.
Specification: RFC 8656 sections 5, 11 and 12; RFC 8489 section 6.2.1 (asking again).
Read next: `app/replay/turn.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Literal

import trio

from meetref.app.replay.verdict import SUCCESS
from meetref.net.datagram import DatagramSocket
from meetref.net.network import Network
from meetref.net.relayed import Target, open_way
from meetref.protocol.account import Account, Verdict
from meetref.wire import attribute, stun, turn
from meetref.wire.address import Address
from meetref.wire.attribute import Attribute
from meetref.wire.reader import Malformed

WAITS = (0.5, 1.0, 2.0)  # seconds for an answer, each time that a request goes out
SILENCE = "silence"
NOTHING = stun.Message(stun.Class.ERROR, 0, b"")


class Inbox:
    """A socket, and what it heard and nobody has looked at yet."""

    def __init__(self, socket: DatagramSocket) -> None:
        self.socket = socket
        self._heard: deque[bytes] = deque()

    async def next(self, wait_for: float, wanted: Callable[[bytes], bool]) -> bytes | None:
        """The first thing heard that is wanted, None if it does not come in so many seconds. The rest stays."""
        self._heard += [datagram.data for datagram in self.socket.poll()]
        with trio.move_on_after(wait_for):
            while True:
                for number, data in enumerate(self._heard):
                    if wanted(data):
                        del self._heard[number]
                        return data
                self._heard += [datagram.data for datagram in await self.socket.receive()]
        return None

    def forget(self) -> None:
        """What was heard so far is of no interest: data that were sent twice may come twice."""
        while self.socket.poll():
            pass
        self._heard.clear()


class Client(Inbox):
    """Somebody on one path to the server. `answer` is the last one, `got` what it is in the words of the vectors."""

    def __init__(self, socket: DatagramSocket, server: Address, network: Network, *, reliable: bool) -> None:
        super().__init__(socket)
        self.answer, self.got = NOTHING, SILENCE
        self.relayed: Address | None = None
        self._server = server
        self._dice = network.dice
        self._reliable = reliable
        self._last = b""
        self._tenant: Account | None = None

    async def ask(self, method: int, given: Sequence[Attribute], account: Account | None, *, once: bool) -> None:
        """Ask, and again where the server has a nonce to tell first, unless only `once`."""
        message = stun.Message(stun.Class.REQUEST, method, self._dice(12), list(given))
        if account is None:
            await self._exchange(stun.serialize(message, fingerprint=False))
            return
        signed = account.sign(message)
        data = await self._exchange(signed.data)
        while data is not None and not once:
            verdict = account.judge(signed, data, self.answer).verdict
            if verdict is not Verdict.RETRY:
                if self.got == SUCCESS and verdict is not Verdict.TAKE:
                    self.got = "a success that nobody vouches for"
                break
            message = stun.Message(stun.Class.REQUEST, method, self._dice(12), list(given))
            signed = account.sign(message, retry_of=signed)
            data = await self._exchange(signed.data)
        self._note_tenancy(method, given, account)

    def _note_tenancy(self, method: int, given: Sequence[Attribute], account: Account) -> None:
        if self.got == SUCCESS and method == turn.ALLOCATE:
            self.relayed = self.answer.get(attribute.XOR_RELAYED_ADDRESS)
            self._tenant = account
        elif self.got == SUCCESS and Attribute(attribute.LIFETIME, 0) in given:
            self._tenant = None

    async def ask_again(self) -> None:
        """The last request once more, octet for octet."""
        await self._exchange(self._last)

    async def leave(self) -> None:
        """Give back what was lent, so that it is there for the next case."""
        if self._tenant is not None:
            await self.ask(turn.REFRESH, [Attribute(attribute.LIFETIME, 0)], self._tenant, once=False)

    def send_to_peer(self, by: Literal["indication"] | int, peer: Address | None, data: bytes) -> None:
        """Send to a peer by an indication, or on a channel."""
        if isinstance(by, int):
            self.send_raw(turn.serialize_channel_data(by, data, padded=self._reliable))
        else:
            assert peer is not None
            self.send_raw(turn.serialize_indication(turn.SEND_TYPE, self._dice(12), peer, data))

    def send_raw(self, data: bytes) -> None:
        self.socket.send((data,), self._server)

    async def _exchange(self, data: bytes) -> bytes | None:
        """The octets of the answer; None where none came."""
        self._last = data
        self.answer, self.got = NOTHING, SILENCE
        for number, wait_for in enumerate(WAITS):
            if number == 0 or not self._reliable:
                self.send_raw(data)
            found = await self.next(wait_for, lambda heard: heard[:1] == b"\1" and heard[8:20] == data[8:20])
            if found is not None:
                try:
                    self.answer = stun.parse(found)
                except Malformed:
                    self.answer = NOTHING
                self.got = _word(self.answer)
                return found
        return None


class Guests:
    """All who take part in one case, by their names in it. What is opened here, `stack` closes."""

    def __init__(
        self, network: Network, server: Address, base: str, over: Literal["udp", "tcp"], stack: AsyncExitStack
    ) -> None:
        self.clients: dict[str, Client] = {}
        self.peers: dict[str, Inbox] = {}
        self._network = network
        self._server = server
        self._base = base
        self._over: Literal["udp", "tcp"] = over
        self._stack = stack

    async def client(self, path: str) -> Client:
        """The one on that path. Raises `Unreachable`."""
        if path not in self.clients:
            way = open_way(self._network, Target(self._server, self._over, self._server.host), self._base, None)
            socket = await self._stack.enter_async_context(way)
            self.clients[path] = Client(socket, self._server, self._network, reliable=self._over == "tcp")
        return self.clients[path]

    async def open_peer(self, name: str) -> None:
        if name not in self.peers:
            socket = await self._network.open_datagram(Address(self._base, 0))
            self._stack.callback(socket.close)
            self.peers[name] = Inbox(socket)

    def forget(self) -> None:
        for each in (*self.clients.values(), *self.peers.values()):
            each.forget()

    async def leave(self) -> None:
        for each in self.clients.values():
            await each.leave()


def _word(answer: stun.Message) -> str:
    error = answer.get(attribute.ERROR_CODE)
    if answer.kind is stun.Class.SUCCESS:
        return SUCCESS
    return "an answer that cannot be read" if error is None else f"error:{error.code}"
