"""From a shared secret to keys; the numbers that others confirmed stand in vectors/handshake12."""

from __future__ import annotations

import pytest

from meetref.protocol import keyschedule
from meetref.protocol.keyschedule import Session

SESSION = Session(bytes(48), bytes(range(32)), bytes(range(32, 64)))


@pytest.mark.spec("handshake12/exporter-no-context")
def test_no_context_is_not_an_empty_context() -> None:
    without = keyschedule.export(SESSION, b"EXPORTER-x", 32)
    assert without != keyschedule.export(SESSION, b"EXPORTER-x", 32, b"")
    assert keyschedule.export(SESSION, b"EXPORTER-x", 16) == without[:16]


@pytest.mark.spec("handshake12/exporter-labels")
@pytest.mark.parametrize("label", keyschedule.RESERVED_LABELS)
def test_labels_of_tls_itself_are_not_exported(label: bytes) -> None:
    with pytest.raises(ValueError, match="label of TLS"):
        keyschedule.export(SESSION, label, 16)


@pytest.mark.spec("handshake12/srtp-key-order")
@pytest.mark.parametrize(("profile", "key", "salt"), [(0x0008, 32, 12), (0x0007, 16, 12), (0x0001, 16, 14)])
def test_srtp_keys_in_their_order(profile: int, key: int, salt: int) -> None:
    block = keyschedule.export(SESSION, b"EXTRACTOR-dtls_srtp", 2 * (key + salt))
    client = keyschedule.srtp_keys(SESSION, "client", profile)
    server = keyschedule.srtp_keys(SESSION, "server", profile)
    assert client.local_key + client.remote_key + client.local_salt + client.remote_salt == block
    assert (client.local_key, client.local_salt) == (server.remote_key, server.remote_salt)
    assert (client.remote_key, client.remote_salt) == (server.local_key, server.local_salt)


@pytest.mark.spec("handshake12/key-block")
def test_the_key_block_in_its_order() -> None:
    keys = keyschedule.key_block(SESSION)
    seed = SESSION.server_random + SESSION.client_random
    whole = keys.client_key + keys.server_key + keys.client_salt + keys.server_salt
    assert whole == keyschedule.pseudorandom(SESSION.master, b"key expansion", seed, 40)


def test_secrets_do_not_print() -> None:
    keys = keyschedule.key_block(SESSION)
    for thing in (SESSION, keys, keyschedule.srtp_keys(SESSION, "client", 8)):
        assert "key=" not in repr(thing)
        assert "master=" not in repr(thing)


def test_the_key_log_line() -> None:
    assert keyschedule.key_log_line(SESSION) == f"CLIENT_RANDOM {bytes(range(32)).hex()} {bytes(48).hex()}"
