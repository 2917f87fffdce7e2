"""One question to one STUN server, asked from a socket that others use, too, and asked again so that the answer stays.

A NAT forgets a mapping that is not used: as long as it is told to candidates, it is asked for every so often.
Stands above `protocol/stun`, below `net/gathering`. Specification: RFC 8445 section 5.1.1.4 (keeping candidates alive).
Read next: `net/gathering.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import trio

from meetref.net.driver import Driver
from meetref.protocol.machine import Datagram, Dice, Event
from meetref.protocol.stun import Answered, Client, Failed, mapped_address
from meetref.wire.address import Address

ASKED_AGAIN_AFTER = 15.0  # seconds; half of what the most forgetful NATs remember (RFC 4787 section 4.3)
MAXIMUM_REMEMBERED = 64  # requests, of which the newest may still be answered


class Asker:
    """Asks `server` how `local` looks from outside."""

    def __init__(self, local: Address, server: Address, dice: Dice, send: Callable[[Datagram], None]) -> None:
        self.mapped: Address | None = None
        self._client = Client(local, server, dice)
        self._driver = Driver(self._client, self._send, self._hear)
        self._pass_on = send
        self._asked: deque[bytes] = deque(maxlen=MAXIMUM_REMEMBERED)
        self._answer: Answered | Failed | None = None
        self._answered = trio.Event()

    def owns(self, data: bytes) -> bool:
        """Whether a datagram answers a question of ours: the peer's checks and their answers come here, too."""
        return data[:1] == b"\x01" and data[8:20] in self._asked

    def receive(self, datagram: Datagram, now: float) -> None:
        self._driver.receive(datagram, now)
        self._driver.turn(now)

    async def run(self, tell: Callable[[Answered | Failed], None]) -> None:
        """Ask until there is no answer; `tell` is told the first one, each that differs, and the failure."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._driver.run, name="clock")
            while True:
                answer = await self._ask()
                if isinstance(answer, Failed):
                    tell(answer)
                    break
                mapped = mapped_address(answer.message)
                if mapped != self.mapped:
                    self.mapped = mapped
                    tell(answer)
                await trio.sleep(ASKED_AGAIN_AFTER)
            nursery.cancel_scope.cancel()

    async def _ask(self) -> Answered | Failed:
        self._answered = trio.Event()
        now = trio.current_time()
        self._client.ask_mapping(now)
        self._driver.turn(now)
        await self._answered.wait()
        assert self._answer is not None
        return self._answer

    def _send(self, datagram: Datagram) -> None:
        if datagram.data[8:20] not in self._asked:
            self._asked.append(datagram.data[8:20])
        self._pass_on(datagram)

    def _hear(self, event: Event) -> None:
        if isinstance(event, (Answered, Failed)):
            self._answer = event
            self._answered.set()
