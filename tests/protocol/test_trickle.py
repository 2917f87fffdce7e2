"""Which of the peer's candidates count."""

from __future__ import annotations

import pytest

from meetref.protocol.trickle import Trickle
from meetref.wire.address import Address
from meetref.wire.candidate import Candidate
from tests.protocol.ice_conversation import ALICE, BOB, Conversation, Puppet, agent, host


@pytest.mark.spec("ice/candidate-generation", "ice/tcp-direction", "ice/end-of-candidates")
@pytest.mark.parametrize(
    ("candidate", "why"),
    [
        (host(BOB), None),
        (host(BOB, ufrag="peer"), None),
        (host(BOB, ufrag="else"), "candidate of another generation"),
        (Candidate("1", 1, "tcp", 1, "192.0.2.9", 9, "host"), "candidate without a direction"),
        (Candidate("1", 1, "udp", 1, "192.0.2.9", 9, "host", tcp_type="so"), "candidate without a direction"),
        (Candidate("1", 1, "tcp", 1, "192.0.2.9", 9, "host", tcp_type="active"), None),
        (Candidate("1", 2, "udp", 1, "192.0.2.9", 9, "host"), "candidate of another component"),
        (Candidate("1", 1, "udp", 1, "1f47.local", 9, "host"), "candidate with a name"),
    ],
)
def test_which_candidates_count(candidate: Candidate, why: str | None) -> None:
    assert Trickle().doubt(candidate, "peer") == why
    if candidate.ufrag is None:
        assert Trickle(ended=True).doubt(candidate, "peer") == "candidate after the last"
    else:
        assert Trickle(ended=True).doubt(candidate, "peer") == why


@pytest.mark.spec("trickle/late-local", "trickle/half", "trickle/end-is-no-failure")
def test_an_address_of_ours_that_comes_after_all_of_the_peers_connects() -> None:
    talk = Conversation(agent(1, controlling=True), agent(2, controlling=False))
    talk.b.add_local_candidate(host(BOB), talk.now)
    talk.introduce()
    talk.a.end_of_remote_candidates(talk.now)
    talk.run_until(5)
    assert talk.a.state == "checking"
    talk.a.add_local_candidate(host(ALICE), talk.now)
    talk.run_until(6)
    assert talk.path("a") == (ALICE, BOB)


@pytest.mark.spec("trickle/told-after-found", "trickle/told-twice")
def test_what_is_told_of_a_found_address_replaces_the_guess() -> None:
    puppet = Puppet(agent(1, controlling=False))
    puppet.say(puppet.request(priority=7))
    for priority in (1000, 1000):
        puppet.machine.add_remote_candidate(host(BOB, priority=priority), puppet.now)
    puppet.connect(BOB)
    assert puppet.machine.selected is not None
    assert puppet.machine.selected.remote_candidate.priority == 1000
    assert puppet.machine.selected.remote_candidate.type == "host"
    assert puppet.machine.selected.remote == Address(BOB.host, BOB.port)
