"""A STUN server as the target of `meetref vectors replay`: sends what vectors/stun/requests says, and looks what comes.

That nothing comes back is known without waiting long: behind every case goes a plain question, and a server that has
answered it has had its say about the case. Stands above `net/network` and `protocol/stun`, below `app/replay`.
Specification: RFC 8489 sections 6.3 and 12; docs/vectors.md for the words.
Read next: `app/replay.py`.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

import trio

from meetref.net.datagram import DatagramSocket
from meetref.net.network import Network
from meetref.protocol.stun import mapped_address
from meetref.wire import attribute, stun
from meetref.wire.address import Address
from meetref.wire.reader import Malformed

TRIES = 5
FIRST_WAIT = 0.5  # seconds; each further one is twice as long
LINGER = 0.05  # seconds after the question's answer in which an overtaken answer to the case may still come


class StunTarget:
    """A server at `remote`, asked from `socket`."""

    sets: tuple[str, ...] = ("stun/requests",)

    def __init__(self, network: Network, socket: DatagramSocket, remote: Address) -> None:
        self._network = network
        self._socket = socket
        self._remote = remote
        self._asked: set[bytes] = set()  # transactions of our questions, whose late answers say nothing about a case

    @classmethod
    async def open(cls, network: Network, remote: Address) -> StunTarget:
        """Ready to ask, from an address like the server's. Raises `OSError`."""
        alike = [host for host in network.addresses() if (":" in host) == remote.is_ipv6]
        near = [host for host in alike if ip_address(host).is_loopback == ip_address(remote.host).is_loopback]
        if not near:
            raise OSError(errno.EADDRNOTAVAIL, f"no address here from which {remote} can be asked")
        return cls(network, await network.open_datagram(Address(near[0], 0)), remote)

    async def sane(self) -> bool:
        """Whether a plain question gets a plain answer."""
        return await self._ask(None) is not None

    async def play(self, case: Mapping[str, Any]) -> str | None:
        """Send the case and a question behind it; what came back for the case, None if nothing did for either."""
        data = bytes.fromhex(case["in"]["hex"])
        answers = await self._ask(data)
        if answers is None:
            return None
        return reaction(data, answers[0]) if answers else "drop"

    async def close(self) -> None:
        self._socket.close()

    async def _ask(self, data: bytes | None) -> list[bytes] | None:
        """What came besides the answer to a plain question that goes behind `data`; None if that one is missing."""
        transaction = self._network.dice(12)
        self._asked.add(transaction)
        question = stun.serialize(stun.Message(stun.Class.REQUEST, stun.BINDING, transaction), fingerprint=False)
        others: list[bytes] = []
        for number in range(TRIES):
            if data is not None and not others:
                self._socket.send((data,), self._remote)
            self._socket.send((question,), self._remote)
            if await self._hear(transaction, others, FIRST_WAIT * 2**number):
                if data is not None and not others:
                    await self._hear(None, others, LINGER)
                return others
        return None

    async def _hear(self, transaction: bytes | None, others: list[bytes], wait_for: float) -> bool:
        """Collect what comes; True as soon as the question with this transaction is answered."""
        with trio.move_on_after(wait_for):
            while True:
                answered = False
                for datagram in await self._socket.receive():
                    if datagram.remote != self._remote:
                        continue
                    if transaction is not None and _answers(datagram.data, transaction):
                        answered = True
                    elif datagram.data[8:20] not in self._asked:
                        others.append(datagram.data)
                if answered or (transaction is None and others):
                    return True
        return False


def _answers(data: bytes, transaction: bytes) -> bool:
    """Whether this is a success answer to that transaction, with an address in it."""
    try:
        message = stun.parse(data)
    except Malformed:
        return False
    right = (message.kind, message.method, message.transaction) == (stun.Class.SUCCESS, stun.BINDING, transaction)
    return right and mapped_address(message) is not None


def reaction(asked: bytes, answer: bytes) -> str:
    """An answer in the words of the vectors, or in other words what is wrong with it."""
    try:
        message = stun.parse(answer)
    except Malformed as problem:
        # To a message without the cookie a server may speak as in 2003, when there was none to miss.
        classic = answer[:2] == b"\1\1" and answer[4:20] == asked[4:20] and asked[4:8] != attribute.COOKIE
        return "ignore-part" if classic else f"an answer that cannot be read ({problem.what})"
    if message.transaction != asked[8:20]:
        return "an answer to something else"
    if message.kind is stun.Class.SUCCESS:
        masked = message.get(attribute.XOR_MAPPED_ADDRESS)
        return "success" if masked is not None else "a success without a masked address"
    error = message.get(attribute.ERROR_CODE)
    if message.kind is not stun.Class.ERROR or error is None:
        return "an answer that is none"
    if error.code == 420 and not _names_all(asked, message):
        return "an error 420 that does not name what is unknown"
    return f"error:{error.code}"


def _names_all(asked: bytes, answer: stun.Message) -> bool:
    """Whether a 420 lists every attribute that nobody has registered."""
    unknown = stun.parse(asked).unknown_required
    return set(unknown) <= set(answer.get(attribute.UNKNOWN_ATTRIBUTES) or ())
