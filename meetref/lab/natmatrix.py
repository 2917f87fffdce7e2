"""Which pairs of NATs can a call get through, which need a relay, which are lost? Every pair, tried.

Two ICE agents at each pair of places call each other on the virtual network, without a TURN server and with one; an
echo over the path they chose proves it. All chance comes from the seed: the same seed gives the same matrix.
Stands on `lab/natcell` (a call) and `lab/natplaces`. Specification: RFC 4787 sections 4.1 and 5; docs/measurements.md.
Leaves out: how common each kind is. Nobody measured that lately who says how.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from pathlib import Path
from statistics import median

from meetref.app.command import CommandFailed, Exit
from meetref.lab.natcell import Outcome, run_call
from meetref.lab.natplaces import PLACES, QUICK, Place
from meetref.lab.report import Report
from meetref.net.nat import Dependence

SIGNS = {"direct": "D", "relay": "R", "none": "-"}
WIDTH = 7


@dataclass(frozen=True)
class Cell:
    """One pair of places, tried twice."""

    places: tuple[Place, Place]
    without: Outcome
    relayed: Outcome

    @property
    def sign(self) -> str:
        """D: direct, with or without a relay at hand; R: through the relay alone; -: not at all."""
        return SIGNS[self.relayed.path]


@dataclass(frozen=True)
class Class:
    """Pairs that end alike for one reason."""

    name: str
    applies: Callable[[Place, Place], bool]
    why: str


def _mapping(place: Place) -> Dependence:
    return Dependence.ENDPOINT_INDEPENDENT if place.behaviour is None else place.behaviour.mapping


def _filtering(place: Place) -> Dependence:
    return Dependence.ENDPOINT_INDEPENDENT if place.behaviour is None else place.behaviour.filtering


def _is_steady(place: Place) -> bool:
    """Whether its outer address is the same for everybody."""
    return _mapping(place) is Dependence.ENDPOINT_INDEPENDENT


def _asks_for_port(place: Place) -> bool:
    return _filtering(place) is Dependence.ADDRESS_AND_PORT_DEPENDENT


def _blocked(first: Place, second: Place) -> bool:
    return not (first.lets_udp_out and second.lets_udp_out)


def _both_steady(first: Place, second: Place) -> bool:
    return _is_steady(first) and _is_steady(second)


def _one_steady(first: Place, second: Place) -> bool:
    return _is_steady(first) or _is_steady(second)


def _one_steady_open(first: Place, second: Place) -> bool:
    steady = first if _is_steady(first) else second
    return _one_steady(first, second) and not _asks_for_port(steady)


def _door_ajar(first: Place, second: Place) -> bool:
    """Neither is steady, one lets everybody in, neither asks for a port, and not both change with the port."""
    places = (first, second)
    changing = all(_mapping(place) is Dependence.ADDRESS_AND_PORT_DEPENDENT for place in places)
    one_open = any(_filtering(place) is Dependence.ENDPOINT_INDEPENDENT for place in places)
    return one_open and not changing and not any(_asks_for_port(place) for place in places)


# The first that applies is the reason.
CLASSES = (
    Class(
        "nothing leaves one side",
        lambda first, second: "sealed" in (first.name, second.name),
        "Neither a check nor a stream gets out, so there is nothing that a server could do.",
    ),
    Class(
        "no UDP on one side",
        _blocked,
        "No check leaves at least one side. Streams do, to a relay that listens for them (on port 443 they pass\n"
        "every firewall that lets people read the web), and the relay speaks UDP for that side.",
    ),
    Class(
        "both mappings endpoint-independent",
        _both_steady,
        "What the STUN server saw is where everybody gets in. Each side's own checks open its filter for the other's,\n"
        "so the filter costs a repetition at most. This is why REQ-1 of RFC 4787 is the first.",
    ),
    Class(
        "one mapping endpoint-independent, and its filter asks for no port",
        _one_steady_open,
        "The other side's outer port is a new one for each destination and nobody knows it beforehand. But its check\n"
        "gets in here, because its address is known; where it came from is then a candidate (peer-reflexive).",
    ),
    Class(
        "one mapping endpoint-independent, and its filter asks for the port",
        _one_steady,
        "The other side's check comes from a port that nobody could know, so the filter here drops it; and checks to\n"
        "the port that the STUN server saw find a mapping there that is for the STUN server alone.",
    ),
    Class(
        "no mapping endpoint-independent, one filter open and none asking for a port",
        _door_ajar,
        "The port that the STUN server saw leads nowhere useful, except that one filter lets everybody in by it. The\n"
        "check that comes in shows a port; the answer shows another; and this one stays, so the two meet.",
    ),
    Class(
        "no mapping endpoint-independent",
        lambda first, second: True,
        "Every destination is another port on both sides: each check comes from a port to which the other has not\n"
        "written, or to which its answer looks new again. Symmetric to symmetric is the known case.",
    ),
)  # fmt: skip


def class_of(first: Place, second: Place) -> Class:
    """Why a call between these places ends as it does."""
    return next(each for each in CLASSES if each.applies(first, second))


# --- a run --------------------------------------------------------------------------------------------


def run_matrix(names: Sequence[str], seed: int, shown: Callable[[Cell], None] = lambda cell: None) -> list[Cell]:
    """Try every pair, each with dice of its own; `shown` is told of each as it is done."""
    cells = []
    for first, second in combinations_with_replacement(names, 2):
        places = PLACES[first], PLACES[second]
        dice = f"{seed} {first} {second}"
        cell = Cell(places, run_call(places, dice, with_relay=False), run_call(places, dice, with_relay=True))
        cells.append(cell)
        shown(cell)
    return cells


def lines(names: Sequence[str], cells: Sequence[Cell]) -> Iterator[str]:
    """The matrix as text."""
    signs = {frozenset(place.name for place in cell.places): cell.sign for cell in cells}
    yield " " * WIDTH + "".join(f"{name:>{WIDTH}}" for name in names)
    for name in names:
        yield f"{name:{WIDTH}}" + "".join(f"{signs[frozenset((name, other))]:>{WIDTH}}" for other in names)


def show(names: Sequence[str], cells: Sequence[Cell]) -> None:
    """The matrix, what its signs mean, and the reasons."""
    print("\n".join(lines(names, cells)))
    print("\nD direct; R through the relay, and without one not at all; - not even with a relay.")
    for name in names:
        print(f"  {name:8} {PLACES[name].words}")
    for each in CLASSES:
        mine = [cell for cell in cells if class_of(*cell.places) is each]
        if mine:
            counts = Counter(cell.sign for cell in mine)
            said = ", ".join(f"{count} {sign}" for sign, count in sorted(counts.items()))
            print(f"\n{each.name}: {said}\n{each.why}")
    figures = figures_of(cells)
    print(
        f"\nOf {len(cells)} pairs {figures['direct_pairs']:.0f} connect directly,"
        f" {figures['relay_only_pairs']:.0f} through the relay alone,"
        f" {figures['impossible_pairs']:.0f} not at all."
    )


def figures_of(cells: Sequence[Cell]) -> dict[str, float]:
    """Counts, and how long it took; the name has the unit."""
    ways = Counter(cell.relayed.path for cell in cells)
    figures = {
        "pairs": float(len(cells)),
        "direct_pairs": float(ways["direct"]),
        "relay_only_pairs": float(ways["relay"]),
        "impossible_pairs": float(ways["none"]),
        "connected_without_turn_percent": 100 * sum(cell.without.path != "none" for cell in cells) / len(cells),
        "connected_with_turn_percent": 100 * sum(cell.relayed.path != "none" for cell in cells) / len(cells),
    }
    for path in ("direct", "relay"):
        took = [cell.relayed.after for cell in cells if cell.relayed.path == path]
        if took:
            figures[f"{path}_connected_after_ms_p50"] = 1000 * median(took)
            figures[f"{path}_connected_after_ms_max"] = 1000 * max(took)
    return {name: round(value, 3) for name, value in figures.items()}


def report_of(names: Sequence[str], cells: Sequence[Cell], seed: int) -> Report:
    """Each pair is an entry of every series: places by number in the settings; paths 0 none, 1 relay, 2 direct."""
    codes = {"none": 0.0, "relay": 1.0, "direct": 2.0}
    return Report(
        lab="nat-matrix",
        seed=seed,
        settings={"places": list(names)},
        figures=figures_of(cells),
        series={
            "first_place": [float(names.index(cell.places[0].name)) for cell in cells],
            "second_place": [float(names.index(cell.places[1].name)) for cell in cells],
            "path_without_turn": [codes[cell.without.path] for cell in cells],
            "path_with_turn": [codes[cell.relayed.path] for cell in cells],
            "settled_after_seconds": [round(cell.relayed.after, 3) for cell in cells],
        },
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `meetref lab nat-matrix`."""
    parser.add_argument("--quick", action="store_true", help=f"only {', '.join(QUICK)}")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of all chance (1)")
    parser.add_argument("--places", metavar="NAME,NAME", help=f"of {', '.join(PLACES)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")


def run(arguments: argparse.Namespace) -> int:
    """Try, print, write. Raises `CommandFailed`."""
    names = tuple(arguments.places.split(",")) if arguments.places else QUICK if arguments.quick else tuple(PLACES)
    unknown = [name for name in names if name not in PLACES]
    if unknown or len(set(names)) < len(names):
        what = f"there is no place {unknown[0][:40]!r}" if unknown else "a place is named twice"
        raise CommandFailed(f"{what}; there are {', '.join(PLACES)}", Exit.WRONG_COMMAND_LINE)
    cells = run_matrix(names, arguments.seed)
    show(names, cells)
    if arguments.json is not None:
        report_of(names, cells, arguments.seed).write(arguments.json)
    return Exit.DONE
