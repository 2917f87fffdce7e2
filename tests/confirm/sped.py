"""Who else carries the handshake as vectors/sped says: libwebrtc, asked step by step from outside.

Our side is an ICE agent of a few lines in front of tests/peers/wrtc_channels.py. It sends the checks of the steps, with
the octets of the steps, and never answers one until a step finds the path; so libwebrtc sends checks without end, and
each shows what it carries and what it acknowledges. What its DTLS says in its first flight stands for the datagrams of
the steps. What is given to its DTLS shows in what it acknowledges.
Leaves out: steps in which its handshake is complete, and flights of more datagrams than it sends: cases that need them
say so by a flag. Stands above `dissection.py` (tshark) and `witness.py`. Read next: tests/generate/sped.py.
"""

from __future__ import annotations

import os
import sys
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trio

from meetref.protocol import check
from meetref.protocol.check import Credentials, Question, Role
from meetref.wire import attribute, stun
from meetref.wire.address import Address
from meetref.wire.attribute import Attribute
from meetref.wire.multiplex import classify_datagram
from tests.confirm import dissection
from tests.confirm.browserdoor import CREDENTIALS, DESCRIPTION
from tests.confirm.witness import Case, Entries, Witness, asked, is_wanted, one_by_one, package
from tests.generate.dtlslies import CERTIFICATES
from tests.peer_registry import why_absent
from tests.peers.whole_peer import Theirs, theirs

PROGRAM = Path(__file__).parent.parent / "peers" / "wrtc_channels.py"
TRIALS = {1: ("WebRTC-IceHandshakeDtls",), 2: ("WebRTC-IceHandshakeDtls", "WebRTC-EnableDtlsPqc")}
"""By the datagrams of its first flight: a post-quantum hello takes two."""

OPTIONS = "a=ice-options:trickle sped googspedv1 goog-sped-v1\n"
HOW = "asked step by step over UDP, wrtc carries, acknowledges and drops the same"
DISSECTED = "dissected as STUN: the same octets in two attributes whose names it does not know"
SENT = "such are the messages that wrtc sends; written again they are the same octets"
NUMBERS = (attribute.DTLS_IN_STUN, attribute.DTLS_IN_STUN_ACKNOWLEDGEMENT)
PATIENCE = 5.0
TRIES = 3
Carried = dict[str, Any]
ONE, TWO = ("16fefd" + f"{number:02x}".ljust(74, "0") for number in (1, 2))


@dataclass(frozen=True)
class Heard:
    """A message of theirs, and the password that protects it."""

    data: bytes
    password: str


def confirm(set_name: str, data: dict[str, Any]) -> Entries:
    """A `verified_by` entry for each group with which libwebrtc agrees."""
    if set_name == "sped/messages":
        return asked(
            data,
            Witness("libwebrtc", package("wrtc"), {"parse": SENT}, _judge_messages),
            Witness("tshark", dissection.version, {"parse": DISSECTED}, _ask_tshark),
        )
    cases = [case for group in data["groups"] if is_wanted(data, group, "libwebrtc") for case in group["tests"]]
    if not cases or why_absent("wrtc") is not None:
        return []
    said = trio.run(_ask, cases)

    def judge(operation: str, case: Case) -> None:
        assert said[case["id"]] == "", f"{case['id']} {case['comment']}: {said[case['id']]}"

    operations = {group["params"]["operation"]: HOW for group in data["groups"]}
    return asked(data, Witness("libwebrtc", package("wrtc"), operations, one_by_one(judge)))


def _judge_messages(operation: str, cases: list[Case]) -> None:
    """What it says now is of the same form as what was recorded, but for what differs from time to time."""
    for case, each in zip(cases, trio.run(record), strict=True):
        message = stun.parse(each.data)
        inside, acknowledged = (message.get(number) for number in NUMBERS)
        assert (inside is None) == (case["out"]["data"] is None), case["id"]
        assert [f"{each:08x}" for each in acknowledged or ()] == case["out"]["acknowledged"], case["id"]


def _ask_tshark(operation: str, cases: list[Case]) -> None:
    """What it shows of attributes whose names it does not know, in the order in which libwebrtc writes them."""
    rows = dissection.dissect([bytes.fromhex(case["in"]["hex"]) for case in cases], "stun", ("stun.value",))
    for case, row in zip(cases, rows, strict=True):
        wanted = "".join(case["out"]["acknowledged"]) + (case["out"]["data"] or "")
        assert "".join(row["stun.value"]).replace(":", "") == wanted, f"tshark reads {case['id']} otherwise"
        assert not row["_ws.malformed"], f"tshark calls {case['id']} malformed"


async def _ask(cases: list[Case]) -> dict[str, str]:
    """What it does otherwise in each case; nothing, if it agrees."""
    said = {}
    for number, trials in TRIALS.items():
        async with theirs(sys.executable, str(PROGRAM), *trials) as other:
            for case in cases:
                if max(1, _longest_flight(case)) == number:
                    for _ in range(TRIES):
                        if (found := await _play(other, case)) == "":
                            break
                    said[case["id"]] = found
    return {case["id"]: said.get(case["id"], "it has no such flight") for case in cases}


def _longest_flight(case: Case) -> int:
    return max((len(step["do"]["flight"]) for step in case["steps"] if "flight" in step.get("do", ())), default=0)


async def _play(other: Theirs, case: Case) -> str:
    try:
        async with _agent(other, case) as agent:
            with trio.fail_after(PATIENCE):
                for step in case["steps"]:
                    await agent.step(step)
    except (AssertionError, LookupError, trio.TooSlowError) as error:
        return str(error) or type(error).__name__
    return ""


async def record() -> list[Heard]:
    """Messages of its with something in these attributes: a hello in two checks, and what it acknowledges of ours."""
    async with theirs(sys.executable, str(PROGRAM), *TRIALS[2]) as other:
        async with _agent(other, _case("hello", flight=[ONE, TWO])) as agent:
            await agent.step({"do": {"flight": [ONE, TWO]}})
            hello = agent.heard[-2:]
        async with _agent(other, _case("data")) as agent:
            found = []
            for number in range(6):
                data = f"{ONE}{number:02x}"
                await agent.step({"receive": {"data": data, "acknowledged": []}})
                found.append(agent.heard[-1])
    return hello + found


def _case(name: str, flight: Sequence[str] = ()) -> Case:
    steps = [{"do": {"flight": list(flight)}}] if flight else []
    return {"id": name, "reqs": [], "init": {"offered": True}, "steps": steps}


@asynccontextmanager
async def _agent(other: Theirs, case: Case) -> AsyncIterator[_Agent]:
    """Our end of a connection of theirs, which is the DTLS client if it is to have a flight."""
    name, has_flight = case["id"], _longest_flight(case) > 0
    lines = (await other.do("begin", name=name))["sdp"].splitlines()
    values = dict(line[2:].split(":", 1) for line in lines if line.startswith("a=ice-"))
    places = [line.split() for line in lines if line.startswith("a=candidate:") and " udp " in line]
    host, port = next(place[4:6] for place in places if place[4] == "127.0.0.1")
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as socket:
        await socket.bind(("127.0.0.1", 0))
        ours = Address(*socket.getsockname()[:2])
        answer = DESCRIPTION.format(
            ufrag=CREDENTIALS.ufrag,
            password=CREDENTIALS.password,
            fingerprint=CERTIFICATES["server"].fingerprint("sha-256"),
            setup="passive" if has_flight else "active",
            host=ours.host,
            port=ours.port,
        ).replace("a=ice-lite\n", OPTIONS if case["init"]["offered"] else "")
        await other.do("accept", name=name, sdp=answer.replace("\n", "\r\n"))
        try:
            peer = Credentials(values["ice-ufrag"], values["ice-pwd"])
            yield _Agent(socket, Address(host, int(port)), peer, strict="sped/always-present" in case["reqs"])
        finally:
            with trio.CancelScope(shield=True):
                await other.do("end", name=name)


class _Agent:
    """Sends checks with what the steps say in them, and sees what theirs have."""

    def __init__(self, socket: trio.socket.SocketType, remote: Address, peer: Credentials, *, strict: bool) -> None:
        self._socket, self._remote, self._peer, self._is_strict = socket, remote, peer, strict
        self._real: dict[str, bytes] = {}  # for each datagram of the steps, that of their DTLS
        self._plain: list[bytes] = []
        self.heard: list[Heard] = []

    async def step(self, step: dict[str, Any]) -> None:
        match step:
            case {"do": {"flight": flight}}:
                assert not self._real, "its flight does not change"
                await self._learn(flight)
            case {"do": "path-found"}:
                await self._find_path()
            case {"do": what}:
                raise LookupError(f"it cannot be told: {what}")
            case {"receive": carried}:
                await self._check(carried)
            case {"expect": {"send": carried}}:
                await self._expect(carried)
            case {"expect": {"state": state}}:
                await self._expect_state(state)
            case {"expect": {"deliver": datagrams}}:
                found = (await self._next_check()).get(attribute.DTLS_IN_STUN_ACKNOWLEDGEMENT) or ()
                assert set(found) == {zlib.crc32(bytes.fromhex(data)) for data in datagrams}, f"it took {found}"
            case {"expect": {"plain": datagrams}}:
                while len(self._plain) < len(datagrams):
                    await self._take()
                assert self._plain[: len(datagrams)] == [self._real[data] for data in datagrams], "other datagrams"

    async def _learn(self, flight: list[str]) -> None:
        """The flight that its checks carry, in the order of its records, until the first one's turn comes next."""
        found: set[bytes] = set()
        inside = None
        while len(found) < len(flight) or inside != max(found, key=_record_number):
            inside = (await self._next_check()).get(attribute.DTLS_IN_STUN)
            assert inside, "it carries nothing"
            found.add(inside)
        assert len(found) == len(flight), f"its flight has {len(found)} datagrams"
        self._real = dict(zip(flight, sorted(found, key=_record_number), strict=True))

    async def _check(self, carried: Carried) -> None:
        """Send one, until it is answered."""
        attributes = []
        if carried["data"] is not None:
            attributes.append(Attribute(attribute.DTLS_IN_STUN, bytes.fromhex(carried["data"])))
        if carried["acknowledged"] is not None:
            checksums = tuple(self._checksum(each) for each in carried["acknowledged"])
            attributes.append(Attribute(attribute.DTLS_IN_STUN_ACKNOWLEDGEMENT, checksums))
        question = Question(110 << 24, Role(False, 1), nominates=False)
        transaction = os.urandom(12)
        data = check.request(transaction, question, CREDENTIALS, self._peer, _Rider(attributes))
        await self._socket.sendto(data, tuple(self._remote))
        while (answer := await self._take()) is None or answer.transaction != transaction:
            pass
        assert answer.kind is stun.Class.SUCCESS

    def _checksum(self, told: str) -> int:
        """Of their datagram, where a step names one that stands for it."""
        real = {f"{zlib.crc32(bytes.fromhex(data)):08x}": zlib.crc32(octets) for data, octets in self._real.items()}
        return real.get(told, int(told, 16))

    async def _expect(self, carried: Carried) -> None:
        found = await self._next_check()
        data = carried["data"]
        wanted = None if data is None else self._real.get(data, bytes.fromhex(data))
        inside = found.get(attribute.DTLS_IN_STUN)
        assert (inside or b"") == (wanted or b""), "it carries something else"
        assert inside == wanted or not self._is_strict, "it leaves out an empty attribute"
        checksums = carried["acknowledged"]
        acknowledged = None if checksums is None else tuple(int(each, 16) for each in checksums)
        assert found.get(attribute.DTLS_IN_STUN_ACKNOWLEDGEMENT) == acknowledged, "it acknowledges something else"

    async def _expect_state(self, state: str) -> None:
        """It speaks this in its checks, or no more."""
        found = await self._next_check()
        speaks = found.get(attribute.DTLS_IN_STUN_ACKNOWLEDGEMENT) is not None
        assert speaks == (state in ("confirmed", "pending")), f"it is not {state}"

    async def _next_check(self) -> stun.Message:
        """One that was made after all that it was told."""
        with trio.move_on_after(0):
            while True:
                await self._take()
        while (message := await self._take()) is None or message.kind is not stun.Class.REQUEST:
            pass
        return message

    async def _find_path(self) -> None:
        """Answer a check, as the last one of ours was."""
        asked = await self._next_check()
        await self._socket.sendto(check.success(asked, self._remote, CREDENTIALS), tuple(self._remote))

    async def _take(self) -> stun.Message | None:
        """One datagram: a message of STUN, or something else."""
        data, _ = await self._socket.recvfrom(65536)
        if classify_datagram(data[0]) != "stun":
            self._plain += [data] if classify_datagram(data[0]) == "dtls" else []
            return None
        message = check.read(data)
        assert not isinstance(message, str), message
        self.heard.append(self._heard(message, data))
        return message

    def _heard(self, message: stun.Message, data: bytes) -> Heard:
        """Written again it is the same, also its integrity: of a check with our password, of an answer with theirs."""
        key = (CREDENTIALS if message.kind is stun.Class.REQUEST else self._peer).password
        again = stun.Message(message.kind, message.method, message.transaction, message.attributes)
        assert stun.serialize(again, integrity_key=key.encode()) == data, "written again it differs"
        return Heard(data, key)


def _record_number(datagram: bytes) -> bytes:
    """Of its first record, a plain one."""
    return datagram[5:11]


class _Rider:
    """What travels in one check of ours."""

    patience = 0.0

    def __init__(self, attributes: list[Attribute]) -> None:
        self._attributes = attributes

    def board(self, room: int) -> list[Attribute]:
        return self._attributes

    def alight(self, message: object, datagram: object, now: float) -> None:
        """Nothing of it comes this way."""
