"""The line through the newest points: the slope of least squares, however long it goes on."""

from __future__ import annotations

from random import Random
from statistics import linear_regression

import pytest

from meetref.media.line import Line


def test_there_is_none_before_there_are_points_enough() -> None:
    line = Line(9, 5)
    assert [line.add(x, 2 * x) for x in range(4)] == [None] * 4
    assert [line.add(x, 2 * x) for x in range(4, 30)] == [pytest.approx(2)] * 26


def test_it_is_that_of_the_newest_points() -> None:
    dice = Random(2)
    line = Line(20)
    points = []
    x = 1.7e12  # milliseconds since 1970, as if somebody gave them
    for _ in range(5000):
        x += dice.uniform(0.1, 40)
        points.append((x, dice.gauss(0, 30) + x % 1000 * 0.1))
        slope = line.add(*points[-1])
        if len(points) >= 20:
            xs, ys = zip(*points[-20:], strict=True)
            wanted = linear_regression([each - xs[0] for each in xs], ys).slope
            assert slope == pytest.approx(wanted, rel=1e-4, abs=1e-6)


def test_points_above_one_another_have_none() -> None:
    line = Line(4)
    assert [line.add(3.0, y) for y in range(12)] == [None] * 12
