"""A straight line through the newest points, by least squares, kept up to date point by point.

Stands below `media/delaytrend`, for which a point is a group of packets. Its sums are made anew, around a new origin,
each time all points have been replaced: so rounding cannot add up, however long a call lasts.
Specification: none. Read next: `media/delaytrend.py`.
"""

from __future__ import annotations

from operator import mul


class Line:
    """Feed `add`, which tells the slope through the last `count` points; at first through as few as `least`."""

    __slots__ = ("_count", "_least", "_origin", "_place", "_x", "_xs", "_xx", "_xy", "_y", "_ys")

    def __init__(self, count: int, least: int = 2) -> None:
        self._count = count
        self._least = least
        self._place = 0
        self._origin = 0.0
        self._xs: list[float] = []
        self._ys: list[float] = []
        self._x = self._y = self._xx = self._xy = 0.0

    def add(self, x: float, y: float) -> float | None:
        """Take a point, in place of the oldest where there are enough.

        How much y gains for each unit of x; None while there are too few points, or all have the same x.
        """
        if not self._xs:
            self._origin = x
        x -= self._origin
        place = self._place
        if len(self._xs) < self._count:
            self._xs.append(x)
            self._ys.append(y)
            old_x = old_y = 0.0
        else:
            old_x, self._xs[place] = self._xs[place], x
            old_y, self._ys[place] = self._ys[place], y
        self._x += x - old_x
        self._y += y - old_y
        self._xx += x * x - old_x * old_x
        self._xy += x * y - old_x * old_y
        self._place = place + 1
        if self._place == self._count:
            self._begin_anew(x)
        count = len(self._xs)
        spread = count * self._xx - self._x * self._x
        if count < self._least or spread <= 0:
            return None
        return (count * self._xy - self._x * self._y) / spread

    def _begin_anew(self, origin: float) -> None:
        self._place = 0
        self._origin += origin
        self._xs = [x - origin for x in self._xs]
        self._x, self._y = sum(self._xs), sum(self._ys)
        self._xx = sum(map(mul, self._xs, self._xs))
        self._xy = sum(map(mul, self._xs, self._ys))
