"""The door of both versions: what two policies agree on, hellos in pieces, downgrades, and addresses not proven."""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.protocol import dtls as door
from meetref.protocol import handshake12
from meetref.protocol.association import Closed, Connected, Failed, Received
from meetref.protocol.dtls import AMPLIFICATION, HELLO_TIME, MAXIMUM_HELD, Endpoint
from meetref.protocol.machine import Datagram, ProtocolMisuse
from meetref.protocol.reassembly import MAXIMUM_HELD as MAXIMUM_OCTETS
from meetref.wire import dtls, extension, tls
from meetref.wire import handshake12 as wire
from meetref.wire.dtls import Fragment, Record
from tests.protocol.dtls_pairs import CERTIFICATES, CLIENT, SERVER, WHOLE, Pair, editing, same_keys
from tests.protocol.test_handshake13 import almost_records

VERSIONS = ("1.3 preferred", "1.2 only", "1.3 only")
AGREED = {
    ("1.3 preferred", "1.3 preferred"): "1.3",
    ("1.3 preferred", "1.2 only"): "1.2",
    ("1.3 preferred", "1.3 only"): "1.3",
    ("1.2 only", "1.3 preferred"): "1.2",
    ("1.2 only", "1.2 only"): "1.2",
    ("1.3 only", "1.3 preferred"): "1.3",
    ("1.3 only", "1.3 only"): "1.3",
}


class Doors(Pair):
    """`Pair`, with a door at both ends."""

    client: Any
    server: Any

    def __init__(self, **settings: Any) -> None:
        super().__init__(kind=Endpoint, **settings)


def feed(endpoint: Endpoint, data: bytes, now: float = 0.0) -> None:
    endpoint.receive_datagram(Datagram(data, endpoint.local, endpoint.remote), now)


@pytest.mark.spec("handshake13/version-from-hello", "handshake13/older-version", "handshake13/version-not-offered")
@pytest.mark.parametrize("verified", [True, False], ids=["", "cookie"])
@pytest.mark.parametrize(("client", "server"), list(itertools.product(VERSIONS, VERSIONS)))
def test_policies(client: str, server: str, verified: bool) -> None:
    settings = {"versions": server, "address_verified": verified}
    pair = Doors(client_settings={"versions": client}, server_settings=settings).start().run()
    wanted = AGREED.get((client, server))
    found = [event.version for role in ("client", "server") for event in pair.of(role, Connected)]
    assert found == ([wanted] * 2 if wanted else [])
    if wanted:
        assert same_keys(pair)
        assert pair.now < 0.1
        pair.client.send(b"ping", pair.now)
        assert pair.client.export(b"EXPORTER-test", 9) == pair.server.export(b"EXPORTER-test", 9)
        pair.flush()
        pair.run()
        pair.client.close(pair.now)
        pair.flush()
        pair.run()
        assert pair.of("server", Received) == [Received(b"ping")]
        assert pair.of("server", Closed) == pair.of("client", Closed) == [Closed()]
    else:
        assert pair.of("client", Failed)
        assert pair.failure("server") in ("protocol_version", None)


@pytest.mark.spec("handshake13/older-version", "handshake13/hello-in-fragments", "dtls/any-order")
@pytest.mark.soak(ci=40, full=5_000)
def test_a_bad_wire_only_costs_time_whichever_version_it_is(seed: int) -> None:
    dice = random.Random(f"doors {seed}")
    client, server = dice.choice(list(AGREED))
    pair = Doors(
        seed=seed,
        client_settings={"versions": client, "maximum_datagram": dice.choice([200, 600, 1200])},
        server_settings={"versions": server, "address_verified": dice.random() < 0.5},
        lose=dice.random() * 0.05,
        double=dice.random() * 0.3,
        jitter=dice.choice([0.0, 0.02, 0.3]),
    )
    pair.start().run()
    assert pair.both_connected, pair.events
    assert same_keys(pair)
    assert {event.version for event in pair.of("client", Connected)} == {AGREED[client, server]}
    assert not pair.of("client", Failed)
    assert not pair.of("server", Failed)


def test_a_client_has_one_time_whichever_version_answers() -> None:
    """The server's answer comes late, and the rest never: the client does not begin to wait anew."""
    pair = Doors(server_settings={"versions": "1.2 only"}, delay=12.0)
    pair.start().run(lambda: bool(pair.client._decided))
    assert isinstance(pair.client._endpoint, handshake12.Endpoint)
    pair.lose = 1.0
    pair.run(lambda: bool(pair.of("client", Failed)))
    assert pair.failure("client") is None
    assert pair.now == HELLO_TIME


def hello_fragments(size: int) -> list[bytes]:
    """The datagrams of a client's hello."""
    pair = Doors(client_settings={"maximum_datagram": size}).start()
    return [data for _, _, data in pair.sent]


@pytest.mark.spec("handshake13/hello-in-fragments")
@pytest.mark.parametrize("verified", [True, False])
def test_a_hello_in_fragments_in_any_order(verified: bool) -> None:
    pieces = hello_fragments(600)
    assert len(pieces) == 3
    for order in itertools.permutations(pieces):
        pair = Doors(server_settings={"address_verified": verified})
        for data in (order[0], *order):
            assert not list(pair.server.transmits())
            feed(pair.server, data)
        assert list(pair.server.transmits())


@pytest.mark.spec("handshake13/hello-in-fragments", "dtls/reassembly-bounds")
def test_half_open_doors_hold_little() -> None:
    pair = Doors()
    for number in range(12):
        for offset in range(0, 16_000, 50):
            payload = dtls.serialize_fragment(Fragment(1, 16_000, number, offset, b"x"))
            feed(pair.server, dtls.serialize(Record(22, tls.DTLS_1_2, 0, 0, payload)))
    assert pair.server._hello.held <= MAXIMUM_OCTETS
    assert len(pair.server._held) == MAXIMUM_HELD
    assert pair.server.next_timeout() == HELLO_TIME
    pair.server.handle_timeout(HELLO_TIME)
    assert pair.server.next_timeout() == math.inf
    assert not pair.server._held
    assert [type(event) for event in pair.server.events()] == [Failed]
    feed(pair.server, b"\x16")
    assert pair.server.next_timeout() == math.inf


def test_the_client_holds_little_too() -> None:
    pair = Doors().start()
    for _ in range(100):
        feed(pair.client, bytes((0x2E, 0, 0, 0, 40)) + bytes(40))
    assert len(pair.client._held) == MAXIMUM_HELD
    pair.run()
    assert pair.both_connected
    assert not pair.client._held


@pytest.mark.spec("handshake13/amplification", "handshake13/cookie-stateless", "handshake12/cookie-stateless")
@given(
    versions=st.sampled_from(VERSIONS),
    inputs=st.lists(st.one_of(st.sampled_from(hello_fragments(300)), almost_records()), max_size=30),
)
def test_an_unproven_address_gets_little_and_costs_nothing(versions: str, inputs: list[bytes]) -> None:
    pair = Doors(server_settings={"address_verified": False, "versions": versions})
    received = sent = 0
    for data in inputs:
        feed(pair.server, data)
        received += len(data)
        sent += sum(len(datagram.data) for datagram in pair.server.transmits())
        assert sent <= AMPLIFICATION * received
    assert not any(isinstance(event, Connected | Received) for event in pair.server.events())


@pytest.mark.spec("handshake12/sentinel-written", "handshake12/no-sentinel")
@pytest.mark.parametrize(
    ("client", "server", "written"),
    [("1.2 only", "1.3 preferred", True), ("1.2 only", "1.2 only", False), ("1.3 preferred", "1.2 only", False)],
)
def test_the_sentinel(client: str, server: str, written: bool) -> None:
    pair = Doors(client_settings={"versions": client}, server_settings={"versions": server})
    randoms: list[bytes] = []

    def look(message: wire.Handshake) -> wire.Handshake:
        if isinstance(message, tls.ServerHello):
            randoms.append(message.random)
        return message

    pair.change = editing("server", look)
    if pair.server._endpoint is not None:
        pair.server._endpoint._flight.maximum_datagram = 8000
    pair.server._settings |= WHOLE
    pair.start().run()
    assert pair.both_connected
    assert [random.endswith(tls.DOWNGRADED) for random in randoms] == [written]


@pytest.mark.spec("handshake12/sentinel-noticed", "handshake12/sentinel-written")
def test_a_downgrade_on_the_way_is_noticed() -> None:
    """Somebody takes 1.3 out of the client's hello; the server's 1.2 hello says that it could do better."""

    def edit(message: wire.Handshake) -> wire.Handshake:
        if not isinstance(message, tls.ClientHello):
            return message
        kept = [each for each in message.extensions if not isinstance(each, extension.SupportedVersions)]
        return replace(message, extensions=tuple(kept))

    pair = Doors(change=editing("client", edit), client_settings=dict(WHOLE), server_settings=dict(WHOLE))
    pair.start().run()
    assert pair.failure("client") == "illegal_parameter"
    assert not pair.of("client", Connected)
    assert not pair.of("server", Connected)


def test_misuse_is_the_callers() -> None:
    pair = Doors()
    for call in (lambda: pair.server.send(b"", 0.0), lambda: pair.server.export(b"EXPORTER-test", 1)):
        with pytest.raises(ProtocolMisuse):
            call()


@pytest.mark.parametrize("role", ["client", "server"])
def test_closing_before_anything_happened(role: str) -> None:
    pair = Doors()
    end = getattr(pair, role)
    end.close(0.0)
    end.close(0.0)
    feed(end, hello_fragments(1200)[0])
    assert list(end.events())[0] == Closed()  # noqa: RUF015 - the rest is what was ignored
    assert end.next_timeout() == math.inf
    assert not list(end.transmits())


def test_doors_with_common_secrets_know_each_others_cookies() -> None:
    secrets = door.DoorSecrets.make(random.Random(1).randbytes)
    first = Doors(server_settings={"address_verified": False, "secrets": secrets})
    first.start().run(lambda: len(first.sent) >= 5)
    again = [data for _, role, data in first.sent if role == "client"][2:]
    second = Doors(seed=9, server_settings={"address_verified": False, "secrets": secrets})
    for data in again:
        feed(second.server, data)
    assert sum(len(datagram.data) for datagram in second.server.transmits()) > 1000


@given(
    stage=st.integers(0, 8),
    client=st.booleans(),
    versions=st.sampled_from(VERSIONS),
    inputs=st.lists(almost_records(), max_size=6),
)
def test_no_input_raises_and_time_moves_on(stage: int, client: bool, versions: str, inputs: list[bytes]) -> None:
    pair = Doors(server_settings={"versions": versions})
    if stage:
        pair.start()
    for _ in range(stage - 1):
        pair.step()
    end: Any = pair.client if client else pair.server
    for data in inputs:
        feed(end, data, pair.now)
        end.handle_timeout(pair.now)
        assert end.next_timeout() > pair.now
    now = end.next_timeout()
    while now < math.inf:
        end.handle_timeout(now)
        assert end.next_timeout() > now
        now = end.next_timeout()


def test_addresses_and_certificates_are_the_owners() -> None:
    pair = Doors().start().run()
    assert pair.of("client", Connected)[0].peer_certificate == CERTIFICATES["server"].der
    pair.client.send(b"x", pair.now)
    datagram = next(pair.client.transmits())
    assert (datagram.local, datagram.remote) == (CLIENT, SERVER)
