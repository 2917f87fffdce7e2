"""Entries as Kafka records: a round trip, and anything at all is an entry or none."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from meetref.archive.record import Record, read_record, record_of
from meetref.archive.store import Wanted, encode_body

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=256)
BODIES = st.binary(max_size=200) | st.dictionaries(st.text(max_size=5), st.integers(-99, 99))
HEADERS = st.lists(st.tuples(st.sampled_from(["kind", "key", "body", "else"]), st.none() | st.binary(max_size=8)))
FORMS = st.sampled_from([(), (("body", b"json"),), (("body", b"octets"),), (("body", b"json"), ("kind", b"chat"))])


@given(NAMES, NAMES, NAMES, BODIES, st.integers(0, 2**42))
def test_what_is_written_is_what_is_read(room: str, kind: str, key: str, body: bytes | dict[str, int], at: int) -> None:
    wanted = Wanted(room, kind, key, *encode_body(body), at / 1000)
    assert read_record(*record_of(wanted)) == wanted


@given(st.none() | st.binary(max_size=8), st.none() | st.binary(max_size=8), HEADERS, FORMS, st.integers(-1, 2**63))
def test_anything_is_an_entry_or_none(
    key: bytes | None,
    value: bytes | None,
    headers: list[tuple[str, bytes | None]],
    form: tuple[tuple[str, bytes], ...],
    at: int,
) -> None:
    wanted = read_record(key, value, [*headers, *form], at)
    if wanted is not None:
        assert read_record(*record_of(wanted)) == wanted or at > 2**53


GOOD = record_of(Wanted("room", "chat", "k", b'{"text": 1}', True, 12.5))


def test_what_no_log_wrote_is_none() -> None:
    def changed(record: Record = GOOD, **headers: bytes | None) -> Wanted | None:
        told = [(name, headers.get(name, value)) for name, value in record.headers]
        return read_record(record.key, record.value, told, record.at_ms)

    assert changed() == Wanted("room", "chat", "k", b'{"text": 1}', True, 12.5)
    for wrong in (None, b"", b"\xff", b"x" * 257):
        assert changed(GOOD._replace(key=wrong or b"")) is None or wrong is None
        assert changed(kind=wrong) is None
        assert changed(key=wrong) is None
        assert changed(body=wrong) is None
    for value in (b"", b"[1]", b"{", b"1", b"[" * 100_000):
        assert changed(GOOD._replace(value=value)) is None
    octets = GOOD._replace(headers=[*GOOD.headers[:2], ("body", b"octets")])
    assert changed(octets._replace(value=b"x" * (256 * 1024))) is not None
    assert changed(octets._replace(value=b"x" * (256 * 1024 + 1))) is None
    assert read_record(None, None, [], 0) is None
