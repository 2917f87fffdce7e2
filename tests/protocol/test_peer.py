"""One connection: nothing is trusted before ICE found the path and the certificate is the one that was named."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meetref.protocol import dtls
from meetref.protocol.libsrtp import LibrarySession
from meetref.protocol.machine import Datagram, Ignored
from meetref.protocol.peer import MAXIMUM_EARLY_DATAGRAMS, Connected, PathOpened, StateChanged
from meetref.protocol.srtp import FASTER, Engine
from meetref.wire import rtcp, rtp
from meetref.wire.address import Address
from tests.protocol.dtls_pairs import certificate
from tests.protocol.peer_pairs import CLIENT, MOVED, SERVER, Peers, Signaling, connected

STRANGER = Address("203.0.113.7", 6666)
SOUND = rtp.serialize(rtp.Packet(payload_type=111, sequence=1, timestamp=1, ssrc=5, payload=b"hello"))
WRONG = (("sha-256", certificate(99).fingerprint("sha-256")),)


def hello_of(peers: Peers) -> list[Datagram]:
    """The client's first DTLS datagrams, as they would arrive; the client itself goes on."""
    found: list[Datagram] = []

    def passes(name: str, datagram: Datagram) -> bool:
        if name == "client" and datagram.data[0] == 22:
            found.append(Datagram(datagram.data, SERVER, CLIENT))
            return False
        return True

    peers.passes = passes
    peers.introduce()
    peers.run(lambda: bool(found), 5)
    assert found
    return found


def test_two_peers_connect_and_media_goes_both_ways() -> None:
    peers = connected()
    assert len(peers.of("client", Connected)) == len(peers.of("server", Connected)) == 1
    assert peers.client.path == (CLIENT, SERVER)
    for here, there in ((peers.client, peers.server), (peers.server, peers.client)):
        assert here.srtp is not None
        assert there.unlock(here.srtp.lock(SOUND)) == SOUND
    assert peers.now < 51.0


@pytest.mark.parametrize("engine", [None, "ours", "libsrtp"])
def test_the_engine_that_locks_the_media_is_a_choice_of_each_side(engine: Engine | None) -> None:
    peers = Peers()
    peers.client.srtp_engine = engine
    peers.introduce()
    peers.run(lambda: peers.client.srtp is not None and peers.server.srtp is not None)
    assert peers.client.srtp is not None
    assert peers.server.srtp is not None
    wanted = engine or FASTER[peers.client.srtp.profile]
    assert isinstance(peers.client.srtp, LibrarySession) == (wanted == "libsrtp")
    assert peers.server.unlock(peers.client.srtp.lock(SOUND)) == SOUND
    assert peers.client.unlock(peers.server.srtp.lock(SOUND)) == SOUND


@pytest.mark.spec("srtp/cryptex-negotiated")
@pytest.mark.parametrize("server_does", [True, False])
@pytest.mark.parametrize("client_does", [True, False])
def test_headers_are_hidden_where_both_sides_take_that(client_does: bool, server_does: bool) -> None:
    peers = Peers()
    peers.client.hides_headers, peers.server.hides_headers = client_does, server_does
    peers.introduce(
        client=peers.remote_of("client", hides_headers=client_does),
        server=peers.remote_of("server", hides_headers=server_does),
    )
    peers.run(lambda: peers.both_connected)
    packet = rtp.Packet(payload_type=111, sequence=7, timestamp=1, ssrc=5, payload=b"hello", extensions={1: b"loud"})
    plain = rtp.serialize(packet)
    for here, there in ((peers.client, peers.server), (peers.server, peers.client)):
        assert here.srtp is not None
        locked = here.srtp.lock(plain)
        assert (locked[12:14] == b"\xc0\xde") == (client_does and server_does)
        assert (b"loud" in locked) == (not client_does or not server_does)
        assert there.unlock(locked) == plain


def test_a_selected_path_is_told_again_for_those_who_were_refused_it() -> None:
    peers = connected()
    assert peers.of("server", PathOpened)[-1] == PathOpened(SERVER, CLIENT)


@pytest.mark.spec("handshake12/fingerprint-mismatch")
@pytest.mark.parametrize("wrong", ["client", "server"])
def test_another_certificate_than_the_named_one_fails(wrong: str) -> None:
    peers = Peers()
    peers.introduce(**{wrong: peers.remote_of(wrong, fingerprints=WRONG)})  # type: ignore[arg-type]
    judge = peers.server if wrong == "client" else peers.client
    peers.run(lambda: judge.state == "failed")
    assert judge.state == "failed"
    assert judge.srtp is None
    assert judge.unlock(SOUND) is None
    assert judge.unlock_control(SOUND) is None
    name = "server" if wrong == "client" else "client"
    assert not peers.of(name, Connected)  # type: ignore[arg-type]
    assert "certificate" in peers.of(name, StateChanged)[-1].reason  # type: ignore[arg-type]
    judge.send_control(rtcp.serialize([rtcp.ReceiverReport(1, [])]))
    assert not list(judge.transmits())


@pytest.mark.spec("handshake12/keys-before-media")
def test_who_agrees_on_no_encryption_of_media_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(dtls.Endpoint.__init__.__kwdefaults__, "srtp_profiles", ())
    peers = Peers()
    peers.introduce()
    peers.run(lambda: peers.server.state == "failed")
    for name, peer in (("client", peers.client), ("server", peers.server)):
        assert peer.state == "failed"
        assert peer.srtp is None
        assert not peers.of(name, Connected)  # type: ignore[arg-type]
    assert "use_srtp" in peers.of("server", StateChanged)[-1].reason


def test_dtls_before_the_path_is_verified_is_ignored() -> None:
    (hello, *_) = hello_of(Peers())
    fresh = Peers()
    fresh.server.receive_datagram(hello, fresh.now)
    assert not list(fresh.server.transmits())
    assert [event.why for event in fresh.server.events() if isinstance(event, Ignored)] == [
        "DTLS from a path that ICE has not verified"
    ]


def test_dtls_from_a_stranger_is_ignored_in_the_middle_of_it() -> None:
    peers = Peers()
    for hello in hello_of(peers):
        peers.server.receive_datagram(Datagram(hello.data, SERVER, STRANGER), peers.now)
    assert not [datagram for datagram in peers.server.transmits() if datagram.remote == STRANGER]


def test_media_is_not_unlocked_before_the_answer_named_the_certificate() -> None:
    """The offerer's keys are ready before it knows whose they are: the answer is still on its way."""
    peers = Peers()
    honest = peers.remote_of("client")
    checks_only = peers.remote_of("client", fingerprints=WRONG)
    peers.introduce(client=checks_only)
    peers.server._remote = None  # as if the description had not come, while checks are answered already
    peers.run(lambda: peers.client.state == "connected" and peers.server.negotiated is not None)
    assert peers.server.srtp is None
    assert peers.server.unlock(SOUND) is None
    assert not peers.of("server", Connected)
    peers.server.set_remote(honest, peers.now)
    peers.flush()
    assert peers.of("server", Connected)
    assert peers.client.srtp is not None
    assert peers.server.unlock(peers.client.srtp.lock(SOUND)) == SOUND


def test_early_datagrams_are_bounded_and_go_through_once() -> None:
    peers = Peers()
    peers.client.dtls_role = "client"
    peers.client.ice.is_valid_path = lambda local, remote: True  # type: ignore[method-assign]
    for _ in range(50):
        peers.client.receive_datagram(Datagram(b"\x16\xfe\xfd" + bytes(20), CLIENT, SERVER), peers.now)
    assert len(peers.client._early) == MAXIMUM_EARLY_DATAGRAMS
    peers.client.set_remote(peers.remote_of("server"), peers.now)  # comes back although they still cannot be used
    assert len(peers.client._early) == MAXIMUM_EARLY_DATAGRAMS


def test_an_ice_restart_keeps_the_keys_and_moves_the_path() -> None:
    peers = connected()
    keys = (peers.client.srtp, peers.server.srtp)
    peers.moves[CLIENT] = MOVED
    peers.client.restart_ice(peers.now)
    peers.server.restart_ice(peers.now)
    assert peers.server.path == (SERVER, CLIENT), "media stays on the old path meanwhile"
    peers.introduce()
    peers.run(lambda: peers.server.path == (SERVER, MOVED))
    assert peers.server.path == (SERVER, MOVED)
    assert (peers.client.srtp, peers.server.srtp) == keys
    assert peers.both_connected
    assert peers.client.srtp is not None
    assert peers.server.unlock(peers.client.srtp.lock(SOUND)) == SOUND


def restart(peers: Peers, *, told: bool = True) -> None:
    """Both begin anew, as an offer with other credentials and its answer make them."""
    peers.client.restart_ice(peers.now)
    peers.server.restart_ice(peers.now)
    if told:
        peers.introduce()


@pytest.mark.spec("ice/restart", "ice/restart-role")
def test_the_old_path_is_kept_and_answered_until_the_new_one_is_chosen() -> None:
    peers = connected()
    roles = (peers.client.ice.controlling, peers.server.ice.controlling)
    old = peers.server.ufrags
    restart(peers, told=False)
    assert len(peers.server.ufrags) == 2
    peers.run(seconds=20)  # longer than the answer should take: consent goes on
    assert peers.both_connected
    assert peers.server.path == (SERVER, CLIENT)
    assert not [event for event in peers.events["server"] if isinstance(event, StateChanged)][1:]
    peers.introduce()
    peers.run(seconds=1)
    assert len(peers.server.ufrags) == 1
    assert peers.server.ufrags != old
    assert (peers.client.ice.controlling, peers.server.ice.controlling) == roles
    assert peers.both_connected


@pytest.mark.spec("ice/restart")
def test_restarts_that_find_nothing_leave_the_path_that_works() -> None:
    peers = connected()
    for _ in range(5):
        restart(peers)
        deaf = peers.server._make_agent(peers.server.credentials, False)  # to what the client was told
        peers.server._agents.newest = deaf
        peers.run(seconds=2)
        assert len(peers.server.ufrags) <= 3
    peers.run(seconds=20)
    assert peers.server.path == (SERVER, CLIENT)
    assert peers.both_connected


@pytest.mark.spec("ice/restart")
def test_several_restarts_while_nothing_passes_end_on_the_new_path() -> None:
    peers = connected()
    peers.moves[CLIENT] = MOVED
    everything = peers.passes
    peers.passes = lambda name, datagram: False
    for _ in range(3):
        restart(peers)
        peers.run(seconds=1.5)
    peers.passes = everything
    restart(peers)
    peers.run(lambda: peers.server.path == (SERVER, MOVED))
    assert peers.server.path == (SERVER, MOVED)
    assert peers.client.srtp is not None
    assert peers.server.unlock(peers.client.srtp.lock(SOUND)) == SOUND


@pytest.mark.spec("ice/restart")
def test_when_old_and_new_are_lost_it_has_failed() -> None:
    peers = connected()
    peers.passes = lambda name, datagram: False
    restart(peers)
    peers.run(lambda: peers.server.state == "disconnected", 20)
    assert peers.server.state == "disconnected"
    peers.run(lambda: peers.server.state == "failed", 60)
    assert peers.server.state == "failed"


@pytest.mark.spec("ice/restart")
def test_a_restart_that_nobody_has_answered_yet_is_not_made_again() -> None:
    """The answer to the first offer may name sockets that the second one would not know."""
    peers = connected()
    peers.client.restart_ice(peers.now)
    offered = peers.client.credentials
    peers.run(seconds=0.2)
    peers.client.restart_ice(peers.now)
    assert peers.client.credentials == offered
    peers.server.restart_ice(peers.now)
    peers.introduce()
    peers.run(seconds=1)
    assert peers.both_connected
    assert peers.client.ufrags == (offered.ufrag,)
    peers.client.restart_ice(peers.now)
    assert peers.client.credentials != offered


@pytest.mark.spec("ice/restart")
def test_a_restart_that_is_never_answered_fails_with_the_old_path() -> None:
    peers = connected()
    peers.client.restart_ice(peers.now)
    peers.passes = lambda name, datagram: False
    peers.run(lambda: peers.client.state == "failed", 60)
    assert peers.client.state == "failed"
    assert peers.client.next_timeout() == float("inf")


@pytest.mark.spec("ice/restart", "ice/mixed-generations")
@pytest.mark.soak(ci=30, full=3000)
def test_restarts_in_quick_succession_end_on_a_path(seed: int) -> None:
    """Offers and answers take their time, restarts do not wait for them, and the path is away meanwhile, or changes."""
    dice = random.Random(seed)
    peers = connected(seed)
    if dice.random() < 0.6:
        peers.moves[CLIENT] = MOVED
    back_at, loss, takes = peers.now + dice.choice((0, 0, 2, 6)), dice.choice((0, 0, 0.1)), dice.choice((0.001, 0.3, 1))
    peers.passes = lambda name, datagram: peers.now >= back_at and dice.random() >= loss
    signaling = Signaling(peers, offerer=dice.choice(("client", "server")), takes=takes)
    for _ in range(dice.randint(2, 5)):
        signaling.restart()
        signaling.run(dice.choice((0, 0.001, 0.05, 0.2, 0.5, 1, 2, 3)))
    signaling.run(30)
    peers.run(lambda: peers.both_connected)  # lost datagrams of consent may look like silence for a moment
    assert peers.both_connected
    assert peers.server.path == (SERVER, peers.moves.get(CLIENT, CLIENT))
    assert [len(peer.ufrags) for peer in (peers.client, peers.server)] == [1, 1]


def test_a_goodbye_closes_the_other_end() -> None:
    peers = connected()
    peers.client.close(peers.now)
    peers.flush()
    peers.run(lambda: peers.server.state == "closed", 2)
    assert peers.server.state == "closed"
    assert peers.server.srtp is None
    assert peers.client.next_timeout() == float("inf")


def test_silence_becomes_disconnected_and_then_failed() -> None:
    peers = connected()
    peers.passes = lambda name, datagram: False
    peers.run(lambda: peers.server.state == "disconnected", 20)
    assert peers.server.state == "disconnected"
    assert peers.server.srtp is not None, "it may come back"
    peers.run(lambda: peers.server.state == "failed", 60)
    assert peers.server.state == "failed"
    assert peers.server.srtp is None


@settings(max_examples=60)
@given(data=st.binary(max_size=200), first=st.sampled_from([0, 1, 20, 22, 23, 64, 128, 255]), early=st.booleans())
def test_any_octets_are_survived(data: bytes, first: int, early: bool) -> None:
    peers = Peers() if early else SHARED
    for peer, local in ((peers.client, CLIENT), (peers.server, SERVER)):
        for remote in (CLIENT, SERVER, STRANGER):
            for octets in (data, bytes([first]) + data):
                peer.receive_datagram(Datagram(octets, local, remote), peers.now)
                if peer.next_timeout() <= peers.now:
                    peer.handle_timeout(peers.now)
                assert peer.next_timeout() > peers.now
        list(peer.transmits())
        list(peer.events())
    if not early:
        assert peers.both_connected


SHARED = connected(9)
