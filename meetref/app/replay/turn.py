"""A TURN server as the target of `meetref vectors replay`: plays the steps of vectors/turn, as clients and their peers.

The server's realm, nonces and ports are its own, so every case is played anew with what the server says: the cases'
users become those that were told, peers of the cases that can be anywhere become sockets here.
Stands above `app/replay/turnclients`, below `app/replay/command`.
Specification: RFC 8656; vectors/turn/README.md for the words.
Leaves out: TLS; requests that cannot be read, about which the stem `stun` asks.
Read next: `app/replay/turnclients.py`, which has the clients and peers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

import trio

from meetref.app.replay.exchange import near_host
from meetref.app.replay.settings import Settings
from meetref.app.replay.turnclients import SILENCE, Client, Guests, Inbox
from meetref.app.replay.turnwords import METHODS, TYPES, attributes_of, place
from meetref.app.replay.verdict import GONE, SUCCESS, Case, Outcome, agreed, differed, judge, last_moment, untried
from meetref.net.network import Network
from meetref.net.relayed import Unreachable
from meetref.protocol.account import Account
from meetref.protocol.credentials import ExpiringAccounts
from meetref.wire import attribute, stun, turn
from meetref.wire.address import Address
from meetref.wire.attribute import Attribute
from meetref.wire.reader import Malformed

ANYWHERE = "203.0.113."  # what peers that can be anywhere are called in the cases
NAMES = ("alice", "bob")
QUIET = 0.3  # seconds after which nothing has come
LET_GO = 2.0  # seconds in which a server notices that an address is not needed any more: coturn takes one
TRIES = 3  # times that data are sent before they are taken for stopped
LONGEST_NONCE = 590.0  # seconds: less than an allocation that nobody refreshes
LASTS_FOR = 7200.0  # seconds for which names that expire are issued
FULL = ("error:486", "error:508")
TAKEN = "error:437"  # our port was that of somebody who has gone, and whom the server still remembers
UDP = [Attribute(attribute.REQUESTED_TRANSPORT, turn.UDP)]


class Differs(Exception):
    """`args`: what was expected, and what came."""


class TurnTarget:
    """A server that lends addresses to those whose password we know."""

    def __init__(self, network: Network, settings: Settings, base: str) -> None:
        self.sets: tuple[str, ...] = ("turn/allocations", "turn/channel-data")[: 2 if settings.over == "udp" else 1]
        self._network = network
        self._settings = settings
        self._base = base
        quotas = (settings.user_quota, settings.total_quota)
        self._most = min((each for each in quotas if each is not None), default=math.inf)
        self._one_by_one = trio.CapacityLimiter(1 if self._most < math.inf else math.inf)

    @classmethod
    async def open(cls, network: Network, settings: Settings) -> TurnTarget:
        """Ready to ask, from an address like the server's. Raises `OSError`."""
        return cls(network, settings, near_host(network, settings.target))

    async def why_unusable(self) -> str | None:
        """Whether the first user gets an address."""
        why = await self._why_lends_nothing()
        if why is not None and why.endswith(FULL):
            await trio.sleep(LET_GO)
            why = await self._why_lends_nothing()
        return why

    async def _why_lends_nothing(self) -> str | None:
        account = self.account("alice")
        async with AsyncExitStack() as stack:
            guests = self._guests(stack)
            try:
                client = await guests.client("first")
            except Unreachable as problem:
                return f"cannot be reached: {problem}"
            await client.ask(turn.ALLOCATE, UDP, account, once=False)
            await guests.leave()
        if client.got == SILENCE:
            return "does not answer a request for an address"
        if client.got == "error:401":
            return f"does not take the password of {account.username[:40]!r}"
        return None if client.got == SUCCESS else f"lends no address to {account.username[:40]!r}: {client.got}"

    async def play(self, case: Case) -> Outcome:
        why = self._why_not(case)
        if why is not None:
            return untried(case, why)
        async with self._one_by_one:
            outcome = await self._play(case)
            if outcome.verdict == "fail" and outcome.got.startswith((*FULL, TAKEN)):
                await trio.sleep(LET_GO)
                outcome = await self._play(case)  # from other ports
            return outcome

    async def _play(self, case: Case) -> Outcome:
        async with AsyncExitStack() as stack:
            guests = self._guests(stack)
            try:
                if "steps" not in case:
                    return judge(case, await self._relay_raw(case, guests))
                await Play(self, guests, case).run()
            except Differs as difference:
                expected, got = difference.args
                if case["init"]["families"] == [4] and got.startswith(SUCCESS):
                    return untried(case, "the target has IPv6 addresses to lend")
                if got.startswith(SILENCE) and await self.why_unusable() is not None:
                    return Outcome(case["id"], case["comment"], "error", (expected,), GONE)
                return differed(case, expected, got)
            finally:
                await guests.leave()
        return agreed(case)

    async def _relay_raw(self, case: Case, guests: Guests) -> str:
        """What happens to octets that are sent behind a ChannelBind."""
        channel = case["out"]["channel"] if case["result"] == "valid" else turn.FIRST_CHANNEL
        client, account = await guests.client("first"), self.account("alice")
        await guests.open_peer("peer")
        inbox = guests.peers["peer"]
        peer = Attribute(attribute.XOR_PEER_ADDRESS, inbox.socket.local)
        for method, given in (
            (turn.ALLOCATE, UDP),
            (turn.CHANNEL_BIND, [Attribute(attribute.CHANNEL_NUMBER, channel), peer]),
        ):
            await client.ask(method, given, account, once=False)
            if client.got != SUCCESS:
                return f"{client.got}, and no channel to try"
        for _ in range(TRIES if case["result"] == "valid" else 1):
            client.send_raw(bytes.fromhex(case["in"]["hex"]))
            seen = await inbox.next(QUIET, lambda data: True)
            if seen is not None:
                relayed = case["result"] == "valid" and seen.hex() == case["out"]["data"]["hex"]
                return SUCCESS if relayed else "octets at the peer"
        return "drop"

    def lasts_for(self, case: Case) -> float:
        return self.moment(case, last_moment(case))

    def moment(self, case: Case, at: float) -> float:
        """When to do what a case does at a moment: nonces of the target's may last longer or shorter than there."""
        lasts = case.get("init", {}).get("nonce_lasts_s")
        known = self._settings.nonce_lasts
        return at if lasts is None or known is None or at < lasts else known + at - lasts

    async def close(self) -> None:
        """Every case has closed what it opened."""

    def account(self, name: str, password: str | None = None) -> Account:
        """Credentials of one who is called so in the cases. Raises `LookupError` where there is nobody to be it."""
        settings = self._settings
        if settings.secret is not None:
            accounts = ExpiringAccounts([settings.secret], self._network.wall_clock() - trio.current_time())
            user, right = accounts.issue(name, LASTS_FOR + settings.time, trio.current_time())
        else:
            user, right = settings.users[NAMES.index(name)]
        return Account(user, password or right)

    def _guests(self, stack: AsyncExitStack) -> Guests:
        return Guests(self._network, self._settings.target, self._base, self._settings.over, stack)

    def _why_not(self, case: Case) -> str | None:
        settings, init = self._settings, case.get("init", {})
        if settings.over == "tcp" and any("do" in step for step in case["steps"]):
            return "is about requests that are sent again, as over UDP"
        for word, option, known in (
            ("allocations_per_user", "--user-quota", settings.user_quota),
            ("allocations", "--total-quota", settings.total_quota),
        ):
            if word in init and init[word] != known:
                return f"wants a target with a quota of {init[word]}, told by {option} {init[word]}"
        told = [step["receive"] for step in case.get("steps", ()) if "receive" in step]
        paths = len({each.get("path", "first") for each in told if "request" in each})
        if not {"allocations", "allocations_per_user"} & init.keys() and paths > self._most:
            return f"wants {paths} addresses at a time"
        if "nonce_lasts_s" in init and (settings.nonce_lasts or math.inf) > LONGEST_NONCE:
            return (
                "wants nonces of the target to grow stale within its allocations' time, told by --nonce-lasts SECONDS"
            )
        if (lasts := self.lasts_for(case)) > settings.time:
            return f"takes {lasts:.0f} seconds, granted by --time {lasts:.0f}"
        if settings.secret is None and len(settings.users) < 2 and any(each.get("user") == "bob" for each in told):
            return "wants a second account, told by another --user"
        own = self._base.partition(".")[0]
        if any(text.partition(".")[0] == own for text in _fixed_places(told)):
            return "wants peers to be refused that are where ours are"
        return None


def _fixed_places(told: list[Mapping[str, Any]]) -> list[str]:
    """Peers that cannot be anywhere."""
    every = [text for each in told for text in each.get("attributes", {}).get("XOR-PEER-ADDRESS", ())]
    return [text for text in every if not text.startswith(ANYWHERE) and not text.startswith("[")]


class Play:
    """One case being played. `run` raises `Differs`."""

    def __init__(self, target: TurnTarget, guests: Guests, case: Case) -> None:
        self._target = target
        self._guests = guests
        self._case = case
        self._accounts: dict[tuple[str, str, str | None], Account] = {}
        self._bound: dict[str, Any] = {}
        self._last = "first"
        self._asked = ""
        self._again: Callable[[], None] = lambda: None
        self._even = Address("", 0)

    async def run(self) -> None:
        began = trio.current_time()
        for name in sorted(self._names()):
            await self._guests.open_peer(name)
        for step in self._case["steps"]:
            await trio.sleep_until(began + self._target.moment(self._case, step["at_ms"] / 1000))
            if "receive" in step:
                await self._receive(step["receive"])
            elif "do" in step:
                await (await self._guests.client(self._last)).ask_again()
                self._asked = f"the same {self._asked}"
            else:
                await self._expect(step["expect"])

    def _names(self) -> set[str]:
        """The peers of this case that are sockets here."""
        found = set()
        for step in self._case["steps"]:
            told = step.get("receive", {})
            named = told.get("attributes", {}).get("XOR-PEER-ADDRESS", [])
            found |= {*named, told.get("peer", ""), told.get("indication", {}).get("peer", "")}
        return {name for name in found if name.startswith(ANYWHERE)}

    def _where(self, name: str) -> Address:
        return self._guests.peers[name].socket.local if name in self._guests.peers else place(name)

    # --- what is done ---------------------------------------------------------------------------------

    async def _receive(self, told: Mapping[str, Any]) -> None:
        client = await self._guests.client(told.get("path", "first"))
        if "request" in told:
            await self._ask(client, told)
            return
        self._guests.forget()
        data = bytes.fromhex(told["indication"]["data"] if "indication" in told else told["data"])
        if "indication" in told:
            to = self._where(told["indication"]["peer"])
            self._again = lambda: client.send_to_peer("indication", to, data)
        elif "channel" in told:
            self._again = lambda: client.send_to_peer(told["channel"], None, data)
        else:
            inbox, relayed = self._guests.peers[told["peer"]], client.relayed
            assert relayed is not None
            self._again = lambda: inbox.socket.send((data,), relayed)
        self._again()

    async def _ask(self, client: Client, told: Mapping[str, Any]) -> None:
        self._last, self._asked = told.get("path", "first"), told["request"]
        user, password = told.get("user", "alice"), told.get("password")
        account = None
        if user is not None:
            key = (self._last, user, password)
            account = self._accounts.get(key) or self._target.account(user, password)
            self._accounts[key] = account
        given = attributes_of(told["attributes"], self._bound, self._where)
        await client.ask(METHODS[told["request"]], given, account, once=told.get("nonce") == "old")

    # --- what is wanted -------------------------------------------------------------------------------

    async def _expect(self, wanted: Mapping[str, Any]) -> None:
        if "answer" in wanted:
            self._expect_answer(await self._guests.client(self._last), wanted)
        elif "peer" in wanted:
            await self._expect_at_peer(wanted["peer"])
        else:
            await self._expect_at_client(await self._guests.client("first"), wanted["client"])

    def _expect_answer(self, client: Client, wanted: Mapping[str, Any]) -> None:
        word = SUCCESS if wanted["answer"] == SUCCESS else f"error:{wanted['answer']}"
        if client.got != word:
            raise Differs(word, f"{client.got} to {self._asked}")
        for name, value in wanted["attributes"].items():
            seen = client.answer.get(TYPES[name])
            # Its realm is the target's own.
            if not seen if name == "REALM" else seen != value:
                raise Differs(f"{name} {value}", f"{name} {seen} in the answer to {self._asked}")
        if "bind_token" in wanted:
            self._bound[wanted["bind_token"]] = client.answer.get(attribute.RESERVATION_TOKEN) or b""
        relayed = client.answer.get(attribute.XOR_RELAYED_ADDRESS) or Address("", 0)
        if wanted.get("port") == "even":
            self._even = relayed
        right = {"even": relayed.port % 2 == 0, "next": relayed.port == self._even.port + 1}
        if not right.get(wanted.get("port", ""), True):
            raise Differs(f"a relayed port that is {wanted['port']}", f"port {relayed.port}")

    async def _expect_at_peer(self, wanted: Mapping[str, Any] | None) -> None:
        if wanted is None:
            await trio.sleep(QUIET)
            for name, inbox in self._guests.peers.items():
                if await inbox.next(0.0, lambda data: True) is not None:
                    raise Differs("nothing at a peer", f"octets at {name}")
            return
        inbox, right = self._guests.peers[wanted["address"]], bytes.fromhex(wanted["data"])
        if await self._until_heard(inbox, lambda data: data == right) is None:
            raise Differs(f"{right!r} at the peer", "nothing of the kind")

    async def _expect_at_client(self, client: Client, wanted: Mapping[str, Any] | None) -> None:
        if wanted is None:
            seen = await client.next(QUIET, lambda data: self._told_by(data) is not None)
            if seen is not None:
                raise Differs("nothing at the client", f"data by {self._told_by(seen)}")
            return
        seen = await self._until_heard(client, lambda data: self._told_by(data) is not None)
        if seen is None:
            raise Differs(f"data by {wanted['by']} at the client", "nothing")
        peer, right = self._where(wanted["peer"]), bytes.fromhex(wanted["data"])
        if (by := self._told_by(seen)) != wanted["by"]:
            raise Differs(f"data by {wanted['by']}", f"data by {by}")
        if _carried(seen) not in ((peer, right), (None, right)):
            raise Differs(f"{right!r} of {peer}", f"{_carried(seen)}")

    async def _until_heard(self, inbox: Inbox, wanted: Callable[[bytes], bool]) -> bytes | None:
        """What was sent may be lost on the way, so it is sent again before it is taken for stopped."""
        for number in range(TRIES):
            if number:
                self._again()
            found = await inbox.next(QUIET, wanted)
            if found is not None:
                return found
        return None

    def _told_by(self, data: bytes) -> str | int | None:
        """How data of a peer's came to the client: by an indication, or on a channel; None for something else."""
        if data[:1] and data[0] >= turn.FIRST_CHANNEL >> 8:
            return int.from_bytes(data[:2], "big")
        return "indication" if int.from_bytes(data[:2], "big") == turn.DATA_TYPE else None


def _carried(data: bytes) -> tuple[Address | None, bytes]:
    """The peer, which a channel does not name, and the data."""
    try:
        if data[0] >= turn.FIRST_CHANNEL >> 8:
            return None, turn.parse_channel_data(data).data
        message = stun.parse(data)
    except Malformed:
        return None, b"octets that cannot be read"
    return message.get(attribute.XOR_PEER_ADDRESS), message.get(attribute.DATA) or b""
