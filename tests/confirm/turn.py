"""Who else reads vectors/turn as we do: tshark and aioice for octets, coturn and Pion for what a relay does.

The servers are asked over real sockets, as `meetref vectors replay` does, so cases whose steps take minutes, and those
about quotas and private peers, for which they are configured otherwise, are not for them. aioice knows TURN as it was
before 2020. Stands above tests/confirm/dissection.py and witness.py, tests/peers/coturn.py, `app/replay/turn`.
Read next: tests/generate/turn.py.
"""

from __future__ import annotations

import shutil
from functools import partial
from typing import Any
from unittest import mock

import trio

from meetref.app.replay.settings import Settings
from meetref.app.replay.turn import TurnTarget
from meetref.net.network import KernelNetwork
from meetref.wire import turn
from meetref.wire.address import Address
from tests.confirm import dissection
from tests.confirm.witness import Case, Witness, asked, package
from tests.peers import coturn
from tests.peers.pion import pion_turn

AIOICE = {
    "parse": "parse_message gives the same attributes, or refuses an invalid message",
    "split": "TurnStreamMixin.data_received gives the same messages, but for their padding, and keeps the same rest",
}
TSHARK = {
    "parse": "dissected as STUN: same class, method, attributes and values",
    "channel-data": "dissected as TURN channel data: same channel and length, or not taken for it",
}
COTURN = {
    "allocation": "turnserver answers the same and relays the same, over UDP",
    "channel-data": "turnserver relays the same data to a peer, or nothing",
}
PION = {
    "allocation": "a server on the library answers the same and relays the same, over UDP",
    "channel-data": "a server on the library relays the same data to a peer, or nothing",
}
NUMBERS = {
    "CHANNEL-NUMBER": "stun.att.channelnum",
    "LIFETIME": "stun.att.lifetime",
    "REQUESTED-TRANSPORT": "stun.att.transp",
    "REQUESTED-ADDRESS-FAMILY": "stun.att.family",
    "ADDITIONAL-ADDRESS-FAMILY": "stun.att.family",
    "EVEN-PORT": "stun.att.even-port.reserve-next",
}
PLACES = ("stun.att.ipv4", "stun.att.ipv6", "stun.att.port")
FIELDS = (
    *("stun.type.class", "stun.type.method", "stun.att.type", "stun.value", "stun.att.error.class", "stun.att.error"),
    *("stun.att.icmp.type", "stun.att.icmp.code", *PLACES, *dict.fromkeys(NUMBERS.values())),
)
CLASSES = {"request": 0, "indication": 1, "success": 16, "error": 17}
PION_VERSION = "5.1.3"  # as tests/peers/pion_turn/go.mod has it
USERS = (("alice", "wonder"), ("bob", "builder"))
TRIES = 3  # a nonce grows stale within a second, in which a busy machine may not get far


def confirm(set_name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    """A `verified_by` entry for each group and each witness on this machine that agrees with all of its cases."""
    entries = asked(
        data,
        Witness("aioice", package("aioice"), AIOICE, _ask_aioice),
        Witness("tshark", dissection.version, TSHARK, _ask_tshark),
    )
    if set_name not in ("turn/allocations", "turn/channel-data"):
        return entries
    if (version := coturn.version()) is not None:
        options = ("-a", "-u", "alice:wonder", "-u", "bob:builder", "-r", "example.org", "--allow-loopback-peers")
        with coturn.turnserver(*options, "--stale-nonce=1") as server:
            ask = partial(_ask_server, _settings(server, nonce_lasts=1.0, time=10.0))
            entries += asked(data, Witness("coturn", lambda: version, COTURN, ask))
    if shutil.which("go") is not None:
        with pion_turn() as server:
            ask = partial(_ask_server, _settings(server, time=35.0))
            entries += asked(data, Witness("Pion turn", lambda: PION_VERSION, PION, ask))
    return entries


def _settings(server: Address, **known: Any) -> Settings:
    return Settings(stem="turn", target=server, users=USERS, **known)


# --- aioice ---------------------------------------------------------------------------------------------


def _ask_aioice(operation: str, cases: list[Case]) -> None:
    from aioice import stun as aioice

    if operation == "split":
        _ask_aioice_streams(cases)
        return
    names = {name for _, name, _, _ in aioice.ATTRIBUTES}
    for case in cases:
        try:
            message = aioice.parse_message(bytes.fromhex(case["in"]["hex"]))
        except Exception:  # struct.error, ValueError and others: a refusal, whatever its form
            message = None
        if case["result"] == "invalid":
            assert message is None, f"aioice takes {case['id']}"
            continue
        wanted = {each["name"]: each["value"] for each in case["out"]["attributes"]}
        assert message is not None, f"aioice refuses {case['id']}"
        assert wanted.keys() <= names, f"aioice has no name for an attribute of {case['id']}"
        seen = {name: _aioice_value(name, value) for name, value in message.attributes.items()}
        assert seen == wanted, f"aioice reads {case['id']} otherwise"


def _ask_aioice_streams(cases: list[Case]) -> None:
    from aioice.turn import TurnStreamMixin

    class Stream(TurnStreamMixin):
        def __init__(self) -> None:
            self.found: list[bytes] = []
            self.transport = mock.Mock()
            self.buffer = b""

        def datagram_received(self, data: bytes, address: object) -> None:
            self.found.append(data)

    for case in cases:
        stream = Stream()
        stream.data_received(bytes.fromhex(case["in"]["hex"]))
        assert case["result"] != "invalid", f"aioice takes {case['id']}"
        assert [_without_padding(each) for each in stream.found] == [each["hex"] for each in case["out"]["messages"]], (
            case["id"]
        )
        assert len(stream.buffer) == case["out"]["rest"], case["id"]


def _without_padding(message: bytes) -> str:
    channel = message[0] >= turn.FIRST_CHANNEL >> 8
    return message[: 4 + int.from_bytes(message[2:4], "big")].hex() if channel else message.hex()


def _aioice_value(name: str, value: Any) -> Any:
    if name in ("CHANNEL-NUMBER", "REQUESTED-TRANSPORT"):
        return value >> (16 if name == "CHANNEL-NUMBER" else 24) if value > 0xFFFF else value
    if isinstance(value, tuple):
        return {"host": value[0], "port": value[1]}
    return {"hex": value.hex()} if isinstance(value, bytes) else value


# --- tshark ---------------------------------------------------------------------------------------------


def _ask_tshark(operation: str, cases: list[Case]) -> None:
    payloads = [bytes.fromhex(case["in"]["hex"]) for case in cases]
    if operation == "channel-data":
        rows = dissection.dissect(payloads, "turnchannel", ("turnchannel.id", "turnchannel.length"))
        for case, row in zip(cases, rows, strict=True):
            seen = [*dissection.numbers(row["turnchannel.id"]), *dissection.numbers(row["turnchannel.length"])]
            if case["result"] == "invalid":
                short = len(seen) < 2 or seen[1] > len(bytes.fromhex(case["in"]["hex"])) - 4
                assert short or row["_ws.malformed"], f"tshark takes {case['id']}"
            else:
                assert seen == [case["out"]["channel"], len(case["out"]["data"]["hex"]) // 2], case["id"]
        return
    for case, row in zip(cases, dissection.dissect(payloads, "stun", FIELDS), strict=True):
        if case["result"] == "invalid":
            assert row["_ws.malformed"], f"tshark takes {case['id']}"
        else:
            assert not row["_ws.malformed"], f"tshark calls {case['id']} malformed"
            _compare(case, row)


def _compare(case: Case, row: dissection.Row) -> None:
    number, out = dissection.numbers, case["out"]
    assert number(row["stun.type.method"]) == [out["method"]], case["id"]
    assert number(row["stun.att.type"]) == [each["type"] for each in out["attributes"]], case["id"]
    for each in out["attributes"]:
        name, value = each["name"], each["value"]
        if name in NUMBERS:
            assert number(row[NUMBERS[name]]) == [int(value)], f"tshark reads {case['id']} otherwise"
        elif name in ("XOR-PEER-ADDRESS", "XOR-RELAYED-ADDRESS"):
            hosts = [*row["stun.att.ipv4"], *row["stun.att.ipv6"]]
            assert (hosts, number(row["stun.att.port"])) == ([value["host"]], [value["port"]]), case["id"]
        elif name == "ADDRESS-ERROR-CODE":
            assert number(row["stun.att.error.class"])[0] * 100 + number(row["stun.att.error"])[0] == value["code"]
        elif name == "ICMP":
            seen = [*number(row["stun.att.icmp.type"]), *number(row["stun.att.icmp.code"])]
            assert seen == [value["type"], value["code"]], case["id"]
        elif name in ("DATA", "RESERVATION-TOKEN"):
            assert "".join(row["stun.value"]).replace(":", "") == value["hex"], case["id"]


# --- servers --------------------------------------------------------------------------------------------


def _ask_server(settings: Settings, operation: str, cases: list[Case]) -> None:
    async def play() -> None:
        target = await TurnTarget.open(KernelNetwork(), settings)
        for case in cases:
            outcome = await target.play(case)
            for _ in range(TRIES - 1):
                if outcome.verdict != "pass":
                    outcome = await target.play(case)
            assert outcome.verdict == "pass", f"{case['id']}: {outcome.got}"

    trio.run(play)
