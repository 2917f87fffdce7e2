"""archive/reload: a request waits for what comes next, whatever that is, and for nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.archive.reload import BadRequest, Directives, answer, parts_ahead, read_directives
from tests.archive.test_playlist import playlist_at

QUERIES = st.dictionaries(st.sampled_from(["_HLS_msn", "_HLS_part", "_HLS_skip", "other"]), st.text(max_size=6))


@pytest.mark.spec("playlist/directives-read", "playlist/part-needs-segment")
@given(QUERIES)
def test_any_query_is_read_or_refused(query: dict[str, str]) -> None:
    try:
        directives = read_directives(query)
    except BadRequest:
        return
    assert directives.skip == (query.get("_HLS_skip") in ("YES", "v2"))
    assert (directives.segment is None) == ("_HLS_msn" not in query)


@pytest.mark.spec("playlist/blocking-part", "playlist/blocking-segment", "playlist/part-beyond-segment")
@given(st.integers(1, 100))
def test_what_comes_next_is_waited_for_and_then_there(moment: int) -> None:
    now, then = playlist_at(moment), playlist_at(moment + 1)
    number, place = divmod(moment, 8)
    assert answer(now, Directives(number, place)) == "later"
    assert answer(then, Directives(number, place)) == "now"
    assert answer(now, Directives(number)) == "later"
    assert answer(playlist_at((number + 1) * 8), Directives(number)) == "now"
    if number:  # part 8 of eight is the first of the next
        assert answer(now, Directives(number - 1, 8)) == ("now" if place else "later")


@pytest.mark.spec("playlist/too-far-ahead")
@given(st.integers(8, 100), st.integers(0, 6), st.integers(0, 30))
def test_nobody_waits_for_what_is_far_away(moment: int, ahead: int, part: int) -> None:
    whole, growing = divmod(moment, 8)
    wanted = Directives(whole + ahead, part)
    is_far = wanted.segment > whole - 1 + 2 or part >= (growing if ahead == 0 else 0) + parts_ahead(0.32)  # type: ignore[operator]
    if is_far:
        with pytest.raises(BadRequest):
            answer(playlist_at(moment), wanted)
    else:
        assert answer(playlist_at(moment), wanted) == ("now" if ahead == 0 and part < growing else "later")


def test_parts_of_a_second_and_more_are_few() -> None:
    assert [parts_ahead(target) for target in (0.3, 0.5, 1.0, 2.0, 0.0)] == [10, 6, 3, 3, 3]
