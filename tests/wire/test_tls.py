"""Hellos, extensions and alerts: what is written can be read, and nothing else than `Malformed` escapes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.wire import extension, tls
from meetref.wire.reader import Malformed, Reader
from tests.wire.strangers import read

numbers = st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=8).map(tuple)
unknown_numbers = st.integers(0, 0xFFFF).filter(lambda number: number not in extension.EXTENSIONS)
extensions = st.lists(
    st.one_of(
        st.builds(extension.SupportedGroups, numbers),
        st.builds(extension.PointFormats, st.binary(max_size=3)),
        st.builds(extension.SignatureAlgorithms, numbers),
        st.builds(extension.UseSRTP, numbers, st.binary(max_size=4)),
        st.just(extension.ExtendedMasterSecret()),
        st.builds(extension.RenegotiationInfo, st.binary(max_size=24)),
        st.builds(extension.SupportedVersions, numbers),
        st.builds(extension.UnknownExtension, unknown_numbers, st.binary(max_size=20)),
    ),
    unique_by=extension.extension_number,
    max_size=8,
).map(tuple)
client_hellos = st.builds(
    tls.ClientHello,
    version=st.integers(0, 0xFFFF),
    random=st.binary(min_size=32, max_size=32),
    session_id=st.binary(max_size=32),
    cookie=st.binary(max_size=255),
    cipher_suites=numbers,
    compression_methods=st.binary(max_size=4),
    extensions=extensions,
)
server_hellos = st.builds(
    tls.ServerHello,
    version=st.integers(0, 0xFFFF),
    random=st.binary(min_size=32, max_size=32),
    session_id=st.binary(max_size=32),
    cipher_suite=st.integers(0, 0xFFFF),
    compression_method=st.integers(0, 255),
    extensions=extensions.map(
        lambda all: tuple(each for each in all if not isinstance(each, extension.SupportedVersions))
    ),
)


@given(client_hellos)
def test_client_hello_round_trip(hello: tls.ClientHello) -> None:
    assert tls.parse_client_hello(Reader(tls.serialize_client_hello(hello))) == hello


@given(server_hellos)
def test_server_hello_round_trip(hello: tls.ServerHello) -> None:
    assert tls.parse_server_hello(Reader(tls.serialize_server_hello(hello))) == hello


@given(st.binary(max_size=120))
def test_any_octets_are_a_hello_or_malformed(data: bytes) -> None:
    hello = read(tls.parse_client_hello, Reader(data))
    assert hello is None or tls.parse_client_hello(Reader(tls.serialize_client_hello(hello))) == hello
    answer = read(tls.parse_server_hello, Reader(data))
    assert answer is None or tls.parse_server_hello(Reader(tls.serialize_server_hello(answer))) == answer


@given(client_hellos, st.data())
def test_a_damaged_hello_is_a_hello_or_malformed(hello: tls.ClientHello, data: st.DataObject) -> None:
    octets = bytearray(tls.serialize_client_hello(hello))
    octets[data.draw(st.integers(0, len(octets) - 1))] ^= data.draw(st.integers(1, 255))
    damaged = read(tls.parse_client_hello, Reader(bytes(octets)))
    assert damaged is None or tls.parse_client_hello(Reader(tls.serialize_client_hello(damaged))) == damaged != hello


@given(st.binary(max_size=4))
def test_any_octets_are_an_alert_or_malformed(data: bytes) -> None:
    try:
        alert = tls.parse_alert(data)
    except Malformed:
        assert len(data) != 2
    else:
        assert tls.serialize_alert(alert) == data
        assert alert.name


@pytest.mark.spec("handshake12/extension-twice")
def test_an_extension_comes_once() -> None:
    block = extension.serialize_extensions((extension.PointFormats(), extension.PointFormats()))
    with pytest.raises(Malformed, match="twice"):
        extension.parse_extensions(Reader(block), extension.EXTENSIONS)


def test_an_extension_is_read_to_its_end() -> None:
    block = bytes.fromhex("0005 0017 0001 00")
    with pytest.raises(Malformed, match="too many"):
        extension.parse_extensions(Reader(block), extension.EXTENSIONS)


def test_a_hello_may_end_before_its_extensions() -> None:
    bare = tls.ServerHello(tls.DTLS_1_2, bytes(32), b"", 0xC02B, 0, ())
    octets = tls.serialize_server_hello(bare)
    assert len(octets) == 38
    assert tls.parse_server_hello(Reader(octets)) == tls.parse_server_hello(Reader(octets + bytes(2))) == bare


def test_alerts_have_names() -> None:
    assert tls.Alert(2, 40).name == "handshake_failure"
    assert tls.Alert(2, 250).name == "alert 250"
    assert all(tls.ALERT_NUMBERS[name] == number for number, name in tls.ALERTS.items())
