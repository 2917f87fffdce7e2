"""An ICE agent that only answers as the target of `meetref vectors replay`: checks it must take, and others.

Lite agents are meant; a full one that is controlled answers the same, and is not heard out. Whoever asks has learned
the credentials from signaling, and an agent that looks at our half of a user name must have been told it.
Stands above `app/replay/exchange` and `app/replay/icechecks`, below `app/replay/command`.
Specification: RFC 8445 sections 7.2.2 and 7.3, 8.2; vectors/ice/README.md for the words.
Leaves out: what a lite agent chose, which does not show from outside. Read next: `app/replay/icechecks.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import trio

from meetref.app.replay.exchange import Exchange, near_host
from meetref.app.replay.icechecks import octets
from meetref.app.replay.settings import Settings
from meetref.app.replay.stun import reaction
from meetref.app.replay.verdict import GONE, SUCCESS, Case, Outcome, agreed, differed, judge, last_moment, untried
from meetref.net.network import Network
from meetref.protocol.check import Credentials, make_credentials
from meetref.wire import attribute, stun
from meetref.wire.address import Address
from meetref.wire.reader import Malformed

UNPROVEN_ERRORS = ("error:400", "error:401")
"""Refusals of what is not authentic: there is no key that both sides have (RFC 8489 section 9.1.3)."""


class IceTarget:
    """An agent whose credentials we know. What it asks by itself is not answered."""

    sets: tuple[str, ...] = ("ice/checks", "ice/nominations:lite")

    def __init__(self, network: Network, settings: Settings, exchange: Exchange) -> None:
        assert settings.credentials is not None
        self._network = network
        self._settings = settings
        self._asked = settings.credentials
        made = make_credentials(network.dice)
        self._asking = Credentials(settings.own_ufrag or made.ufrag, made.password)
        self._exchange = exchange
        self._mapped: Address | None = None

    @classmethod
    async def open(cls, network: Network, settings: Settings) -> IceTarget:
        """Ready to ask, from an address like the agent's. Raises `OSError`."""
        socket = await network.open_datagram(Address(near_host(network, settings.target), 0))

        def question(transaction: bytes) -> bytes:
            return target._octets({}, transaction)

        def is_answer(data: bytes, message: stun.Message) -> bool:
            return target._is_answer(data, message)

        target = cls(network, settings, Exchange(network, socket, settings.target, question, is_answer))
        return target

    async def why_unusable(self) -> str | None:
        answered = await self._exchange.ask(None) is not None
        return None if answered else "does not answer a check with these credentials as an ICE agent must"

    async def play(self, case: Case) -> Outcome:
        if (lasts := self.lasts_for(case)) > self._settings.time:
            return untried(case, f"takes {lasts:.0f} seconds, granted by --time {lasts:.0f}")
        if "steps" in case:
            return await self._play_steps(case)
        got = await self._reaction(self._octets(case["in"]["check"], self._network.dice(12)))
        return judge(case, got)

    def lasts_for(self, case: Case) -> float:
        return last_moment(case)

    async def close(self) -> None:
        self._exchange.socket.close()

    async def _play_steps(self, case: Case) -> Outcome:
        """Checks and their answers; between them the agent must not ask. What it thinks of them cannot be seen."""
        began, got, asked = trio.current_time(), "", False
        for step in case["steps"]:
            wait_for = began + step["at_ms"] / 1000 - trio.current_time()
            asked |= any(_kind(data) is stun.Class.REQUEST for data in await self._exchange.listen(wait_for))
            wanted = step.get("expect", {}).get("send", "nothing said")
            if "receive" in step:
                got = await self._reaction(self._octets(step["receive"], self._network.dice(12))) or GONE
            elif wanted is None and asked:
                return differed(case, "no check of its own", "a check")
            elif isinstance(wanted, Mapping):
                word = SUCCESS if wanted["kind"] == "success" else f"error:{wanted['code']}"
                if got == GONE:
                    return Outcome(case["id"], case["comment"], "error", (word,), GONE)
                if got != word:
                    return differed(case, word, got)
        return agreed(case)

    async def _reaction(self, data: bytes) -> str | None:
        """What the agent does with octets, in the words of the vectors; None if it stopped answering altogether.

        What is not STUN's is data of its application, what is no answer a question of its own.
        """
        heard = await self._exchange.ask(data)
        if heard is None:
            return None
        answers = [each for each in heard if _kind(each) in (stun.Class.SUCCESS, stun.Class.ERROR)]
        return self._word(data, answers[0]) if answers else "drop"

    def _word(self, asked: bytes, answer: bytes) -> str:
        word = reaction(asked, answer)
        if word.startswith(("success", "error:")) and word not in UNPROVEN_ERRORS:
            message = stun.parse(answer)
            if not stun.verify_integrity(answer, self._asked.password.encode()):
                return f"{word} without the right integrity"
            if not stun.verify_fingerprint(answer):
                return f"{word} without the right fingerprint"
            if word == SUCCESS and message.get(attribute.XOR_MAPPED_ADDRESS) != self._mapped:
                return "success with the address of somebody else"
        return word

    def _is_answer(self, data: bytes, message: stun.Message) -> bool:
        mapped = message.get(attribute.XOR_MAPPED_ADDRESS)
        if mapped is None or not stun.verify_integrity(data, self._asked.password.encode()):
            return False
        self._mapped = self._mapped or mapped
        return bool(mapped == self._mapped)

    def _octets(self, told: Mapping[str, Any], transaction: bytes) -> bytes:
        return octets(told, self._asked, self._asking, transaction)


def _kind(data: bytes) -> stun.Class | None:
    try:
        return stun.parse(data).kind
    except Malformed:
        return None
