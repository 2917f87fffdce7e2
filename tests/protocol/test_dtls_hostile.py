"""What somebody would try who wants in, wants to listen, or wants to break it: against the door of both versions.

Beside what stands in the tests of the parts: wrong fingerprints in `test_peer`, servers and clients that prove nothing
in `test_client12`, `test_client13`, `test_server12` and `test_server13`, cookies from elsewhere in `test_handshake12`
and `test_handshake13`, flipped bits there and in `test_dtls_storms`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from meetref.protocol import dtls as door
from meetref.protocol.association import Closed, Connected, Failed, Received
from meetref.protocol.conversation12 import Agreed, Conversation
from meetref.protocol.conversation13 import ExtensionsExpected
from meetref.protocol.dtls import HELLO_TIME, DoorSecrets
from meetref.protocol.keyschedule import SUITES
from meetref.protocol.keyshare import answer_share, combine, encapsulate, make_share
from meetref.protocol.machine import Ignored, ProtocolMisuse
from meetref.protocol.reassembly import MAXIMUM_HELD, Message
from meetref.protocol.recordlayer import LAST_SEQUENCE, RESERVED_SEQUENCES, RecordLayer
from meetref.protocol.refusal import Refused
from meetref.wire import dtls, extension, tls
from meetref.wire import handshake12 as wire12
from meetref.wire import handshake13 as wire13
from meetref.wire.address import Address
from meetref.wire.dtls import Fragment, Record
from meetref.wire.tls import P_256, P_384, X25519, X25519_ML_KEM_768
from tests.protocol.dtls13_pairs import NewerPair, on_the_way
from tests.protocol.dtls_pairs import CERTIFICATES, WHOLE, Pair, connected_pair, editing
from tests.protocol.test_dtls import Doors, feed

VERSIONS = ("1.2 only", "1.3 only")


def doors(version: str, **settings: Any) -> Doors:
    return Doors(client_settings={"versions": version}, server_settings={"versions": version}, **settings)


def connected(version: str) -> Doors:
    pair = doors(version)
    pair.start().run()
    assert pair.both_connected, pair.events
    return pair


def plain(kind: int, payload: bytes, sequence: int = 50, epoch: int = 0) -> bytes:
    return dtls.serialize(Record(kind, tls.DTLS_1_2, epoch, sequence, payload))


def nobody_is_connected(pair: Pair) -> bool:
    return not pair.of("client", Connected) and not pair.of("server", Connected)


# --- who speaks -----------------------------------------------------------------------------------


@pytest.mark.spec("handshake12/unexpected-message", "handshake13/unexpected-message")
@pytest.mark.parametrize("version", [*VERSIONS, "1.3 preferred"])
def test_two_clients_refuse_each_other(version: str) -> None:
    pair, other = doors(version), Doors(seed=1, client_settings={"versions": version})
    pair.server = other.client
    pair.server.start(0.0)
    pair.start().run()
    assert {event.alert for event in pair.events["client"] if isinstance(event, Failed)} == {"unexpected_message"}
    assert nobody_is_connected(pair)


@pytest.mark.parametrize("version", [*VERSIONS, "1.3 preferred"])
def test_two_servers_have_nothing_to_say(version: str) -> None:
    pair, other = doors(version), Doors(seed=1, server_settings={"versions": version})
    pair.client = other.server
    pair.start().run()
    assert pair.events == {"client": [], "server": []}
    assert not pair.sent


@pytest.mark.parametrize("version", [*VERSIONS, "1.3 preferred"])
def test_a_mirror_is_no_peer(version: str) -> None:
    """Whatever the client says comes back to it."""
    pair = doors(version)
    pair.client.start(0.0)
    for _ in range(10):
        for datagram in list(pair.client.transmits()):
            feed(pair.client, datagram.data, 0.0)
    events = list(pair.client.events())
    assert [event.alert for event in events if isinstance(event, Failed)] == ["unexpected_message"]
    assert not any(isinstance(event, Connected) for event in events)


@pytest.mark.spec("dtls/bad-record-dropped")
@pytest.mark.parametrize("version", VERSIONS)
def test_ones_own_records_are_not_the_peers(version: str) -> None:
    pair = connected(version)
    for end in (pair.client, pair.server):
        end.send(b"to the other side", pair.now)
        for datagram in list(end.transmits()):
            feed(end, datagram.data, pair.now)
        assert [event.why for event in end.events()] == ["record not authentic"]  # type: ignore[attr-defined]


# --- what was agreed on ---------------------------------------------------------------------------


def without(kind: type[Any]) -> Callable[[tls.ClientHello], tls.ClientHello]:
    def edit(hello: tls.ClientHello) -> tls.ClientHello:
        return replace(hello, extensions=tuple(each for each in hello.extensions if not isinstance(each, kind)))

    return edit


def exchanged(new: extension.Extension) -> Callable[[tls.ClientHello], tls.ClientHello]:
    def edit(hello: tls.ClientHello) -> tls.ClientHello:
        kept = [new if type(each) is type(new) else each for each in hello.extensions]
        return replace(hello, extensions=tuple(kept))

    return edit


WEAKER: dict[str, Callable[[tls.ClientHello], tls.ClientHello]] = {
    "another group": exchanged(extension.SupportedGroups((P_256,))),
    "another SRTP profile": exchanged(extension.UseSRTP((1,))),
    "no SRTP": without(extension.UseSRTP),
    "no extended master secret": without(extension.ExtendedMasterSecret),
    "another cipher": lambda hello: replace(hello, cipher_suites=hello.cipher_suites[-1:]),
    "another random": lambda hello: replace(hello, random=bytes(32)),
}


@pytest.mark.spec("handshake12/finished-wrong", "handshake12/extended-master-secret")
@pytest.mark.parametrize("name", WEAKER)
def test_a_weaker_hello_of_1_2_is_noticed(name: str) -> None:
    edit = WEAKER[name]
    pair = Pair(
        change=editing("client", lambda said: edit(said) if isinstance(said, tls.ClientHello) else said),
        client_settings=dict(WHOLE),
        server_settings=dict(WHOLE),
    )
    pair.start().run()
    assert nobody_is_connected(pair)
    assert "decrypt_error" in (pair.failure("server"), pair.failure("client"))


@pytest.mark.spec("handshake12/finished-wrong", "handshake12/srtp-profile-offered")
def test_a_weaker_answer_of_1_2_is_noticed() -> None:
    """The server chose the strongest profile; somebody writes the weakest, which was offered too, into its hello."""

    def edit(said: wire12.Handshake) -> wire12.Handshake:
        if not isinstance(said, tls.ServerHello):
            return said
        kept = [extension.UseSRTP((1,)) if isinstance(each, extension.UseSRTP) else each for each in said.extensions]
        return replace(said, extensions=tuple(kept))

    pair = Pair(change=editing("server", edit), client_settings=dict(WHOLE), server_settings=dict(WHOLE))
    pair.start().run()
    assert nobody_is_connected(pair)
    assert pair.failure("server") == "decrypt_error"


@pytest.mark.spec("handshake12/extended-master-secret", "handshake12/master-secret")
def test_the_secret_depends_on_all_that_was_said() -> None:
    """Two handshakes with one premaster secret and the same randoms: somebody in between made them alike."""
    masters = {}
    for extended in (True, False):
        for heard in (b"one certificate", b"another one"):
            talk = Conversation("client", CERTIFICATES["client"], bytes, ())
            talk.hear(Message(11, 2, heard))
            agreed = Agreed(bytes(32), bytes(32), extended, None, SUITES[tls.ECDHE_ECDSA_AES_128_GCM])
            masters[extended, heard] = talk.agree(agreed, b"premaster").master
    assert masters[True, b"one certificate"] != masters[True, b"another one"]
    assert masters[False, b"one certificate"] == masters[False, b"another one"]


def only_shares(hello: tls.ClientHello) -> tls.ClientHello:
    shares = extension.find_extension(hello.extensions, extension.KeyShares)
    assert shares is not None
    kept = tuple(share for share in shares.shares if share.group == X25519)
    return exchanged(extension.KeyShares(kept))(exchanged(extension.SupportedGroups((X25519,)))(hello))


WEAKER_13: dict[str, Callable[[tls.ClientHello], tls.ClientHello]] = {
    "no post-quantum group": only_shares,
    "no post-quantum share": lambda hello: exchanged(extension.KeyShares(()))(hello),
    "another SRTP profile": exchanged(extension.UseSRTP((1,))),
    "another cipher": lambda hello: replace(hello, cipher_suites=hello.cipher_suites[-1:]),
    "another random": lambda hello: replace(hello, random=bytes(32)),
}


@pytest.mark.spec("handshake13/transcript-header", "handshake13/finished-wrong")
@pytest.mark.parametrize("name", WEAKER_13)
def test_a_weaker_hello_of_1_3_is_noticed(name: str) -> None:
    edit = WEAKER_13[name]
    pair = on_the_way("client", lambda said: edit(said) if isinstance(said, tls.ClientHello) else said)
    assert nobody_is_connected(pair)
    assert pair.of("client", Failed)


def test_a_retry_that_the_server_did_not_ask_for_is_noticed() -> None:
    """Somebody asks the client for a share of a weaker group, in the server's name."""
    pair = NewerPair(client_settings=dict(WHOLE), server_settings=dict(WHOLE))
    pair.client.start(0.0)
    (hello,) = [datagram.data for datagram in pair.client.transmits()]
    asked = tls.ServerHello(
        tls.DTLS_1_2,
        tls.RETRY_RANDOM,
        b"",
        0x1301,
        0,
        (extension.SelectedVersion(tls.DTLS_1_3), extension.WantedGroup(P_256)),
    )
    body = wire12.serialize(asked)
    feed(pair.client, plain(22, dtls.serialize_fragment(Fragment(2, len(body), 0, 0, body)), 0))
    (again,) = [datagram.data for datagram in pair.client.transmits()]
    assert again != hello
    feed(pair.server, again)
    pair.flush()
    pair.run()
    assert nobody_is_connected(pair)
    assert pair.of("client", Failed)


# --- what was said before -------------------------------------------------------------------------


@pytest.mark.spec("dtls/replay", "dtls/unified-replay")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_whole_conversation_said_again_changes_nothing(version: str) -> None:
    pair = connected(version)
    pair.client.send(b"once", pair.now)
    pair.flush()
    pair.run()
    told = {role: len(pair.events[role]) for role in ("client", "server")}
    for _, role, data in list(pair.sent):
        other = pair.server if role == "client" else pair.client
        feed(other, data, pair.now)
    pair.flush()
    pair.run()
    new = [event for role in told for event in pair.events[role][told[role] :]]
    assert all(isinstance(event, Ignored) for event in new), new
    assert pair.of("server", Received) == [Received(b"once")]


@pytest.mark.spec("handshake12/client-proof", "handshake13/proof-context")
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("verified", [True, False])
def test_a_recorded_client_gets_nowhere_with_another_server(version: str, verified: bool) -> None:
    """The very octets, address and cookie secret of an honest conversation; only the server's dice are others."""
    secrets = DoorSecrets.make(random.Random(3).randbytes)
    settings = {"versions": version, "address_verified": verified, "secrets": secrets}
    honest = Doors(client_settings={"versions": version}, server_settings=dict(settings))
    honest.start().run()
    assert honest.both_connected
    again = Doors(seed=77, server_settings=dict(settings))
    for _, role, data in honest.sent:
        if role == "client":
            feed(again.server, data)
            list(again.server.transmits())
    assert not any(isinstance(event, Connected | Received) for event in again.server.events())


@pytest.mark.spec("dtls/epoch-bits")
@pytest.mark.parametrize("version", VERSIONS)
def test_records_of_other_epochs_are_dropped(version: str) -> None:
    pair = connected(version)
    for epoch in (0, 1, 2, 3, 0x7FFF, 0xFFFF):
        feed(pair.client, plain(21, bytes((2, 0)), LAST_SEQUENCE, epoch), pair.now)
    for first in range(0x20, 0x40):
        feed(pair.client, bytes((first,)) + bytes(60), pair.now)
    events = list(pair.client.events())
    assert events
    assert all(isinstance(event, Ignored) for event in events)
    pair.client.send(b"still here", pair.now)


# --- numbers at their end -------------------------------------------------------------------------


@pytest.mark.spec("dtls/sequence-exhausted")
def test_no_number_is_used_twice_when_they_run_out() -> None:
    """Data stops a little before the end, so that a goodbye and repetitions can still be said."""
    pair = connected_pair()
    last = LAST_SEQUENCE - RESERVED_SEQUENCES
    pair.client._records._next_sequence[1] = last
    pair.client.send(b"the last", pair.now)
    with pytest.raises(ProtocolMisuse, match="used up"):
        pair.client.send(b"one more", pair.now)
    pair.flush()
    pair.run()
    assert pair.of("server", Received) == [Received(b"the last")]
    pair.server.close(pair.now)
    pair.flush()
    pair.run()
    assert pair.of("client", Closed)


@pytest.mark.spec("dtls/replay")
def test_the_highest_number_shuts_out_only_what_is_older() -> None:
    pair = connected_pair()
    layer = pair.client._records
    for number, data in ((LAST_SEQUENCE, b"last"), (5, b"old"), (LAST_SEQUENCE - 1, b"near"), (LAST_SEQUENCE, b"x")):
        feed(pair.server, numbered(layer, number, data), pair.now)
    received = [event.data for event in pair.server.events() if isinstance(event, Received)]
    assert received == [b"last", b"near"]


def numbered(layer: RecordLayer, number: int, data: bytes) -> bytes:
    """Data under a number that `seal` keeps for other things."""
    assert layer._sealer is not None
    eight = (1 << 48 | number).to_bytes(8, "big")
    bound = eight + bytes((23, 0xFE, 0xFD)) + len(data).to_bytes(2, "big")
    return plain(23, layer._sealer.seal(eight, data, bound), number, 1)


# --- shares that give a secret away ---------------------------------------------------------------

PRIME = 2**255 - 19
LOW_ORDER = [
    0,
    1,
    325606250916557431795983626356110631294008115727848805560023387167927233504,
    39382357235489614581723060781553021112529911719440698176882885853963445705823,
    PRIME - 1,
    PRIME,
    PRIME + 1,
]
"""The points of X25519 of order 1, 2, 4 and 8, and their other spellings: each leads to nothing but zeros."""


@pytest.mark.spec("handshake12/share-invalid", "handshake13/share-invalid")
@pytest.mark.parametrize("high_bit", [0, 1])
@pytest.mark.parametrize("point", LOW_ORDER)
def test_a_point_of_low_order_is_refused(point: int, high_bit: int) -> None:
    share = (point | high_bit << 255).to_bytes(32, "little")
    dice = random.Random(1).randbytes
    secret, _ = make_share(X25519, dice)
    hybrid, _ = make_share(X25519_ML_KEM_768, dice)
    key = make_share(X25519_ML_KEM_768, dice)[1][:1184]
    ciphertext = encapsulate(hybrid.lattice.public_key().public_bytes_raw())[1]  # type: ignore[union-attr]
    for attempt in (
        lambda: combine(secret, share),
        lambda: combine(hybrid, ciphertext + share),
        lambda: answer_share(X25519, share, dice, encapsulate),
        lambda: answer_share(X25519_ML_KEM_768, key + share, dice, encapsulate),
    ):
        with pytest.raises(Refused) as refused:
            attempt()
        assert refused.value.alert == "illegal_parameter"
    honest = X25519PrivateKey.from_private_bytes(dice(32)).public_key().public_bytes_raw()
    assert combine(hybrid, ciphertext + honest)


CURVES = {  # prime, b; a is -3 (SEC 2)
    P_256: (2**256 - 2**224 + 2**192 + 2**96 - 1, 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B),
    P_384: (
        2**384 - 2**128 - 2**96 + 2**32 - 1,
        0xB3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF,
    ),
}


def points_elsewhere(group: int) -> list[bytes]:
    """Shares of the right length that are points of another curve, of none, or too large for the field."""
    prime, b = CURVES[group]
    size = (prime.bit_length() + 7) // 8
    x = 5
    while pow(x**3 - 3 * x + b + 1, (prime - 1) // 2, prime) != 1:
        x += 1
    y = pow(x**3 - 3 * x + b + 1, (prime + 1) // 4, prime)  # on the curve whose b is one more
    assert (y * y - (x**3 - 3 * x + b + 1)) % prime == 0
    pairs = [(x, y), (0, 0), (prime, prime), (x, y + 1), (2 ** (8 * size) - 1, y)]
    return [b"\x04" + first.to_bytes(size, "big") + second.to_bytes(size, "big") for first, second in pairs]


@pytest.mark.spec("handshake12/share-invalid", "handshake13/share-invalid")
@pytest.mark.parametrize("group", CURVES)
def test_a_point_of_another_curve_is_refused(group: int) -> None:
    secret, own = make_share(group, random.Random(1).randbytes)
    size = (len(own) - 1) // 2
    compressed = bytes((2 + own[-1] % 2,)) + own[1 : 1 + size]
    hybrid_form = bytes((6 + own[-1] % 2,)) + own[1:]
    for share in [*points_elsewhere(group), compressed, hybrid_form, b"\0", own + b"\0", own[:-1]]:
        with pytest.raises(Refused) as refused:
            combine(secret, share)
        assert refused.value.alert == "illegal_parameter"
        with pytest.raises(Refused):
            answer_share(group, share, random.Random(2).randbytes, encapsulate)
    assert combine(secret, own)


# --- too large, too many --------------------------------------------------------------------------


def fragment(kind: int, body: bytes, length: int | None = None, number: int = 0, offset: int = 0) -> bytes:
    return dtls.serialize_fragment(Fragment(kind, length if length is not None else len(body), number, offset, body))


def in_fragments(kind: int, body: bytes, number: int = 0) -> list[bytes]:
    return [
        plain(22, fragment(kind, body[at : at + 1000], len(body), number, at), 1 + at // 1000)
        for at in range(0, len(body), 1000)
    ]


def hello_with(extensions: tuple[extension.Extension, ...], **changes: Any) -> bytes:
    suites = changes.pop("cipher_suites", (0xC02B, 0x1301))
    return tls.serialize_client_hello(
        tls.ClientHello(tls.DTLS_1_2, bytes(32), b"", b"", suites, b"\0", extensions, **changes)
    )


UNKNOWN = tuple(extension.UnknownExtension(0x8000 + number, b"") for number in range(3900))
OVERSIZED: dict[str, list[bytes]] = {
    "a record that claims more than a record may have": [plain(22, b"")[:-2] + b"\xff\xff" + bytes(60_000)],
    "thousands of records in one datagram": [plain(22, b"") * 5000],
    "thousands of fragments in one datagram": [plain(22, fragment(1, b"", 16_384) * 1300)],
    "a message that claims 16 MB": [plain(22, fragment(1, b"x", 2**24 - 1))],
    "messages far ahead": [plain(22, fragment(1, b"x", 100, number)) for number in range(0, 65_536, 99)],
    "fragments with holes between them": [
        plain(22, fragment(1, b"x", 16_384, 0, offset)) for offset in range(0, 16_000, 3)
    ],
    "a hello of thousands of extensions": in_fragments(1, hello_with(UNKNOWN)),
    "a hello of one extension of 16,000 octets": in_fragments(
        1, hello_with((extension.UnknownExtension(0x8000, bytes(16_000)),))
    ),
    "a hello of 8,000 cipher suites": in_fragments(1, hello_with((), cipher_suites=tuple(range(8000)))),
    "a hello of 8,000 groups": in_fragments(1, hello_with((extension.SupportedGroups(tuple(range(8000))),))),
    "a cookie of 16,000 octets": in_fragments(1, hello_with((extension.Cookie(bytes(16_000)),))),
    "nothing but zeros": [bytes(65_507)],
    "protected records without end": [bytes((0x2C, 0, 0, 0, 40)) + bytes(40)] * 3000,
    "alerts without end": [plain(21, bytes((1, 10)))] * 3000,
}


@pytest.mark.spec("dtls/reassembly-bounds", "dtls/record-too-long", "dtls/record-within-datagram")
@pytest.mark.parametrize("version", [*VERSIONS, "1.3 preferred"])
@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize("name", OVERSIZED)
def test_whatever_is_too_large_is_refused(name: str, role: str, version: str) -> None:
    pair = doors(version)
    end = getattr(pair, role)
    end.start(0.0)
    for data in OVERSIZED[name]:
        feed(end, data, 0.0)
    sent = sum(len(datagram.data) for datagram in end.transmits())
    assert sent <= 4000  # a hello, an alert: nothing grows with what came
    assert not any(isinstance(event, Connected | Received) for event in end.events())
    kept = len(end._held) + end._hello.held
    if end._endpoint is not None:
        kept += end._endpoint._reassembly.held
    assert kept <= 2 * MAXIMUM_HELD + 100
    assert end.next_timeout() <= HELLO_TIME or end.next_timeout() == math.inf


@pytest.mark.parametrize("size", [255, 3000, 16_000])
def test_a_server_that_asks_with_a_huge_cookie_gets_it_back(size: int) -> None:
    """It is only its own octets; the client's hello stays within what a message may have, or it gives up."""
    pair = NewerPair(server_settings={"address_verified": False})
    pair.client.start(0.0)
    list(pair.client.transmits())
    asked = tls.ServerHello(
        tls.DTLS_1_2, tls.RETRY_RANDOM, b"", 0x1301, 0, (extension.SelectedVersion(tls.DTLS_1_3), cookie(size))
    )
    for data in in_fragments(2, wire12.serialize(asked)):
        feed(pair.client, data)
    said = b"".join(datagram.data for datagram in pair.client.transmits())
    assert len(said) < 2 * size + 4000
    assert not any(isinstance(event, Connected) for event in pair.client.events())


@pytest.mark.spec("handshake12/cookie-same-hello")
def test_a_server_that_asks_for_cookies_without_end_is_left() -> None:
    pair = doors("1.2 only")
    pair.client.start(0.0)
    asked = 0
    for number in range(20):
        asked += bool(list(pair.client.transmits()))
        body = wire12.serialize(wire12.HelloVerifyRequest(tls.DTLS_1_0, bytes((number,) * 20)))
        feed(pair.client, plain(22, fragment(3, body, number=number), number))
    assert 2 <= asked <= 6
    assert [event.alert for event in pair.client.events() if isinstance(event, Failed)] == ["unexpected_message"]


def cookie(size: int) -> extension.Cookie:
    return extension.Cookie(bytes(size))


@pytest.mark.spec("handshake13/plain-after-protected", "dtls/reassembly-bounds")
@pytest.mark.parametrize("role", ["client", "server"])
def test_a_plain_message_ahead_does_not_block_the_protected_one(role: str) -> None:
    """Whoever can write to us must not be able to take the place of messages that only the peer can protect."""
    pair = NewerPair()
    end = getattr(pair, role)
    pair.client.start(0.0)
    for number in range(1, 8):
        feed(end, plain(22, fragment(2 if role == "client" else 1, b"x", 100, number), number))
    pair.flush()
    pair.run()
    assert pair.both_connected, pair.events


@pytest.mark.spec("handshake13/amplification")
@pytest.mark.parametrize("version", VERSIONS)
def test_what_was_not_earned_is_not_sent(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A question is smaller than the hello it answers, so the bound shows only where nothing is granted."""
    for factor, answers in ((0, 0), (1, 1)):
        monkeypatch.setattr(door, "AMPLIFICATION", factor)
        pair = Doors(client_settings={"versions": version} | WHOLE, server_settings={"address_verified": False})
        pair.client.start(0.0)
        feed(pair.server, next(pair.client.transmits()).data)
        assert len(list(pair.server.transmits())) == answers


@pytest.mark.spec("handshake13/epochs", "handshake13/plain-after-protected")
@pytest.mark.parametrize("role", ["client", "server"])
def test_a_plain_message_does_not_stand_for_the_protected_one(role: str) -> None:
    """Between the hellos and the first protected record, somebody says in the clear what comes next."""
    pair = NewerPair(change=only_hellos)
    end = getattr(pair, role)
    pair.start().run(lambda: isinstance(pair.client.state, ExtensionsExpected))
    said: wire13.Handshake = wire13.EncryptedExtensions(()) if role == "client" else wire13.CertificateChain(())
    kind, body = wire13.message_number(said), wire13.serialize(said)
    feed(end, plain(22, fragment(kind, body, number=end._reassembly.expected), 9), pair.now)
    assert "handshake message in the wrong epoch" in [getattr(event, "why", "") for event in end.events()]
    pair.change = lambda sender, data: [data]
    pair.run()
    assert pair.both_connected, pair.events


def only_hellos(sender: Any, data: bytes) -> list[bytes]:
    """Of what the server says the plain records."""
    if sender.role == "client":
        return [data]
    kept = [dtls.serialize(record) for record in dtls.mixed_records(data) if isinstance(record, Record)]
    return [b"".join(kept)] if kept else []


@pytest.mark.spec("handshake12/cookie-stateless", "handshake13/cookie-stateless", "handshake13/amplification")
def test_ten_thousand_half_open_handshakes_cost_nothing() -> None:
    """A hello from each of ten thousand addresses: each gets a question of its own, and is forgotten."""
    secrets = DoorSecrets.make(random.Random(1).randbytes)
    hellos = []
    for version in VERSIONS:
        pair = Doors(client_settings={"versions": version, **WHOLE})
        pair.client.start(0.0)
        hellos.append(next(pair.client.transmits()).data)
    asked_at = Doors(server_settings={"address_verified": False, "secrets": secrets}).server
    questions: set[bytes] = set()
    for number in range(10_000):
        asked_at.remote = Address(f"198.51.{number // 200}.{number % 200}", 5000)
        hello = hellos[number % 2]
        feed(asked_at, hello, number * 0.001)
        (asked,) = [datagram.data for datagram in asked_at.transmits()]
        assert len(asked) < len(hello)
        questions.add(asked)
        assert asked_at.next_timeout() == math.inf
        assert asked_at._endpoint is None
        assert not asked_at._held
        assert not asked_at._hello.held
    assert len(questions) == 10_000
    assert not list(asked_at.events())


def test_ten_thousand_half_said_hellos_end_with_their_time() -> None:
    """Behind a proven address each may hold one unfinished hello, for thirty seconds."""
    half = plain(22, fragment(1, b"x" * 1000, 16_000))
    ends = [Doors(seed=number).server for number in range(10)]
    held = 0
    for number in range(10_000):
        end = ends[number % 10]
        feed(end, half, number * 0.001)
        held = max(held, sum(each._hello.held + sum(len(kept.data) for kept in each._held) for each in ends))
    assert held <= 10 * (MAXIMUM_HELD + 32 * len(half))
    for end in ends:
        assert end.next_timeout() <= HELLO_TIME + 0.01
        end.handle_timeout(end.next_timeout())
        assert not end._hello.held
        assert not end._held
        assert end.next_timeout() == math.inf
