"""TURN's client: a place is asked for, kept, used and given back, whatever the server answers."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.protocol import turn as protocol
from meetref.protocol.machine import Datagram, Ignored, ProtocolMisuse
from meetref.protocol.turn import Allocated, ChannelBound, Forbidden, Lost, Permitted, State
from meetref.protocol.turnpeers import MAXIMUM_CHANNELS, MAXIMUM_HOSTS, MAXIMUM_WAITING
from meetref.wire import attribute, stun, turn
from meetref.wire.address import Address
from meetref.wire.attribute import AddressError, Attribute
from tests.protocol.fake_relay import HERE, KEY, MAPPED, PEER, RELAYED, RELAYED_IPV6, SERVER, Conversation


def allocated(**options: object) -> Conversation:
    talk = Conversation(**options)  # type: ignore[arg-type]
    talk.allocate()
    assert talk.client.state is State.ALLOCATED
    return talk


def permitted() -> Conversation:
    talk = allocated()
    talk.permit()
    return talk


def bound(**options: object) -> Conversation:
    talk = allocated(**options)
    talk.client.bind(PEER, talk.now)
    talk.flush()
    return talk


def data_indication(peer: Address, data: bytes) -> bytes:
    return turn.serialize_indication(turn.DATA_TYPE, bytes(12), peer, data)


# --- asking for a place -----------------------------------------------------------------------------


@pytest.mark.spec("turn/client-requested-transport", "turn/client-lifetime")
def test_a_place_is_asked_for_with_credentials_and_told() -> None:
    talk = allocated()
    assert talk.of(Allocated) == [Allocated((RELAYED,), MAPPED, SERVER)]
    assert talk.server.seen == 2  # challenged, then granted
    asked = talk.server.asked[0]
    assert asked.get(attribute.REQUESTED_TRANSPORT) == 17
    assert asked.get(attribute.LIFETIME) is None


@pytest.mark.spec("turn/client-refusal-told")
def test_a_wrong_password_is_told_after_one_try() -> None:
    talk = Conversation(password="wrong")
    talk.allocate()
    assert talk.of(Lost) == [Lost("the credentials are wrong", 401)]
    assert talk.server.seen == 2
    assert talk.client.next_timeout() == math.inf


@pytest.mark.spec("turn/client-refusal-told")
@pytest.mark.parametrize("code", [403, 437, 440, 442, 486, 508])
def test_a_refusal_is_told_with_its_code(code: int) -> None:
    talk = Conversation()
    talk.server.rules[turn.ALLOCATE] = lambda asked: code
    talk.allocate()
    talk.wait(60)
    (lost,) = talk.of(Lost)
    assert isinstance(lost, Lost)
    assert lost.code == code
    assert talk.client.state is State.LOST
    assert talk.client.next_timeout() == math.inf


def test_silence_is_told_after_39_and_a_half_seconds() -> None:
    talk = Conversation()
    talk.is_silent = True
    talk.allocate()
    talk.wait(39.4)
    assert talk.client.state is State.ASKING
    assert len(talk.sent) == 7
    talk.wait(0.2)
    assert talk.of(Lost) == [Lost("no answer", 0)]


def test_over_a_stream_nothing_is_repeated() -> None:
    talk = Conversation(reliable=True)
    talk.is_silent = True
    talk.allocate()
    talk.wait(39.6)
    assert len(talk.sent) == 1
    assert talk.of(Lost) == [Lost("no answer", 0)]


@pytest.mark.spec("turn/client-family", "turn/client-one-family-refused")
@pytest.mark.parametrize(("refused", "missing"), [(None, 0), (440, 440)])
def test_both_families_are_asked_for_at_once(refused: int | None, missing: int) -> None:
    talk = Conversation(family="both")

    def answer(asked: stun.Message) -> list[Attribute]:
        assert asked.get(attribute.ADDITIONAL_ADDRESS_FAMILY) == turn.IPV6
        assert asked.get(attribute.REQUESTED_ADDRESS_FAMILY) is None
        granted = talk.server.allocate(asked)
        assert isinstance(granted, list)
        if refused is None:
            return [*granted, Attribute(attribute.XOR_RELAYED_ADDRESS, RELAYED_IPV6)]
        return [*granted, Attribute(attribute.ADDRESS_ERROR_CODE, AddressError(turn.IPV6, refused, "no"))]

    talk.server.rules[turn.ALLOCATE] = answer
    talk.allocate()
    relayed = (RELAYED, RELAYED_IPV6) if refused is None else (RELAYED,)
    assert talk.of(Allocated) == [Allocated(relayed, MAPPED, SERVER, missing)]
    assert talk.client.relayed_for("203.0.113.1") == RELAYED
    assert talk.client.relayed_for("2001:db8::7") == (RELAYED_IPV6 if refused is None else None)


@pytest.mark.spec("turn/client-family-checked", "turn/client-delete")
def test_an_address_of_another_family_is_given_back() -> None:
    talk = Conversation(family="ipv6")
    talk.allocate()
    (lost,) = talk.of(Lost)
    assert lost == Lost("the server gave an address of no use")
    assert talk.server.asked[0].get(attribute.REQUESTED_ADDRESS_FAMILY) == turn.IPV6
    assert talk.server.asked[-1].get(attribute.LIFETIME) == 0


def test_a_redirection_over_a_stream_is_the_owners() -> None:
    talk = Conversation(reliable=True)
    other = Address("198.51.100.2", 3478)

    def redirect(data: bytes) -> bytes:
        asked = stun.parse(data)
        error = [
            Attribute(attribute.ERROR_CODE, attribute.ErrorCode(300, "elsewhere")),
            Attribute(attribute.ALTERNATE_SERVER, other),
        ]
        return stun.serialize(stun.Message(stun.Class.ERROR, asked.method, asked.transaction, error), integrity_key=KEY)

    talk.is_silent = True
    talk.client.allocate(talk.now)
    (first,) = talk.client.transmits()
    answer = talk.server.answer(first.data)
    assert answer is not None
    talk.client.receive_datagram(Datagram(answer, HERE, SERVER), talk.now)
    (second,) = talk.client.transmits()
    talk.client.receive_datagram(Datagram(redirect(second.data), HERE, SERVER), talk.now)
    assert list(talk.client.events()) == [protocol.Redirected(other, None)]
    assert talk.client.state is State.LOST


def test_a_redirection_over_udp_is_followed_and_what_comes_later_goes_there() -> None:
    talk = Conversation()
    other = Address("198.51.100.2", 3478)
    went: list[Address] = []
    talk.client.allocate(talk.now)
    for _ in range(10):
        for datagram in list(talk.client.transmits()):
            went.append(datagram.remote)
            answer = talk.server.answer(datagram.data)
            asked = stun.parse(datagram.data)
            if datagram.remote == SERVER and talk.server.asked:
                error = [
                    Attribute(attribute.ERROR_CODE, attribute.ErrorCode(300, "elsewhere")),
                    Attribute(attribute.ALTERNATE_SERVER, other),
                ]
                message = stun.Message(stun.Class.ERROR, asked.method, asked.transaction, error)
                answer = stun.serialize(message, integrity_key=KEY)
            assert answer is not None
            talk.client.receive_datagram(Datagram(answer, HERE, datagram.remote), talk.now)
    assert talk.client.state is State.ALLOCATED
    assert talk.client.server == other
    talk.client.permit(PEER.host, talk.now)
    assert [datagram.remote for datagram in talk.client.transmits()] == [other]
    assert went[:2] == [SERVER, SERVER]


def test_asking_twice_is_the_callers_mistake() -> None:
    talk = allocated()
    with pytest.raises(ProtocolMisuse):
        talk.client.allocate(talk.now)


# --- keeping it ---------------------------------------------------------------------------------------


@pytest.mark.spec("turn/client-refresh", "turn/client-lifetime")
@pytest.mark.parametrize(("lifetime", "first"), [(600, 540), (3600, 3540), (60, 30), (0, 5), (None, 540)])
def test_it_is_refreshed_a_minute_before_it_ends(lifetime: int | None, first: float) -> None:
    talk = Conversation()
    talk.server.lifetime = lifetime
    talk.allocate()
    talk.wait(first - 0.1)
    assert turn.REFRESH not in talk.server.methods()
    talk.wait(0.2)
    assert talk.server.methods()[-1] == turn.REFRESH
    assert talk.server.asked[-1].get(attribute.LIFETIME) is None


def test_it_lives_for_hours_with_stale_nonces_and_nothing_happens() -> None:
    talk = permitted()
    talk.client.bind(PEER, talk.now)
    talk.flush()
    events = len(talk.events)
    for number in range(24):
        talk.server.nonce = f"nonce {number}"
        talk.wait(600)
    assert talk.client.state is State.ALLOCATED
    assert len(talk.events) == events
    assert talk.client.wrap(PEER, b"x") == turn.serialize_channel_data(0x4000, b"x")


@pytest.mark.spec("turn/client-mismatch")
def test_a_place_that_the_server_forgot_is_lost() -> None:
    talk = permitted()
    talk.server.rules[turn.REFRESH] = lambda asked: 437
    talk.wait(541)
    assert talk.of(Lost) == [Lost("refused", 437)]
    assert talk.client.wrap(PEER, b"x") is None
    assert talk.client.next_timeout() == math.inf


def test_a_server_that_falls_silent_is_lost_before_its_place_ends() -> None:
    talk = allocated()
    talk.is_silent = True
    talk.wait(599)
    assert talk.of(Lost) == [Lost("no answer", 0)]


def test_a_stream_that_ends_takes_the_place_along() -> None:
    talk = Conversation(reliable=True)
    talk.allocate()
    talk.client.disconnected(talk.now)
    talk.flush()
    assert talk.of(Lost) == [Lost("disconnected", 0)]


@pytest.mark.spec("turn/client-delete")
def test_it_is_given_back_by_the_last_message() -> None:
    talk = bound()
    talk.client.close(talk.now)
    talk.flush()
    assert talk.server.methods()[-1] == turn.REFRESH
    assert talk.server.asked[-1].get(attribute.LIFETIME) == 0
    assert talk.client.state is State.CLOSED
    assert talk.client.next_timeout() == math.inf
    assert talk.client.wrap(PEER, b"x") is None


@pytest.mark.spec("turn/client-delete-mismatch")
def test_a_goodbye_that_is_refused_or_not_answered_ends_all_the_same() -> None:
    for refuses in (True, False):
        talk = allocated()
        talk.server.rules[turn.REFRESH] = (lambda asked: 437) if refuses else (lambda asked: None)
        talk.client.close(talk.now)
        talk.flush()
        talk.wait(100)
        assert not talk.of(Lost)
        assert talk.client.next_timeout() == math.inf


def test_a_place_that_is_granted_after_we_left_is_given_back() -> None:
    talk = Conversation()
    talk.client.allocate(talk.now)
    talk.client.close(talk.now)
    talk.flush()
    assert talk.server.methods() == [turn.ALLOCATE, turn.REFRESH]
    assert not talk.of(Allocated)


# --- peers --------------------------------------------------------------------------------------------


@pytest.mark.spec("turn/client-send-permitted")
def test_nothing_is_sent_to_a_host_without_permission() -> None:
    talk = allocated()
    assert talk.client.wrap(PEER, b"too early") is None
    assert talk.client.refused == 1
    talk.permit()
    assert talk.of(Permitted) == [Permitted(PEER.host)]
    wrapped = talk.client.wrap(PEER, b"hello")
    assert wrapped is not None
    message = stun.parse(wrapped)
    assert (message.kind, message.method) == (stun.Class.INDICATION, turn.SEND)
    assert message.get(attribute.XOR_PEER_ADDRESS) == PEER
    assert message.get(attribute.DATA) == b"hello"


def test_a_few_packets_wait_for_the_permission() -> None:
    talk = allocated()
    talk.is_silent = True
    talk.client.permit(PEER.host, talk.now)
    for number in range(10):
        assert talk.client.wrap(PEER, bytes([number])) is None
    assert talk.client.refused == 10 - MAXIMUM_WAITING
    (request,) = list(talk.client.transmits())
    answer = talk.server.answer(request.data)
    assert answer is not None
    talk.client.receive_datagram(Datagram(answer, HERE, SERVER), talk.now)
    sent = [stun.parse(datagram.data).get(attribute.DATA) for datagram in talk.client.transmits()]
    assert sent == [b"\0", b"\1", b"\2", b"\3"]


def test_a_host_that_is_forbidden_does_not_take_others_along() -> None:
    talk = allocated()
    bad = "203.0.113.66"

    def answer(asked: stun.Message) -> list[Attribute] | int:
        return 403 if asked.get(attribute.XOR_PEER_ADDRESS).host == bad else []

    talk.server.rules[turn.CREATE_PERMISSION] = answer
    for host in (bad, PEER.host):
        talk.client.permit(host, talk.now)
    assert talk.client.wrap(Address(bad, 1), b"x") is None
    talk.flush()
    assert talk.of(Forbidden) == [Forbidden(bad, "refused", 403)]
    assert talk.of(Permitted) == [Permitted(PEER.host)]
    assert talk.client.refused == 1
    talk.wait(3000)
    hosts = [m.get(attribute.XOR_PEER_ADDRESS).host for m in talk.server.asked if m.method == turn.CREATE_PERMISSION]
    assert hosts.count(bad) == 1


@pytest.mark.spec("turn/client-permission-refresh")
def test_a_permission_never_ends_while_it_is_wanted() -> None:
    talk = permitted()
    times = []
    talk.server.rules[turn.CREATE_PERMISSION] = lambda asked: times.append(talk.now) or []  # type: ignore[func-returns-value]
    talk.wait(3000)
    gaps = [later - earlier for earlier, later in zip([1000.0, *times], times, strict=False)]
    assert len(times) == 12
    assert all(gap <= 300 - 39.5 for gap in gaps)


@pytest.mark.spec("turn/client-channel-refresh", "turn/client-channel-once")
def test_a_channel_is_bound_again_before_it_ends_and_keeps_its_number() -> None:
    talk = bound()
    assert talk.of(ChannelBound) == [ChannelBound(PEER, 0x4000)]
    talk.wait(3600)
    binds = [message for message in talk.server.asked if message.method == turn.CHANNEL_BIND]
    assert len(binds) == 7
    assert {message.get(attribute.CHANNEL_NUMBER) for message in binds} == {0x4000}
    assert {message.get(attribute.XOR_PEER_ADDRESS) for message in binds} == {PEER}
    talk.client.bind(Address(PEER.host, 7001), talk.now)
    talk.flush()
    assert talk.of(ChannelBound)[1:] == [ChannelBound(Address(PEER.host, 7001), 0x4001)]


@pytest.mark.parametrize("reliable", [False, True])
def test_channel_data_is_padded_on_a_stream_only(reliable: bool) -> None:
    talk = bound(reliable=reliable)
    wrapped = talk.client.wrap(PEER, b"12345")
    assert wrapped == b"\x40\x00\x00\x0512345" + (b"\0\0\0" if reliable else b"")
    assert talk.client.unwrap(wrapped) == (PEER, b"12345")


def test_before_the_channel_stands_indications_do() -> None:
    talk = permitted()
    talk.is_silent = True
    talk.client.bind(PEER, talk.now)
    wrapped = talk.client.wrap(PEER, b"x")
    assert wrapped is not None
    assert wrapped[0] < 4
    assert talk.client.unwrap(b"\x40\x00\x00\x01x") == (PEER, b"x")  # the server may know already


@pytest.mark.parametrize("code", [403, 486, 508])
def test_a_channel_that_is_refused_leaves_indications(code: int) -> None:
    talk = permitted()
    talk.server.rules[turn.CHANNEL_BIND] = lambda asked: code
    talk.client.bind(PEER, talk.now)
    talk.flush()
    talk.wait(100)
    assert talk.client.state is State.ALLOCATED
    wrapped = talk.client.wrap(PEER, b"x")
    assert wrapped is not None
    assert wrapped[0] < 4


@pytest.mark.spec("turn/client-out-of-step")
def test_a_channel_that_is_a_bad_request_ends_the_place() -> None:
    talk = permitted()
    talk.server.rules[turn.CHANNEL_BIND] = lambda asked: 400
    talk.client.bind(PEER, talk.now)
    talk.flush()
    assert talk.of(Lost) == [Lost("out of step with the server", 400)]
    assert talk.server.asked[-1].get(attribute.LIFETIME) == 0


@pytest.mark.spec("turn/client-data-indication", "turn/client-channel-data")
def test_only_what_was_permitted_comes_in() -> None:
    talk = permitted()
    assert talk.client.unwrap(data_indication(PEER, b"x")) == (PEER, b"x")
    assert talk.client.unwrap(data_indication(Address(PEER.host, 1), b"")) == (Address(PEER.host, 1), b"")
    assert talk.client.unwrap(data_indication(Address("203.0.113.66", 7000), b"x")) is None
    assert talk.client.unwrap(b"\x40\x00\x00\x01x") is None
    assert talk.client.unwrap(b"\x40\x00\x00\x09x") is None
    without = stun.Message(stun.Class.INDICATION, turn.DATA_METHOD, bytes(12), [Attribute(attribute.DATA, b"x")])
    assert talk.client.unwrap(stun.serialize(without)) is None
    assert talk.client.unwrap(b"") is None


@pytest.mark.spec("turn/client-bounded")
def test_peers_cannot_make_it_grow() -> None:
    talk = allocated()
    for number in range(3 * MAXIMUM_HOSTS):
        talk.client.permit(f"10.0.{number // 250}.{number % 250}", talk.now)
        talk.flush()
    assert len(talk.of(Permitted)) == MAXIMUM_HOSTS
    assert Ignored("too many peers") in talk.events
    for number in range(3 * MAXIMUM_CHANNELS):
        talk.client.bind(Address("10.0.0.1", 1000 + number), talk.now)
        talk.flush()
    assert len(talk.of(ChannelBound)) == MAXIMUM_CHANNELS
    assert Ignored("too many channels") in talk.events


def test_a_hundred_wishes_at_once_are_asked_nine_at_a_time() -> None:
    talk = allocated()
    talk.is_silent = True
    for number in range(50):
        talk.client.permit(f"10.0.0.{number}", talk.now)
    assert len(list(talk.client.transmits())) == 9
    assert talk.client.next_timeout() > talk.now
    talk.is_silent = False
    talk.wait(60)
    assert len(talk.of(Permitted)) == 50


def test_hosts_of_a_family_without_an_address_there_are_not_asked_for() -> None:
    talk = allocated()
    talk.client.permit("2001:db8::7", talk.now)
    talk.client.bind(Address("2001:db8::7", 1), talk.now)
    talk.flush()
    assert talk.server.methods() == [turn.ALLOCATE]


def test_what_is_too_long_for_a_datagram_is_dropped_and_counted() -> None:
    talk = bound()
    assert talk.client.wrap(PEER, bytes(65_001)) is None
    assert talk.client.refused == 1


# --- anything ---------------------------------------------------------------------------------------------


@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda rest: b"\x40\x00" + rest))
def test_no_input_raises(data: bytes) -> None:
    talk = bound()
    talk.client.unwrap(data)
    talk.client.receive_datagram(Datagram(data, HERE, SERVER), talk.now)
    assert talk.client.next_timeout() > talk.now


STEPS = st.sampled_from(["permit", "bind", "wait", "silence", "nonce", "garbage", "437", "403", "close", "data"])


@given(st.lists(STEPS, max_size=25), st.integers(0, 100))
def test_whatever_happens_time_moves_on(steps: list[str], seed: int) -> None:
    talk = Conversation(seed=seed)
    talk.allocate()
    for number, step in enumerate(steps):
        match step:
            case "permit":
                talk.client.permit(f"10.0.0.{number}", talk.now)
            case "bind":
                talk.client.bind(Address(f"10.0.0.{number}", 5), talk.now)
            case "wait":
                talk.wait(200)
            case "silence":
                talk.is_silent = not talk.is_silent
            case "nonce":
                talk.server.nonce = f"nonce {number}"
            case "garbage":
                talk.client.receive_datagram(Datagram(bytes([number]) * 30, HERE, SERVER), talk.now)
            case "437" | "403":
                code = int(step)
                talk.server.rules[turn.CREATE_PERMISSION] = lambda asked, code=code: code  # type: ignore[misc]
            case "close":
                talk.client.close(talk.now)
            case "data":
                talk.client.wrap(Address("10.0.0.1", 5), b"x")
        talk.flush()
    talk.wait(2000)
