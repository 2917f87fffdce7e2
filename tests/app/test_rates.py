"""What grew since the last look, however often and by whomever it is asked."""

from __future__ import annotations

import pytest

from meetref.app import rates as rates_module
from meetref.app.rates import KEPT_FOR, SHORTEST, Rates


def test_a_rate_is_what_was_added_since_the_last_look() -> None:
    rates = Rates()
    assert rates.rate("a", 1000, 10.0) is None, "of one look there is no rate"
    assert rates.rate("a", 1500, 11.0) == 500
    assert rates.rate("b", 7, 11.0) is None
    assert rates.rate("a", 1500, 13.0) == 0
    assert rates.rate("a", 3500, 14.0) == 2000


def test_who_looks_in_between_is_told_the_same_and_disturbs_nobody() -> None:
    rates = Rates()
    rates.rate("a", 0, 0.0)
    assert rates.rate("a", 100, 1.0) == 100
    assert rates.rate("a", 140, 1.0 + SHORTEST / 2) == 100
    assert rates.rate("a", 300, 2.0) == 200


def test_a_count_that_begins_anew_has_no_rate() -> None:
    rates = Rates()
    rates.rate("a", 1000, 0.0)
    assert rates.rate("a", 10, 1.0) is None
    assert rates.rate("a", 20, 2.0) == 10


def test_a_share_is_of_what_was_added() -> None:
    rates = Rates()
    assert rates.share("loss", 5, 100, 0.0) is None
    assert rates.share("loss", 6, 200, 1.0) == pytest.approx(0.01)
    assert rates.share("loss", 6, 200, 2.0) is None, "nothing came, so nothing was lost"
    assert rates.share("loss", 16, 205, 3.0) == 1.0
    assert rates.share("loss", 2, 300, 4.0) is None, "late packets came after all"
    assert rates.share("loss", 2, 310, 5.0) == 0


def test_what_nobody_asks_for_is_forgotten_and_there_are_never_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = Rates()
    rates.rate("old", 1, 100.0)
    rates.rate("new", 1, 100.0 + KEPT_FOR - 1)
    rates.rate("new", 2, 100.0 + KEPT_FOR + 1)
    assert len(rates) == 1
    monkeypatch.setattr(rates_module, "MAXIMUM_COUNTS", 3)
    for number in range(20):
        assert rates.rate(number, 1, 200.0) is None
    assert len(rates) == 3
    assert rates.rate(0, 11, 201.0) == 10, "those that are known go on"
