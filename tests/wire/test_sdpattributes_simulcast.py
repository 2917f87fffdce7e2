"""Lines about several encodings of one source: what is written is read again, and any text is a value or malformed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.wire.reader import Malformed
from meetref.wire.sdpattributes import (
    MAXIMUM_STREAMS,
    RID,
    Simulcast,
    parse_rid,
    parse_simulcast,
    serialize_rid,
    serialize_simulcast,
)

names = st.text("abcxyzABC0189_-", min_size=1, max_size=16)
settings = st.text("abc 019.,=/", max_size=12).map(str.strip)
restrictions = st.tuples(
    st.text("abc-019", min_size=1, max_size=12).filter(lambda name: name != "pt"), st.none() | settings
)
rids = st.builds(
    RID,
    id=names,
    direction=st.sampled_from(["send", "recv"]),
    payload_types=st.lists(st.integers(0, 127), max_size=4).map(tuple),
    restrictions=st.lists(restrictions, max_size=4).map(tuple),
)


@given(rids)
def test_a_stream_is_read_as_it_was_written(rid: RID) -> None:
    assert parse_rid(serialize_rid(rid)) == rid


@given(st.lists(names, unique=True, min_size=1, max_size=9), st.data())
def test_a_line_is_read_as_it_was_written(all_names: list[str], data: st.DataObject) -> None:
    def streams(own: list[str]) -> tuple[tuple[str, ...], ...]:
        made: list[tuple[str, ...]] = []
        while own:
            count = data.draw(st.integers(1, len(own)))
            made.append(tuple(own[:count]))
            own = own[count:]
        return tuple(made)

    cut = data.draw(st.integers(0, len(all_names)))
    paused = tuple(name for name in all_names if data.draw(st.booleans()))
    line = Simulcast(streams(all_names[:cut]), streams(all_names[cut:]), paused)
    assert parse_simulcast(serialize_simulcast(line)) == line


@given(st.text(max_size=60) | st.text("qhf ~,;sendrecv=pt0196", max_size=40))
def test_any_text_is_a_value_or_malformed(text: str) -> None:
    for parse, serialize in ((parse_rid, serialize_rid), (parse_simulcast, serialize_simulcast)):
        try:
            found = parse(text)
        except Malformed:
            continue
        assert parse(serialize(found)) == found  # type: ignore[arg-type]


def test_a_line_is_bounded() -> None:
    names = [f"r{number}" for number in range(2 * MAXIMUM_STREAMS)]
    assert len(parse_simulcast(f"send {';'.join(names)}").send) == 2 * MAXIMUM_STREAMS
    with pytest.raises(Malformed):
        parse_simulcast(f"send {';'.join([*names, 'more'])}")
