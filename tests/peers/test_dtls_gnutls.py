"""GnuTLS on the other side, in both roles: a third family of code, with cookies and without extended master secret."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from meetref.wire.address import Address
from tests.peers.dtls_loop import LABEL, Connected, Door, free_port, make_identity, open_door, open_program

pytestmark = [pytest.mark.peer("gnutls", "openssl")]

PROFILES = "SRTP_AES128_CM_HMAC_SHA1_80"  # GnuTLS 3.7 has no GCM profile
EXPORT = [f"--keymatexport={LABEL}", "--keymatexportsize=60"]
PRIORITY = "NORMAL:-VERS-ALL:+VERS-DTLS1.2"
PATIENCE = 20


def options(folder: Path, priority: str) -> list[str]:
    key, certificate = make_identity(folder, "P-256")
    identity = [f"--x509keyfile={key}", f"--x509certfile={certificate}"]
    return ["--udp", f"--priority={priority}", f"--srtp-profiles={PROFILES}", *EXPORT, *identity]


async def compare(door: Door, exported: str) -> Connected:
    connected = await door.until(Connected)
    assert isinstance(connected, Connected)
    assert door.endpoint.export(LABEL.encode(), 60).hex() == exported.lower().removeprefix("0x")
    assert connected.srtp_profile == 0x0001
    return connected


@pytest.mark.spec("handshake12/exporter-no-context", "handshake12/extended-master-secret")
@pytest.mark.parametrize("priority", ["", ":%NO_SESSION_HASH", ":-GROUP-ALL:+GROUP-SECP256R1"])
@pytest.mark.parametrize("verified", [True, False], ids=["", "cookie"])
async def test_gnutls_as_client(priority: str, verified: bool, tmp_path: Path) -> None:
    with trio.fail_after(PATIENCE):
        async with open_door("server", address_verified=verified) as door:
            command = ["gnutls-cli", "--insecure", "--no-ca-verification", "--port", str(door.local.port)]
            async with open_program([*command, *options(tmp_path, PRIORITY + priority), "127.0.0.1"]) as program:
                connected = await compare(door, await program.until("Key material: "))
                assert connected.group == ("P-256" if "SECP256R1" in priority else "X25519")
                assert connected.extended_master_secret == ("NO_SESSION_HASH" not in priority)
                await door.say(b"from us to you\n")
                await program.until("from us to you")


@pytest.mark.spec("handshake12/cookie-same-hello", "handshake12/extended-master-secret")
@pytest.mark.parametrize("priority", ["", ":%NO_SESSION_HASH", ":-GROUP-ALL:+GROUP-SECP256R1"])
@pytest.mark.parametrize("extra", [[], ["--nocookie"], ["--mtu=300"]], ids=["cookie", "", "fragments"])
async def test_gnutls_as_server(priority: str, extra: list[str], tmp_path: Path) -> None:
    """Over UDP gnutls-serv prints no keys; its key log has the master secret, from which everything else follows."""
    with trio.fail_after(PATIENCE):
        port, log = await free_port(), tmp_path / "keys"
        command = ["gnutls-serv", "--echo", "--require-client-cert", f"--port={port}", *extra]
        async with open_program([*command, *options(tmp_path, PRIORITY + priority)], SSLKEYLOGFILE=str(log)) as program:
            await program.until("UDP Echo Server listening on IPv4")
            async with open_door("client", remote=Address("127.0.0.1", port)) as door:
                connected = await door.until(Connected)
                assert connected.srtp_profile == 0x0001
                assert connected.group == ("P-256" if "SECP256R1" in priority else "X25519")
                assert connected.extended_master_secret == ("NO_SESSION_HASH" not in priority)
                await door.say(b"from us and back\n")
                await door.until(lambda: b"from us and back" in door.received())
                assert door.key_log[0] in log.read_text().splitlines()
