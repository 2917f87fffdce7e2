"""Which encoding a slot shows and waits for, and which encodings live."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.media.simulcast import (
    PICTURES,
    SILENT_AFTER_KEYFRAME,
    SILENT_BELOW,
    SILENT_FOR,
    Activity,
    Selection,
    order,
)

LADDER = ("q", "h", "f")
some = st.frozensets(st.sampled_from(LADDER))
wishes = st.sampled_from([*LADDER, "largest", "nothing", "gone"])


@pytest.mark.parametrize(
    ("wanted", "living", "target"),
    [
        ("f", "qhf", "f"),
        ("f", "qh", "h"),  # the next smaller one
        ("h", "qf", "q"),
        ("q", "hf", "h"),  # or else the next larger one
        ("h", "", "h"),  # nothing is sent: that which is wanted
        ("largest", "qhf", "f"),
        ("largest", "qh", "h"),
        ("gone", "qhf", "f"),
    ],
)
@pytest.mark.spec("simulcast/best-living")
def test_the_best_living_encoding_is_waited_for(wanted: str, living: str, target: str) -> None:
    selection: Selection[str] = Selection()
    selection.wanted = wanted
    selection.look(LADDER, living, 1.0)
    assert (selection.awaited, selection.awaited_since, selection.shown) == (target, 1.0, None)


@pytest.mark.spec("simulcast/switch-at-keyframe")
def test_what_is_shown_goes_on_until_the_other_begins() -> None:
    selection: Selection[str] = Selection()
    selection.look(LADDER, "qhf", 0.0)
    selection.begin(LADDER, "qhf", 0.1)
    selection.wanted = "q"
    selection.look(LADDER, "qhf", 1.0)
    selection.look(LADDER, "qhf", 2.0)
    assert (selection.shown, selection.awaited, selection.awaited_since) == ("f", "q", 1.0)
    assert selection.uses == {"q", "f"}
    selection.begin(LADDER, "qhf", 2.5)
    assert (selection.shown, selection.shown_since, selection.awaited) == ("q", 2.5, None)
    assert selection.uses == {"q"}


@pytest.mark.parametrize(
    ("wanted", "living", "uses"),
    [
        ("f", "qhf", "f"),
        ("f", "q", "qhf"),  # the publisher may not manage f and yet h
        ("f", "h", "hf"),
        ("f", "", "qhf"),  # anything would be better than nothing
        ("q", "f", "qf"),
        ("q", "hf", "qh"),
        ("q", "qhf", "q"),
        ("nothing", "qhf", ""),
    ],
)
@pytest.mark.spec("simulcast/uses")
def test_the_publisher_goes_on_with_what_is_used(wanted: str, living: str, uses: str) -> None:
    selection: Selection[str] = Selection()
    selection.wanted = wanted
    selection.look(LADDER, living, 0.0)
    assert selection.uses == set(uses)


@given(st.lists(st.tuples(st.sampled_from(["want", "look", "begin", "lose"]), wishes, some), max_size=30))
def test_whatever_happens_a_slot_has_a_place_where_it_is_going(steps: list[tuple[str, str, frozenset[str]]]) -> None:
    selection: Selection[str] = Selection()
    now = 0.0
    for verb, wish, living in steps:
        now += 1.0
        if verb == "want":
            selection.wanted = wish
        elif verb == "begin" and selection.awaited is not None:
            selection.begin(LADDER, living, now)
        elif verb == "lose":
            selection.lose(None if wish == "gone" else wish)
        before = (selection.shown, selection.awaited)
        selection.look(LADDER, living, now)
        assert selection.awaited is None or selection.awaited != selection.shown
        if selection.wanted == "nothing":
            assert (selection.shown, selection.awaited, selection.uses) == (None, None, frozenset())
            continue
        going = selection.awaited or selection.shown
        assert going is not None
        assert not living or going in living
        assert {going} | ({selection.shown} - {None}) <= selection.uses <= set(LADDER)
        if selection.wanted in living:
            assert going == selection.wanted
            assert selection.uses == {going} | ({selection.shown} - {None})
        assert selection.awaited_since == now or (selection.awaited in (None, before[1]))
        again = (selection.shown, selection.awaited, selection.awaited_since, selection.uses)
        selection.look(LADDER, living, now + 0.5)
        assert (selection.shown, selection.awaited, selection.awaited_since, selection.uses) == again


@pytest.mark.spec("simulcast/silent-encoding")
def test_an_encoding_dies_when_the_others_go_on_without_it() -> None:
    q, f = Activity(), Activity()
    assert not q.living
    assert q.receive(1, 0.0)
    assert f.receive(1, 0.0)
    died = None
    for number in range(1, 40):
        now = number / 30
        assert not q.receive(1, now)
        if f.look([q], [], now):
            died = now
        assert not q.look([], [f], now)
    assert died is not None
    assert SILENT_FOR <= died < SILENT_FOR + 0.1
    assert not f.living
    assert f.receive(0, 2.0), "and lives again with its next packet"


@pytest.mark.spec("simulcast/silent-encoding")
def test_an_encoder_that_pays_for_a_keyframe_is_not_taken_for_dead_so_soon() -> None:
    """Chromium makes one of each encoding, and at 150 kbit/s a busy one takes what many pictures take."""
    q, h = Activity(), Activity()
    h.receive(1, 0.0, keyframe=True)
    for number in range(1, 40):
        q.receive(1, number / 30)
        assert h.look([q], [], number / 30) == (number / 30 == SILENT_AFTER_KEYFRAME)
    h.receive(1, 2.0)
    for number in range(61, 100):
        q.receive(1, number / 30)
    assert h.look([q], [], 2.0 + SILENT_FOR), "with the next picture it has been paid for"


@pytest.mark.spec("simulcast/silent-encoding")
@pytest.mark.parametrize(("is_due", "dies_after"), [(True, SILENT_BELOW), (False, SILENT_FOR)])
def test_the_smallest_is_not_soon_taken_for_dead_because_the_larger_ones_go_on(is_due: bool, dies_after: float) -> None:
    """Who is then shown a larger one has it begin with a keyframe, and the small one, too.

    But what the publisher was told to leave out nobody is to wait for.
    """
    q, h = Activity(), Activity()
    q.receive(1, 0.0)
    for number in range(1, 100):
        h.receive(1, number / 30)
        assert q.look([], [h], number / 30, is_due=is_due) == (number / 30 == dies_after)


@pytest.mark.spec("simulcast/silent-encoding")
@pytest.mark.parametrize("interval", [1.0, 5.0])
def test_a_picture_that_rests_rests_in_all_its_encodings(interval: float) -> None:
    """A shared screen on which nothing moves: a picture a second, or none."""
    small, large = Activity(), Activity()
    for number in range(30):
        now = number * interval
        small.receive(1, now)
        assert not large.look([small], [], now)
        large.receive(1, now + 0.1)
        assert not small.look([], [large], now + interval - 0.01)
    assert small.living
    assert large.living


def test_so_few_pictures_prove_nothing() -> None:
    q, f = Activity(), Activity()
    for activity in (q, f):
        activity.receive(1, 0.0)
    for number in range(PICTURES - 1):
        q.receive(1, 1.0 + number)
        assert not f.look([q], [], 1.0 + number)
    q.receive(1, 9.0)
    assert f.look([q], [], 9.0)


Sizes = list[tuple[int, int] | None]


@pytest.mark.spec("simulcast/order-by-size")
@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([None, None, None], [0, 1, 2]),
        ([(160, 90), (320, 180), (640, 360)], [0, 1, 2]),
        ([(640, 360), (320, 180), (160, 90)], [2, 1, 0]),  # offered with the largest first
        ([(320, 180), None, (160, 90)], [2, 1, 0]),
        ([None, (320, 180), (160, 90)], [0, 2, 1]),
        ([(90, 160), (160, 90)], [0, 1]),
    ],
)
def test_encodings_are_put_in_order_as_their_sizes_become_known(sizes: Sizes, expected: list[int]) -> None:
    assert order(sizes) == expected


@given(st.lists(st.one_of(st.none(), st.tuples(st.integers(1, 4000), st.integers(1, 4000))), max_size=4))
def test_an_order_has_every_encoding_once(sizes: Sizes) -> None:
    places = order(sizes)
    assert sorted(places) == list(range(len(sizes)))
    known = [
        width * height for place in places if sizes[place] is not None for width, height in [sizes[place] or (0, 0)]
    ]
    assert known == sorted(known)
    assert all(places[place] == place for place, size in enumerate(sizes) if size is None)
