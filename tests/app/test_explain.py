"""The page about a handshake: no octet is left out, none is told twice, and what is computed is what was captured."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meetref.app.cli import main
from meetref.app.explain.conversation import Explained, NothingToExplain, explain
from meetref.app.explain.field import Field, Layer, Step, everything, leaves
from meetref.app.explain.page import page
from meetref.app.pcap import handshake_page
from meetref.net.decrypt import secrets_of
from meetref.wire import udp
from meetref.wire.pcapng import Block, Packet, Secrets, parse
from meetref.wire.reader import Malformed

SESSIONS = Path(__file__).parent.parent.parent / "vectors" / "sessions"
NAMES = {"dtls12-handshake": "1.2", "dtls13-handshake": "1.3"}
both = pytest.mark.parametrize("name", NAMES)


def blocks_of(name: str) -> list[Block]:
    return parse((SESSIONS / name / "session.pcapng").read_bytes())


def secrets(name: str) -> Any:
    return json.loads((SESSIONS / name / "secrets.json").read_text())["connections"][0]


@cache
def explained(name: str) -> Explained:
    return explain(blocks_of(name), bytes.fromhex(secrets(name)["shared_secret"]))


def layers(told: Explained) -> Iterator[Layer]:
    for datagram in told.datagrams:
        yield from datagram.layers


def check_cover(layer: Layer) -> None:
    """Leaf behind leaf, from the first octet to the last; and each group is what its parts are."""
    at = 0
    for leaf in leaves(layer.fields):
        assert (leaf.offset, leaf.length > 0) == (at, True), f"{layer.title}: {leaf.name}"
        at = leaf.end
    assert at == len(layer.data), layer.title
    for each in everything(layer.fields):
        if each.parts:
            assert (each.offset, each.end) == (each.parts[0].offset, each.parts[-1].end), each.name


def ending(layer: Layer) -> Iterator[tuple[Field, Step]]:
    for each in everything(layer.fields):
        for step in each.steps:
            if step.ends:
                yield each, step


def check_computed(layer: Layer) -> None:
    for each, step in ending(layer):
        first = each.piece[0] if each.piece is not None else 0
        assert step.output[first : first + each.length] == layer.data[each.offset : each.end], each.name


# --- every octet --------------------------------------------------------------------------------------


@both
def test_every_octet_of_every_datagram_is_a_leaf_exactly_once(name: str) -> None:
    told = explained(name)
    wire = [udp.parse(block.data).data for block in blocks_of(name) if isinstance(block, Packet)]
    assert [datagram.layers[0].data for datagram in told.datagrams] == wire
    assert told.version == NAMES[name]
    for layer in layers(told):
        check_cover(layer)


@both
def test_every_leaf_says_what_it_is_and_why(name: str) -> None:
    for layer in layers(explained(name)):
        for leaf in leaves(layer.fields):
            assert leaf.name
            assert leaf.why, f"{layer.title}: {leaf.name}"
            assert "not known here" not in leaf.value, leaf.name
            assert leaf.name != "octets", "something that nobody can read"


@both
def test_everything_protected_was_opened(name: str) -> None:
    told = explained(name)
    sealed = [each for layer in layers(told) for each in layer.fields if "protected" in each.name]
    opened = [layer for layer in layers(told) if layer.title.startswith("inside")]
    assert len(sealed) == len(opened) >= 4


# --- what is computed ---------------------------------------------------------------------------------


@both
def test_what_is_computed_is_what_was_captured(name: str) -> None:
    told, found = explained(name), Counter[str]()
    for layer in layers(told):
        check_computed(layer)
        found.update(each.name for each, _ in ending(layer))
    opened = sum(layer.title.startswith("inside") for layer in layers(told))
    wanted = {"cookie": 1, "verify data": 2, "encrypted payload": opened, "authentication tag": opened}
    if told.version == "1.3":
        wanted |= {"sequence, encrypted": opened, "random": 1}  # the latter is that of HelloRetryRequest
    assert found == wanted


@both
def test_every_signature_is_verified(name: str) -> None:
    verdicts = {
        (each.name, step.output)
        for layer in layers(explained(name))
        for each in everything(layer.fields)
        for step in each.steps
        if step.formula.startswith("verify(")
    }
    assert verdicts == {("signature", "it is right")}


@both
def test_the_ladder_leads_to_the_secrets_of_the_capture(name: str) -> None:
    steps = [step for _, steps in explained(name).ladder for step in steps]
    reached = {step.output for step in steps if step.ends}
    assert reached == set(secrets_of(blocks_of(name)).values())
    srtp = secrets(name)["srtp"]
    results = {step.formula.partition(" = ")[0]: step.output for step in steps}
    for part in ("client_key", "server_key", "client_salt", "server_salt"):
        assert results[part.replace("_", " ")] == bytes.fromhex(srtp[part])


@both
def test_the_fingerprints_are_those_of_the_certificates(name: str) -> None:
    for layer in layers(explained(name)):
        for each in everything(layer.fields):
            if each.name == "certificate" and each.steps and each.piece is None:
                der = layer.data[each.offset : each.end]
                assert str(each.steps[0].output).replace(":", "").lower() == hashlib.sha256(der).hexdigest()


# --- other captures -----------------------------------------------------------------------------------


@both
def test_without_secrets_everything_is_there_sealed(name: str) -> None:
    told = explain([block for block in blocks_of(name) if not isinstance(block, Secrets)])
    assert told.ladder == []
    for layer in layers(told):
        assert layer.title == "on the wire"
        check_cover(layer)


def test_of_a_call_the_first_handshake() -> None:
    told = explain(blocks_of("whole-call"))
    assert told.datagrams[0].summary == "ClientHello"
    for layer in layers(told):
        check_cover(layer)
        check_computed(layer)


def test_without_a_handshake_there_is_nothing() -> None:
    with pytest.raises(NothingToExplain):
        explain(blocks_of("stun-check"))


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(sorted(NAMES)), data=st.data())
def test_a_damaged_capture_is_explained_or_refused(name: str, data: st.DataObject) -> None:
    """Whatever is wrong with it: the octets are covered, and nothing is claimed that is not so."""
    blocks = blocks_of(name)
    packets = [index for index, block in enumerate(blocks) if isinstance(block, Packet)]
    for index in data.draw(st.sets(st.sampled_from(packets), min_size=1, max_size=3)):
        block = blocks[index]
        assert isinstance(block, Packet)
        packet = udp.parse(block.data)
        octets = bytearray(packet.data)
        octets[data.draw(st.integers(0, min(120, len(octets) - 1)))] ^= data.draw(st.integers(1, 255))
        cut = octets[: data.draw(st.integers(1, len(octets)))] if data.draw(st.booleans()) else octets
        moved = udp.Packet(packet.source, packet.destination, bytes(cut))
        blocks[index] = Packet(block.interface, block.at_ns, udp.serialize(moved))
    try:
        told = explain(blocks)
    except (NothingToExplain, Malformed):
        return
    for layer in layers(told):
        check_cover(layer)
        check_computed(layer)


# --- the page -----------------------------------------------------------------------------------------


@both
def test_the_page_has_every_octet_in_order(name: str) -> None:
    told = explained(name)
    text = page(told, "a title")
    blocks = re.findall(r'<div class="octets"[^>]*>(.*?)</div>', text)
    found = [bytes.fromhex("".join(re.findall(r"<i>([0-9a-f]{2})</i>", block))) for block in blocks]
    assert found == [layer.data for layer in layers(told)]
    assert "<script src" not in text
    assert "http" not in text.replace("https://www.w3.org", ""), "it needs nothing from anywhere"


@both
def test_the_page_is_the_same_each_time(name: str) -> None:
    source, file = SESSIONS / name / "session.pcapng", SESSIONS / name / "secrets.json"
    assert handshake_page(source, file, [("home", "index.html")]) == handshake_page(
        source, file, [("home", "index.html")]
    )


def test_the_command_writes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = SESSIONS / "dtls13-handshake" / "session.pcapng", tmp_path / "page.html"
    assert main(["pcap", "explain", str(source), str(target)]) == 0
    assert target.read_text() == handshake_page(source)
    secrets_file = source.with_name("secrets.json")
    assert main(["pcap", "explain", str(source), str(target), "--secrets", str(secrets_file)]) == 0
    assert "early secret" in target.read_text()
    assert capsys.readouterr() == ("", "")


def test_what_is_wrong_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "odd.json").write_text("[]")
    session = str(SESSIONS / "dtls13-handshake" / "session.pcapng")
    checks = str(SESSIONS / "stun-check" / "session.pcapng")
    for words in ([checks], [session, "--secrets", str(tmp_path / "odd.json")], [str(tmp_path / "absent")]):
        source, *more = words
        assert main(["pcap", "explain", source, str(tmp_path / "page.html"), *more]) == 1
        said = capsys.readouterr().err
        assert (said.startswith("meetref: "), said.count("\n"), "; " in said) == (True, 1, True)
    assert not (tmp_path / "page.html").exists()
