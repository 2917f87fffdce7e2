"""Writes vectors/allocation: ladders, allocations, allocations over time, and what publishers are told.

No document has these numbers: the rules are those of spec/allocation.toml, and nobody else decides by just these. The
cases are chosen so that each shows one rule, with bitrates as browsers have them.
Read next: tests/vectors/test_allocation.py, which replays them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from meetref.media.allocation import Choice, Rank, Wish, allocate
from meetref.media.allocator import Allocator
from meetref.media.demand import Demand
from meetref.media.ladder import Layer, Offer
from tests.generate.mediacases import Cases

Json = dict[str, Any]

VOICE = 59_000  # a browser's Opus, with all headers
TICK = 100  # milliseconds
SOURCE = "spec/allocation.toml"

SINGLE = [[0, 0, 220_000, 360, 30]]
THREE = [[0, 0, 150_000, 180, 30], [1, 0, 500_000, 360, 30], [2, 0, 1_500_000, 720, 30]]
TEMPORAL = [
    *([0, 0, 60_000, 180, 7.5], [0, 1, 100_000, 180, 15], [0, 2, 150_000, 180, 30]),
    *([1, 0, 200_000, 360, 7.5], [1, 1, 330_000, 360, 15], [1, 2, 500_000, 360, 30]),
    *([2, 0, 600_000, 720, 7.5], [2, 1, 1_000_000, 720, 15], [2, 2, 1_500_000, 720, 30]),
]
SCREEN = [[0, 0, 200_000, 540, 5], [1, 0, 500_000, 1080, 5], [1, 1, 900_000, 1080, 15]]


def layers_of(rows: Iterable[list[float]]) -> list[Layer]:
    """From a vector: spatial, temporal, bit/s, and where it matters lines and frames a second."""
    return [
        Layer(int(row[0]), int(row[1]), int(row[2]), *(int(value) for value in row[3:4]), *row[4:5]) for row in rows
    ]


def rows_of(layers: Iterable[Layer]) -> list[list[float]]:
    return [[each.spatial, each.temporal, each.bitrate_bps, each.height, each.frame_rate] for each in layers]


def wishes_of(given: list[Json]) -> list[Wish[str]]:
    return [Wish(one["seat"], one["rank"], tuple(layers_of(one["layers"])), one.get("height", 0)) for one in given]


def told(choice: Choice[str]) -> Json:
    """A choice as the vectors have it."""
    place = list(choice.layer.place) if choice.layer is not None else None
    if place is not None or not choice.wish.layers:
        return {"seat": choice.seat, "layer": place}
    return {
        "seat": choice.seat,
        "layer": None,
        "available_bps": choice.available_bps,
        "needed_bps": choice.needed_bps,
        "reason": choice.reason,
    }


def allocated(given: Json) -> list[Json]:
    """The choices for the input of a case."""
    wishes = wishes_of(given["wishes"])
    return [told(choice) for choice in allocate(given["budget_bps"], wishes)]


def over_time(given: Json) -> list[list[Any]]:
    """What changes when, ticking every 100 ms through the budgets: milliseconds, seat, layer."""
    machine: Allocator[str] = Allocator()
    had: dict[str, list[int] | None] = {}
    changes: list[list[Any]] = []
    pending = sorted(given["wishes"], key=lambda part: part["at_ms"])
    wishes: list[Wish[str]] = []
    for at, budget in _ticks(given["budgets"], given["end_ms"]):
        while pending and pending[0]["at_ms"] <= at:
            wishes = wishes_of(pending.pop(0)["wishes"])
            machine.changed()
        if machine.due(budget, at / 1000):
            for choice in machine.decide(wishes, at / 1000):
                place = list(choice.layer.place) if choice.layer is not None else None
                if choice.seat not in had or had[choice.seat] != place:
                    changes.append([at, choice.seat, place])
                had[choice.seat] = place
    return changes


def _ticks(budgets: list[list[int]], end: int) -> Iterator[tuple[int, int]]:
    budget = 0
    steps = dict(budgets)
    for at in range(0, end, TICK):
        budget = steps.get(at, budget)
        yield at, budget


def demanded(given: Json) -> list[list[Any]]:
    """What publishers are told when: milliseconds, source, active encodings."""
    machine: Demand[str, str] = Demand()
    messages: list[list[Any]] = []

    def tell(at: int) -> None:
        messages.extend([at, source, sorted(active)] for source, active in machine.changes())

    for step in [*given["steps"], {"at_ms": given["end_ms"]}]:
        at = step["at_ms"]
        while machine.next_timeout() <= at / 1000:
            due = machine.next_timeout()
            machine.handle_timeout(due)
            tell(round(due * 1000))
        if "add" in step:
            machine.add(step["add"], step["encodings"], at / 1000)
        elif "watch" in step:
            machine.watch(step["watch"], step["wanted"], at / 1000)
        elif "leave" in step:
            machine.leave(step["leave"], at / 1000)
        tell(at)
    return messages


def sets() -> dict[str, Json]:
    """The sets by name."""
    return {
        "allocation/ladders": _ladders(),
        "allocation/allocations": _allocations(),
        "allocation/over-time": _over_time(),
        "allocation/demand": _demand(),
    }


def _ladders() -> Json:
    cases = Cases("allocation-ladders", {})
    cases.group("ladder", SOURCE)
    odd = [[0, 0, 400_000, 180, 30], [1, 0, 300_000, 360, 30], [2, 0, 900_000, 720, 30]]
    slow = [[0, 0, 100_000, 180, 15], [1, 0, 300_000, 360, 15], [2, 0, 900_000, 720, 15]]
    for comment, reqs, rows, height, detail in (
        ("any size", "useful-size", THREE, 0, False),
        ("135 lines", "useful-size", THREE, 135, False),
        ("240 lines: 180 fill three quarters", "useful-size", THREE, 240, False),
        ("241 lines: they do not", "useful-size", THREE, 241, False),
        ("2160 lines, more than is offered", "useful-size", THREE, 2160, False),
        ("nine layers: no high resolution at a low rate", "smooth-before-sharp", TEMPORAL, 0, False),
        ("nine layers of a screen: every step", "smooth-before-sharp", TEMPORAL, 0, True),
        ("never smooth: at its best", "smooth-before-sharp", slow, 0, False),
        ("a screen", "smooth-before-sharp", SCREEN, 1080, True),
        ("a screen in a small seat", "useful-size", SCREEN, 200, True),
        ("the higher one costs less", "cheaper-higher-layer", odd, 0, False),
        ("it would, but is too large for the seat", "cheaper-higher-layer useful-size", odd, 200, False),
        ("nothing is sent", "useful-size", [], 360, False),
    ):
        found = Offer(layers_of(rows), detail=detail).ladder(height)
        given = {"layers": rows, "height": height, "detail": detail}
        cases.valid(comment, reqs, given, {"ladder": [list(layer.place) for layer in found]})
    return cases.finish()


def voices(count: int) -> list[Json]:
    return [{"seat": f"a{number}", "rank": "voice", "layers": [[0, 0, VOICE]]} for number in range(count)]


def pictures(count: int, rows: list[list[float]], *, first: Rank = "rest", height: int = 0) -> list[Json]:
    """So many seats with the same offer; the first one has another rank."""
    ladder = rows_of(Offer(layers_of(rows)).ladder(height))
    ranks: list[Rank] = [first, *["rest"] * (count - 1)]  # type: ignore[list-item]  # a list of one literal
    return [
        {"seat": f"v{number}", "rank": rank, "layers": ladder, "height": height} for number, rank in enumerate(ranks)
    ]


def _allocations() -> Json:
    notes = {"OverBudget": ("The budget is too small for one voice", "it is sent all the same")}
    cases = Cases("allocation-allocations", notes)
    cases.group("allocate", SOURCE)
    for comment, reqs, budget, wishes in [*_with_sound(), *_without_sound()]:
        given = {"budget_bps": budget, "wishes": wishes}
        cases.valid(comment, reqs, given, {"choices": allocated(given)})
    given = {"budget_bps": 30_000, "wishes": [*voices(2), *pictures(1, TEMPORAL)]}
    cases.valid("30 kbit/s", "one-voice-always", given, {"choices": allocated(given)}, ["OverBudget"])
    return cases.finish()


def _with_sound() -> list[tuple[str, str, int, list[Json]]]:
    two, one = pictures(2, TEMPORAL), [*voices(1), *pictures(1, SINGLE)]
    many = [*voices(5), *pictures(25, TEMPORAL, first="speaker", height=200)]
    return [
        ("100 kbit/s: one voice of three, and no picture", "sound-first", 100_000, [*voices(3), *two]),
        ("what is left would carry a picture, and does not", "sound-first", 235_000, [*voices(4), *two]),
        ("all voices, and one picture of two", "sound-first lowest-for-everybody", 240_000, [*voices(2), *two]),
        ("paused: 180 of 220 kbit/s", "paused-with-reason", 248_474, one),
        ("just enough, with the share for repair", "within-budget share-for-repair", 290_579, one),
        ("25 seats at 3 Mbit/s", "lowest-for-everybody rounds", 3_000_000, many),
        ("25 seats at 1 Mbit/s: some are paused", "lowest-for-everybody within-budget", 1_000_000, many),
    ]


def _without_sound() -> list[tuple[str, str, int, list[Json]]]:
    nine = pictures(9, TEMPORAL, first="speaker")
    screen = {"seat": "s", "rank": "screen", "layers": SCREEN}
    dear = {"seat": "p", "rank": "pinned", "layers": [[0, 0, 900_000, 720, 30]]}
    off = {"seat": "off", "rank": "rest", "layers": []}
    speaking, pinned = pictures(4, THREE, first="speaker"), pictures(2, THREE, first="pinned")
    return [
        ("everybody's lowest layer before any better one", "lowest-for-everybody", 600_000, nine),
        ("who speaks up to 360 lines first", "stage-first", 1_100_000, nine),
        ("then one layer each in turns", "rounds", 1_700_000, nine),
        ("and at last the best for all", "rounds", 20_000_000, nine),
        ("a screen before who speaks", "lowest-for-everybody stage-first", 1_500_000, [*speaking, screen]),
        ("who is pinned before a screen", "lowest-for-everybody", 400_000, [*pinned, screen]),
        ("too dear for who is pinned, not for others", "lowest-for-everybody", 330_000, [dear, *pictures(3, TEMPORAL)]),
        ("nothing is sent to one seat", "paused-with-reason", 1_000_000, [*pictures(1, THREE), off]),
    ]


def _over_time() -> Json:
    cases = Cases("allocation-over-time", {})
    cases.group("over-time", SOURCE)
    two = [[0, [*voices(2), *pictures(2, THREE, first="speaker")]]]
    both = [*voices(2), *pictures(2, THREE)]
    grid, pinned = [[0, both]], [[0, both], [4000, [*both[:-1], {**both[-1], "rank": "pinned"}]]]
    low, high = 600_000, 3_000_000
    undone = [[0, low], [4000, high], [9000, low], [11_000, high]]
    longer = "no-swinging longer-after-a-fall"
    for comment, reqs, end, budgets, wishes in (
        ("a new viewer need not wait", "viewer-acts-at-once", 3000, [[0, high]], two),
        ("up after two seconds", "up-after-a-while", 12_000, [[0, low], [4000, high]], two),
        ("a second is not enough", "up-after-a-while", 12_000, [[0, low], [4000, high], [5000, low]], two),
        ("down at once", "up-after-a-while", 12_000, [[0, high], [4000, low], [6000, high]], two),
        ("up, down, and up after ten seconds", "longer-after-a-fall", 25_000, undone, two),
        (
            "enough for more, without a tenth to spare",
            "up-after-a-while",
            15_000,
            [[0, 800_000], [4000, 864_000]],
            grid,
        ),
        ("pinned: at once", "viewer-acts-at-once", 8000, [[0, 900_000]], pinned),
        ("wobbling by a tenth", "no-swinging", 60_000, wobble(1_200_000, 0.10, 6000, 60_000), grid),
        ("swinging by a fifth, slowly", longer, 240_000, wobble(1_400_000, 0.2, 20_000, 240_000), grid),
    ):
        given = {
            "end_ms": end,
            "budgets": budgets,
            "wishes": [{"at_ms": at, "wishes": wanted} for at, wanted in wishes],
        }
        cases.valid(comment, reqs, given, {"changes": over_time(given)})
    return cases.finish()


def wobble(top: int, share: float, period: int, end: int) -> list[list[int]]:
    """A budget that is `top` for half of every period, in milliseconds, and less by a share in the other."""
    low = round(top * (1 - share))
    return [[at, low if at // (period // 2) % 2 else top] for at in range(0, end, period // 2)]


def _demand() -> Json:
    cases = Cases("allocation-demand", {})
    cases.group("demand", SOURCE)
    camera = {"at_ms": 0, "add": "camera", "encodings": [0, 1, 2]}

    def watch(at: int, viewer: str, encoding: int | None) -> Json:
        return {"at_ms": at, "watch": viewer, "wanted": {} if encoding is None else {"camera": encoding}}

    small, large = watch(1000, "ann", 0), watch(1000, "ann", 2)
    off, both = "off-after-a-delay", "on-at-once off-after-a-delay"
    for comment, reqs, end, steps in (
        ("nobody watches: all off", off, 10_000, [camera]),
        ("one small picture", off, 10_000, [camera, small]),
        ("larger: on at once, and the small one off later", both, 20_000, [camera, small, watch(8000, "ann", 2)]),
        ("back within five seconds", off, 20_000, [camera, large, watch(8000, "ann", None), watch(12_000, "ann", 2)]),
        ("one of two leaves", off, 20_000, [camera, large, watch(1000, "bob", 0), {"at_ms": 8000, "leave": "ann"}]),
        ("wanted before it is there", "on-at-once", 10_000, [watch(0, "ann", 1), {**camera, "at_ms": 1000}]),
    ):
        given = {"end_ms": end, "steps": steps}
        cases.valid(comment, reqs, given, {"told": demanded(given)})
    return cases.finish()
