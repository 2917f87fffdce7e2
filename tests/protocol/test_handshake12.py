"""Two endpoints in memory: they agree, whatever the wire does, or say so; and never on different things."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.protocol import keyschedule
from meetref.protocol.handshake12 import (
    HANDSHAKE_TIME,
    MAXIMUM_EARLY,
    Closed,
    Connected,
    Endpoint,
    Failed,
    Received,
)
from meetref.protocol.keyschedule import SUITES
from meetref.protocol.machine import Datagram, ProtocolMisuse
from meetref.protocol.reassembly import MAXIMUM_HELD, Message
from meetref.wire import dtls, extension, tls
from meetref.wire import handshake12 as wire
from meetref.wire.dtls import Fragment, Record
from tests.protocol.dtls_pairs import CERTIFICATES, CLIENT, SERVER, WHOLE, Pair, connected_pair, editing, same_keys


def feed(endpoint: Endpoint, data: bytes, now: float = 0.0) -> None:
    endpoint.receive_datagram(Datagram(data, endpoint.local, endpoint.remote), now)


# --- agreement ------------------------------------------------------------------------------------


@pytest.mark.spec("handshake12/flights", "handshake12/master-secret", "handshake12/extended-master-secret")
def test_both_sides_agree() -> None:
    pair = connected_pair()
    mine, theirs = pair.of("client", Connected)[0], pair.of("server", Connected)[0]
    assert mine.version == theirs.version == "1.2"
    assert mine.cipher == "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
    assert mine.group == theirs.group == "X25519"
    assert mine.srtp_profile == theirs.srtp_profile == 0x0008
    assert mine.extended_master_secret
    assert theirs.extended_master_secret
    assert mine.peer_certificate == CERTIFICATES["server"].der
    assert theirs.peer_certificate == CERTIFICATES["client"].der
    assert same_keys(pair)
    assert pair.client.export(b"EXPORTER-test", 40) == pair.server.export(b"EXPORTER-test", 40)
    assert len(pair.sent) == 4
    assert pair.client.next_timeout() == pair.server.next_timeout() == math.inf


@pytest.mark.spec("handshake12/suites", "handshake12/key-block", "dtls/chacha-nonce")
@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("group", [tls.X25519, tls.P_256, tls.P_384])
def test_every_suite_and_group(suite: int, group: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meetref.protocol.client12.CIPHER_PREFERENCE", (suite,))
    monkeypatch.setattr("meetref.protocol.client12.GROUP_PREFERENCE", (group,))
    pair = connected_pair()
    assert same_keys(pair)
    for role in ("client", "server"):
        connected = pair.of(role, Connected)[0]
        assert (connected.cipher, connected.group) == (tls.CIPHER_SUITES[suite], tls.GROUPS[group])
    pair.client.send(b"ping", pair.now)
    pair.server.send(b"pong", pair.now)
    pair.flush()
    pair.run()
    assert pair.of("server", Received) == [Received(b"ping")]
    assert pair.of("client", Received) == [Received(b"pong")]


@pytest.mark.spec("handshake12/record-size-limit")
@pytest.mark.parametrize(("limit", "alert"), [(64, "decrypt_error"), (63, "illegal_parameter")])
def test_a_record_size_limit_is_kept(limit: int, alert: str) -> None:
    """The rewritten hello ends in different transcripts; until then the server has taken the limit, or refused it."""

    def edit(message: wire.Handshake) -> wire.Handshake:
        if not isinstance(message, tls.ClientHello):
            return message
        return replace(message, extensions=(*message.extensions, extension.RecordSizeLimit(limit)))

    pair = Pair(change=editing("client", edit), client_settings=dict(WHOLE)).start().run()
    assert pair.failure("server") == alert
    assert pair.server._talk.record_limit == (64 if limit == 64 else dtls.MAXIMUM_PLAINTEXT)


def test_the_same_dice_give_the_same_packets() -> None:
    assert connected_pair(seed=5).sent == connected_pair(seed=5).sent
    assert connected_pair(seed=5).sent != connected_pair(seed=6).sent


def test_data_flow_both_ways_and_close_ends_it() -> None:
    pair = connected_pair()
    pair.client.send(b"ping", pair.now)
    pair.server.send(b"pong", pair.now)
    pair.flush()
    pair.run()
    assert pair.of("server", Received) == [Received(b"ping")]
    assert pair.of("client", Received) == [Received(b"pong")]


@pytest.mark.spec("handshake12/close-notify")
def test_close_is_answered() -> None:
    pair = connected_pair()
    pair.client.close(pair.now)
    pair.flush()
    pair.run()
    assert pair.of("client", Closed) == pair.of("server", Closed) == [Closed()]
    alerts = [data for at, role, data in pair.sent if data[0] == dtls.ALERT]
    assert len(alerts) == 2
    pair.client.close(pair.now)
    assert not list(pair.client.transmits())


def test_keys_never_print() -> None:
    pair = connected_pair()
    keys = pair.of("client", Connected)[0].srtp_keys
    secret = pair.key_log[0].split()[2]
    for thing in (pair.client, keys, pair.client.state, pair.client._talk, pair.client._records, pair.events):
        assert secret not in repr(thing)
        assert keys.local_key.hex() not in repr(thing)
        assert repr(keys.local_key) not in repr(thing)


def test_the_key_log_has_one_line_and_both_sides_write_the_same() -> None:
    pair = connected_pair()
    assert len(pair.key_log) == 2
    assert len(set(pair.key_log)) == 1
    word, random_hex, master_hex = pair.key_log[0].split()
    assert (word, len(random_hex), len(master_hex)) == ("CLIENT_RANDOM", 64, 96)


def test_misuse_is_the_callers() -> None:
    pair = Pair()
    with pytest.raises(ProtocolMisuse):
        pair.client.send(b"too early", 0.0)
    with pytest.raises(ProtocolMisuse):
        pair.client.export(b"EXPORTER-test", 1)
    pair.start()
    with pytest.raises(ProtocolMisuse):
        pair.client.start(0.0)
    pair.run()
    with pytest.raises(ProtocolMisuse):
        pair.client.send(bytes(dtls.MAXIMUM_PLAINTEXT + 1), 0.0)
    with pytest.raises(ProtocolMisuse):
        Pair(client_settings={"maximum_datagram": 60})


# --- a bad wire -----------------------------------------------------------------------------------


@pytest.mark.spec("dtls/any-order", "dtls/flight-retransmitted", "dtls/last-flight-again", "dtls/timer-doubles")
@pytest.mark.soak(ci=60, full=10_000)
def test_loss_doubling_and_disorder_only_cost_time(seed: int) -> None:
    dice = random.Random(f"weather {seed}")
    settings = {"maximum_datagram": dice.choice([128, 200, 300, 600, 1200])}
    lose = 0.15 if settings["maximum_datagram"] >= 600 else 0.03
    pair = Pair(
        seed=seed,
        client_settings=settings,
        server_settings={"address_verified": dice.random() < 0.5, "maximum_datagram": dice.choice([600, 1200])},
        lose=dice.random() * lose,
        double=dice.random() * 0.3,
        jitter=dice.choice([0.0, 0.02, 0.3]),
    )
    pair.start().run()
    assert pair.both_connected, pair.events
    assert same_keys(pair)
    assert not pair.of("client", Failed)
    assert not pair.of("server", Failed)


@pytest.mark.spec("dtls/flight-retransmitted", "dtls/timer-doubles", "dtls/sequence-per-epoch")
def test_an_unanswered_hello_is_repeated_with_back_off_and_given_up() -> None:
    pair = Pair(lose=1.0).start().run()
    times = [at for at, role, _ in pair.sent]
    assert times == pytest.approx([0, 0.4, 1.2, 2.8, 6.0, 12.4, 25.2])
    sequences = [dtls.parse(data)[0].sequence for _, _, data in pair.sent]
    assert sequences == list(range(7))  # a repeated message is a new record
    assert pair.now == HANDSHAKE_TIME
    assert pair.failure("client") is None
    assert pair.of("client", Failed)


@pytest.mark.spec("dtls/last-flight-again")
def test_the_servers_last_flight_is_repeated_when_the_client_repeats_its_own() -> None:
    lost: list[bytes] = []

    def change(sender: Endpoint, data: bytes) -> list[bytes]:
        if sender.role == "server" and data[0] == dtls.CHANGE_CIPHER_SPEC and not lost:
            lost.append(data)
            return []
        return [data]

    pair = connected_pair(change=change)
    assert lost
    assert len(pair.of("server", Connected)) == 1
    assert sum(data[0] == dtls.CHANGE_CIPHER_SPEC for _, _, data in pair.sent) == 2


@pytest.mark.spec("dtls/copies-do-not-breed")
def test_copies_do_not_breed_copies() -> None:
    pair = Pair(double=1.0, delay=0.001).start().run()
    assert pair.both_connected
    assert len(pair.sent) == 4


@pytest.mark.spec("dtls/epoch-ahead-kept")
def test_a_finished_that_overtakes_its_flight_is_kept() -> None:
    def change(sender: Endpoint, data: bytes) -> list[bytes]:
        return [dtls.serialize(record) for record in reversed(dtls.parse(data))]

    pair = Pair(change=change, delay=0.01)
    pair.start().run(lambda: pair.both_connected)
    assert pair.both_connected
    assert pair.now < 0.1


@pytest.mark.spec("handshake12/early-bounded")
def test_early_records_are_bounded() -> None:
    pair = Pair().start()
    early = Record(dtls.APPLICATION_DATA, tls.DTLS_1_2, 1, 0, bytes(40))
    for sequence in range(100):
        feed(pair.client, dtls.serialize(replace(early, sequence=sequence)))
    assert len(pair.client._early) == MAXIMUM_EARLY
    pair.run()
    assert pair.both_connected
    assert not pair.client._early


@pytest.mark.spec("handshake12/early-bounded")
def test_data_that_overtakes_the_last_flight_waits_for_it() -> None:
    pair = Pair(delay=0.01)
    pair.start().run(lambda: bool(pair.of("server", Connected)))
    pair.server.send(b"early", pair.now)
    (data,) = [datagram.data for datagram in pair.server.transmits()]
    feed(pair.client, data, pair.now)
    assert not list(pair.client.events())
    pair.run()
    assert pair.of("client", Received) == [Received(b"early")]


# --- cookies --------------------------------------------------------------------------------------


@pytest.mark.spec("handshake12/cookie-stateless", "handshake12/cookie-same-hello", "handshake12/server-record-number")
def test_a_server_that_does_not_know_the_address_asks_for_a_cookie() -> None:
    pair = connected_pair(server_settings={"address_verified": False})
    assert len(pair.sent) == 6
    first, second = dtls.parse(pair.sent[0][2])[0], dtls.parse(pair.sent[2][2])[0]
    asked = dtls.parse(pair.sent[1][2])[0]
    assert asked.sequence == first.sequence
    assert dtls.parse(pair.sent[3][2])[0].sequence == second.sequence
    said = [
        wire.parse(fragment.type, fragment.body)
        for each in (first, second)
        for fragment in dtls.fragments(each.payload)
    ]
    assert isinstance(said[0], tls.ClientHello)
    assert isinstance(said[1], tls.ClientHello)
    assert said[0] == replace(said[1], cookie=b"")
    (request,) = dtls.fragments(asked.payload)
    assert wire.parse(request.type, request.body) == wire.HelloVerifyRequest(tls.DTLS_1_0, said[1].cookie)


@pytest.mark.spec("handshake12/cookie-stateless", "handshake12/cookie-wrong-asks-again")
def test_nothing_is_kept_before_the_cookie_is_back() -> None:
    pair = Pair(server_settings={"address_verified": False}).start()
    hello = pair.sent[0][2]
    for _ in range(50):
        feed(pair.server, hello)
        assert pair.server._reassembly.held == 0
        assert pair.server.next_timeout() == math.inf
    answers = list(pair.server.transmits())
    assert len(answers) == 50
    assert len(answers[0].data) < len(hello)
    assert len({answer.data[14:] for answer in answers}) == 1


@pytest.mark.spec("handshake12/cookie-bound-to-hello", "handshake12/cookie-wrong-asks-again")
def test_a_cookie_from_elsewhere_is_asked_for_again() -> None:
    def edit(message: wire.Handshake) -> wire.Handshake:
        return replace(message, cookie=bytes(32)) if isinstance(message, wire.HelloVerifyRequest) else message

    pair = Pair(server_settings={"address_verified": False}, change=editing("server", edit)).start().run()
    assert pair.failure("client") == "unexpected_message"  # after three cookies, none of them good
    assert not pair.of("server", Connected)


# --- hostile peers --------------------------------------------------------------------------------


@pytest.mark.spec("dtls/reassembly-bounds")
def test_half_open_servers_hold_little() -> None:
    pair = Pair()
    for number in range(12):
        for offset in range(0, 16_000, 2):
            payload = dtls.serialize_fragment(Fragment(1, 16_000, number, offset, b"x"))
            feed(pair.server, dtls.serialize(Record(22, tls.DTLS_1_2, 0, 0, payload)))
    assert pair.server._reassembly.held <= MAXIMUM_HELD
    assert pair.server.next_timeout() == HANDSHAKE_TIME
    assert not list(pair.server.transmits())


@pytest.mark.spec("handshake12/unexpected-message")
@pytest.mark.parametrize("kind", [4, 8, 22, 77])
def test_a_message_of_an_unknown_type_is_unexpected(kind: int) -> None:
    pair = Pair().start()
    payload = dtls.serialize_fragment(Fragment(kind, 0, 0, 0, b""))
    feed(pair.client, dtls.serialize(Record(dtls.HANDSHAKE, tls.DTLS_1_2, 0, 0, payload)))
    assert [event.alert for event in pair.client.events() if isinstance(event, Failed)] == ["unexpected_message"]


@pytest.mark.spec("handshake12/hello-request-ignored")
def test_a_wish_to_negotiate_anew_does_not_disturb_who_is_negotiating() -> None:
    """It counts among the numbers of the messages, and not in the transcript."""
    pair = Pair(server_settings=dict(WHOLE))
    say = pair.server._talk.say

    def interrupted(message: wire.Handshake) -> None:
        if isinstance(message, wire.ServerHelloDone):
            talk = pair.server._talk
            talk.turn.append(Message(wire.HELLO_REQUEST, talk._next_number, b""))
            talk._next_number += 1
        say(message)

    pair.server._talk.say = interrupted  # type: ignore[method-assign]
    pair.start().run()
    assert pair.both_connected
    assert "a wish to negotiate anew, while negotiating" in pair.ignored("client")


@pytest.mark.spec("handshake12/renegotiation-refused")
@pytest.mark.parametrize(("role", "kind"), [("client", wire.HELLO_REQUEST), ("server", wire.CLIENT_HELLO)])
def test_renegotiation_is_refused(role: str, kind: int) -> None:
    pair = connected_pair()
    peer, asked = (pair.server, pair.client) if role == "client" else (pair.client, pair.server)
    record = peer._records.seal(1, dtls.HANDSHAKE, dtls.serialize_fragment(Fragment(kind, 0, 9, 0, b"")))
    feed(asked, record, pair.now)
    (answer,) = dtls.parse(next(asked.transmits()).data)
    assert peer._records.open(answer) == bytes((tls.WARNING, tls.ALERT_NUMBERS["no_renegotiation"]))
    assert "handshake message after the handshake" in [event.why for event in asked.events()]  # type: ignore[attr-defined]
    asked.send(b"still here", pair.now)


@pytest.mark.spec("handshake12/unexpected-message", "dtls/last-flight-again")
@pytest.mark.parametrize("role", ["client", "server"])
def test_a_finished_comes_once(role: str) -> None:
    """The same one again is repeated; another one is none."""
    pair = connected_pair()
    peer, asked = (pair.server, pair.client) if role == "client" else (pair.client, pair.server)
    for number, alerts in ((asked._reassembly.expected - 1, []), (asked._reassembly.expected, ["unexpected_message"])):
        fragment = dtls.serialize_fragment(Fragment(wire.FINISHED, 12, number, 0, bytes(12)))
        feed(asked, peer._records.seal(1, dtls.HANDSHAKE, fragment), pair.now)
        assert [event.alert for event in asked.events() if isinstance(event, Failed)] == alerts


@pytest.mark.spec("handshake12/unexpected-message")
def test_what_is_protected_and_no_finished_ends_the_handshake() -> None:
    pair = Pair()
    pair.start().run(lambda: pair.client._records.is_protected)
    session = pair.client._talk.session
    assert session is not None
    assert not pair.of("client", Connected)
    pair.server._records.install(keyschedule.key_block(session), "server")
    fragment = dtls.serialize_fragment(Fragment(14, 0, pair.client._reassembly.expected, 0, b""))
    feed(pair.client, pair.server._records.seal(1, dtls.HANDSHAKE, fragment), pair.now)
    assert [event.alert for event in pair.client.events() if isinstance(event, Failed)] == ["unexpected_message"]


@pytest.mark.spec("handshake12/unexpected-message")
def test_a_message_of_no_known_type_ends_the_handshake() -> None:
    pair = Pair().start()
    fragment = dtls.serialize_fragment(Fragment(77, 1, 0, 0, b"x"))
    feed(pair.client, dtls.serialize(Record(dtls.HANDSHAKE, tls.DTLS_1_2, 0, 0, fragment)))
    assert [event.alert for event in pair.client.events() if isinstance(event, Failed)] == ["unexpected_message"]


@pytest.mark.spec("handshake12/decode-error")
@pytest.mark.parametrize("alert", [b"", b"\x02", bytes((1, 90, 1, 90))])
def test_a_protected_alert_is_whole_and_alone(alert: bytes) -> None:
    pair = connected_pair()
    feed(pair.server, pair.client._records.seal(1, dtls.ALERT, alert), pair.now)
    assert [event.alert for event in pair.server.events() if isinstance(event, Failed)] == ["decode_error"]


@pytest.mark.spec("handshake12/plain-after-finished", "handshake12/plain-data-dropped", "dtls/replay")
@pytest.mark.spec("dtls/bad-record-dropped")
def test_after_the_handshake_nothing_plain_or_old_or_false_is_taken() -> None:
    pair = connected_pair()
    pair.server.send(b"once", pair.now)
    (good,) = [datagram.data for datagram in pair.server.transmits()]
    flipped = bytes([*good[:-1], good[-1] ^ 1])
    plain_alert = dtls.serialize(Record(21, tls.DTLS_1_2, 0, 99, bytes((2, 40))))
    plain_hello = pair.sent[0][2]
    for data in (flipped, plain_alert, plain_hello, good, good):
        feed(pair.client, data, pair.now)
    events = list(pair.client.events())
    assert events.count(Received(b"once")) == 1
    assert not any(isinstance(event, Failed | Closed) for event in events)
    assert len(events) == 5
    assert not list(pair.client.transmits())
    fresh = Pair().start()
    feed(fresh.client, dtls.serialize(Record(23, tls.DTLS_1_2, 0, 1, b"plain")))
    assert "application data without protection" in [event.why for event in fresh.client.events()]  # type: ignore[attr-defined]


@pytest.mark.spec("handshake12/finished-protected")
def test_a_plain_finished_does_not_count() -> None:
    pair = Pair()
    pair.start().run(lambda: bool(pair.of("server", Connected)))
    payload = dtls.serialize_fragment(Fragment(wire.FINISHED, 12, pair.client._reassembly.expected, 0, bytes(12)))
    feed(pair.client, dtls.serialize(Record(22, tls.DTLS_1_2, 0, 77, payload)), pair.now)
    pair.run()
    assert "handshake message in the wrong epoch" in pair.ignored("client")
    assert pair.both_connected


@pytest.mark.spec("handshake12/fatal-alert-ends")
@pytest.mark.parametrize("role", ["client", "server"])
def test_a_fatal_alert_during_the_handshake_ends_it(role: str) -> None:
    pair = Pair()
    pair.start().run(lambda: len(pair.sent) >= 2)
    end = pair.client if role == "client" else pair.server
    feed(end, dtls.serialize(Record(21, tls.DTLS_1_2, 0, 50, bytes((2, 40)))), pair.now)
    assert [event for event in end.events() if isinstance(event, Failed)] == [
        Failed("handshake_failure", "the peer ended it with handshake_failure")
    ]
    assert end.next_timeout() == math.inf


@pytest.mark.spec("handshake12/client-proof")
def test_a_wrong_finished_is_noticed() -> None:
    """A man in the middle who rewrote something unsigned: the client's offer of groups."""

    def edit(message: wire.Handshake) -> wire.Handshake:
        if not isinstance(message, tls.ClientHello):
            return message
        smaller = [
            each
            for each in message.extensions
            if not isinstance(each, extension.ExtendedMasterSecret | extension.UseSRTP)
        ]
        return replace(message, extensions=tuple(smaller))

    pair = Pair(change=editing("client", edit), client_settings=dict(WHOLE)).start().run()
    assert pair.failure("server") == "decrypt_error"
    assert not pair.of("client", Connected)
    assert not pair.of("server", Connected)


@pytest.mark.spec("dtls/bad-record-dropped")
@pytest.mark.soak(ci=60, full=10_000)
def test_a_flipped_bit_never_leads_to_different_keys(seed: int) -> None:
    """It is harmless, or an alert, or time runs out; what it never is is a success that the other does not share."""
    dice = random.Random(f"flip {seed}")
    target = dice.randrange(4)

    def change(sender: Endpoint, data: bytes) -> list[bytes]:
        if len(pair.sent) - 1 != target:
            return [data]
        if dice.random() < 0.2:
            return [data[: dice.randrange(len(data))]]
        at, bit = dice.randrange(len(data)), 1 << dice.randrange(8)
        return [data[:at] + bytes((data[at] ^ bit,)) + data[at + 1 :]]

    pair = Pair(seed=seed, change=change)
    pair.start().run()
    if pair.both_connected:
        assert same_keys(pair)
    for role in ("client", "server"):
        assert len(pair.of(role, Connected)) + len(pair.of(role, Failed)) >= (role == "client")
        for connected in pair.of(role, Connected):
            assert connected.peer_certificate == CERTIFICATES["server" if role == "client" else "client"].der


@st.composite
def almost_records(draw: st.DrawFn) -> bytes:
    """Octets that look like records now and then: fragments of any message, alerts, data, garbage."""
    parts = []
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from([20, 21, 22, 22, 22, 23, 99]))
        epoch = draw(st.sampled_from([0, 0, 0, 1, 2]))
        body = draw(st.binary(max_size=60))
        if kind == 22:
            number = draw(st.sampled_from([0, 1, 2, 3, 11, 12, 13, 14, 15, 16, 20]))
            length = draw(st.sampled_from([len(body), len(body), 70, 2**24 - 1]))
            if length >= len(body):
                offset = draw(st.integers(0, min(length - len(body), 70)))
                body = dtls.serialize_fragment(Fragment(number, length, draw(st.integers(0, 12)), offset, body))
        parts.append(dtls.serialize(Record(kind, tls.DTLS_1_2, epoch, draw(st.integers(0, 99)), body)))
    return draw(st.sampled_from([b"".join(parts), draw(st.binary(max_size=80))]))


@given(stage=st.integers(0, 5), client=st.booleans(), inputs=st.lists(almost_records(), max_size=6))
def test_no_input_raises_and_time_moves_on(stage: int, client: bool, inputs: list[bytes]) -> None:
    pair = Pair()
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
    if stage < 5:
        assert not any(isinstance(event, Connected | Received) for event in end.events())


def test_addresses_are_the_endpoints_own() -> None:
    pair = Pair()
    pair.client.start(0.0)
    datagram = next(pair.client.transmits())
    assert (datagram.local, datagram.remote) == (CLIENT, SERVER)
