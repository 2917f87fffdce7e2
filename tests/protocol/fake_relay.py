"""A TURN server of a few lines that does as a test tells it, and a client in conversation with it, in memory."""

from __future__ import annotations

import random
from collections.abc import Callable

from meetref.protocol import turn as protocol
from meetref.protocol.account import Account
from meetref.protocol.credentials import long_term_key
from meetref.protocol.machine import Datagram, Event
from meetref.wire import attribute, stun, turn
from meetref.wire.address import Address
from meetref.wire.attribute import Attribute, ErrorCode

HERE = Address("192.0.2.1", 40000)
SERVER = Address("198.51.100.1", 3478)
MAPPED = Address("203.0.113.1", 40000)
RELAYED = Address("198.51.100.1", 50000)
RELAYED_IPV6 = Address("2001:db8::1", 50000)
PEER = Address("203.0.113.77", 7000)
REALM = "example.org"
KEY = long_term_key("ada", REALM, "secret")

Answers = list[Attribute] | int | None
"""What a success carries, an error code, or silence."""


class FakeRelay:
    """Challenges, checks integrity, and answers each method as `rules` say; `asked` has every authentic request."""

    def __init__(self) -> None:
        self.nonce = "first"
        self.asked: list[stun.Message] = []
        self.seen = 0
        self.lifetime: int | None = 600
        self.rules: dict[int, Callable[[stun.Message], Answers]] = {
            turn.ALLOCATE: self.allocate,
            turn.REFRESH: lambda asked: [Attribute(attribute.LIFETIME, asked.get(attribute.LIFETIME) or 600)],
            turn.CREATE_PERMISSION: lambda asked: [],
            turn.CHANNEL_BIND: lambda asked: [],
        }

    def allocate(self, asked: stun.Message) -> Answers:
        attributes = [
            Attribute(attribute.XOR_RELAYED_ADDRESS, RELAYED),
            Attribute(attribute.XOR_MAPPED_ADDRESS, MAPPED),
        ]
        return attributes if self.lifetime is None else [*attributes, Attribute(attribute.LIFETIME, self.lifetime)]

    def answer(self, data: bytes) -> bytes | None:
        asked = stun.parse(data)
        self.seen += 1
        if asked.kind is not stun.Class.REQUEST:
            return None
        if asked.get(attribute.NONCE) != self.nonce:
            code = 401 if asked.get(attribute.NONCE) is None else 438
            return self.refuse(asked, code, Attribute(attribute.REALM, REALM), Attribute(attribute.NONCE, self.nonce))
        if not stun.verify_integrity(data, KEY):
            return self.refuse(asked, 401, Attribute(attribute.REALM, REALM), Attribute(attribute.NONCE, self.nonce))
        self.asked.append(asked)
        answers = self.rules[asked.method](asked)
        if answers is None:
            return None
        if isinstance(answers, int):
            error = Attribute(attribute.ERROR_CODE, ErrorCode(answers, "no"))
            message = stun.Message(stun.Class.ERROR, asked.method, asked.transaction, [error])
        else:
            message = stun.Message(stun.Class.SUCCESS, asked.method, asked.transaction, answers)
        return stun.serialize(message, integrity_key=KEY)

    def refuse(self, asked: stun.Message, code: int, *more: Attribute) -> bytes:
        attributes = [Attribute(attribute.ERROR_CODE, ErrorCode(code, "no")), *more]
        return stun.serialize(stun.Message(stun.Class.ERROR, asked.method, asked.transaction, attributes))

    def methods(self) -> list[int]:
        return [message.method for message in self.asked]


class Conversation:
    """A client and its server; `now` is moved by hand, answers come at once, unless `is_silent`."""

    def __init__(self, *, password: str = "secret", seed: int = 1, **options: object) -> None:
        self.server = FakeRelay()
        account = Account("ada", password)
        self.client = protocol.Client(HERE, SERVER, random.Random(seed).randbytes, account, **options)  # type: ignore[arg-type]
        self.now = 1000.0
        self.is_silent = False
        self.events: list[Event] = []
        self.sent: list[bytes] = []

    def flush(self) -> None:
        for _ in range(100):
            quiet = True
            for datagram in self.client.transmits():
                quiet = False
                self.sent.append(datagram.data)
                answer = None if self.is_silent else self.server.answer(datagram.data)
                if answer is not None:
                    self.client.receive_datagram(Datagram(answer, HERE, SERVER), self.now)
            self.events += self.client.events()
            if quiet:
                return
        raise AssertionError("client and server answer each other without end")

    def allocate(self) -> None:
        self.client.allocate(self.now)
        self.flush()

    def wait(self, seconds: float) -> None:
        """Let time pass, from deadline to deadline."""
        end = self.now + seconds
        for _ in range(10_000):
            deadline = self.client.next_timeout()
            if deadline > end:
                break
            self.now = max(self.now, deadline)
            self.client.handle_timeout(self.now)
            assert self.client.next_timeout() > self.now
            self.flush()
        else:
            raise AssertionError("time does not move on")
        self.now = end

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]

    def permit(self, peer: Address = PEER) -> None:
        self.client.permit(peer.host, self.now)
        self.flush()
