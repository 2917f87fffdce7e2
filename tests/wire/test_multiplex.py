"""The first octets decide, and decide once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.wire import multiplex, stun
from meetref.wire.multiplex import SHAPES, STREAM_HEAD_SIZE, classify_datagram, classify_stream, is_rtcp

HELLO = bytes.fromhex("1603010200010001fc0303")
REQUEST = stun.serialize(stun.Message(stun.Class.REQUEST, stun.BINDING, bytes(12)))
FRAMED = len(REQUEST).to_bytes(2, "big") + REQUEST


@pytest.mark.spec("multiplex/first-octet", "multiplex/unknown-dropped")
def test_every_first_octet() -> None:
    """RFC 9443 figure 3, octet by octet."""
    expected = (
        ["stun"] * 4 + ["unknown"] * 12 + ["zrtp"] * 4 + ["dtls"] * 44 + ["turn-channel"] * 16
        + ["quic"] * 48 + ["rtp"] * 64 + ["quic"] * 64
    )  # fmt: skip
    assert [classify_datagram(octet) for octet in range(256)] == expected


@pytest.mark.spec("multiplex/rtcp-packet-types")
def test_rtcp_among_rtp() -> None:
    found = [octet for octet in range(256) if is_rtcp(bytes([0x80, octet]))]
    assert found == list(range(192, 224))
    assert not is_rtcp(b"\x80")
    assert not is_rtcp(b"")


@pytest.mark.spec("multiplex/stream-head")
@pytest.mark.parametrize(
    ("data", "kind", "needed"),
    [
        (REQUEST, "stun", 8),
        (FRAMED, "ice-tcp", 10),
        (HELLO, "tls", 7),
        (b"GET / HTTP/1.1\r\n", "http", 4),
        (b"OPTIONS * HTTP/1.1\r\n", "http", 8),
        (b"PRI * HTTP/2.0\r\n", "http", 4),
        (b"SSH-2.0-OpenSSH", "unknown", 3),
        (bytes.fromhex("16030102000200"), "unknown", 7),
        (b"\x05\x02\x05\x02", "unknown", 3),
    ],
)
def test_a_stream_is_known_as_soon_as_possible(data: bytes, kind: str, needed: int) -> None:
    answers = [classify_stream(data[:size]) for size in range(len(data) + 1)]
    assert answers[:needed] == [None] * needed
    assert set(answers[needed:]) == {kind}


@pytest.mark.spec("multiplex/stream-head")
@given(st.binary(min_size=STREAM_HEAD_SIZE, max_size=40))
def test_ten_octets_always_decide(head: bytes) -> None:
    assert classify_stream(head) is not None


@given(
    st.one_of(st.binary(max_size=14), st.sampled_from([REQUEST, FRAMED, HELLO]).map(lambda data: data[:14])), st.data()
)
def test_an_answer_never_changes(head: bytes, data: st.DataObject) -> None:
    early = classify_stream(head[: data.draw(st.integers(0, len(head)))])
    assert early is None or classify_stream(head) == early


def test_no_two_shapes_fit_one_head() -> None:
    """Any two shapes of different kinds ask for different octets somewhere."""
    for kind, shapes in SHAPES.items():
        for other, others in SHAPES.items():
            if kind != other:
                for shape in shapes:
                    assert all(_contradict(shape, another) for another in others), (kind, other)


def _contradict(one: multiplex.Shape, other: multiplex.Shape) -> bool:
    def octets(shape: multiplex.Shape) -> dict[int, int]:
        return {offset + index: octet for offset, part in shape for index, octet in enumerate(part)}

    mine, theirs = octets(one), octets(other)
    return any(mine[place] != theirs[place] for place in mine.keys() & theirs.keys())
