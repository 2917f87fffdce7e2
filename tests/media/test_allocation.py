"""Who gets how much, for any budget, any offers and any time."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.media import allocation
from meetref.media.allocation import Choice, Rank, Wish, allocate, cost, ideal
from meetref.media.allocator import AFTER_FALL, AGAIN, FORGIVEN, LASTING, LONGEST, SOON, Allocator
from meetref.media.demand import Demand
from meetref.media.ladder import SHARP, Layer, Offer, ladder

VOICE = 59_000
RANKS: tuple[Rank, ...] = ("pinned", "screen", "speaker", "rest")

layers = st.lists(
    st.builds(
        Layer,
        st.integers(0, 2),
        st.integers(0, 2),
        st.integers(1, 3_000_000),
        st.sampled_from([90, 180, 360, 720, 1080]),
        st.sampled_from([7.5, 15.0, 24.0, 30.0]),
    ),
    max_size=9,
    unique_by=lambda layer: layer.place,
)
voices = st.lists(st.integers(1, 80_000), max_size=5)
pictures = st.lists(st.tuples(st.sampled_from(RANKS), layers, st.sampled_from([0, 120, 240, 720])), max_size=12)
budgets = st.integers(0, 10_000_000)


@st.composite
def wish_lists(draw: st.DrawFn) -> list[Wish[int]]:
    heard = [Wish(100 + number, "voice", (Layer(0, 0, rate),)) for number, rate in enumerate(draw(voices))]
    seen = [
        Wish(number, rank, ladder(offered, height), height)
        for number, (rank, offered, height) in enumerate(draw(pictures))
    ]
    return draw(st.permutations(heard + seen))


def in_order(choices: list[Choice[int]]) -> list[Choice[int]]:
    return sorted(choices, key=lambda choice: allocation.ORDER[choice.wish.rank])


def seats(count: int, *rates: int, rank: Rank = "rest") -> list[Wish[int]]:
    steps = tuple(Layer(spatial, 0, rate, 180 << spatial, 30) for spatial, rate in enumerate(rates))
    return [Wish(number, rank, steps) for number in range(count)]


# --- one allocation -------------------------------------------------------------------------------


@pytest.mark.spec("allocation/within-budget", "allocation/one-voice-always")
@given(budgets, wish_lists())
def test_never_over_the_budget_but_for_the_first_voice(budget: int, wishes: list[Wish[int]]) -> None:
    choices = allocate(budget, wishes)
    assert [choice.wish for choice in choices] == wishes
    first = next((wish.layers[0].bitrate_bps for wish in wishes if wish.rank == "voice"), 0)
    assert cost(choices) <= max(budget, first)
    heard = [choice for choice in choices if choice.wish.rank == "voice"]
    assert not heard or heard[0].layer is not None


@pytest.mark.spec("allocation/sound-first")
@given(budgets, wish_lists())
def test_no_picture_while_a_voice_is_missing(budget: int, wishes: list[Wish[int]]) -> None:
    choices = in_order(allocate(budget, wishes))
    heard = [choice.layer is not None for choice in choices if choice.wish.rank == "voice"]
    assert heard == sorted(heard, reverse=True), "a softer voice before a louder one"
    if not all(heard):
        assert all(choice.layer is None for choice in choices if choice.wish.rank != "voice")


@pytest.mark.spec("allocation/lowest-for-everybody", "allocation/paused-with-reason")
@given(budgets, wish_lists())
def test_who_is_paused_would_not_fit_beside_the_lowest_layers_of_those_before(
    budget: int, wishes: list[Wish[int]]
) -> None:
    """So nothing that a seat of lower rank gets was missing to one of higher rank."""
    choices = in_order(allocate(budget, wishes, reserve=0))
    if any(choice.wish.rank == "voice" and choice.layer is None for choice in choices):
        return
    before = 0
    for choice in choices:
        if choice.layer is not None:
            before += choice.wish.layers[0].bitrate_bps
        elif choice.wish.layers:
            assert before + choice.wish.layers[0].bitrate_bps > budget
            assert (choice.available_bps, choice.needed_bps) == (
                max(budget - before, 0),
                choice.wish.layers[0].bitrate_bps,
            )
            assert choice.reason is not None
            assert choice.reason.startswith("paused: ")
        else:
            assert choice.reason == "nothing is sent"


@pytest.mark.spec("allocation/rounds")
@given(budgets, wish_lists())
def test_nothing_that_would_fit_is_left(budget: int, wishes: list[Wish[int]]) -> None:
    choices = allocate(budget, wishes, reserve=0)
    left = budget - cost(choices)
    if any(choice.wish.rank == "voice" and choice.layer is None for choice in choices):
        return
    for choice in choices:
        if choice.layer is not None and choice.layer is not choice.wish.layers[-1]:
            higher = choice.wish.layers[choice.wish.layers.index(choice.layer) + 1]
            assert higher.bitrate_bps - choice.layer.bitrate_bps > left
            assert choice.needed_bps == higher.bitrate_bps


@given(st.tuples(budgets, budgets), wish_lists())
def test_more_budget_is_more_voices_and_no_pause_of_the_first(pair: tuple[int, int], wishes: list[Wish[int]]) -> None:
    """A larger budget loses no voice; the first seat that plays with only one of two plays with the larger."""
    small, large = (in_order(allocate(budget, wishes)) for budget in sorted(pair))
    for less, more in zip(small, large, strict=True):
        assert less.wish is more.wish
        if (less.layer is None) != (more.layer is None):
            assert more.layer is not None
            break


@given(budgets, budgets, st.integers(1, 12), st.integers(1, 500_000))
def test_among_equal_offers_more_budget_is_more_for_everybody(one: int, other: int, count: int, rate: int) -> None:
    wishes = seats(count, rate, 3 * rate, 9 * rate)
    small, large = (allocate(budget, wishes) for budget in sorted((one, other)))
    for less, more in zip(small, large, strict=True):
        assert less.layer is None or (more.layer is not None and less.layer.place <= more.layer.place)


@pytest.mark.spec("allocation/stage-first")
def test_who_speaks_reaches_360_lines_before_anybody_else_improves() -> None:
    wishes = [*seats(3, 100, 300, 900), Wish(9, "speaker", seats(1, 100, 300, 900)[0].layers)]
    places = [choice.layer.spatial for choice in allocate(600, wishes, reserve=0) if choice.layer is not None]
    assert places == [0, 0, 0, 1]
    places = [choice.layer.spatial for choice in allocate(1199, wishes, reserve=0) if choice.layer is not None]
    assert places == [1, 1, 0, 1]
    places = [choice.layer.spatial for choice in allocate(1200, wishes, reserve=0) if choice.layer is not None]
    assert places == [0, 0, 0, 2], "in every round who speaks comes first"


@pytest.mark.spec("allocation/share-for-repair")
def test_a_share_is_left_of_what_pictures_may_use_and_none_of_what_voices_use() -> None:
    wishes = [Wish(100, "voice", (Layer(0, 0, VOICE),)), *seats(1, 95_000)]
    assert allocate(VOICE, wishes)[0].layer is not None
    assert allocate(VOICE + 99_999, wishes)[1].layer is None
    assert allocate(VOICE + 100_001, wishes)[1].layer is not None
    assert ideal(wishes) == VOICE + 95_000


@pytest.mark.spec("allocation/lowest-is-kept")
def test_a_picture_is_not_paused_while_a_queue_drains() -> None:
    wishes = seats(2, 100_000, 300_000)
    before = {choice.seat: choice for choice in allocate(500_000, wishes)}
    assert [choice.layer and choice.layer.spatial for choice in before.values()] == [1, 0]
    kept = allocate(150_000, wishes, before=before, keeping_bps=210_000)
    assert [choice.layer and choice.layer.spatial for choice in kept] == [0, 0], "and no higher one"
    assert allocate(150_000, wishes, before=before, keeping_bps=190_000)[1].layer is None
    assert allocate(150_000, wishes, keeping_bps=210_000)[1].layer is None, "nobody begins with that"


@pytest.mark.spec("allocation/paused-with-reason")
def test_the_reason_says_how_much_there_is_and_how_much_it_takes() -> None:
    (choice,) = allocate(180_000, seats(1, 219_001), reserve=0)
    assert choice.reason == "paused: 180 of 220 kbit/s"
    (choice,) = allocate(230_000, seats(1, 219_001), climbing_bps=200_000, before={0: choice}, reserve=0)
    assert choice.reason == "paused: 230 of 220 kbit/s, waiting for it to last"
    (choice,) = allocate(230_000, seats(1, 100_000, 400_000), reserve=0)
    assert (choice.reason, choice.explanation) == (None, "for the next layer: 230 of 400 kbit/s")
    (choice,) = allocate(500_000, seats(1, 100_000, 400_000), reserve=0)
    assert choice.explanation == "the best that is useful here"


# --- ladders --------------------------------------------------------------------------------------


@pytest.mark.spec("allocation/cheaper-higher-layer", "allocation/useful-size", "allocation/smooth-before-sharp")
@given(layers, st.sampled_from([0, 120, 240, 720]), st.booleans())
def test_rungs_are_better_and_dearer_and_no_larger_than_useful(offered: list[Layer], height: int, detail: bool) -> None:
    offer = Offer(offered, detail=detail)
    rungs = offer.ladder(height)
    assert offer.ladder(height) is rungs
    assert bool(rungs) == bool(offered)
    for lower, higher in pairwise(rungs):
        assert lower.place < higher.place
        assert lower.bitrate_bps < higher.bitrate_bps
    large = [layer.spatial for layer in offered if height and layer.height >= SHARP * height]
    assert all(layer.spatial <= min(large, default=2) for layer in rungs)
    if not detail:
        lowest = min((layer.spatial for layer in offered), default=0)
        for rung in rungs:
            better = [layer for layer in offered if layer.spatial == rung.spatial and layer.temporal > rung.temporal]
            assert rung.spatial == lowest or rung.frame_rate >= 24 or not better


# --- over time ------------------------------------------------------------------------------------


class Watching:
    """A viewer whose budget is looked at ten times a second."""

    def __init__(self, wishes: list[Wish[int]]) -> None:
        self.machine: Allocator[int] = Allocator()
        self.wishes = wishes
        self.tick = 0
        self.moves: list[float] = []
        """When the choices changed."""
        self.seen: list[list[int | None]] = []
        """And to what."""
        self.decisions = 0

    def run(self, seconds: float, budget: float, *, is_experiment: bool = False) -> list[int | None]:
        for _ in range(round(seconds * 10)):
            self.tick += 1
            now = self.tick / 10
            if self.machine.due(budget, now, is_experiment=is_experiment):
                before = self.places
                self.machine.decide(self.wishes, now)
                self.decisions += 1
                if before != self.places:
                    self.moves.append(now)
                    self.seen.append(self.places)
            assert self.machine.spent_bps <= budget
        return self.places

    @property
    def places(self) -> list[int | None]:
        return [choice.layer.spatial if choice.layer else None for choice in self.machine.choices]


@pytest.mark.spec("allocation/up-after-a-while")
def test_down_at_once_and_up_after_two_seconds() -> None:
    viewer = Watching(seats(2, 100_000, 300_000))
    assert viewer.run(5, 1_000_000) == [1, 1]
    assert viewer.run(0.1, 300_000) == [0, 0]
    assert viewer.run(LASTING, 1_000_000) == [0, 0]
    assert viewer.run(0.2, 1_000_000) == [1, 1]


@pytest.mark.spec("allocation/no-swinging")
@given(
    st.integers(370_000, 5_000_000),  # the lowest of all fit
    st.floats(0.2, 60),
    st.lists(st.floats(0.9, 1.0), min_size=2, max_size=6),
)
def test_under_a_wobble_of_a_tenth_the_choices_come_to_rest(top: int, wait: float, shares: list[float]) -> None:
    """Each seat may be moved in the first time; then nothing ever does, however fast or slow the wobble."""
    viewer = Watching([*seats(4, 60_000, 200_000, 800_000), Wish(9, "speaker", seats(1, 70_000, 250_000)[0].layers)])
    for _ in range(8):
        for share in shares:
            viewer.run(wait, top * share)
    settled = 2 * len(viewer.wishes) * (len(shares) * wait + AGAIN)
    assert len(viewer.moves) <= 2 * len(viewer.wishes)
    assert all(at <= settled for at in viewer.moves)


@pytest.mark.spec("allocation/lowest-comes-soon")
def test_who_sees_nothing_need_not_wait_until_there_is_some_to_spare() -> None:
    viewer = Watching(seats(1, 100_000, 300_000))
    viewer.run(5, 1_000_000)
    assert viewer.run(0.1, 90_000) == [None]
    assert viewer.run(LASTING, 106_000) == [None]
    assert viewer.run(SOON + 0.2, 106_000) == [0]


@pytest.mark.spec("allocation/lowest-comes-soon", "allocation/no-swinging")
@given(st.floats(0.1, 60), st.integers(0, 5))
def test_who_is_at_the_edge_comes_and_goes_ever_less_often(half: float, others: int) -> None:
    viewer = Watching(seats(1 + others, 100_000))
    enough = (1 + others) * 106_000
    for _ in range(round(300 / half)):
        viewer.run(half, enough)
        viewer.run(half, 0.95 * enough)
    falls = sum(places[-1] is None for places in viewer.seen)
    assert falls <= 1 + math.log2(LONGEST / LASTING) * (1 + 600 / FORGIVEN)


@pytest.mark.spec("allocation/longer-after-a-fall")
@pytest.mark.parametrize("half", [3, 8, 15, 30])
def test_under_a_swing_of_a_fifth_they_move_ever_less(half: int) -> None:
    viewer = Watching(seats(2, 100_000, 500_000))
    for _ in range(600 // (2 * half)):
        viewer.run(half, 1_400_000)
        viewer.run(half, 1_000_000)
    swings = 600 // (2 * half)
    # A cycle of the machine, until it forgives, has a climb and a fall for each time it waits longer.
    assert len(viewer.moves) <= min(2 * swings, 2 * 4 * (600 / 120 + 1))
    if half <= 8:
        assert len(viewer.moves) <= 2 + 2 * 600 / 120


@pytest.mark.spec("allocation/longer-after-a-fall")
@pytest.mark.parametrize("is_experiment", [False, True])
def test_what_less_is_sent_to_see_whose_a_loss_is_undoes_no_climb(is_experiment: bool) -> None:
    viewer = Watching(seats(1, 100_000, 500_000))
    viewer.run(5, 200_000)
    assert viewer.run(5, 1_000_000) == [1]
    assert viewer.run(3, 400_000, is_experiment=is_experiment) == [0]
    assert viewer.run(LASTING + 0.2, 1_000_000) == ([1] if is_experiment else [0])
    assert viewer.run(AFTER_FALL, 1_000_000) == [1]


@pytest.mark.spec("allocation/viewer-acts-at-once")
def test_what_the_viewer_asks_for_comes_at_once() -> None:
    viewer = Watching(seats(2, 100_000, 300_000, 900_000))
    assert viewer.run(5, 800_000) == [1, 1]
    viewer.wishes = [viewer.wishes[0], Wish(1, "pinned", viewer.wishes[1].layers)]
    viewer.machine.changed()
    assert viewer.run(0.1, 1_060_000) == [0, 2]
    viewer.wishes.append(Wish(2, "rest", viewer.wishes[0].layers))
    viewer.machine.changed()
    assert viewer.run(0.1, 1_060_000) == [0, 1, 1], "the newcomer is there at once, and seat 0 has to wait"


@pytest.mark.spec("allocation/viewer-acts-at-once")
def test_a_camera_that_is_switched_on_comes_at_once() -> None:
    viewer = Watching([Wish(0, "rest", ())])
    viewer.run(1, 220_000)
    viewer.wishes = seats(1, 100_000, 200_000)
    viewer.machine.changed()
    assert viewer.run(0.1, 220_000) == [1]


@pytest.mark.spec("allocation/when-anew")
def test_it_is_not_chosen_anew_for_nothing() -> None:
    viewer = Watching(seats(9, 100_000, 300_000))
    viewer.run(60, 1_500_000)
    assert viewer.decisions <= 60 / AGAIN + 3
    decisions = viewer.decisions
    viewer.run(0.1, 1_400_000)
    assert viewer.decisions == decisions
    viewer.run(0.1, 1_200_000)
    assert viewer.decisions == decisions + 1
    viewer.machine.changed()
    viewer.run(0.1, 1_200_000)
    assert viewer.decisions == decisions + 2


@given(
    st.lists(st.tuples(st.floats(0.01, 6), st.integers(0, 4_000_000), st.one_of(st.none(), wish_lists())), max_size=25)
)
def test_any_budgets_and_wishes(steps: list[tuple[float, int, list[Wish[int]] | None]]) -> None:
    machine: Allocator[int] = Allocator()
    wishes: list[Wish[int]] = []
    now = 0.0
    for wait, budget, others in steps:
        now += wait
        if others is not None:
            wishes = others
            machine.changed()
        due = machine.due(budget, now)
        assert due or others is None
        if due:
            machine.decide(wishes, now)
            assert [choice.wish for choice in machine.choices] == wishes
            first = next((wish.layers[0].bitrate_bps for wish in wishes if wish.rank == "voice"), 0)
            assert machine.spent_bps <= max(budget, first)
            assert not machine.due(budget, now)
        assert len(machine._steps) <= 1000


# --- what publishers are told ---------------------------------------------------------------------


@pytest.mark.spec("allocation/on-at-once", "allocation/off-after-a-delay")
@given(
    st.lists(
        st.tuples(
            st.floats(0, 4),
            st.sampled_from(["add", "remove", "watch", "leave"]),
            st.integers(0, 3),
            st.dictionaries(st.integers(0, 2), st.integers(0, 2)),
        ),
        max_size=40,
    )
)
def test_what_is_wanted_is_on_and_what_nobody_has_wanted_for_five_seconds_is_off(
    steps: list[tuple[float, str, int, dict[int, int]]],
) -> None:
    machine: Demand[int, int] = Demand()
    wanted: dict[int, dict[int, int]] = {}
    there: dict[int, float] = {}
    wanted_at: dict[tuple[int, int], float] = {}
    told: dict[int, frozenset[int]] = {}
    now = 0.0
    for wait, verb, who, what in steps:
        for choice in wanted.values():
            wanted_at.update(dict.fromkeys(choice.items(), now + wait))
        now += wait
        machine.handle_timeout(now)
        assert machine.next_timeout() > now
        if verb == "add" and who not in there:
            machine.add(who, range(3), now)
            there[who] = now
            told[who] = frozenset(range(3))
        elif verb == "remove":
            machine.remove(who)
            there.pop(who, None)
        elif verb == "watch":
            machine.watch(who, what, now)
            wanted[who] = what
        elif verb == "leave" and who in wanted:
            machine.leave(who, now)
            del wanted[who]
        told.update(machine.changes())
        for choice in wanted.values():
            wanted_at.update(dict.fromkeys(choice.items(), now))
        for source, since in there.items():
            needed = {choice[source] for choice in wanted.values() if source in choice}
            lately = {
                each
                for each in range(3)
                if max(wanted_at.get((source, each), -math.inf), since) > now - machine.off_after
            }
            assert needed <= machine.active(source) <= needed | lately
            assert told[source] == machine.active(source)
