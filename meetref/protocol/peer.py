"""One WebRTC connection to one other side: ICE finds the path, DTLS agrees on keys, SRTP locks the media.

This is the one place that introduces the three to each other; none of them knows the others. Where the other side can,
the handshake rides in the checks (`protocol/sped`); else it begins when there is a path. Signaling tells it
the other side's half (`set_remote`), the driver feeds it datagrams, and once it says `Connected` its owner takes media
apart from the five methods: `unlock` and `unlock_control` for what comes, `srtp.lock_run` for packets that leave,
`send_control` for RTCP (docs/architecture.md).
During an ICE restart several agents live side by side (`protocol/restarting`).
Specification: RFC 8827 section 6.5 (DTLS-SRTP), RFC 8842 (who is client), RFC 7983 (the first octet).
Read next: `protocol/ice.py`, `protocol/dtls.py`, `protocol/srtp.py`; above, `meeting/up.py`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from meetref.protocol import dtls, ice, sped, srtp
from meetref.protocol.certificate import Certificate, fingerprints_match
from meetref.protocol.conversation13 import GROUP_PREFERENCE
from meetref.protocol.ice import Credentials
from meetref.protocol.lite import LiteAgent
from meetref.protocol.machine import Datagram, Dice, Event, Ignored
from meetref.protocol.restarting import Agent, Agents
from meetref.wire.address import Address
from meetref.wire.candidate import Candidate
from meetref.wire.multiplex import classify_datagram

State = Literal["connecting", "connected", "disconnected", "failed", "closed"]
NOWHERE = Address("0.0.0.0", 0)

MAXIMUM_EARLY_DATAGRAMS = 4
"""DTLS datagrams kept while the role is not decided yet: one ClientHello of a browser is two."""

MAXIMUM_DATAGRAM = 1200
"""Octets of a DTLS datagram on its own (RFC 8831 section 5); one that rides in a check is smaller."""


@dataclass(slots=True, frozen=True)
class Connected(Event):
    """Keys are agreed with the very peer that signaling named. `dtls` has version, cipher, group and profile."""

    dtls: dtls.Connected


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

    credentials: Credentials
    fingerprints: tuple[tuple[str, str], ...]
    setup: Literal["active", "passive", "actpass"]
    lite: bool = False
    renominates: bool = False
    embeds_handshake: bool = False
    """It offers, or accepts, that DTLS rides in connectivity checks."""
    hides_headers: bool = False
    """It takes RTP packets whose headers are hidden."""


class Peer:
    """A machine (protocol/machine.py). `srtp` locks the media; `path` says where packets go now.

    `dtls_role` is what we are when the other side leaves it to us (`actpass`), `dtls_versions` what we speak;
    `srtp_engine` is None for the one that is faster.
    `may_check` says to which addresses connectivity checks may be sent at all (RFC 8445 section 19.5.1).
    With `lite` our side of ICE only answers. `embeds_handshake` says that DTLS may ride in its checks.
    With `hides_headers` those of RTP are encrypted where the other side takes that, which only our own SRTP does.
    """

    def __init__(
        self,
        *,
        controlling: bool,
        certificate: Certificate,
        dice: Dice,
        dtls_role: Literal["client", "server"],
        dtls_versions: dtls.Versions = "1.3 preferred",
        dtls_groups: Sequence[int] = GROUP_PREFERENCE,
        srtp_engine: srtp.Engine | None = None,
        key_log: Callable[[str], None] | None = None,
        may_check: Callable[[Address], bool] = lambda address: True,
        lite: bool = False,
        embeds_handshake: bool = True,
        hides_headers: bool = False,
    ) -> None:
        self.certificate = certificate
        self.dice = dice
        self.dtls_role: Literal["client", "server"] = dtls_role
        self.dtls_versions: dtls.Versions = dtls_versions
        self.dtls_groups = dtls_groups
        self.srtp_engine: srtp.Engine | None = srtp_engine
        self.key_log = key_log
        self.lite = lite
        self.embeds_handshake = embeds_handshake
        self.hides_headers = hides_headers
        self.sped = sped.Sped(self._take_dtls)
        self._may_check = may_check
        self._agents = Agents(self._make_agent, dice, controlling=controlling)
        self.state: State = "connecting"
        self.path: tuple[Address, Address] | None = None
        self.srtp: srtp.Session | None = None
        self.negotiated: dtls.Connected | None = None
        self._dtls: dtls.Endpoint | None = None
        self._dtls_path: tuple[Address, Address] | None = None
        self._remote: Remote | None = None
        self._early: deque[Datagram] = deque(maxlen=MAXIMUM_EARLY_DATAGRAMS)
        self._rests = False
        """DTLS leaves it to the checks to carry its flights, until there is a path."""
        self._transmits: deque[Datagram] = deque()
        self._events: deque[Event] = deque()

    @property
    def remote_credentials(self) -> Credentials | None:
        return self._remote.credentials if self._remote is not None else None

    @property
    def ice(self) -> Agent:
        """The agent that signaling speaks of."""
        return self._agents.newest

    @property
    def credentials(self) -> Credentials:
        """By which the other side may call that agent."""
        return self._agents.credentials

    @property
    def ufrags(self) -> tuple[str, ...]:
        """The names by which checks for this connection call it: two during an ICE restart."""
        return tuple(agent.credentials.ufrag for agent in self._agents)

    @property
    def is_restarting(self) -> bool:
        """Whether a new path is being looked for beside the old one."""
        return self._agents.are_several

    def _make_agent(self, credentials: Credentials, controlling: bool) -> Agent:
        rider = self.sped if self.embeds_handshake else None
        if self.lite:
            return LiteAgent(credentials=credentials, dice=self.dice, rider=rider)
        return ice.Agent(
            controlling=controlling, credentials=credentials, dice=self.dice, may_check=self._may_check, rider=rider
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
        self._agents.add_local_candidate(candidate, now, base=base)
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
        self._remote = remote
        self._agents.answered()
        if remote.setup != "actpass":
            self.dtls_role = "server" if remote.setup == "active" else "client"
        if remote.embeds_handshake and self.embeds_handshake:
            self.sped.begin()
        if self.sped.is_possible and self.dtls_role == "client":
            self._endpoint(now)
            self._settle_dtls(now)  # so that the first check has something to carry
        self.ice.set_remote_credentials(remote.credentials, now, lite=remote.lite, renominates=remote.renominates)
        if self.negotiated is not None and self.srtp is None:
            self._trust(self.negotiated)
        self._settle(now)
        early, self._early = self._early, deque(maxlen=MAXIMUM_EARLY_DATAGRAMS)
        for datagram in early:
            self._take_dtls(datagram, now)

    def restart_ice(self, now: float) -> None:
        """Begin anew with fresh credentials; keys and media stay, on the old path until a new one is selected.

        Where the last ones have not been answered yet, they stay.
        """
        self._agents.restart(now, self.remote_credentials)

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
        plain = self.srtp.unlock(packet) if self.srtp is not None else None
        if plain is not None and self.sped.state == "pending":
            self.sped.data_arrived()
        return plain

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
            self._agents.addressee(datagram.data).receive_datagram(datagram, now)
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
        if not self.sped.take(datagram.data):
            self._events.append(Ignored("DTLS that came in a check, too"))
            return
        self._dtls_path = (datagram.local, datagram.remote)
        self._take_dtls(datagram, now)

    def _take_dtls(self, datagram: Datagram, now: float) -> None:
        """One datagram, from a path that ICE vouches for, or out of one of its messages."""
        if self._dtls is None and self.dtls_role == "client":
            # The server's hello cannot come before ours: somebody talks out of turn, or the role is not known yet.
            self._early.append(datagram)
            return
        self._endpoint(now).receive_datagram(datagram, now)
        self._settle_dtls(now)  # spec: sped/answer-carries-next

    def _endpoint(self, now: float) -> dtls.Endpoint:
        if self._dtls is None:
            local, remote = self._dtls_path or self.path or (NOWHERE, NOWHERE)
            self._dtls = dtls.Endpoint(
                role=self.dtls_role,
                certificate=self.certificate,
                dice=self.dice,
                local=local,
                remote=remote,
                versions=self.dtls_versions,
                groups=self.dtls_groups,
                address_verified=True,
                key_log=self.key_log,
                maximum_datagram=MAXIMUM_DATAGRAM,
            )
            if self.sped.is_possible:
                self._rests = self.path is None
                self._adapt(self._dtls, now)
            self._dtls.start(now)
        return self._dtls

    def _adapt(self, endpoint: dtls.Endpoint, now: float) -> None:
        """Give DTLS the size and the time that suit the way on which its flights travel now."""
        if self.sped.state == "off":
            endpoint.adapt(now, maximum_datagram=MAXIMUM_DATAGRAM)
        else:
            wait = math.inf if self._rests else sped.first_wait(self.round_trip_time)  # spec: sped/timer-rests
            endpoint.adapt(now, first_wait=wait, maximum_datagram=sped.MAXIMUM_DATAGRAM)  # spec: sped/mtu

    def _settle(self, now: float) -> None:
        """Carry what the machines below have to say to each other and upwards."""
        for agent in self._agents:
            for event in agent.events():
                self._on_ice(agent, event, now)
            self._transmits.extend(agent.transmits())
        self._settle_dtls(now)

    def _settle_dtls(self, now: float) -> None:
        endpoint = self._dtls
        if endpoint is None:
            return
        for event in endpoint.events():
            self._on_dtls(event, now)
        if self._rests and self.path is not None:
            self._rests = False
            self._adapt(endpoint, now)
        said = [datagram.data for datagram in endpoint.transmits()]
        path = self.path or self._dtls_path
        for data in self.sped.carry(endpoint.flight, said, has_path=path is not None):
            self._transmits.append(Datagram(data, *(path or (NOWHERE, NOWHERE))))

    def _on_ice(self, agent: Agent, event: Event, now: float) -> None:
        match event:
            case ice.PairSelected(pair):
                if agent is not self.ice and self.ice.selected is not None:
                    return
                self._agents.choose(agent, now)
                self.path = (pair.local, pair.remote)
                self._events.append(PathOpened(*self.path))  # an answer came from there: more than a check proves
                if self.dtls_role == "client" and self._remote is not None:
                    self._endpoint(now)
                self._announce()
            case ice.PathOpened(local, remote):
                self._events.append(PathOpened(local, remote))
            case ice.StateChanged("failed"):
                if self._agents.failed(agent):
                    self._become("failed", "no way to reach each other was found, or the other side stopped answering")
            case ice.StateChanged("disconnected"):
                if self.state == "connected":
                    self._become("disconnected", None)
            case ice.StateChanged("connected"):
                if self.state == "disconnected":
                    self._become("connected", None)
            case Ignored():
                self._events.append(event)

    def _on_dtls(self, event: Event, now: float) -> None:
        match event:
            case dtls.Connected():
                self.sped.handshake_complete()
                self._trust(event)
            case dtls.Received():
                self.sped.data_arrived()
            case dtls.Failed(_, why):
                self._become("failed", f"the encryption handshake failed: {why}")
            case dtls.Closed():
                self._become("closed", "the other side said goodbye")
            case Ignored():
                self._events.append(event)

    def _trust(self, connected: dtls.Connected) -> None:
        """The fingerprint decides, before any media (RFC 8827 section 6.5): without it the keys are anybody's."""
        self.negotiated = connected
        if self._remote is None:
            return  # the answer is still on its way: set_remote asks again
        if not fingerprints_match(connected.peer_certificate, self._remote.fingerprints):
            # spec: handshake12/fingerprint-mismatch
            self._become("failed", "the other side's certificate is not the one its description names")
        elif connected.srtp_keys is None:  # spec: handshake12/keys-before-media
            self._become("failed", "the other side does not agree to encrypted media (no use_srtp)")
        else:
            hides = self.hides_headers and self._remote.hides_headers  # spec: srtp/cryptex-negotiated
            hiding = srtp.Hiding(cryptex=True) if hides else None
            self.srtp = srtp.open_session(connected.srtp_keys, self.srtp_engine, hiding)
            self._announce()

    def _announce(self) -> None:
        """Keys and a way: where the handshake rode in checks, the keys may be there first."""
        has_way = self.path is not None or self._dtls_path is not None
        if self.state == "connecting" and has_way and self.srtp is not None and self.negotiated is not None:
            self._events.append(Connected(self.negotiated))
            self._become("connected", None)

    def _become(self, state: State, reason: str | None) -> None:
        if self.state not in (state, "failed", "closed"):
            self.state = state
            if state in ("failed", "closed"):
                self.srtp = None
            self._events.append(StateChanged(state, reason))
