"""How witnesses are asked: about every case, until one differs, and in a check only about what they are named for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.confirm.witness import Absent, Case, Witness, asked, one_by_one, several_at_a_time

CASES = [{"id": f"tea-cups-{number:04d}"} for number in range(1, 40)]


def group(operation: str, *named: str) -> dict[str, Any]:
    return {
        "params": {"operation": operation},
        "tests": CASES,
        "verified_by": [{"implementation": name} for name in named],
    }


def names(data: dict[str, Any], *witnesses: Witness) -> list[tuple[str, int]]:
    return [(entry["implementation"], entry["group"]) for entry in asked(data, *witnesses)]


def agreeing(operation: str, cases: list[Case]) -> None:
    assert cases == CASES


def test_who_differs_or_is_absent_gets_no_entry() -> None:
    def absent() -> str:
        raise Absent

    def differing(operation: str, case: Case) -> None:
        assert case["id"] != "tea-cups-0039"

    data = {"groups": [group("brew"), group("pour"), group("drink")]}
    how = {"brew": "brewed it", "drink": "drank it"}
    found = names(
        data,
        Witness("ann", lambda: "1", how, agreeing),
        Witness("ben", absent, how, agreeing),
        Witness("eve", lambda: "1", how, one_by_one(differing)),
        Witness("zoe", lambda: "1", how, several_at_a_time(differing, 4)),
    )
    assert found == [("ann", 0), ("ann", 2)]


def test_in_a_check_nobody_is_asked_about_what_they_are_not_named_for() -> None:
    told: list[str] = []
    data = {"groups": [group("brew", "ann"), group("pour"), group("drink", "ben")], "only_named": True}
    how = {"brew": "brewed it", "pour": "poured it", "drink": "drank it"}
    found = names(data, Witness("ann", lambda: "1", how, lambda operation, cases: told.append(operation)))
    assert (found, told) == ([("ann", 0)], ["brew"])
    data["only_named"] = False
    assert len(names(data, Witness("ann", lambda: "1", how, lambda operation, cases: told.append(operation)))) == 3


def test_who_is_known_to_differ_is_not_asked() -> None:
    data = {"groups": [group("brew") | {"tests": [{**CASES[0], "flags": ["annDiffers"]}]}, group("brew")]}
    how = {"brew": "brewed it"}

    def anybody(operation: str, cases: list[Case]) -> None:
        assert cases

    assert names(data, Witness("ann", lambda: "1", how, anybody)) == [("ann", 1)]
    assert names(data, Witness("ben", lambda: "1", how, anybody)) == [("ben", 0), ("ben", 1)]


def test_several_at_a_time_asks_about_all_and_ends_with_the_first_that_differs() -> None:
    heard: list[str] = []
    several_at_a_time(lambda operation, case: heard.append(case["id"]), 4)("brew", CASES)
    assert sorted(heard) == [case["id"] for case in CASES]
    heard.clear()

    def first_differs(operation: str, case: Case) -> None:
        heard.append(case["id"])
        assert case["id"] != "tea-cups-0001"

    with pytest.raises(AssertionError):
        several_at_a_time(first_differs, 1)("brew", CASES)
    assert heard == ["tea-cups-0001"]
