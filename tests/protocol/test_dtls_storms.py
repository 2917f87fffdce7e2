"""Handshakes over a terrible network: three datagrams in ten lost, others doubled, late, cut short or damaged.

Both versions, every group, with and without cookies and retries. Each handshake ends well on both sides, or with an
alert, or when its time is over; whoever believes in it has the very secrets of the other side; nothing stays behind.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest

from meetref.protocol import handshake12, handshake13, server12
from meetref.protocol.association import Connected, Failed
from meetref.protocol.dtls import HELLO_TIME, Endpoint
from meetref.protocol.machine import Datagram, Ignored
from meetref.wire.tls import GROUPS, P_256, P_384, X25519, X25519_ML_KEM_768
from tests.protocol.dtls_pairs import Pair, same_keys

ALL_GROUPS = (X25519_ML_KEM_768, X25519, P_256, P_384)
LOST, DOUBLED, LATE_BY = 0.3, 0.2, 0.3
ENDS = ("client", "server")

MISTAKES = {  # what a message with wrong octets in it may be answered with, and nothing else
    "decode_error",
    "decrypt_error",
    "handshake_failure",
    "illegal_parameter",
    "missing_extension",
    "protocol_version",
    "unexpected_message",
    "unsupported_certificate",
    "unsupported_extension",
}


@dataclass(frozen=True)
class Weather:
    """What a seed makes of the world: who speaks what, and what the wire does besides losing, doubling and delaying."""

    client: str
    server: str
    group: int
    first_shares: tuple[int, ...]
    sizes: tuple[int, int]
    cookie: bool
    cut: float
    flip: float

    @classmethod
    def of(cls, seed: int) -> Weather:
        dice = random.Random(f"weather {seed}")
        newer = seed % 2 == 0
        client, server = dice.choice(
            [("1.3 preferred", "1.3 preferred"), ("1.3 only", "1.3 preferred"), ("1.3 preferred", "1.3 only")]
            if newer
            else [("1.2 only", "1.2 only"), ("1.3 preferred", "1.2 only"), ("1.2 only", "1.3 preferred")]
        )
        group = ALL_GROUPS[seed // 2 % 4] if newer else ALL_GROUPS[1 + seed // 2 % 3]
        shares = list(ALL_GROUPS)
        dice.shuffle(shares)
        return cls(
            client=client,
            server=server,
            group=group,
            first_shares=tuple(shares),
            sizes=(dice.choice([300, 600, 1200]), dice.choice([300, 600, 1200])),
            cookie=dice.random() < 0.5,
            cut=dice.choice([0.0, 0.05]),
            flip=dice.choice([0.0, 0.03, 0.1]),
        )

    @property
    def version(self) -> str:
        return "1.2" if "1.2 only" in (self.client, self.server) else "1.3"


class Storm(Pair):
    """`Pair` in that weather, with a door at both ends."""

    client: Any
    server: Any

    def __init__(self, seed: int) -> None:
        self.weather = weather = Weather.of(seed)
        self.flipped = 0
        groups = {"client": weather.first_shares, "server": (weather.group,)}
        self.logs: dict[str, list[str]] = {"client": [], "server": []}

        def door(*, role: Any, key_log: Any, **settings: Any) -> Endpoint:
            return Endpoint(role=role, groups=groups[role], key_log=self.logs[role].append, **settings)

        super().__init__(
            seed=seed,
            kind=door,
            lose=LOST,
            double=DOUBLED,
            jitter=LATE_BY,
            change=self.spoil,
            client_settings={"versions": weather.client, "maximum_datagram": weather.sizes[0]},
            server_settings={
                "versions": weather.server,
                "maximum_datagram": weather.sizes[1],
                "address_verified": not weather.cookie,
            },
        )
        self.dice = random.Random(f"storm {seed}")
        self.ended_at: dict[str, float] = {}

    def spoil(self, sender: Any, data: bytes) -> list[bytes]:
        if self.dice.random() < self.weather.cut:
            data = data[: self.dice.randrange(len(data))]
        if data and self.dice.random() < self.weather.flip:
            self.flipped += 1
            spoiled = bytearray(data)
            for _ in range(self.dice.choice([1, 1, 3])):
                spoiled[self.dice.randrange(len(spoiled))] ^= 1 << self.dice.randrange(8)
            data = bytes(spoiled)
        return [data]

    def play(self) -> Storm:
        """Until nothing happens any more; who ends notes when."""
        self.start()
        for _ in range(3000):
            for role in ENDS:
                if self.of(role, Connected) or self.of(role, Failed):
                    self.ended_at.setdefault(role, self.now)
            if not self.step():
                return self
        raise AssertionError("still busy")

    def ending(self, role: str) -> str:
        failed = self.of(role, Failed)
        if failed:
            return failed[0].alert or "time is over"
        return "connected" if self.of(role, Connected) else "never began"


def check_secrets(storm: Storm) -> None:
    """Who is connected has proof that the other side has the same secrets, whatever became of that side since."""
    for role, other in (ENDS, ENDS[::-1]):
        if storm.of(role, Connected):
            mine, theirs = storm.logs[role], storm.logs[other]
            assert mine
            assert set(mine) <= set(theirs)
            connected = storm.of(role, Connected)[0]
            assert (connected.version, connected.group) == (storm.weather.version, GROUPS[storm.weather.group])
            assert len(storm.of(role, Connected)) == 1
    if storm.both_connected:
        assert same_keys(storm)


def check_endings(storm: Storm) -> None:
    """An alert only where a bit was turned over, and one that fits; time that is over is the stated time."""
    for role in ENDS:
        for failed in storm.of(role, Failed):
            if failed.alert is not None:
                assert storm.flipped, failed
                assert failed.alert in MISTAKES or "the peer ended it" in failed.why, failed
        limit = HELLO_TIME if role == "client" else 2 * HELLO_TIME  # a server's time begins with a whole hello
        assert storm.ended_at.get(role, 0.0) <= limit + 0.001
        assert role == "server" or role in storm.ended_at


def check_data(storm: Storm) -> None:
    """Data of an association goes through, or is dropped without a word."""
    for role, other in (ENDS, ENDS[::-1]):
        if storm.ending(role) == "connected":
            getattr(storm, role).send(b"sound", storm.now)
            (datagram,) = getattr(storm, role).transmits()
            end = getattr(storm, other)
            end.receive_datagram(Datagram(datagram.data, end.local, end.remote), storm.now)
            said = [event for event in end.events() if not isinstance(event, Ignored)]
            assert [getattr(event, "data", None) for event in said] == [b"sound"] * (storm.ending(other) == "connected")


def check_nothing_stays(storm: Storm) -> None:
    """After the end neither side has anything to do, to say or to remember, whatever still arrives."""
    for role in ENDS:
        end = getattr(storm, role)
        end.close(storm.now)
        list(end.transmits()), list(end.events())
        for _, _, data in storm.sent[-40:]:
            end.receive_datagram(Datagram(data, end.local, end.remote), storm.now)
        assert end.next_timeout() == math.inf
        assert not list(end.transmits())
        assert all(isinstance(event, Ignored) for event in end.events())
        assert not end._held
        assert not end._hello.held
        inner = end._endpoint
        if inner is not None:
            assert not inner._reassembly.held
            assert not remembered(inner)


def remembered(inner: handshake12.Endpoint | handshake13.Endpoint) -> list[Any]:
    """Whatever of a handshake an endpoint still has."""
    talk = inner._talk
    if isinstance(inner, handshake12.Endpoint):
        return [*inner._flight.items, *inner._early, *talk.transcript, *([talk.session] if talk.session else [])]
    secrets = [each for each in (talk.handshake, talk.application) if each is not None]
    kept = [inner._epochs._ours, inner._epochs._theirs]
    return [*inner._flight._items, *inner._intake.early, *talk.transcript._messages, *secrets, *filter(None, kept)]


def play(seed: int, monkeypatch: pytest.MonkeyPatch) -> Storm:
    if seed % 2:
        monkeypatch.setattr(server12, "GROUP_PREFERENCE", (Weather.of(seed).group,))
    return Storm(seed).play()


@pytest.mark.soak(ci=48, full=10_000)
@pytest.mark.spec("dtls/bad-record-dropped", "dtls/flight-retransmitted", "dtls/any-order")
@pytest.mark.spec("handshake12/finished-wrong", "handshake13/finished-wrong")
def test_a_handshake_in_a_storm(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    storm = play(seed, monkeypatch)
    check_secrets(storm)
    check_endings(storm)
    check_data(storm)
    check_nothing_stays(storm)


def test_the_seeds_of_ci_have_every_kind_of_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    """Storms in which nobody, or everybody, arrives would prove little."""
    endings: Counter[str] = Counter()
    versions = set()
    for seed in range(48):
        storm = play(seed, monkeypatch)
        endings.update(storm.ending(role) for role in ENDS)
        if storm.both_connected:
            versions.add((storm.weather.version, storm.weather.group))
    assert endings["connected"] > 48
    assert endings["time is over"]
    assert set(endings) & MISTAKES
    assert len(versions) == 7


def test_the_same_seed_gives_the_same_storm(monkeypatch: pytest.MonkeyPatch) -> None:
    assert play(5, monkeypatch).sent == play(5, monkeypatch).sent
