"""Handshakes that real browsers made: our parsers read all of them, the secrets open and verify what is protected."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from meetref.app.explain.conversation import Explained, explain
from meetref.app.explain.field import everything, leaves
from meetref.wire import tls, udp
from meetref.wire.extension import ServerShare, UseSRTP, find_extension
from meetref.wire.handshake13 import SERVER_HELLO
from meetref.wire.pcapng import Packet, parse
from meetref.wire.reader import Reader
from tests.app.test_explain import check_computed, check_cover, ending, layers

CAPTURED = Path(__file__).parent.parent / "captured"
TOLD = json.loads((CAPTURED / "dtls.json").read_text())
each_capture = pytest.mark.parametrize("told", TOLD, ids=lambda told: told["file"])


def read(told: Any) -> Explained:
    return explain(parse((CAPTURED / told["file"]).read_bytes()))


def test_each_browser_and_each_version_is_there() -> None:
    assert {(told["browser"], told["dtls"]) for told in TOLD} == {
        (browser, version) for browser in ("chromium", "firefox") for version in ("1.2", "1.3")
    }
    assert {path.name for path in CAPTURED.glob("*.pcapng")} == {told["file"] for told in TOLD}


@each_capture
def test_what_is_told_of_a_capture(told: Any) -> None:
    octets = (CAPTURED / told["file"]).read_bytes()
    assert hashlib.sha256(octets).hexdigest() == told["sha256"]
    assert len(octets) < 10_000
    assert read(told).version == told["dtls"]
    hosts = {host for block in parse(octets) if isinstance(block, Packet)
             for host in (udp.parse(block.data).source.host, udp.parse(block.data).destination.host)}  # fmt: skip
    assert hosts == {"192.0.2.1", "192.0.2.2"}


@each_capture
def test_every_octet_is_read_and_has_a_reason(told: Any) -> None:
    for layer in layers(read(told)):
        check_cover(layer)
        check_computed(layer)
        for leaf in leaves(layer.fields):
            assert leaf.why, leaf.name
            assert leaf.why != "Nobody here can read it."
            assert "not known here" not in leaf.value, f"{leaf.name}: {leaf.value}"


@each_capture
def test_the_secrets_open_everything_and_both_finished_are_right(told: Any) -> None:
    found = read(told)
    proved, sealed, opened = set(), 0, 0
    for datagram in found.datagrams:
        for layer in datagram.layers:
            proved |= {(datagram.sender, each.name) for each, _ in ending(layer) if each.name == "verify data"}
            sealed += sum(each.name == "encrypted payload" for each in everything(layer.fields))
            opened += layer.title.startswith("inside")
    assert proved == {("client", "verify data"), ("server", "verify data")}
    assert opened == sealed > 0


@each_capture
def test_the_signatures_of_both_are_right(told: Any) -> None:
    verdicts = [
        (datagram.sender, step.output)
        for datagram in read(told).datagrams
        for layer in datagram.layers
        for each in everything(layer.fields)
        for step in each.steps
        if step.formula.startswith("verify(")
    ]
    assert set(verdicts) == {("client", "it is right"), ("server", "it is right")}


@each_capture
def test_what_was_agreed_on(told: Any) -> None:
    """A browser gets 1.3 with the post-quantum group, or 1.2; and always keys for its media."""
    found = read(told)
    assert found.ladder[-1][0] == "The keys of SRTP"
    (wire, *_) = next(each for each in found.datagrams if each.summary.startswith("ServerHello")).layers
    assert wire.data[13] == SERVER_HELLO
    length = int.from_bytes(wire.data[22:25])
    hello = tls.parse_server_hello(Reader(wire.data[25 : 25 + length]))
    share = find_extension(hello.extensions, ServerShare)
    if told["dtls"] == "1.3":
        assert share is not None
        assert share.share.group == tls.X25519_ML_KEM_768
    else:
        assert share is None
        assert find_extension(hello.extensions, UseSRTP) is not None
