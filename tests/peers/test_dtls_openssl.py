"""OpenSSL on the other side, in both roles: the handshake completes and both export the same keys."""

from __future__ import annotations

from pathlib import Path
from ssl import PEM_cert_to_DER_cert

import pytest
import trio

from meetref.protocol.certificate import fingerprint_of
from meetref.wire.address import Address
from tests.peers.dtls_loop import LABEL, Closed, Connected, Door, Failed, free_port, make_identity, open_program
from tests.peers.dtls_loop import open_door as open_door

pytestmark = [pytest.mark.peer("openssl")]

PROFILES = "SRTP_AEAD_AES_256_GCM:SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80"
EXPORT = ["-keymatexport", LABEL, "-keymatexportlen", "88"]
PATIENCE = 20


def options(folder: Path, kind: str = "P-256", profiles: str = PROFILES) -> list[str]:
    key, certificate = make_identity(folder, kind)
    return ["-dtls1_2", "-key", key, "-cert", certificate, "-use_srtp", profiles, *EXPORT]


async def compare(door: Door, exported: str) -> Connected:
    connected = await door.until(Connected)
    assert isinstance(connected, Connected)
    assert door.endpoint.export(LABEL.encode(), 88).hex().upper() == exported
    return connected


@pytest.mark.spec("handshake12/exporter-no-context", "handshake12/srtp-own-preference", "handshake12/client-proof")
@pytest.mark.spec("handshake12/close-notify")
@pytest.mark.parametrize(
    ("kind", "extra", "settings"),
    [
        ("P-256", [], {}),
        ("P-256", ["-groups", "P-256"], {"maximum_datagram": 200}),
        ("P-256", ["-mtu", "260"], {"address_verified": False}),
        ("P-384", [], {}),
        ("RSA", ["-mtu", "500"], {}),
    ],
    ids=["plain", "small-datagrams", "cookie-and-fragments", "p-384", "rsa"],
)
async def test_openssl_as_client(kind: str, extra: list[str], settings: dict[str, object], tmp_path: Path) -> None:
    with trio.fail_after(PATIENCE):
        async with open_door("server", **settings) as door:
            log = tmp_path / "keys"
            command = ["openssl", "s_client", "-connect", str(door.local), *options(tmp_path, kind), *extra]
            async with open_program([*command, "-keylogfile", str(log)]) as program:
                connected = await compare(door, await program.until("Keying material: "))
                assert connected.srtp_profile == 0x0008
                assert connected.group == ("P-256" if "-groups" in extra else "X25519")
                assert connected.extended_master_secret
                assert door.key_log[0] in log.read_text().splitlines()
                await door.say(b"from us to you\n")
                await program.until("from us to you")
                await program.say("from you to us\n")
                await door.until(lambda: b"from you to us" in door.received())
                await program.say("Q\n")
                await door.until(Closed)


@pytest.mark.spec("handshake12/exporter-no-context", "handshake12/cookie-same-hello")
@pytest.mark.parametrize(
    ("kind", "extra", "settings"),
    [
        ("P-256", ["-Verify", "1"], {}),
        ("P-256", ["-Verify", "1", "-listen", "-mtu", "280"], {"maximum_datagram": 200}),
        ("P-256", ["-groups", "P-256"], {}),
    ],
    ids=["plain", "cookie-and-fragments", "anonymous-client"],
)
async def test_openssl_as_server(kind: str, extra: list[str], settings: dict[str, object], tmp_path: Path) -> None:
    with trio.fail_after(PATIENCE):
        port = await free_port()
        command = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", *options(tmp_path, kind), *extra]
        async with open_program(command) as program:
            await program.until("ACCEPT")
            async with open_door("client", remote=Address("127.0.0.1", port), **settings) as door:
                connected = await compare(door, await program.until("Keying material: "))
                assert connected.srtp_profile == 0x0008
                assert connected.group == ("P-256" if "-groups" in extra else "X25519")
                assert connected.extended_master_secret
                pem = (tmp_path / f"{kind}.pem").read_text()
                assert fingerprint_of(connected.peer_certificate, "sha-256") == fingerprint_of(
                    PEM_cert_to_DER_cert(pem), "sha-256"
                )
                await door.say(b"from us to you\n")
                await program.until("from us to you")
                await program.say("from you to us\n")
                await door.until(lambda: b"from you to us" in door.received())
                await door.close()
                await program.until("DONE")


@pytest.mark.parametrize(("profiles", "chosen"), [("SRTP_AEAD_AES_128_GCM", 7), ("SRTP_AES128_CM_SHA1_80", 1)])
async def test_the_only_common_profile_is_taken(profiles: str, chosen: int, tmp_path: Path) -> None:
    with trio.fail_after(PATIENCE):
        async with open_door("server") as door:
            command = ["openssl", "s_client", "-connect", str(door.local), *options(tmp_path, profiles=profiles)]
            async with open_program(command) as program:
                connected = await compare(door, await program.until("Keying material: "))
                assert connected.srtp_profile == chosen
                assert connected.srtp_keys is not None
                assert len(connected.srtp_keys.local_salt) == (12 if chosen == 7 else 14)


@pytest.mark.spec("handshake12/certificate-required")
async def test_a_client_without_certificate_is_refused(tmp_path: Path) -> None:
    with trio.fail_after(PATIENCE):
        async with open_door("server") as door:
            command = ["openssl", "s_client", "-connect", str(door.local), "-dtls1_2"]
            async with open_program(command) as program:
                await program.until("alert handshake failure")
                await door.until(Failed)
                assert door.happened == [Failed("handshake_failure", "the peer has no certificate")]


@pytest.mark.spec("handshake12/renegotiation-refused")
async def test_renegotiation_is_refused(tmp_path: Path) -> None:
    with trio.fail_after(PATIENCE):
        port = await free_port()
        command = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", *options(tmp_path)]
        async with open_program(command) as program:
            await program.until("ACCEPT")
            async with open_door("client", remote=Address("127.0.0.1", port)) as door:
                await door.until(Connected)
                await program.until("Keying material: ")
                await program.say("r\n")
                # We go on after our warning; OpenSSL, refused, prefers to end it.
                await program.until("no renegotiation")
                assert "handshake message after the handshake" in door.ignored
