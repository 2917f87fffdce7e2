"""What a case and a plain question behind it bring back: so it is known without waiting that nothing comes.

A target that has answered the question has had its say about the case, up to an answer that was overtaken on the way.
Stands above `net/network`, below `app/replay/stun` and `app/replay/ice`, which make the questions.
Specification: docs/vectors.md. Read next: `app/replay/stun.py`.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from ipaddress import ip_address

import trio

from meetref.net.datagram import DatagramSocket
from meetref.net.network import Network
from meetref.wire import stun
from meetref.wire.address import Address
from meetref.wire.reader import Malformed

TRIES = 5
FIRST_WAIT = 0.5  # seconds; each further one is twice as long
BINDING_ERROR = b"\1\x11"
LINGER = 0.05  # seconds after the question's answer in which an overtaken answer to the case may still come

Question = Callable[[bytes], bytes]
"""Given a transaction id, makes a plain question."""
Answer = Callable[[bytes, stun.Message], bool]
"""Given the octets and what they say, tells whether this is the right answer to a plain question."""


class Exchange:
    """Sends cases to `remote` from `socket`, which is its alone."""

    def __init__(
        self, network: Network, socket: DatagramSocket, remote: Address, question: Question, is_answer: Answer
    ) -> None:
        self.remote = remote
        self.socket = socket
        self._network = network
        self._question = question
        self._is_answer = is_answer
        self._refused = False
        self._asked: set[bytes] = set()  # transactions of our questions, whose late answers say nothing about a case

    async def ask(self, data: bytes | None) -> list[bytes] | None:
        """What came besides the answer to a plain question behind `data`; None if that one is missing or an error."""
        transaction = self._network.dice(12)
        self._asked.add(transaction)
        question = self._question(transaction)
        others: list[bytes] = []
        self._refused = False
        for number in range(TRIES):
            if data is not None and not others:
                self.socket.send((data,), self.remote)
            self.socket.send((question,), self.remote)
            if await self._hear(transaction, others, FIRST_WAIT * 2**number):
                if self._refused:
                    return None
                if data is not None and not others:
                    await self._hear(None, others, LINGER)
                return others
        return None

    async def listen(self, wait_for: float) -> list[bytes]:
        """What comes by itself in so many seconds."""
        others: list[bytes] = []
        end = trio.current_time() + wait_for
        while (left := end - trio.current_time()) > 0:
            await self._hear(None, others, left)
        return others

    async def _hear(self, transaction: bytes | None, others: list[bytes], wait_for: float) -> bool:
        """Collect what comes; True as soon as the question with this transaction is answered, or refused."""
        with trio.move_on_after(wait_for):
            while True:
                answered = False
                for datagram in await self.socket.receive():
                    if datagram.remote != self.remote:
                        continue
                    if transaction is not None and self._answers(datagram.data, transaction):
                        answered = True
                    elif transaction is not None and self._refuses(datagram.data, transaction):
                        answered = self._refused = True
                    elif datagram.data[8:20] not in self._asked:
                        others.append(datagram.data)
                if answered or (transaction is None and others):
                    return True
        return False

    @staticmethod
    def _refuses(data: bytes, transaction: bytes) -> bool:
        """Asking again would change nothing."""
        return data[:2] == BINDING_ERROR and data[8:20] == transaction

    def _answers(self, data: bytes, transaction: bytes) -> bool:
        try:
            message = stun.parse(data)
        except Malformed:
            return False
        right = (message.kind, message.method, message.transaction) == (stun.Class.SUCCESS, stun.BINDING, transaction)
        return right and self._is_answer(data, message)


def near_host(network: Network, remote: Address) -> str:
    """The own address from which `remote` is best asked. Raises `OSError` where there is none."""
    alike = [host for host in network.addresses() if (":" in host) == remote.is_ipv6]
    near = [host for host in alike if ip_address(host).is_loopback == ip_address(remote.host).is_loopback]
    if not near:
        raise OSError(errno.EADDRNOTAVAIL, f"no address here from which {remote} can be asked")
    return near[0]
