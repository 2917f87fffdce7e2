"""Two endpoints and a wire in memory that may lose, double, delay and change what it carries; all from a seed."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from meetref.protocol.certificate import Certificate
from meetref.protocol.handshake12 import Connected, Endpoint, Failed
from meetref.protocol.machine import Datagram, Event, Ignored
from meetref.wire import dtls
from meetref.wire import handshake12 as wire
from meetref.wire.address import Address
from meetref.wire.dtls import Fragment, Record

CLIENT, SERVER = Address("192.0.2.1", 5000), Address("198.51.100.2", 6000)
NOW_WALL = 1_800_000_000.0


def certificate(seed: int) -> Certificate:
    return Certificate.generate(random.Random(f"certificate {seed}").randbytes, now_wall=NOW_WALL)


CERTIFICATES = {"client": certificate(1), "server": certificate(2)}


@dataclass
class Pair:
    """`lose` and `double` are chances for each datagram, `jitter` seconds of delay on top of `delay`."""

    seed: int = 0
    client_settings: dict[str, Any] = field(default_factory=dict)
    server_settings: dict[str, Any] = field(default_factory=dict)
    lose: float = 0.0
    double: float = 0.0
    delay: float = 0.01
    jitter: float = 0.0
    change: Callable[[Endpoint, bytes], list[bytes]] = lambda sender, data: [data]
    kind: Callable[..., Any] = Endpoint

    def __post_init__(self) -> None:
        self.random = random.Random(f"wire {self.seed}")
        self.now = 0.0
        self.key_log: list[str] = []
        self.client = self._endpoint("client", CLIENT, SERVER, self.client_settings)
        self.server = self._endpoint("server", SERVER, CLIENT, self.server_settings)
        self.events: dict[str, list[Event]] = {"client": [], "server": []}
        self.sent: list[tuple[float, str, bytes]] = []
        self._flying: list[tuple[float, int, Endpoint, bytes]] = []

    def _endpoint(self, role: Any, local: Address, remote: Address, settings: dict[str, Any]) -> Endpoint:
        made: Endpoint = self.kind(
            role=role,
            certificate=settings.pop("certificate", CERTIFICATES[role]),
            dice=random.Random(f"{role} {self.seed}").randbytes,
            local=local,
            remote=remote,
            key_log=self.key_log.append,
            **({"address_verified": True} | settings),
        )
        return made

    def start(self) -> Pair:
        self.client.start(self.now)
        self.flush()
        return self

    def flush(self) -> None:
        for sender, receiver in ((self.client, self.server), (self.server, self.client)):
            for datagram in sender.transmits():
                self.sent.append((self.now, sender.role, datagram.data))
                for data in self.change(sender, datagram.data):
                    for _ in range(1 + (self.random.random() < self.double)):
                        self._fly(receiver, data)
            self.events[sender.role] += sender.events()

    def _fly(self, receiver: Endpoint, data: bytes) -> None:
        if self.random.random() >= self.lose:
            arrival = self.now + self.delay + self.random.random() * self.jitter
            heapq.heappush(self._flying, (arrival, len(self.sent) * 4 + self.random.randrange(4), receiver, data))

    def step(self) -> bool:
        """The next thing that happens. False when nothing will."""
        ends = (self.client, self.server)
        timeout = min(end.next_timeout() for end in ends)
        arrival = self._flying[0][0] if self._flying else math.inf
        if min(timeout, arrival) == math.inf:
            return False
        self.now = min(timeout, arrival)
        if arrival <= timeout:
            _, _, receiver, data = heapq.heappop(self._flying)
            receiver.receive_datagram(Datagram(data, receiver.local, receiver.remote), self.now)
        for end in ends:
            if end.next_timeout() <= self.now:
                end.handle_timeout(self.now)
                assert end.next_timeout() > self.now
        self.flush()
        return True

    def run(self, until: Callable[[], bool] = lambda: False, steps: int = 3000) -> Pair:
        """Go on until `until` holds or nothing happens any more."""
        for _ in range(steps):
            if until() or not self.step():
                return self
        raise AssertionError(f"still busy after {steps} steps")

    def of(self, role: str, kind: type[Event]) -> list[Any]:
        return [event for event in self.events[role] if isinstance(event, kind)]

    @property
    def both_connected(self) -> bool:
        return bool(self.of("client", Connected)) and bool(self.of("server", Connected))

    def failure(self, role: str) -> str | None:
        """The alert with which `role` failed."""
        failed = self.of(role, Failed)
        return failed[0].alert if failed else None

    def ignored(self, role: str) -> list[str]:
        return [event.why for event in self.of(role, Ignored)]


def connected_pair(**settings: Any) -> Pair:
    pair = Pair(**settings).start().run()
    assert pair.both_connected, pair.events
    return pair


def same_keys(pair: Pair) -> bool:
    """Do the two sides have the same keys, each the other's way round?"""
    mine, theirs = pair.of("client", Connected)[0].srtp_keys, pair.of("server", Connected)[0].srtp_keys
    return (mine.local_key, mine.local_salt, mine.remote_key, mine.remote_salt) == (
        theirs.remote_key,
        theirs.remote_salt,
        theirs.local_key,
        theirs.local_salt,
    )


Edit = Callable[[wire.Handshake], "wire.Handshake | bytes"]


def editing(role: str, edit: Edit) -> Callable[[Endpoint, bytes], list[bytes]]:
    """A change for `Pair`: every plain handshake message of `role` goes through `edit`. Wants whole messages."""

    def change(sender: Endpoint, data: bytes) -> list[bytes]:
        return [data] if sender.role != role else [b"".join(_edited(record, edit) for record in dtls.parse(data))]

    return change


def _edited(record: Record, edit: Edit) -> bytes:
    if record.content_type != dtls.HANDSHAKE or record.epoch:
        return dtls.serialize(record)
    (fragment,) = dtls.fragments(record.payload)
    assert len(fragment.body) == fragment.length
    message = edit(wire.parse(fragment.type, fragment.body))
    number = fragment.type if isinstance(message, bytes) else wire.message_number(message)
    body = message if isinstance(message, bytes) else wire.serialize(message)
    payload = dtls.serialize_fragment(Fragment(number, len(body), fragment.number, 0, body))
    return dtls.serialize(Record(record.content_type, record.version, 0, record.sequence, payload))


WHOLE = {"maximum_datagram": 8000}
"""Settings with which every message travels in one piece."""
