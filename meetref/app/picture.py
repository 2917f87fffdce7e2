"""The test picture of a bot: calm to look at, with its name and the time, and a tag that a program can read back.

The tag sits in the lower right corner. Its squares are a fortieth of the picture's width on every scale, eight in a row
and four rows, with a margin of half a square to the picture's edge:

    row 1      white black white black white black black white      (is it there, what is black, what is white)
    rows 2-4   4 bits sender, 12 bits counter, 8 bits check; the highest bit first, white is 1

Stands below `app/bot` and `app/frames`; the tests of the page read the tag from what a browser has decoded.
Leaves out: sound (`app/sound`), encoding (`media/codec`).
"""

from __future__ import annotations

import colorsys
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from meetref.media.codec import Picture

COLUMNS, ROWS = 8, 4
SYNC = (1, 0, 1, 0, 1, 0, 0, 1)
SQUARES_PER_WIDTH = 40
WHITE, BLACK = 235, 16  # the ends of the luma range of video
MINIMUM_CONTRAST = 60
SENDERS, COUNTERS = 16, 4096
PERIOD = 75  # frames after which the movement is where it began


class _Orb(NamedTuple):
    """A soft disc on its way around the middle: radius and orbit in picture heights, speed in turns a period."""

    radius: float
    orbit: tuple[float, float]
    turns: int
    phase: float
    hue: float


ORBS = (
    _Orb(0.22, (0.55, 0.18), 1, 0.0, 0.00),
    _Orb(0.14, (0.42, 0.28), -1, 0.35, 0.08),
    _Orb(0.08, (0.68, 0.32), 2, 0.7, -0.08),
)


class Painter:
    """Paints the frames of one sender as planar YUV. Width and height are multiples of 4."""

    def __init__(self, name: str, number: int, *, width: int = 640, height: int = 360) -> None:
        if width % 4 or height % 4 or width < 80 or height < 48:
            raise ValueError("a picture is at least 80 x 48, and its sides are multiples of 4")
        self.width = width
        self.height = height
        self.number = number % SENDERS
        self._name = name
        hue = (0.58 + self.number * 0.381966) % 1.0  # neighbours in number are far apart in colour
        self._ground = self._background(hue)
        self._orbs = [(_disc(round(2 * orb.radius * height)), _yuv(hue + orb.hue, 0.45, 0.95), orb) for orb in ORBS]
        self._labels: tuple[str, NDArray[np.float32]] | None = None

    def paint(self, counter: int, clock: str) -> Picture:
        """Frame number `counter`, with the text `clock` under the name."""
        picture = self._ground.copy()
        for disc, colour, orb in self._orbs:
            self._blend(picture, disc * 0.55, *self._place(orb, counter, disc.shape[0]), colour)
        self._blend(picture, self._label(clock), 0, 0, (WHITE, 128, 128))
        self._tag(picture, counter)
        return picture

    def _place(self, orb: _Orb, counter: int, size: int) -> tuple[int, int]:
        angle = 2 * math.pi * (orb.turns * counter / PERIOD + orb.phase + self.number * 0.381966)
        x = self.width / 2 + orb.orbit[0] * self.height * math.cos(angle) - size / 2
        y = self.height / 2 + orb.orbit[1] * self.height * math.sin(angle) - size / 2
        return round(x / 2) * 2, round(y / 2) * 2  # chroma has every second pixel

    def _background(self, hue: float) -> Picture:
        """Dark, a little lighter in the middle."""
        y, x = np.mgrid[0 : self.height, 0 : self.width]
        away = np.hypot((x / self.width - 0.5) * 1.2, y / self.height - 0.45)
        luma, blue, red = _yuv(hue, 0.55, 0.30)
        picture = np.empty((self.height * 3 // 2, self.width), dtype=np.uint8)
        picture[: self.height] = np.clip(luma * (1.25 - 0.9 * away), BLACK, WHITE)
        for plane, value in zip(_chroma(picture, self.height), (blue, red), strict=True):
            plane[:] = value
        return picture

    def _label(self, clock: str) -> NDArray[np.float32]:
        if self._labels is None or self._labels[0] != clock:
            image = Image.new("L", (self.width, self.height))
            draw = ImageDraw.Draw(image)
            large, small = self.height // 8, self.height // 14
            left, bottom = self.width // 20, self.height - self.width // 24
            draw.text((left, bottom - large - small), self._name[:24], 240, ImageFont.load_default(large), anchor="ls")
            draw.text((left, bottom), clock[:24], 200, ImageFont.load_default(small), anchor="ls")
            self._labels = clock, (np.asarray(image) / 255).astype(np.float32)
        return self._labels[1]

    def _blend(
        self, picture: Picture, alpha: NDArray[np.float32], left: int, top: int, colour: tuple[int, int, int]
    ) -> None:
        """Lay `colour` over the picture, as densely as `alpha` says; what lies outside is cut off."""
        x0, y0 = max(0, left), max(0, top)
        x1, y1 = min(self.width, left + alpha.shape[1]), min(self.height, top + alpha.shape[0])
        if x0 >= x1 or y0 >= y1:
            return
        part = alpha[y0 - top : y1 - top, x0 - left : x1 - left]
        _mix(picture[y0:y1, x0:x1], part, colour[0])
        for plane, value in zip(_chroma(picture, self.height), colour[1:], strict=True):
            _mix(plane[y0 // 2 : y1 // 2, x0 // 2 : x1 // 2], part[::2, ::2], value)

    def _tag(self, picture: Picture, counter: int) -> None:
        bits = [*SYNC, *_bits(self.number, counter)]
        for place, bit in enumerate(bits):
            left, top, right, bottom = _square(place % COLUMNS, place // COLUMNS, self.width, self.height, 0.0)
            picture[top:bottom, left:right] = WHITE if bit else BLACK
            for plane in _chroma(picture, self.height):
                plane[top // 2 : -(-bottom // 2), left // 2 : -(-right // 2)] = 128


def read_pattern(picture: NDArray[np.uint8]) -> tuple[int, int] | None:
    """Sender (0 to 15) and counter (modulo 4096) of a painted picture that came through a codec, at any scale.

    `picture` is (height, width) luma, or (height, width, 3 or 4) colours as a canvas has them. `None`: no tag is there.
    """
    luma = picture if picture.ndim == 2 else picture[:, :, :3].mean(axis=2)
    height, width = luma.shape
    if width < 80 or height < 48:
        return None
    values = []
    for place in range(COLUMNS * ROWS):
        left, top, right, bottom = _square(place % COLUMNS, place // COLUMNS, width, height, 0.25)
        values.append(float(luma[top:bottom, left:right].mean()))
    white = [value for value, bit in zip(values, SYNC, strict=False) if bit]
    black = [value for value, bit in zip(values, SYNC, strict=False) if not bit]
    if min(white) - max(black) < MINIMUM_CONTRAST:
        return None
    middle = (min(white) + max(black)) / 2
    number = int("".join("1" if value > middle else "0" for value in values[COLUMNS:]), 2)
    return (number >> 20, number >> 8 & 0xFFF) if _check(number >> 8) == number & 0xFF else None


def _square(column: int, row: int, width: int, height: int, inset: float) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a square of the tag, `inset` squares smaller on each side."""
    side = width / SQUARES_PER_WIDTH
    left = width - (COLUMNS + 0.5 - column) * side
    top = height - (ROWS + 0.5 - row) * side
    edges = (left + inset * side, top + inset * side, left + (1 - inset) * side, top + (1 - inset) * side)
    x0, y0, x1, y1 = (round(edge) for edge in edges)
    return x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)


def _bits(sender: int, counter: int) -> list[int]:
    number = sender << 12 | counter % COUNTERS
    number = number << 8 | _check(number)
    return [number >> place & 1 for place in reversed(range(24))]


def _check(number: int) -> int:
    """Eight bits that depend on all sixteen: the remainder of a division by x^8 + x^2 + x + 1."""
    rest = number << 8
    for place in reversed(range(8, 24)):
        if rest >> place & 1:
            rest ^= 0x107 << (place - 8)
    return rest ^ 0xA5  # so that sixteen zeros do not check with eight more


def _disc(diameter: int) -> NDArray[np.float32]:
    """A disc with a soft edge: 1 inside, 0 outside."""
    size = diameter // 2 * 2
    y, x = np.mgrid[0:size, 0:size]
    away = np.hypot(x - size / 2 + 0.5, y - size / 2 + 0.5) / (size / 2)
    disc: NDArray[np.float32] = np.clip((1 - away) * 3, 0, 1).astype(np.float32)
    return disc


def _mix(part: NDArray[np.uint8], alpha: NDArray[np.float32], value: int) -> None:
    mixed = part + (value - part.astype(np.float32)) * alpha
    part[:] = mixed.astype(np.uint8)


def _chroma(picture: Picture, height: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The two planes of colour differences, as views."""
    half, width = height // 2, picture.shape[1] // 2
    planes = picture[height:].reshape(2, half, width)
    return planes[0], planes[1]


def _yuv(hue: float, saturation: float, value: float) -> tuple[int, int, int]:
    """A colour as video has it (ITU-R BT.601, limited range)."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return round(16 + 219 * luma), round(128 + 112 * (blue - luma) / 0.886), round(128 + 112 * (red - luma) / 0.701)
