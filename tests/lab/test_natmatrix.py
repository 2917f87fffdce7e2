"""The matrix of NATs: what two agents find out in every cell is what theory says, and nothing else."""

from __future__ import annotations

import argparse
import json
from itertools import combinations_with_replacement
from pathlib import Path

import pytest

from meetref.app.command import CommandFailed
from meetref.lab import natmatrix
from meetref.lab.natcell import Outcome, run_call
from meetref.lab.natmatrix import CLASSES, Cell, class_of, figures_of, run_matrix
from meetref.lab.natplaces import PLACES, QUICK

# What theory says, by hand: RFC 4787 sections 4.1 and 5 thought through. D direct, R by a relay alone, - not at all.
GOLDEN = """
       open EI/EI EI/AD EI/PD AD/EI AD/AD AD/PD PD/EI PD/AD PD/PD twice NAT64 noUDP 443 sealed
open    D     D     D     D     D     D     D     D     D     D     D     D     R    R    -
EI/EI   D     D     D     D     D     D     D     D     D     D     D     D     R    R    -
EI/AD   D     D     D     D     D     D     D     D     D     D     D     D     R    R    -
EI/PD   D     D     D     D     R     R     R     R     R     R     D     D     R    R    -
AD/EI   D     D     D     R     D     D     R     D     D     R     R     D     R    R    -
AD/AD   D     D     D     R     D     R     R     D     R     R     R     D     R    R    -
AD/PD   D     D     D     R     R     R     R     R     R     R     R     D     R    R    -
PD/EI   D     D     D     R     D     D     R     R     R     R     R     D     R    R    -
PD/AD   D     D     D     R     D     R     R     R     R     R     R     D     R    R    -
PD/PD   D     D     D     R     R     R     R     R     R     R     R     D     R    R    -
twice   D     D     D     D     R     R     R     R     R     R     D     D     R    R    -
NAT64   D     D     D     D     D     D     D     D     D     D     D     D     R    R    -
noUDP   R     R     R     R     R     R     R     R     R     R     R     R     R    R    -
443     R     R     R     R     R     R     R     R     R     R     R     R     R    R    -
sealed  -     -     -     -     -     -     -     -     -     -     -     -     -    -    -
"""
ROWS = [line.split() for line in GOLDEN.strip().splitlines()[1:]]
WANTED = {
    frozenset((first, second)): sign
    for (first, signs) in zip(PLACES, (row[1:] for row in ROWS), strict=True)
    for second, sign in zip(PLACES, signs, strict=True)
}
PAIRS = list(combinations_with_replacement(PLACES, 2))


def test_the_golden_table_is_symmetric() -> None:
    signs = [row[1:] for row in ROWS]
    assert [list(column) for column in zip(*signs, strict=True)] == signs


@pytest.mark.parametrize(("first", "second"), PAIRS, ids=lambda name: name)
@pytest.mark.spec("nat/mapping", "nat/filtering", "ice/peer-reflexive-remote")
def test_every_pair_ends_as_theory_says(first: str, second: str) -> None:
    places = PLACES[first], PLACES[second]
    sign = WANTED[frozenset((first, second))]
    without = run_call(places, "golden", with_relay=False)
    relayed = run_call(places, "golden", with_relay=True)
    assert without.path == ("direct" if sign == "D" else "none")
    assert relayed.path == {"D": "direct", "R": "relay", "-": "none"}[sign]
    assert sign == "-" or relayed.after < 2.0


def test_who_calls_does_not_matter() -> None:
    for first, second in (("EI/PD", "PD/PD"), ("open", "PD/PD"), ("AD/EI", "PD/AD"), ("NAT64", "EI/PD")):
        for places in ((first, second), (second, first)):
            outcome = run_call((PLACES[places[0]], PLACES[places[1]]), "either", with_relay=True)
            assert outcome.path == {"D": "direct", "R": "relay"}[WANTED[frozenset(places)]]


def test_the_relay_helps_whichever_side_has_it() -> None:
    """In `run_call` both have one; the pair then shows whose it was."""
    outcome = run_call((PLACES["PD/PD"], PLACES["EI/PD"]), "one", with_relay=True)
    assert outcome.pair is not None
    assert "192.0.2.100" in outcome.pair


def test_each_class_ends_alike_and_has_its_reason() -> None:
    endings: dict[str, set[str]] = {}
    for first, second in PAIRS:
        forward, back = class_of(PLACES[first], PLACES[second]), class_of(PLACES[second], PLACES[first])
        assert forward is back
        endings.setdefault(forward.name, set()).add(WANTED[frozenset((first, second))])
    assert endings.keys() == {each.name for each in CLASSES}
    assert all(len(signs) == 1 for signs in endings.values()), endings
    assert all(each.why for each in CLASSES)


def test_the_same_seed_gives_the_same_matrix() -> None:
    names = ("EI/PD", "PD/PD", "443")
    assert run_matrix(names, 5) == run_matrix(names, 5)


def cell(first: str, second: str, path: str) -> Cell:
    outcome = Outcome(path, 0.1, None)  # type: ignore[arg-type]  # one of three words
    return Cell((PLACES[first], PLACES[second]), Outcome("none", 39.5, None), outcome)


def test_figures() -> None:
    figures = figures_of([cell("open", "443", "relay"), cell("open", "sealed", "none"), cell("443", "443", "relay")])
    assert figures["pairs"] == 3
    assert (figures["direct_pairs"], figures["relay_only_pairs"], figures["impossible_pairs"]) == (0, 2, 1)
    assert figures["connected_with_turn_percent"] == pytest.approx(66.667)
    assert figures["connected_without_turn_percent"] == 0
    assert figures["relay_connected_after_ms_p50"] == 100
    assert "direct_connected_after_ms_p50" not in figures


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    natmatrix.add_arguments(parser)
    return natmatrix.run(parser.parse_args(words))


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--places", "EI/PD,PD/PD", "--json", str(tmp_path / "out.json"), "--seed", "3") == 0
    said = capsys.readouterr().out
    assert "EI/PD        D      R" in said
    assert "Of 3 pairs 1 connect directly, 2 through the relay alone, 0 not at all." in said
    written = json.loads((tmp_path / "out.json").read_text())
    assert (written["lab"], written["seed"]) == ("nat-matrix", 3)
    assert written["series"]["path_with_turn"] == [2.0, 1.0, 1.0]
    assert written["series"]["path_without_turn"] == [2.0, 0.0, 0.0]
    assert {len(series) for series in written["series"].values()} == {3}


@pytest.mark.parametrize(("places", "why"), [("open,moon", "no place 'moon'"), ("open,open", "twice")])
def test_places_that_are_none(places: str, why: str) -> None:
    with pytest.raises(CommandFailed, match=why):
        run("--places", places)


def test_a_quick_look_has_the_known_kinds() -> None:
    assert set(QUICK) <= PLACES.keys()
    assert {"EI/EI", "EI/AD", "EI/PD", "PD/PD"} <= set(QUICK)
