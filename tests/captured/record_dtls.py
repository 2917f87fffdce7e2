"""Records how real browsers shake hands: `python -m tests.captured.record_dtls` writes dtls-<browser>-<version>.pcapng.

Each capture has one handshake between a browser and `meetref serve`, with the secrets that open it, and nothing else.
Both ends get documentation addresses; times begin at 0. `dtls.json` names browser, version, date and hash.
Run it when a new browser version comes out, and look at the difference: tests/app/test_explain_captured.py reads them.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import trio

from meetref.net.decrypt import secrets_of
from meetref.wire import dtls, tls, udp
from meetref.wire.address import Address
from meetref.wire.multiplex import classify_datagram
from meetref.wire.pcapng import Block, Interface, Packet, Secrets, Section, parse, serialize
from meetref.wire.reader import Reader
from tests.peers.browsers import BROWSERS
from tests.peers.meetings import serve

HERE = Path(__file__).parent
OPTIONS = {"1.2": "1.2", "1.3": "any"}
BROWSER, SERVER = "192.0.2.1", "192.0.2.2"


def only_the_first(blocks: Sequence[Block]) -> list[Block]:
    """The first handshake of a capture, with its secrets."""
    packets = list(_conversation(blocks))
    begun, client, server = packets[0][0].at_ns, packets[0][1].source, packets[0][1].destination
    random = next(_client_randoms(packet.data for _, packet in packets))
    places = {client: Address(BROWSER, client.port), server: Address(SERVER, server.port)}
    lines = [f"{label} {whose.hex()} {secret.hex()}\n" for (label, whose), secret in secrets_of(blocks).items()
             if whose == random]  # fmt: skip
    kept: list[Block] = [Section(), Interface("server"), Secrets("".join(sorted(lines)).encode())]
    for block, packet in packets:
        moved = udp.Packet(places[packet.source], places[packet.destination], packet.data)
        kept.append(Packet(0, block.at_ns - begun, udp.serialize(moved), None, block.direction))
    return kept


def _conversation(blocks: Sequence[Block]) -> Iterator[tuple[Packet, udp.Packet]]:
    ends: frozenset[Address] | None = None
    for block in blocks:
        if isinstance(block, Packet):
            packet = udp.parse(block.data)
            if classify_datagram(packet.data[0]) == "dtls":
                ends = ends or frozenset((packet.source, packet.destination))
                if ends == {packet.source, packet.destination}:
                    yield block, packet


def _client_randoms(datagrams: Iterator[bytes]) -> Iterator[bytes]:
    """Of the beginning of a hello: it may be in fragments."""
    for data in datagrams:
        for record in dtls.mixed_records(data):
            if isinstance(record, dtls.Record):
                for part in dtls.fragments(record.payload):
                    if part.type == 1 and part.offset == 0:
                        reader = Reader(part.body)
                        assert reader.uint16("version") == tls.DTLS_1_2
                        yield reader.bytes(32, "random")


async def record(name: str, version: str) -> dict[str, Any]:
    """One handshake into its file; what there is to say of it."""
    with tempfile.TemporaryDirectory() as folder:
        capture = Path(folder) / "call.pcapng"
        words = ("--dtls", OPTIONS[version], "--capture", str(capture))
        async with serve(Path(folder), *words) as server, BROWSERS[name]() as browser:
            await browser.open(server.link("demo", "Olga"))
            await browser.until("window.meetref?.state().transports.some((each) => each.dtls)")
            await browser.click("[data-test=leave]")
            await trio.sleep(1)
            product = browser.version
        octets = serialize(only_the_first(parse(capture.read_bytes())))
    file = f"dtls-{name}-{version}.pcapng"
    await trio.Path(HERE / file).write_bytes(octets)
    date = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    return {"provenance": "recorded", "file": file, "browser": name, "version": product, "dtls": version,
            "date": date, "sha256": hashlib.sha256(octets).hexdigest()}  # fmt: skip


async def main() -> None:
    told = [await record(name, version) for name in BROWSERS for version in OPTIONS]
    text = json.dumps(told, indent=2, sort_keys=True) + "\n"
    await trio.Path(HERE / "dtls.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    trio.run(main)
