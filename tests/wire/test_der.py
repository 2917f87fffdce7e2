"""The outer form of DER: every octet of a certificate has its place, and any octets are elements or malformed."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.protocol.certificate import Certificate
from meetref.wire import der
from meetref.wire.reader import Malformed
from tests.wire.test_tracing import leaves

CERTIFICATE = Certificate.generate(random.Random(1).randbytes, now_wall=1_800_000_000.0).der


def test_a_certificate() -> None:
    (outer,) = der.walk(CERTIFICATE)
    assert outer.name == "SEQUENCE"
    _, signed, algorithm, signature = outer.parts
    assert (signed.name, algorithm.name, signature.name) == ("SEQUENCE", "SEQUENCE", "BIT STRING")
    version = signed.parts[1]
    assert version.name == "[0]"
    at = 0
    for leaf in leaves([outer]):
        assert leaf.offset == at
        at += leaf.length
    assert at == len(CERTIFICATE)


def test_long_lengths() -> None:
    (outer,) = der.walk(bytes.fromhex("04 82 01 00") + bytes(256))
    assert [(part.name, part.length) for part in outer.parts] == [("head", 4), ("value", 256)]


@given(st.one_of(st.binary(max_size=60), st.binary(max_size=6).map(lambda some: CERTIFICATE[:100] + some)))
def test_any_octets_are_elements_or_malformed(data: bytes) -> None:
    try:
        found = der.walk(data)
    except Malformed:
        return
    assert sum(leaf.length for leaf in leaves(found)) == len(data)


def test_elements_in_elements_have_an_end() -> None:
    data = b""
    for _ in range(der.MAXIMUM_DEPTH):
        data = bytes((0x30, len(data))) + data
    assert der.walk(data)
    for _ in range(2):
        data = bytes((0x30, len(data))) + data
    with pytest.raises(Malformed):
        der.walk(data)
