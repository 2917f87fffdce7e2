"""str0m (crate str0m, its DTLS is dimpl) as a whole peer: both versions, both roles, whoever offers, RTP both ways.

What it cannot do: it has no post-quantum group, and knows nothing of handshakes inside of checks (SPED). As offerer it
leaves the DTLS role to the answerer, always, as RFC 8842 wants it; so it is we who choose in every test. Which SRTP
profiles it may take cannot be set: all three that it has are ours too, and GCM with 256 bits is what both like best.
"""

from __future__ import annotations

import pytest
import trio

from meetref.protocol import dtls
from meetref.protocol.keyschedule import Role
from meetref.protocol.negotiation import SentTrack
from meetref.wire.tls import AEAD_AES_256_GCM
from tests.peers.native import NATIVES
from tests.peers.whole_peer import Ours, Theirs, call, theirs

OUR_SSRC = 4711
TRACKS = [SentTrack(mid="0", kind="audio", ssrc=OUR_SSRC, cname="c", stream="s")]

VERSIONS: dict[str, tuple[str, dtls.Versions, str]] = {
    "1.2": ("12", "1.2 only", "1.2"),
    "1.3": ("13", "1.3 only", "1.3"),
    "both-can-both": ("auto", "1.3 preferred", "1.3"),
    "it-has-only-1.2": ("12", "1.3 preferred", "1.2"),
    "we-have-only-1.2": ("auto", "1.2 only", "1.2"),
}
NAMES = {"1.2": "DTLS1_2", "1.3": "DTLS1_3"}

whoever_offers = pytest.mark.parametrize("offers", [True, False], ids=["we-offer", "they-offer"])
in_both_roles = pytest.mark.parametrize("role", ["client", "server"])


async def talk(ours: Ours, other: Theirs) -> None:
    """A packet each way, on the keys of the handshake; none is refused."""
    assert ours.agreed is not None
    sent = await other.do("send", payload_type=ours.agreed.payload_type, payload="from str0m")
    with trio.fail_after(10):
        heard = await ours.peer.heard.receive()
    assert (heard.ssrc, heard.payload_type, heard.payload) == (sent["ssrc"], ours.agreed.payload_type, b"from str0m")
    ours.send(OUR_SSRC, b"from us")
    said = {"ssrc": OUR_SSRC, "payload_type": ours.agreed.payload_type, "payload": "from us"}
    assert await other.do("received") == said
    assert ours.peer.srtp is not None
    assert not ours.peer.srtp.refused


@pytest.mark.peer("str0m")
@pytest.mark.spec("sped/options-offered")
@whoever_offers
@in_both_roles
@pytest.mark.parametrize("versions", VERSIONS)
async def test_a_call(versions: str, role: Role, offers: bool) -> None:
    their_version, our_versions, agreed = VERSIONS[versions]
    async with (
        theirs(str(NATIVES["str0m"].path()), their_version) as other,
        call(other, TRACKS, role, our_versions, offers=offers, both_ways=True) as ours,
    ):
        connected = await ours.connected()
        assert (await other.do("connected"))["version"] == NAMES[agreed]
        assert connected.version == agreed
        assert ours.peer.dtls_role == role
        assert connected.srtp_profile == AEAD_AES_256_GCM
        assert connected.group == "X25519"
        await talk(ours, other)
        assert ours.peer.state == "connected"
        assert ours.peer.sped.state == "off"
        assert ours.peer.sped.carried == ours.peer.sped.received == 0


@pytest.mark.peer("str0m")
@pytest.mark.spec("sped/off")
@whoever_offers
@in_both_roles
@pytest.mark.parametrize("version", ["1.2", "1.3"])
async def test_one_that_is_taken_for_a_peer_with_sped(version: str, role: Role, offers: bool) -> None:
    """Its checks have neither attribute: the handshake that was begun in ours goes on plainly."""
    their_version, our_versions, _ = VERSIONS[version]
    async with (
        theirs(str(NATIVES["str0m"].path()), their_version) as other,
        call(other, TRACKS, role, our_versions, offers=offers, both_ways=True, believes_in_sped=True) as ours,
    ):
        await ours.connected()
        assert (await other.do("connected"))["version"] == NAMES[version]
        await talk(ours, other)
        assert ours.peer.sped.state == "off"
        assert ours.peer.sped.received == 0
        if role == "client" and not offers:  # where we offer its first check may be there before ours has left
            assert ours.peer.sped.carried > 0
