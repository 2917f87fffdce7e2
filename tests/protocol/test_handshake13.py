"""Two endpoints of 1.3 in memory: they agree, whatever the wire does, or say so; and never on different things."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.protocol import recordlayer13
from meetref.protocol.association import Closed, Connected, Failed, Received
from meetref.protocol.handshake13 import HANDSHAKE_TIME, Endpoint
from meetref.protocol.keyschedule13 import SUITES
from meetref.protocol.machine import Datagram, ProtocolMisuse
from meetref.protocol.reassembly import MAXIMUM_HELD, MOST_MESSAGES
from meetref.wire import dtls, tls
from meetref.wire import handshake13 as wire
from meetref.wire.dtls import Fragment, Record, RecordNumber
from tests.protocol.dtls13_pairs import GROUPS, POLICY, NewerPair, connected_pair, same_keys, seal_message
from tests.protocol.dtls_pairs import CERTIFICATES, CLIENT, SERVER


def feed(endpoint: Endpoint, data: bytes, now: float = 0.0) -> None:
    endpoint.receive_datagram(Datagram(data, endpoint.local, endpoint.remote), now)


# --- agreement ------------------------------------------------------------------------------------


@pytest.mark.spec("handshake13/label-prefix", "handshake13/epochs", "handshake13/answer-acknowledges")
@pytest.mark.spec("handshake13/key-schedule", "handshake13/client-hello", "handshake13/srtp-in-encrypted-extensions")
@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("suite", SUITES)
def test_both_sides_agree(group: int, suite: int) -> None:
    settings = {"policy": replace(POLICY, groups=(group,), suites=(suite,))}
    pair = connected_pair(client_settings=settings)
    mine, theirs = pair.of("client", Connected)[0], pair.of("server", Connected)[0]
    assert mine.version == theirs.version == "1.3"
    assert mine.cipher == theirs.cipher == tls.CIPHER_SUITES[suite]
    assert mine.group == theirs.group == tls.GROUPS[group]
    assert mine.srtp_profile == theirs.srtp_profile == 0x0008
    assert mine.peer_certificate == CERTIFICATES["server"].der
    assert theirs.peer_certificate == CERTIFICATES["client"].der
    assert same_keys(pair)
    assert pair.client.export(b"EXPORTER-test", 40) == pair.server.export(b"EXPORTER-test", 40)
    assert pair.client.next_timeout() == pair.server.next_timeout() == math.inf


@pytest.mark.spec("handshake13/exporter")
def test_a_shorter_export_is_not_the_beginning_of_a_longer_one() -> None:
    pair = connected_pair()
    assert pair.client.export(b"EXPORTER-test", 56) != pair.client.export(b"EXPORTER-test", 60)[:56]


@pytest.mark.spec("handshake13/hybrid-order", "handshake13/group-preference")
def test_a_post_quantum_handshake_takes_one_round_trip_and_a_half() -> None:
    pair = connected_pair()
    assert pair.of("client", Connected)[0].group == "X25519MLKEM768"
    assert [role for _, role, _ in pair.sent] == ["client", "client", "server", "server", "client", "server"]
    assert pair.now == pytest.approx(0.04)


def test_the_same_dice_give_the_same_packets() -> None:
    settings: dict[str, Any] = {"client_settings": {"policy": replace(POLICY, groups=(tls.X25519,))}}
    assert connected_pair(seed=5, **settings).sent == connected_pair(seed=5, **settings).sent
    assert connected_pair(seed=5, **settings).sent != connected_pair(seed=6, **settings).sent


def test_data_flow_both_ways() -> None:
    pair = connected_pair()
    for _ in range(3):
        pair.client.send(b"ping", pair.now)
        pair.server.send(b"pong", pair.now)
    pair.flush()
    pair.run()
    assert pair.of("server", Received) == 3 * [Received(b"ping")]
    assert pair.of("client", Received) == 3 * [Received(b"pong")]


@pytest.mark.spec("handshake13/close-notify")
def test_close_is_answered() -> None:
    pair = connected_pair()
    sent = len(pair.sent)
    pair.client.close(pair.now)
    pair.flush()
    pair.run()
    assert pair.of("client", Closed) == pair.of("server", Closed) == [Closed()]
    assert len(pair.sent) == sent + 2
    pair.client.close(pair.now)
    assert not list(pair.client.transmits())


def test_keys_never_print() -> None:
    pair = connected_pair()
    keys = pair.of("client", Connected)[0].srtp_keys
    for line in pair.key_log:
        secret = line.split()[2]
        for thing in (pair.client, keys, pair.client.state, pair.client._talk, pair.client._epochs, pair.events):
            assert secret not in repr(thing)
            assert repr(bytes.fromhex(secret)) not in repr(thing)
            assert keys.local_key.hex() not in repr(thing)


def test_the_key_log_has_five_lines_and_both_sides_write_the_same() -> None:
    pair = connected_pair()
    assert len(pair.key_log) == 10
    assert sorted(line.split()[0] for line in set(pair.key_log)) == [
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
        "CLIENT_TRAFFIC_SECRET_0",
        "EXPORTER_SECRET",
        "SERVER_HANDSHAKE_TRAFFIC_SECRET",
        "SERVER_TRAFFIC_SECRET_0",
    ]


def test_misuse_is_the_callers() -> None:
    pair = NewerPair()
    for call in (
        lambda: pair.client.send(b"too early", 0.0),
        lambda: pair.client.export(b"EXPORTER-test", 1),
        lambda: pair.client.update_keys(0.0),
        lambda: NewerPair(client_settings={"maximum_datagram": 60}),
    ):
        with pytest.raises(ProtocolMisuse):
            call()
    pair.start()
    with pytest.raises(ProtocolMisuse):
        pair.client.start(0.0)
    pair.run()
    with pytest.raises(ProtocolMisuse):
        pair.client.send(bytes(dtls.MAXIMUM_PLAINTEXT + 1), 0.0)


# --- asking again ---------------------------------------------------------------------------------


@pytest.mark.spec("handshake13/retry-message", "handshake13/cookie-stateless", "handshake13/cookie-returned")
@pytest.mark.spec("handshake13/retry-transcript", "handshake13/retry-group", "handshake13/retry-answered")
@pytest.mark.parametrize("verified", [True, False])
@pytest.mark.parametrize("group", [tls.P_384, tls.X25519])
@pytest.mark.parametrize("suite", SUITES)
def test_the_server_asks_again(verified: bool, group: int, suite: int) -> None:
    policy = replace(POLICY, groups=(group,), suites=(suite,))
    pair = connected_pair(server_settings={"policy": policy, "address_verified": verified})
    assert same_keys(pair)
    assert pair.of("client", Connected)[0].group == tls.GROUPS[group]
    asked = group == tls.P_384 or not verified
    assert sum(role == "server" for _, role, _ in pair.sent) == 2 + asked


@pytest.mark.spec("handshake13/cookie-stateless", "handshake13/amplification")
def test_nothing_is_kept_before_the_cookie_is_back() -> None:
    pair = NewerPair(server_settings={"address_verified": False}).start()
    hello = [data for _, _, data in pair.sent]
    for _ in range(50):
        for data in hello:
            feed(pair.server, data)
        assert pair.server._reassembly.held == 0
        assert pair.server.next_timeout() == math.inf
    answers = [datagram.data for datagram in pair.server.transmits()]
    assert len(answers) == 50
    assert len(answers[0]) < 3 * min(map(len, hello))
    assert len({answer[14:] for answer in answers}) == 1


@pytest.mark.spec("handshake13/cookie-bound", "handshake13/cookie-wrong")
def test_a_cookie_from_elsewhere_is_refused() -> None:
    pair = NewerPair(server_settings={"address_verified": False})
    pair.start().run(lambda: len(pair.sent) >= 3)
    pair.server.remote = CLIENT._replace(port=4999)
    pair.run()
    assert pair.failure("server") == pair.failure("client") == "illegal_parameter"


# --- a bad wire -----------------------------------------------------------------------------------


@pytest.mark.spec("handshake13/ack-partial", "handshake13/ack-after-a-while", "handshake13/flight-repeated")
@pytest.mark.spec("handshake13/last-flight-acknowledged", "handshake13/ack-ends-flight")
@pytest.mark.soak(ci=60, full=10_000)
def test_loss_doubling_and_disorder_only_cost_time(seed: int) -> None:
    dice = random.Random(f"weather {seed}")
    settings = {"maximum_datagram": dice.choice([128, 200, 300, 600, 1200])}
    lose = 0.15 if settings["maximum_datagram"] >= 600 else 0.03
    policy = replace(POLICY, groups=dice.choice([(0x11EC,), (0x1D,), (0x18,)]), suites=(dice.choice(list(SUITES)),))
    server = {"address_verified": dice.random() < 0.5, "maximum_datagram": dice.choice([300, 600, 1200])}
    pair = NewerPair(
        seed=seed,
        client_settings=settings,
        server_settings=server | {"policy": policy},
        lose=dice.random() * lose,
        double=dice.random() * 0.3,
        jitter=dice.choice([0.0, 0.02, 0.3]),
    )
    pair.start().run()
    assert pair.both_connected, pair.events
    assert same_keys(pair)
    assert not pair.of("client", Failed)
    assert not pair.of("server", Failed)
    pair.client.update_keys(pair.now, both=True)
    pair.flush()
    pair.run()
    assert pair.client._records.write_epoch == pair.server._records.write_epoch == 4
    pair.lose = 0.0
    pair.client.send(b"still here", pair.now)
    pair.flush()
    pair.run()
    assert Received(b"still here") in pair.of("server", Received)


def test_an_unanswered_hello_is_repeated_with_back_off_and_given_up() -> None:
    pair = NewerPair(lose=1.0).start().run()
    times = sorted({at for at, _, _ in pair.sent})
    assert times == pytest.approx([0, 0.4, 1.2, 2.8, 6.0, 12.4, 25.2])
    assert pair.now == HANDSHAKE_TIME
    assert pair.of("client", Failed)


def losing(role: str, number: int) -> Callable[[Endpoint, bytes], list[bytes]]:
    """Lose the datagram that `role` sends as its `number`-th, once."""
    count = {"client": -1, "server": -1}

    def change(sender: Endpoint, data: bytes) -> list[bytes]:
        count[sender.role] += 1
        return [] if (sender.role, count[sender.role]) == (role, number) else [data]

    return change


@pytest.mark.spec("handshake13/ack-empty", "handshake13/ack-sent-epoch")
def test_a_lost_server_hello_is_asked_for_with_an_empty_ack() -> None:
    pair = connected_pair(change=losing("server", 0))
    acks = [data for _, role, data in pair.sent if role == "client" and data[0] == dtls.ACK]
    assert len(acks) == 1
    assert dtls.parse_ack(acks[0][13:]) == ()
    assert pair.now < 0.4  # sooner than the timer would have done it


@pytest.mark.spec("handshake13/ack-partial", "handshake13/ack-only-what-was-kept", "handshake13/retransmission-epoch")
def test_only_what_was_lost_goes_again() -> None:
    pair = connected_pair(change=losing("server", 1))
    server = [data for _, role, data in pair.sent if role == "server"]
    assert len(server) == 4  # two datagrams, one of them again, and the last ACK
    assert len(server[2]) <= len(server[1])
    assert server[2][0] & 0xE3 == 0x22  # in the same epoch
    assert pair.now < 0.4


@pytest.mark.spec("handshake13/last-flight-acknowledged")
def test_a_lost_ack_is_sent_again_when_the_client_repeats_its_flight() -> None:
    pair = connected_pair(change=losing("server", 2))
    assert len(pair.of("server", Connected)) == 1
    assert pair.client.next_timeout() == math.inf
    assert not pair.of("client", Failed)


@pytest.mark.spec("handshake13/last-flight-acknowledged")
def test_a_client_whose_last_flight_is_never_acknowledged_says_so() -> None:
    pair = NewerPair(change=lambda sender, data: [data] if sender.role == "client" or len(data) > 100 else [])
    pair.start().run()
    assert pair.of("client", Connected)
    assert pair.of("client", Failed)


@pytest.mark.spec("handshake13/flight-repeated")
def test_copies_do_not_breed_copies() -> None:
    pair = NewerPair(double=1.0, delay=0.001).start().run()
    assert pair.both_connected
    assert len(pair.sent) <= 8


@pytest.mark.spec("handshake13/early-bounded", "handshake13/data-after-finished")
def test_data_that_overtakes_the_last_flight_waits_for_it() -> None:
    pair = NewerPair(delay=0.01)
    pair.start().run(lambda: bool(pair.of("client", Connected)))
    pair.client.send(b"early", pair.now)
    (data,) = [datagram.data for datagram in pair.client.transmits()]
    feed(pair.server, data, pair.now)
    assert not any(isinstance(event, Received) for event in pair.server.events())
    pair.run()
    assert pair.of("server", Received) == [Received(b"early")]


@pytest.mark.spec("handshake13/early-bounded")
def test_early_records_are_bounded() -> None:
    pair = NewerPair().start()
    for _ in range(100):
        feed(pair.client, bytes((0x2E, 0, 0, 0, 40)) + bytes(40))
    assert len(pair.client._intake.early) == recordlayer13.MAXIMUM_EARLY
    pair.run()
    assert pair.both_connected
    assert not pair.client._intake.early


# --- acknowledgements -----------------------------------------------------------------------------


@pytest.mark.spec("handshake13/ack-epoch")
def test_a_plain_ack_says_nothing_of_protected_records() -> None:
    pair = NewerPair()
    pair.start().run(lambda: len(pair.sent) >= 4)
    forged = dtls.serialize_ack([RecordNumber(2, sequence) for sequence in range(20)])
    feed(pair.server, dtls.serialize(Record(dtls.ACK, tls.DTLS_1_2, 0, 9, forged)), pair.now)
    assert pair.server._flight.is_untouched
    pair.run()
    assert pair.both_connected


@pytest.mark.spec("handshake13/tickets-dropped", "handshake13/last-flight-acknowledged")
def test_tickets_are_acknowledged_and_dropped() -> None:
    pair = connected_pair()
    ticket = wire.NewSessionTicket(7200, 5, b"\0", b"ticket")
    for _ in range(2):  # the second time the same message again
        feed(pair.client, seal_message(pair.server, ticket, 6), pair.now)
        (answer,) = [datagram.data for datagram in pair.client.transmits()]
        opened = pair.server._records.open(next(iter(dtls.mixed_records(answer))))  # type: ignore[arg-type]
        assert isinstance(opened, recordlayer13.Opened)
        assert opened.content_type == dtls.ACK
        assert [number.epoch for number in dtls.parse_ack(opened.plaintext)] == [3]
    assert pair.client.next_timeout() == math.inf


@pytest.mark.spec("handshake13/no-renegotiation", "handshake13/unexpected-message")
@pytest.mark.parametrize("role", ["client", "server"])
def test_nothing_else_may_follow_the_handshake(role: str) -> None:
    pair = connected_pair()
    peer, asked = (pair.server, pair.client) if role == "client" else (pair.client, pair.server)
    message = wire.CertificateRequest(()) if role == "client" else wire.NewSessionTicket(1, 1, b"", b"x")
    feed(asked, seal_message(peer, message, asked._reassembly.expected), pair.now)
    assert [event.alert for event in asked.events() if isinstance(event, Failed)] == ["unexpected_message"]


def test_whoever_wants_new_keys_for_ever_is_answered_until_the_numbers_run_out() -> None:
    pair = connected_pair()
    pair.server._talk.next_number = pair.client._reassembly.expected = MOST_MESSAGES - 1
    for number in range(3):
        pair.client.update_keys(pair.now, both=True)
        pair.flush()
        pair.run()
        assert pair.server._talk.next_number == MOST_MESSAGES
        assert pair.client._records.write_epoch == 4 + number
    pair.server.send(b"still here", pair.now)
    pair.flush()
    pair.run()
    assert pair.of("client", Received) == [Received(b"still here")]


@pytest.mark.spec("handshake13/epochs", "handshake13/unexpected-message")
@pytest.mark.parametrize("role", ["client", "server"])
def test_nothing_new_comes_under_the_keys_of_a_handshake_that_is_over(role: str) -> None:
    pair = NewerPair()
    pair.start().run(lambda: bool(pair.of("client", Connected)))
    peer, asked = (pair.server, pair.client) if role == "client" else (pair.client, pair.server)
    kept = dict(peer._records._sealers)
    pair.run()
    peer._records._sealers |= kept
    fragment = dtls.serialize_fragment(Fragment(wire.FINISHED, 32, asked._reassembly.expected, 0, bytes(32)))
    feed(asked, peer._records.seal(2, dtls.HANDSHAKE, fragment), pair.now)
    assert [event.alert for event in asked.events() if isinstance(event, Failed)] == ["unexpected_message"]


@pytest.mark.spec("handshake13/unexpected-message")
def test_who_speaks_1_3_alone_is_asked_for_no_older_cookie() -> None:
    pair = NewerPair().start()
    fragment = dtls.serialize_fragment(Fragment(wire.HELLO_VERIFY_REQUEST, 4, 0, 0, b"\xfe\xff\x01c"))
    feed(pair.client, dtls.serialize(Record(dtls.HANDSHAKE, tls.DTLS_1_2, 0, 0, fragment)))
    assert [event.alert for event in pair.client.events() if isinstance(event, Failed)] == ["protocol_version"]


@pytest.mark.spec("handshake13/decode-error")
@pytest.mark.parametrize("role", ["client", "server"])
def test_what_cannot_be_read_ends_it(role: str) -> None:
    pair = connected_pair()
    peer, asked = (pair.server, pair.client) if role == "client" else (pair.client, pair.server)
    fragment = Fragment(wire.KEY_UPDATE, 2, asked._reassembly.expected, 0, b"\0\0")
    record = peer._records.seal(3, dtls.HANDSHAKE, dtls.serialize_fragment(fragment))
    feed(asked, record, pair.now)
    assert [event.alert for event in asked.events() if isinstance(event, Failed)] == ["decode_error"]


@pytest.mark.spec("handshake13/decode-error")
@pytest.mark.parametrize("kind", [dtls.HANDSHAKE, dtls.ALERT, dtls.ACK])
def test_protected_content_that_cannot_be_read_ends_it(kind: int) -> None:
    pair = connected_pair()
    feed(pair.server, pair.client._records.seal(3, kind, b"\x01"), pair.now)
    assert [event.alert for event in pair.server.events() if isinstance(event, Failed)] == ["decode_error"]


@pytest.mark.spec("handshake13/inner-type")
@pytest.mark.parametrize("kind", [dtls.HANDSHAKE, dtls.ALERT])
def test_protected_content_that_is_empty_ends_it(kind: int) -> None:
    pair = connected_pair()
    feed(pair.server, pair.client._records.seal(3, kind, b""), pair.now)
    assert [event.alert for event in pair.server.events() if isinstance(event, Failed)] == ["unexpected_message"]


@pytest.mark.spec("handshake13/key-update-value")
@pytest.mark.parametrize("wish", [2, 255])
def test_a_key_update_that_wants_something_unknown_ends_it(wish: int) -> None:
    pair = connected_pair()
    feed(pair.server, seal_message(pair.client, wire.KeyUpdate(wish), pair.server._reassembly.expected), pair.now)
    assert [event.alert for event in pair.server.events() if isinstance(event, Failed)] == ["illegal_parameter"]


# --- new keys -------------------------------------------------------------------------------------


@pytest.mark.spec("handshake13/key-update-acknowledged", "dtls/old-epoch-kept")
def test_keys_change_only_after_the_acknowledgement() -> None:
    pair = connected_pair()
    pair.client.update_keys(pair.now)
    pair.client.send(b"old keys", pair.now)
    assert pair.client._records.write_epoch == 3
    pair.flush()
    pair.run()
    assert (pair.client._records.write_epoch, pair.server._records.read_epoch) == (4, 4)
    assert (pair.server._records.write_epoch, pair.client._records.read_epoch) == (3, 3)
    pair.client.send(b"new keys", pair.now)
    pair.server.send(b"not changed", pair.now)
    pair.flush()
    pair.run()
    assert pair.of("server", Received) == [Received(b"old keys"), Received(b"new keys")]
    assert pair.of("client", Received) == [Received(b"not changed")]


@pytest.mark.spec("handshake13/one-key-update", "dtls/epoch-bits")
def test_both_change_their_keys_many_times_and_at_once() -> None:
    pair = connected_pair()
    for turn in range(9):
        pair.client.update_keys(pair.now, both=turn % 2 == 0)
        pair.client.update_keys(pair.now)
        pair.server.update_keys(pair.now, both=turn % 3 == 0)
        pair.flush()
        pair.run()
        pair.client.send(bytes((turn,)), pair.now)
        pair.server.send(bytes((turn,)), pair.now)
        pair.flush()
        pair.run()
    assert [event.data for event in pair.of("server", Received)] == [bytes((turn,)) for turn in range(9)]
    assert [event.data for event in pair.of("client", Received)] == [bytes((turn,)) for turn in range(9)]
    assert pair.client._records.write_epoch == pair.server._records.read_epoch > 18
    assert len(pair.client._records._openers) <= recordlayer13.EPOCHS_KEPT
    assert len(pair.client._records._sealers) == 1


@pytest.mark.spec("handshake13/key-limits")
def test_keys_are_changed_before_they_are_worn_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meetref.protocol.handshake13.MOST_SEALED", 20)
    pair = connected_pair()
    for _ in range(100):
        pair.client.send(b"data", pair.now)
        pair.flush()
        pair.run()
    assert pair.client._records.write_epoch > 6
    assert len(pair.of("server", Received)) == 100


@pytest.mark.spec("handshake13/key-limits")
def test_too_many_forgeries_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meetref.protocol.recordlayer13.MOST_FORGED", 10)
    pair = connected_pair()
    for number in range(11):
        assert not pair.of("client", Failed)
        feed(pair.client, bytes((0x2F, 0, number, 0, 40)) + bytes(40), pair.now)
        pair.flush()
    assert pair.of("client", Failed)


# --- hostile peers --------------------------------------------------------------------------------


@pytest.mark.spec("dtls/reassembly-bounds")
def test_half_open_servers_hold_little() -> None:
    pair = NewerPair()
    for number in range(12):
        for offset in range(0, 16_000, 2):
            payload = dtls.serialize_fragment(Fragment(1, 16_000, number, offset, b"x"))
            feed(pair.server, dtls.serialize(Record(22, tls.DTLS_1_2, 0, 0, payload)))
    assert pair.server._reassembly.held <= MAXIMUM_HELD
    assert pair.server.next_timeout() == HANDSHAKE_TIME
    assert not list(pair.server.transmits())


@pytest.mark.spec("handshake13/plain-after-protected", "dtls/unified-replay", "dtls/bad-record-dropped")
def test_after_the_handshake_nothing_plain_or_old_or_false_is_taken() -> None:
    pair = connected_pair()
    pair.server.send(b"once", pair.now)
    (good,) = [datagram.data for datagram in pair.server.transmits()]
    flipped = bytes([*good[:-1], good[-1] ^ 1])
    plain_alert = dtls.serialize(Record(21, tls.DTLS_1_2, 0, 99, bytes((2, 40))))
    for data in (flipped, plain_alert, pair.sent[0][2], good, good):
        feed(pair.client, data, pair.now)
    events = list(pair.client.events())
    assert events.count(Received(b"once")) == 1
    assert not any(isinstance(event, Failed | Closed) for event in events)
    assert len(events) == 5
    assert not list(pair.client.transmits())


@pytest.mark.spec("handshake13/every-alert-ends")
@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize("level", [1, 2])
def test_an_alert_during_the_handshake_ends_it(role: str, level: int) -> None:
    pair = NewerPair()
    pair.start().run(lambda: len(pair.sent) >= 4)
    end = pair.client if role == "client" else pair.server
    feed(end, dtls.serialize(Record(21, tls.DTLS_1_2, 0, 50, bytes((level, 40)))), pair.now)
    assert [event for event in end.events() if isinstance(event, Failed)] == [
        Failed("handshake_failure", "the peer ended it with handshake_failure")
    ]
    assert end.next_timeout() == math.inf


@pytest.mark.spec("handshake13/inner-type")
@pytest.mark.parametrize("kind", [0, 20, 24, 99])
def test_protected_content_of_no_known_type_ends_it(kind: int) -> None:
    pair = connected_pair()
    feed(pair.server, pair.client._records.seal(3, kind, b"" if kind == 0 else b"?"), pair.now)
    assert [event.alert for event in pair.server.events() if isinstance(event, Failed)] == ["unexpected_message"]


@pytest.mark.spec("dtls/bad-record-dropped")
@pytest.mark.soak(ci=60, full=10_000)
def test_a_flipped_bit_never_leads_to_different_keys(seed: int) -> None:
    """It is harmless, or an alert, or time runs out; what it never is is a success that the other does not share."""
    dice = random.Random(f"flip {seed}")
    target, count = dice.randrange(6), -1

    def change(sender: Endpoint, data: bytes) -> list[bytes]:
        nonlocal count
        count += 1
        if count != target:
            return [data]
        at = dice.randrange(len(data))
        return [data[:at] + bytes((data[at] ^ 1 << dice.randrange(8),)) + data[at + 1 :]]

    server = {"address_verified": dice.random() < 0.5}
    pair = NewerPair(seed=seed, change=change, server_settings=server).start().run()
    if pair.both_connected:
        assert same_keys(pair)
    for role in ("client", "server"):
        assert len(pair.of(role, Connected)) <= 1
        if not pair.of(role, Connected):
            assert pair.of(role, Failed) or role == "server"
        for connected in pair.of(role, Connected):
            assert connected.peer_certificate == CERTIFICATES["server" if role == "client" else "client"].der
    if not pair.both_connected:
        assert pair.of("client", Failed)


@st.composite
def almost_records(draw: st.DrawFn) -> bytes:
    """Octets that look like records now and then: fragments of any message, alerts, ACKs, garbage."""
    parts = []
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from([21, 22, 22, 22, 26, 20, 99, 0x2E, 0x2F]))
        body = draw(st.binary(max_size=60))
        if kind >= 0x20 and kind < 0x40:
            parts.append(bytes((kind,)) + draw(st.binary(min_size=2, max_size=2)) + len(body).to_bytes(2, "big") + body)
            continue
        if kind == 22:
            number = draw(st.sampled_from([1, 2, 2, 3, 4, 8, 11, 13, 15, 20, 24]))
            length = draw(st.sampled_from([len(body), len(body), 70, 2**24 - 1]))
            if length >= len(body):
                offset = draw(st.integers(0, min(length - len(body), 70)))
                body = dtls.serialize_fragment(Fragment(number, length, draw(st.integers(0, 12)), offset, body))
        elif kind == 26:
            numbers = draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=4))
            body = dtls.serialize_ack(RecordNumber(*number) for number in numbers)
        epoch = draw(st.sampled_from([0, 0, 0, 1]))
        parts.append(dtls.serialize(Record(kind, tls.DTLS_1_2, epoch, draw(st.integers(0, 99)), body)))
    return draw(st.sampled_from([b"".join(parts), draw(st.binary(max_size=80))]))


@given(stage=st.integers(0, 8), client=st.booleans(), inputs=st.lists(almost_records(), max_size=6))
def test_no_input_raises_and_time_moves_on(stage: int, client: bool, inputs: list[bytes]) -> None:
    pair = NewerPair()
    if stage:
        pair.start()
    for _ in range(stage - 1):
        pair.step()
    end: Any = pair.client if client else pair.server
    before = len(pair.of("client" if client else "server", Connected))
    for data in inputs:
        feed(end, data, pair.now)
        end.handle_timeout(pair.now)
        assert end.next_timeout() > pair.now
    now = end.next_timeout()
    while now < math.inf:
        end.handle_timeout(now)
        assert end.next_timeout() > now
        now = end.next_timeout()
    assert before or not any(isinstance(event, Connected | Received) for event in end.events())


@given(
    kind=st.sampled_from([21, 22, 22, 22, 23, 26, 0, 77]),
    body=st.binary(max_size=60),
    number=st.integers(0, 9),
    message=st.integers(0, 25),
    stage=st.integers(3, 8),
    client=st.booleans(),
)
def test_no_authentic_input_raises(kind: int, body: bytes, number: int, message: int, stage: int, client: bool) -> None:
    """Even a peer with the right keys can only end the association."""
    pair = NewerPair().start()
    for _ in range(stage):
        pair.step()
    end, peer = (pair.client, pair.server) if client else (pair.server, pair.client)
    if kind == 22:
        body = dtls.serialize_fragment(Fragment(message, len(body), number, 0, body))
    feed(end, peer._records.seal(peer._records.write_epoch, kind, body), pair.now)
    end.handle_timeout(pair.now)
    assert end.next_timeout() > pair.now


def test_addresses_are_the_endpoints_own() -> None:
    pair = NewerPair()
    pair.client.start(0.0)
    datagram = next(pair.client.transmits())
    assert (datagram.local, datagram.remote) == (CLIENT, SERVER)
