"""Who else reads vectors/turn as we do: tshark and aioice for octets, coturn and Pion for what a relay does.

The servers are asked over real sockets, so cases whose steps take minutes, and those about quotas, pools of ports and
private peers, for which they are configured otherwise, are not for them. aioice knows TURN as it was before 2020.
Stands above tests/confirm/dissection.py and witness.py, tests/peers/coturn.py. Read next: tests/generate/turn.py.
"""

from __future__ import annotations

import shutil
import socket
from functools import partial
from typing import Any

from meetref.protocol.credentials import long_term_key
from meetref.wire import attribute, stun, turn
from meetref.wire.address import Address
from meetref.wire.attribute import Attribute
from tests.confirm import dissection
from tests.confirm.witness import Case, Witness, asked, package
from tests.peers import coturn
from tests.peers.pion import pion_turn
from tests.vectors.turnsteps import METHODS, TYPES, attributes_of

AIOICE = {"parse": "parse_message gives the same attributes, or refuses an invalid message"}
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
HERE = "127.0.0.1"
PATIENCE = 2.0  # seconds for an answer
SILENCE = 0.3  # seconds after which nothing has come


def confirm(set_name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    """A `verified_by` entry for each group and each witness on this machine that agrees with all of its cases."""
    entries = asked(
        data,
        Witness("aioice", package("aioice"), AIOICE, _ask_aioice),
        Witness("tshark", dissection.version, TSHARK, _ask_tshark),
    )
    if (version := coturn.version()) is not None and set_name in ("turn/allocations", "turn/channel-data"):
        options = ("-a", "-u", "alice:wonder", "-u", "bob:builder", "-r", "example.org", "--allow-loopback-peers")
        with coturn.turnserver(*options) as server:
            entries += asked(data, Witness("coturn", lambda: version, COTURN, partial(_ask_server, server)))
    if set_name in ("turn/allocations", "turn/channel-data") and shutil.which("go") is not None:
        with pion_turn() as server:
            entries += asked(data, Witness("Pion turn", lambda: PION_VERSION, PION, partial(_ask_server, server)))
    return entries


# --- aioice ---------------------------------------------------------------------------------------------


def _ask_aioice(operation: str, cases: list[Case]) -> None:
    from aioice import stun as aioice

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


def _ask_server(server: Address, operation: str, cases: list[Case]) -> None:
    for case in cases:
        if operation == "channel-data":
            steps: list[dict[str, Any]] = []
            out = case.get("out")
            channel = 0x4000 if out is None else out["channel"]
            _Guest(server, {"alice": "wonder"}).relay_raw(bytes.fromhex(case["in"]["hex"]), channel, out)
            continue
        steps = case["steps"]
        assert all(step["at_ms"] <= 1000 for step in steps), f"{case['id']} takes too long"
        _Guest(server, case["init"]["users"]).play(case["id"], steps)


class _Guest:
    """Plays one case with a running server; peers are sockets on loopback, whatever the case calls them."""

    def __init__(self, server: Address, users: dict[str, str]) -> None:
        self.server, self.users = server, users
        self.paths: dict[str, socket.socket] = {}
        self.peers: dict[str, socket.socket] = {}
        self.nonces: dict[tuple[str, str], str] = {}
        self.relayed: Address | None = None
        self.count = 0
        self.answer: stun.Message | None = None
        self.last = (b"", "first")

    def play(self, name: str, steps: list[dict[str, Any]]) -> None:
        try:
            for step in steps:
                if "receive" in step:
                    self._receive(step["receive"])
                elif "do" in step:
                    self.answer = self._exchange(*self.last)
                else:
                    self._expect(name, step["expect"])
        finally:
            self._close()

    def relay_raw(self, data: bytes, channel: int, out: dict[str, Any] | None) -> None:
        """Bind a channel, send octets as they are, and see what the peer gets."""
        try:
            for method, told in (
                ("Allocate", {"REQUESTED-TRANSPORT": 17}),
                ("ChannelBind", {"CHANNEL-NUMBER": channel, "XOR-PEER-ADDRESS": ["203.0.113.9:4000"]}),
            ):
                self._receive({"request": method, "attributes": told})
                assert self.answer is not None
                assert self.answer.kind is stun.Class.SUCCESS
            self._path("first").sendto(data, tuple(self.server))
            seen = _wait(self._peer("203.0.113.9:4000"), SILENCE)
            assert seen == (None if out is None else bytes.fromhex(out["data"]["hex"]))
        finally:
            self._close()

    def _receive(self, told: dict[str, Any]) -> None:
        path = told.get("path", "first")
        if "request" in told:
            self._ask(path, told)
        elif "indication" in told:
            peer, data = self._where(told["indication"]["peer"]), bytes.fromhex(told["indication"]["data"])
            message = turn.serialize_indication(turn.SEND_TYPE, self._identifier(), peer, data)
            self._path(path).sendto(message, tuple(self.server))
        elif "channel" in told:
            message = turn.serialize_channel_data(told["channel"], bytes.fromhex(told["data"]))
            self._path(path).sendto(message, tuple(self.server))
        else:
            assert self.relayed is not None
            self._peer(told["peer"]).sendto(bytes.fromhex(told["data"]), tuple(self.relayed))

    def _ask(self, path: str, told: dict[str, Any]) -> None:
        user = told.get("user", "alice")
        told_attributes = dict(told["attributes"])
        if "XOR-PEER-ADDRESS" in told_attributes:
            peers = [str(self._where(text)) for text in told_attributes["XOR-PEER-ADDRESS"]]
            told_attributes["XOR-PEER-ADDRESS"] = peers
        given = [Attribute(*each) for each in attributes_of(told_attributes, {})]
        self._question(path, told, given, user)
        assert self.answer is not None
        nonce = self.answer.get(attribute.NONCE)
        if nonce is not None and user is not None and (path, user) not in self.nonces:
            self.nonces[path, user] = nonce
            self._question(path, told, given, user)
        relayed = self.answer.get(attribute.XOR_RELAYED_ADDRESS)
        if relayed is not None and path == "first":
            self.relayed = relayed

    def _question(self, path: str, told: dict[str, Any], given: list[Attribute], user: str | None) -> None:
        names: list[Attribute] = []
        key = None
        if user is not None and (path, user) in self.nonces:
            key = long_term_key(user, "example.org", told.get("password", self.users[user]))
            names = [Attribute(attribute.USERNAME, user), Attribute(attribute.REALM, "example.org")]
            names.append(Attribute(attribute.NONCE, self.nonces[path, user]))
        message = stun.Message(stun.Class.REQUEST, METHODS[told["request"]], self._identifier(), [*given, *names])
        self.last = stun.serialize(message, integrity_key=key, fingerprint=False), path
        self.answer = self._exchange(*self.last)

    def _exchange(self, data: bytes, path: str) -> stun.Message:
        path_socket = self._path(path)
        path_socket.sendto(data, tuple(self.server))
        answer = _wait(path_socket, PATIENCE)
        assert answer is not None, "no answer"
        return stun.parse(answer)

    def _expect(self, name: str, wanted: dict[str, Any]) -> None:
        if "answer" in wanted:
            assert self.answer is not None
            error = self.answer.get(attribute.ERROR_CODE)
            assert ("success" if error is None else error.code) == wanted["answer"], name
            for each, value in wanted["attributes"].items():
                assert self.answer.get(TYPES[each]) == value, name
        elif "peer" in wanted:
            told = wanted["peer"]
            sockets = self.peers.values() if told is None else [self._peer(told["address"])]
            seen = [data for data in (_wait(each, SILENCE) for each in sockets) if data is not None]
            assert seen == ([] if told is None else [bytes.fromhex(told["data"])]), name
        else:
            assert self._heard() == wanted["client"], name

    def _heard(self) -> dict[str, Any] | None:
        data = _wait(self._path("first"), SILENCE)
        if data is None:
            return None
        if data[0] >= 64:
            channel, payload = turn.parse_channel_data(data)
            return {"by": channel, "peer": "203.0.113.9:4000", "data": payload.hex()}
        message = stun.parse(data)
        peer = message.get(attribute.XOR_PEER_ADDRESS)
        names = [text for text in self.peers if self._where(text) == peer]
        return {"by": "indication", "peer": names[0], "data": message.get(attribute.DATA).hex()}

    def _path(self, name: str) -> socket.socket:
        return self.paths.setdefault(name, _open()) if name not in self.paths else self.paths[name]

    def _peer(self, text: str) -> socket.socket:
        return self.peers.setdefault(text, _open()) if text not in self.peers else self.peers[text]

    def _where(self, text: str) -> Address:
        """Where the peer of that name really is; IPv6 and private ones are what they are."""
        if not text.startswith("203.0.113."):
            host, _, port = text.rpartition(":")
            return Address(host.strip("[]"), int(port))
        return Address(*self._peer(text).getsockname())

    def _identifier(self) -> bytes:
        self.count += 1
        return self.count.to_bytes(12, "big")

    def _close(self) -> None:
        for each in (*self.paths.values(), *self.peers.values()):
            each.close()


def _open() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((HERE, 0))
    return made


def _wait(where: socket.socket, patience: float) -> bytes | None:
    where.settimeout(patience)
    try:
        return where.recv(65536)
    except TimeoutError:
        return None
