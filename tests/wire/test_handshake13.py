"""The messages of 1.3: what is written can be read, and nothing else than `Malformed` escapes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.wire import handshake13 as wire
from meetref.wire import tls
from meetref.wire.extension import Cookie, KeyShares, SelectedVersion, ServerShare, Share, UnknownExtension, WantedGroup
from meetref.wire.reader import Malformed
from tests.wire.test_tls import client_hellos, extensions, server_hellos

short = st.binary(max_size=40)
unknown = st.lists(
    st.builds(UnknownExtension, st.integers(0, 0xFFFF), short), unique_by=lambda each: each.type, max_size=3
).map(tuple)
shares = st.builds(Share, st.integers(0, 0xFFFF), st.binary(min_size=1, max_size=40))
entries = st.builds(wire.CertificateEntry, st.binary(min_size=1, max_size=40), unknown)
messages = st.one_of(
    client_hellos,
    server_hellos,
    st.builds(
        wire.NewSessionTicket,
        st.integers(0, 2**32 - 1),
        st.integers(0, 2**32 - 1),
        short,
        st.binary(min_size=1, max_size=40),
        unknown,
    ),
    st.builds(wire.EncryptedExtensions, extensions),
    st.builds(wire.CertificateChain, st.lists(entries, max_size=3).map(tuple), short),
    st.builds(wire.CertificateRequest, extensions, short),
    st.builds(wire.CertificateVerify, st.integers(0, 0xFFFF), short),
    st.builds(wire.Finished, short),
    st.builds(wire.KeyUpdate, st.integers(0, 255)),
)


@given(messages)
def test_round_trip(message: wire.Handshake) -> None:
    assert wire.parse(wire.message_number(message), wire.serialize(message)) == message


@given(st.integers(0, 30), st.binary(max_size=120))
def test_any_octets_are_a_message_or_malformed(number: int, body: bytes) -> None:
    try:
        message = wire.parse(number, body)
    except Malformed:
        return
    assert wire.message_number(message) == number


@given(st.lists(shares, max_size=3).map(tuple), st.integers(0, 0xFFFF), st.binary(min_size=1, max_size=40))
def test_the_same_extension_has_another_layout_in_each_hello(
    offered: tuple[Share, ...], number: int, cookie: bytes
) -> None:
    client = tls.ClientHello(tls.DTLS_1_2, bytes(32), b"", b"", (1,), b"\0", (KeyShares(offered), Cookie(cookie)))
    chosen = (SelectedVersion(number), ServerShare(Share(number, cookie)))
    server = tls.ServerHello(tls.DTLS_1_2, bytes(32), b"", 1, 0, chosen)
    wishes = (SelectedVersion(number), WantedGroup(number), Cookie(cookie))
    retry = tls.ServerHello(tls.DTLS_1_2, tls.RETRY_RANDOM, b"", 1, 0, wishes)
    for message in (client, server, retry):
        assert wire.parse(wire.message_number(message), wire.serialize(message)) == message
    assert (server.is_retry, retry.is_retry) == (False, True)


@pytest.mark.parametrize(
    ("number", "body"),
    [(24, "0000"), (24, ""), (4, "00000000000000000000000000"), (11, "00000005000000" + "0000"), (8, ""), (99, "")],
)
def test_malformed(number: int, body: str) -> None:
    with pytest.raises(Malformed):
        wire.parse(number, bytes.fromhex(body))


def test_the_random_of_a_retry_is_the_published_one() -> None:
    assert tls.RETRY_RANDOM.hex() == "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c"
    assert tls.DOWNGRADED.hex() == "444f574e47524401"
