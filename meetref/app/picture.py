"""The test picture of a bot: a robot that sways, blinks and talks, with its name and the time on its chest, and a tag
that a program can read back.

The tag sits in the lower right corner. Its squares are a fortieth of the picture's width on every scale, eight in a row
and four rows, with a margin of half a square to the picture's edge:

    row 1      white black white black white black black white      (is it there, what is black, what is white)
    rows 2-4   4 bits sender, 12 bits counter, 8 bits check; the highest bit first, white is 1

Stands above `app/scenery` (what the robot looks like), below `app/bot` and `app/frames`; the tests of the page read
the tag from what a browser has decoded. Colours become video's by ITU-R BT.601, limited range.
Leaves out: sound (`app/sound`), encoding (`media/codec`).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from meetref.app import scenery
from meetref.media.codec import Picture

Plane = NDArray[np.floating]
"""One number a pixel, (height, width)."""

COLUMNS, ROWS = 8, 4
SYNC = (1, 0, 1, 0, 1, 0, 0, 1)
SQUARES_PER_WIDTH = 40
WHITE, BLACK = 235, 16  # the ends of the luma range of video
MINIMUM_CONTRAST = 60
SENDERS, COUNTERS = 16, 4096
PERIOD = 75  # frames after which the movement is where it began
BLINKS = (22, 23, 24, 61, 62)  # frames of a period
SWAY = (0.030, 0.012)  # how far the head goes to the side and up, in picture heights
HEAD_AT = 0.075  # its upper edge, in picture heights
LIGHT = (0.20, 0.34)  # a soft light behind the robot: its radius, and how dense it is


class Painter:
    """Paints the frames of one sender as planar YUV. Width and height are multiples of 4."""

    def __init__(self, name: str, number: int, *, width: int = 640, height: int = 360) -> None:
        if width % 4 or height % 4 or width < 80 or height < 48:
            raise ValueError("a picture is at least 80 x 48, and its sides are multiples of 4")
        self.width = width
        self.height = height
        self.number = number % SENDERS
        self._name = name
        self._ground = _opaque(scenery.place(self.number, width, height))
        self._light = _Sprite(_glow(round(2 * LIGHT[0] * height)))
        self._body = _Sprite(scenery.body(self.number, height))
        self._heads = {
            (mouth, blinks): _Sprite(scenery.head(self.number, height, mouth=mouth, blinks=blinks))
            for mouth in range(scenery.MOUTHS)
            for blinks in (False, True)
        }
        self._plate: tuple[str, _Sprite] | None = None

    def paint(self, counter: int, clock: str, *, mouth: int = 0) -> Picture:
        """Frame number `counter`, with the text `clock` under the name; `mouth` is 0 (shut) to 2 (open)."""
        picture = self._ground.copy()
        at = 2 * math.pi * (counter % PERIOD) / PERIOD
        turned = at + self.number
        self._middle(picture, self._light, 0.62 * math.cos(turned), 0.20 + 0.14 * math.sin(turned))
        low = 1 - self._body.height / self.height
        self._middle(picture, self._body, 0, low)
        self._middle(picture, self._words(clock), 0, low)
        head = self._heads[mouth, (counter + 9 * self.number) % PERIOD in BLINKS]
        self._middle(picture, head, SWAY[0] * math.sin(turned), HEAD_AT + SWAY[1] * math.sin(2 * at))
        self._tag(picture, counter)
        return picture

    def _words(self, clock: str) -> _Sprite:
        if self._plate is None or self._plate[0] != clock:
            self._plate = clock, _Sprite(scenery.plate(self._name, clock, self.number, self.height))
        return self._plate[1]

    def _middle(self, picture: Picture, sprite: _Sprite, x: float, top: float) -> None:
        """Lay a sprite over the picture, so far right of the middle and so far down, in picture heights."""
        left = round((self.width - sprite.width + 2 * x * self.height) / 4) * 2  # chroma has every second pixel
        sprite.lay(picture, left, round(top * self.height / 2) * 2)

    def _tag(self, picture: Picture, counter: int) -> None:
        bits = [*SYNC, *_bits(self.number, counter)]
        for place, bit in enumerate(bits):
            left, top, right, bottom = _square(place % COLUMNS, place // COLUMNS, self.width, self.height, 0.0)
            picture[top:bottom, left:right] = WHITE if bit else BLACK
            for plane in _chroma(picture):
                plane[top // 2 : -(-bottom // 2), left // 2 : -(-right // 2)] = 128


class _Sprite:
    """A part that moves: its planes, and how dense each is where."""

    def __init__(self, image: Image.Image) -> None:
        self.width, self.height = image.size
        pixels = np.asarray(image.convert("RGBA")).astype(np.float32)
        dense = pixels[:, :, 3] / 255
        luma, blue, red = _planes(pixels[:, :, :3])
        self._luma = (luma * dense, 1 - dense)
        half = _halved(dense)
        self._chroma = [(_halved(plane * dense), 1 - half) for plane in (blue, red)]

    def lay(self, picture: Picture, left: int, top: int) -> None:
        """Over a picture, at even coordinates; what lies outside is cut off."""
        height, width = picture.shape[0] * 2 // 3, picture.shape[1]
        _over(picture[:height, :width], *self._luma, left, top)
        for plane, (colour, clear) in zip(_chroma(picture), self._chroma, strict=True):
            _over(plane, colour, clear, left // 2, top // 2)


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


def _glow(diameter: int) -> Image.Image:
    """A white disc without an edge."""
    size = diameter // 2 * 2
    y, x = np.mgrid[0:size, 0:size]
    away = np.hypot(x - size / 2 + 0.5, y - size / 2 + 0.5) / (size / 2)
    pixels = np.full((size, size, 4), 255, dtype=np.uint8)
    pixels[:, :, 3] = 255 * LIGHT[1] * np.clip(1 - away, 0, 1) ** 1.5
    return Image.fromarray(pixels)


def _opaque(image: Image.Image) -> Picture:
    """An RGB image as one array of planar YUV."""
    pixels = np.asarray(image.convert("RGB")).astype(np.float32)
    luma, blue, red = _planes(pixels)
    picture = np.empty((image.height * 3 // 2, image.width), dtype=np.uint8)
    picture[: image.height] = luma
    for plane, value in zip(_chroma(picture), (blue, red), strict=True):
        plane[:] = _halved(value)
    return picture


def _planes(pixels: NDArray[np.float32]) -> tuple[Plane, Plane, Plane]:
    """Luma and both colour differences of (height, width, 3) colours, all of the same size."""
    red, green, blue = (pixels[:, :, index] / 255 for index in range(3))
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return 16 + 219 * luma, 128 + 112 * (blue - luma) / 0.886, 128 + 112 * (red - luma) / 0.701


def _halved(plane: Plane) -> Plane:
    height, width = plane.shape
    halved: Plane = plane.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3), dtype=np.float32)
    return halved


def _over(plane: NDArray[np.uint8], colour: Plane, clear: Plane, left: int, top: int) -> None:
    """`colour` is already multiplied with its density, `clear` is what that leaves."""
    x0, y0 = max(0, left), max(0, top)
    x1, y1 = min(plane.shape[1], left + colour.shape[1]), min(plane.shape[0], top + colour.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    cut = np.s_[y0 - top : y1 - top, x0 - left : x1 - left]
    part = plane[y0:y1, x0:x1]
    part[:] = (part * clear[cut] + colour[cut]).astype(np.uint8)


def _chroma(picture: Picture) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The two planes of colour differences, as views."""
    half, width = picture.shape[0] // 3, picture.shape[1] // 2
    planes = picture[2 * half :].reshape(2, half, width)
    return planes[0], planes[1]
