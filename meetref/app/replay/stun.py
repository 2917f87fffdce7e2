"""A STUN server as the target of `meetref vectors replay`: sends what vectors/stun/requests says, and looks what comes.

Stands above `app/replay/exchange` and `protocol/stun`, below `app/replay/command`.
Specification: RFC 8489 sections 6.3 and 12; docs/vectors.md for the words.
Read next: `app/replay/command.py`.
"""

from __future__ import annotations

from meetref.app.replay.exchange import Exchange, near_host
from meetref.app.replay.settings import Settings
from meetref.app.replay.verdict import SUCCESS, Case, Outcome, judge
from meetref.net.network import Network
from meetref.protocol.stun import mapped_address
from meetref.wire import attribute, stun
from meetref.wire.address import Address
from meetref.wire.reader import Malformed


class StunTarget:
    """A server that answers plain questions."""

    sets: tuple[str, ...] = ("stun/requests",)

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    @classmethod
    async def open(cls, network: Network, settings: Settings) -> StunTarget:
        """Ready to ask, from an address like the server's. Raises `OSError`."""
        socket = await network.open_datagram(Address(near_host(network, settings.target), 0))
        return cls(Exchange(network, socket, settings.target, _question, _tells_address))

    async def why_unusable(self) -> str | None:
        answered = await self._exchange.ask(None) is not None
        return None if answered else "gives no sane answer to a STUN Binding request"

    async def play(self, case: Case) -> Outcome:
        """Send the case and a question behind it, and judge what came back for the case."""
        data = bytes.fromhex(case["in"]["hex"])
        answers = await self._exchange.ask(data)
        if answers is None:
            return judge(case, None)
        return judge(case, reaction(data, answers[0]) if answers else "drop")

    def lasts_for(self, case: Case) -> float:
        return 0.0

    async def close(self) -> None:
        self._exchange.socket.close()


def _question(transaction: bytes) -> bytes:
    return stun.serialize(stun.Message(stun.Class.REQUEST, stun.BINDING, transaction), fingerprint=False)


def _tells_address(data: bytes, message: stun.Message) -> bool:
    return mapped_address(message) is not None


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
        return SUCCESS if masked is not None else "a success without a masked address"
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
