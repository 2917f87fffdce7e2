"""One WebRTC connection to one other side: ICE finds the path, DTLS agrees on keys, SRTP locks the media.

This is the one place that introduces the three to each other; none of them knows the others. Signaling tells it
the other side's half (`set_remote`), the driver feeds it datagrams, and once it says `Connected` its owner takes media
apart from the five methods: `unlock` and `unlock_control` for what comes, `srtp.lock_run` for packets that leave,
`send_control` for RTCP (docs/architecture.md).
After an ICE restart two agents live side by side: the old one keeps its path until the new one has found its own.
Specification: RFC 8827 section 6.5 (DTLS-SRTP), RFC 8842 (who is client), RFC 7983 (the first octet).
Read next: `protocol/ice.py`, `protocol/handshake12.py`, `protocol/srtp.py`; above, `meeting/up.py`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from meetref.protocol import handshake12, ice, srtp
from meetref.protocol.certificate import Certificate, fingerprints_match
from meetref.protocol.lite import LiteAgent
from meetref.protocol.machine import Datagram, Dice, Event, Ignored
from meetref.wire.address import Address
from meetref.wire.candidate import Candidate
from meetref.wire.multiplex import classify_datagram

State = Literal["connecting", "connected", "disconnected", "failed", "closed"]
Agent = ice.Agent | LiteAgent

NOWHERE = Address("0.0.0.0", 0)

MAXIMUM_REPLACED = 2
"""A restart may come before the last one found anything: the one with the path, and the one under way."""

MAXIMUM_EARLY_DATAGRAMS = 4
"""DTLS datagrams kept while the role is not decided yet: one ClientHello of a browser is two."""


@dataclass(slots=True, frozen=True)
class Connected(Event):
    """Keys are agreed with the very peer that signaling named. `dtls` has version, cipher, group and profile."""

    dtls: handshake12.Connected


@dataclass(slots=True, frozen=True)
class StateChanged(Event):
    """`reason` is a sentence for people when the state is `failed`."""

    state: State
    reason: str | None = None


@dataclass(slots=True, frozen=True)
class PathOpened(Event):
    """The other side proved by an authenticated check that it is reachable at `remote`."""

    local: Address
    remote: Address


@dataclass(slots=True, frozen=True)
class Remote:
    """The other side's half, as its description has it: ICE credentials, fingerprints, and who is DTLS client."""

    credentials: ice.Credentials
    fingerprints: tuple[tuple[str, str], ...]
    setup: Literal["active", "passive", "actpass"]
    lite: bool = False
    renominates: bool = False


class Peer:
    """A machine (protocol/machine.py). `srtp` locks the media; `path` says where packets go now.

    `dtls_role` is what we are when the other side leaves it to us (`actpass`).
    `may_check` says to which addresses connectivity checks may be sent at all (RFC 8445 section 19.5.1).
    With `lite` our side of ICE only answers.
    """

    def __init__(
        self,
        *,
        controlling: bool,
        certificate: Certificate,
        dice: Dice,
        dtls_role: Literal["client", "server"],
        key_log: Callable[[str], None] | None = None,
        may_check: Callable[[Address], bool] = lambda address: True,
        lite: bool = False,
    ) -> None:
        self.certificate = certificate
        self.dice = dice
        self.dtls_role: Literal["client", "server"] = dtls_role
        self.key_log = key_log
        self.lite = lite
        self._may_check = may_check
        self.credentials = ice.make_credentials(dice)
        self.ice = self._agent(controlling)
        self.state: State = "connecting"
        self.path: tuple[Address, Address] | None = None
        self.srtp: srtp.Session | None = None
        self.negotiated: handshake12.Connected | None = None
        self._dtls: handshake12.Endpoint | None = None
        self._dtls_path: tuple[Address, Address] | None = None
        self._remote: Remote | None = None
        self._restart_is_offered = False  # and not answered yet
        self._former_remotes: deque[ice.Credentials] = deque(maxlen=MAXIMUM_REPLACED)
        self._replaced: list[Agent] = []
        """The agents from before a restart, newest first, until the new one has found a path: one of them has ours."""
        self._local_candidates: dict[Candidate, Address | None] = {}
        self._early: deque[Datagram] = deque(maxlen=MAXIMUM_EARLY_DATAGRAMS)
        self._transmits: deque[Datagram] = deque()
        self._events: deque[Event] = deque()

    @property
    def remote_credentials(self) -> ice.Credentials | None:
        return self._remote.credentials if self._remote is not None else None

    @property
    def ufrags(self) -> tuple[str, ...]:
        """The names by which checks for this connection call it: two during an ICE restart."""
        return tuple(agent.credentials.ufrag for agent in self._agents)

    @property
    def is_restarting(self) -> bool:
        """Whether a new path is being looked for beside the old one."""
        return bool(self._replaced)

    @property
    def _agents(self) -> tuple[Agent, ...]:
        return (self.ice, *self._replaced)

    def _agent(self, controlling: bool) -> Agent:
        if self.lite:
            return LiteAgent(credentials=self.credentials, dice=self.dice)
        return ice.Agent(
            controlling=controlling, credentials=self.credentials, dice=self.dice, may_check=self._may_check
        )

    @property
    def round_trip_time(self) -> float | None:
        """Of the selected path, in seconds, as the latest check that was answered at once has measured it."""
        selected = self.ice.selected
        return selected.round_trip_time if selected is not None else None

    # --- what the owner tells ---------------------------------------------------------------------

    def add_local_candidates(self, candidates: Iterable[Candidate], now: float) -> None:
        for candidate in candidates:
            self.add_local_candidate(candidate, now)

    def add_local_candidate(self, candidate: Candidate, now: float, *, base: Address | None = None) -> None:
        """See `ice.Agent.add_local_candidate`."""
        self._local_candidates[candidate] = base
        self.ice.add_local_candidate(candidate, now, base=base)
        self._settle(now)

    def path_closed(self, local: Address, remote: Address, now: float) -> None:
        """The TCP stream between these two is gone."""
        for agent in self._agents:
            agent.path_closed(local, remote, now)
        self._settle(now)

    def set_remote(self, remote: Remote, now: float) -> None:
        """Take the other side's description. A second one with the same credentials changes nothing."""
        if self._remote is not None and self._remote.credentials == remote.credentials:
            return
        self._remote, self._restart_is_offered = remote, False
        self.ice.set_remote_credentials(remote.credentials, now, lite=remote.lite, renominates=remote.renominates)
        if remote.setup != "actpass":
            self.dtls_role = "server" if remote.setup == "active" else "client"
        if self.negotiated is not None and self.srtp is None:
            self._trust(self.negotiated)
        self._settle(now)
        early, self._early = self._early, deque(maxlen=MAXIMUM_EARLY_DATAGRAMS)
        for datagram in early:
            self._receive_dtls(datagram, now)

    def restart_ice(self, now: float) -> None:
        """Begin anew with fresh credentials; keys and media stay, on the old path until a new one is selected.

        Where the last ones have not been answered yet, they stay: the answer on its way is to them.
        """
        # spec: ice/restart
        if self._restart_is_offered:
            return
        self._restart_is_offered = True
        if self._remote is not None and self._remote.credentials not in self._former_remotes:
            self._former_remotes.append(self._remote.credentials)
        if self.ice.state in ("new", "failed"):
            self.ice.close(now)
        else:
            self._replaced.insert(0, self.ice)  # spec: consent/during-restart
        if len(self._replaced) > MAXIMUM_REPLACED:
            self._replaced.pop(1).close(now)  # found nothing, or the one behind it would be gone
        self.credentials = ice.make_credentials(self.dice)
        self.ice = self._agent(self.ice.controlling)  # spec: ice/restart-role, trickle/restart
        for credentials in self._former_remotes:
            self.ice.remember_peer(credentials)
        for candidate, base in self._local_candidates.items():
            self.ice.add_local_candidate(candidate, now, base=base)

    def add_remote_candidate(self, candidate: Candidate, now: float) -> None:
        self.ice.add_remote_candidate(candidate, now)
        self._settle(now)

    def end_of_remote_candidates(self, now: float) -> None:
        self.ice.end_of_remote_candidates(now)
        self._settle(now)

    def close(self, now: float) -> None:
        """Say goodbye (a DTLS close alert) and stop. The driver flushes what `transmits` has left."""
        if self.state == "closed":
            return
        if self._dtls is not None:
            self._dtls.close(now)
        self._settle(now)
        for agent in self._agents:
            agent.close(now)
        self._become("closed", None)

    # --- media: plain calls on one packet ---------------------------------------------------------

    def unlock(self, packet: bytes) -> bytes | None:
        """The RTP packet inside; None before the keys are trusted, and for what does not open."""
        return self.srtp.unlock(packet) if self.srtp is not None else None

    def unlock_control(self, packet: bytes) -> bytes | None:
        return self.srtp.unlock_control(packet) if self.srtp is not None else None

    def send_control(self, packet: bytes) -> None:
        """Lock a compound RTCP packet and send it on the selected path; nothing happens before there is one."""
        if self.srtp is not None and self.path is not None:
            try:
                self._transmits.append(Datagram(self.srtp.lock_control(packet), *self.path))
            except srtp.LockRefused as error:
                self._events.append(Ignored(f"control packet not locked: {error}"))

    # --- the five methods -------------------------------------------------------------------------

    def receive_datagram(self, datagram: Datagram, now: float) -> None:
        """STUN and DTLS come here; RTP goes to `unlock`, RTCP to `unlock_control`."""
        if self.state == "closed" or not datagram.data:
            self._events.append(Ignored("closed or empty"))
            return
        kind = classify_datagram(datagram.data[0])
        if kind == "stun":
            agent = next((agent for agent in self._replaced if agent.expects(datagram.data)), self.ice)
            agent.receive_datagram(datagram, now)
            self._settle(now)
        elif kind == "dtls":
            self._receive_dtls(datagram, now)
        else:
            self._events.append(Ignored(f"{kind} on the control path"))

    def next_timeout(self) -> float:
        if self.state == "closed":
            return math.inf
        waiting = self._dtls.next_timeout() if self._dtls is not None else math.inf
        return min(waiting, *(agent.next_timeout() for agent in self._agents))

    def handle_timeout(self, now: float) -> None:
        if self.state == "closed":
            return
        for agent in self._agents:
            if agent.next_timeout() <= now:
                agent.handle_timeout(now)
        if self._dtls is not None and self._dtls.next_timeout() <= now:
            self._dtls.handle_timeout(now)
        self._settle(now)

    def transmits(self) -> Iterator[Datagram]:
        while self._transmits:
            yield self._transmits.popleft()

    def events(self) -> Iterator[Event]:
        while self._events:
            yield self._events.popleft()

    # --- how the three are introduced to each other -------------------------------------------------

    def _receive_dtls(self, datagram: Datagram, now: float) -> None:
        if not any(agent.is_valid_path(datagram.local, datagram.remote) for agent in self._agents):
            self._events.append(Ignored("DTLS from a path that ICE has not verified"))
            return
        if self._dtls is None and self.dtls_role == "client":
            # The server's hello cannot come before ours: somebody talks out of turn, or the role is not known yet.
            self._early.append(datagram)
            return
        self._dtls_path = (datagram.local, datagram.remote)
        self._endpoint(now).receive_datagram(datagram, now)
        self._settle(now)

    def _endpoint(self, now: float) -> handshake12.Endpoint:
        if self._dtls is None:
            local, remote = self._dtls_path or self.path or (NOWHERE, NOWHERE)
            self._dtls = handshake12.Endpoint(
                role=self.dtls_role,
                certificate=self.certificate,
                dice=self.dice,
                local=local,
                remote=remote,
                address_verified=True,
                key_log=self.key_log,
            )
            self._dtls.start(now)
        return self._dtls

    def _settle(self, now: float) -> None:
        """Carry what the machines below have to say to each other and upwards."""
        for agent in self._agents:
            for event in agent.events():
                self._on_ice(agent, event, now)
            self._transmits.extend(agent.transmits())
        if self._dtls is not None:
            for event in self._dtls.events():
                self._on_dtls(event, now)
            self._readdress(self._dtls)

    def _readdress(self, dtls: handshake12.Endpoint) -> None:
        path = self.path or self._dtls_path
        for datagram in dtls.transmits():
            if path is not None:
                self._transmits.append(Datagram(datagram.data, *path))

    def _on_ice(self, agent: Agent, event: Event, now: float) -> None:
        match event:
            case ice.PairSelected(pair):
                if agent is not self.ice and self.ice.selected is not None:
                    return
                self._drop_replaced(agent, now)
                self.path = (pair.local, pair.remote)
                self._events.append(PathOpened(*self.path))  # an answer came from there: more than a check proves
                if self.dtls_role == "client" and self._remote is not None:
                    self._endpoint(now)
            case ice.PathOpened(local, remote):
                self._events.append(PathOpened(local, remote))
            case ice.StateChanged("failed"):
                if agent in self._replaced:
                    self._replaced.remove(agent)
                # A new one waits for the answer to a restart. With the old path gone, too, nothing is left to wait for.
                if all(each.state in ("new", "failed") for each in self._agents):
                    self._become("failed", "no way to reach each other was found, or the other side stopped answering")
            case ice.StateChanged("disconnected"):
                if self.state == "connected":
                    self._become("disconnected", None)
            case ice.StateChanged("connected"):
                if self.state == "disconnected":
                    self._become("connected", None)
            case Ignored():
                self._events.append(event)

    def _drop_replaced(self, chosen: Agent, now: float) -> None:
        """A new path was chosen: those agents are over that are older than the one that found it."""
        at = self._agents.index(chosen)
        for agent in self._replaced[at:]:
            agent.close(now)
        del self._replaced[at:]

    def _on_dtls(self, event: Event, now: float) -> None:
        match event:
            case handshake12.Connected():
                self._trust(event)
            case handshake12.Failed(_, why):
                self._become("failed", f"the encryption handshake failed: {why}")
            case handshake12.Closed():
                self._become("closed", "the other side said goodbye")
            case Ignored():
                self._events.append(event)

    def _trust(self, connected: handshake12.Connected) -> None:
        """The fingerprint decides, before any media (RFC 8827 section 6.5): without it the keys are anybody's."""
        self.negotiated = connected
        if self._remote is None:
            return  # the answer is still on its way: set_remote asks again
        if not fingerprints_match(connected.peer_certificate, self._remote.fingerprints):
            self._become("failed", "the other side's certificate is not the one its description names")
        elif connected.srtp_keys is None:
            self._become("failed", "the other side does not agree to encrypted media (no use_srtp)")
        else:
            self.srtp = srtp.open_session(connected.srtp_keys)
            self._events.append(Connected(connected))
            self._become("connected", None)

    def _become(self, state: State, reason: str | None) -> None:
        if self.state not in (state, "failed", "closed"):
            self.state = state
            if state in ("failed", "closed"):
                self.srtp = None
            self._events.append(StateChanged(state, reason))
