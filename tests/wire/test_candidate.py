"""Candidates as browsers write them, as we write them, and as nobody should."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.wire import candidate
from meetref.wire.candidate import Candidate
from meetref.wire.reader import Malformed
from tests.wire.strangers import read

CHROMIUM = (
    "candidate:1318204347 1 udp 2113937151 1f4712db-ea17-4bcf-a596-105139dfd8bf.local 51379 typ host"
    " generation 0 ufrag kIxl network-cost 999"
)
FIREFOX = "candidate:0 1 UDP 2122252543 192.0.2.7 53421 typ host"

words = st.text(alphabet="abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/", min_size=1, max_size=32)
hosts = st.one_of(st.ip_addresses().map(str), words.map(lambda word: f"{word}.local"))
candidates = st.builds(
    Candidate,
    words,
    st.integers(0, 256),
    st.sampled_from(["udp", "tcp"]),
    st.integers(0, 2**32 - 1),
    hosts,
    st.integers(0, 65535),
    st.sampled_from(["host", "srflx", "prflx", "relay"]),
    related=st.one_of(st.none(), st.tuples(hosts, st.integers(0, 65535))),
    tcp_type=st.sampled_from([None, "active", "passive", "so"]),
    ufrag=st.one_of(st.none(), words),
)


def test_a_browsers_candidates() -> None:
    assert candidate.parse(CHROMIUM) == Candidate(
        "1318204347", 1, "udp", 2113937151, "1f4712db-ea17-4bcf-a596-105139dfd8bf.local", 51379, "host", ufrag="kIxl"
    )
    assert candidate.parse(f"a={FIREFOX}") == Candidate("0", 1, "udp", 2122252543, "192.0.2.7", 53421, "host")


def test_reflexive_and_tcp() -> None:
    found = candidate.parse("candidate:2 1 udp 1 203.0.113.4 9 typ srflx raddr 192.0.2.1 rport 8")
    assert found.related == ("192.0.2.1", 8)
    assert candidate.parse("candidate:2 1 tcp 1 192.0.2.1 9 typ host tcptype active").tcp_type == "active"


@given(candidates)
def test_a_candidate_survives_its_text(given_candidate: Candidate) -> None:
    assert candidate.parse(candidate.serialize(given_candidate)) == given_candidate


@given(st.one_of(st.text(max_size=200), st.text(alphabet=" candidate:udphostyp019.-a\u0663", max_size=99)))
def test_any_text_is_a_candidate_or_malformed(text: str) -> None:
    for line in (text, f"candidate:1 1 udp 1 {text} 9 typ host {text}"):
        found = read(candidate.parse, line)
        assert found is None or candidate.parse(candidate.serialize(found)) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "candidate:1 1 udp 1 192.0.2.1 9",
        "candidate:1 1 udp 1 192.0.2.1 9 type host",
        FIREFOX.replace("UDP", "sctp"),
        FIREFOX.replace("host", "neighbour"),
        FIREFOX.replace("53421", "65536"),
        FIREFOX.replace("53421", "-1"),
        FIREFOX.replace("53421", "5e3"),
        FIREFOX.replace("53421", "٣"),
        FIREFOX.replace(" 1 ", " 257 "),
        FIREFOX.replace("2122252543", "4294967296"),
        FIREFOX + " tcptype sideways",
        FIREFOX + " raddr 192.0.2.1 rport 99999",
        FIREFOX + " x" * 300,
    ],
)
def test_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        candidate.parse(text)
