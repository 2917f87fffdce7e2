"""The moving picture that a bot sends: its name, a clock, and a pattern that a test can read back.

The pattern is a row of large black and white blocks at the top left: it survives lossy video, and says whose picture
this is and which one, so that a test can prove that what a viewer sees is what the sender sent.
Leaves out: encoding (`media/codec`).
Read next: `app/bot.py`.
"""

from __future__ import annotations

import colorsys
import math

import numpy
from PIL import Image, ImageDraw, ImageFont

from meetref.media.codec import Picture

BLOCK = 16
SYNC = (1, 0, 1, 0)
SENDER_BITS, COUNT_BITS = 4, 12
BITS = len(SYNC) + SENDER_BITS + COUNT_BITS


class Painter:
    """Draws the pictures of one bot. `sender` (0 to 15) goes into the pattern and chooses the colour."""

    def __init__(self, name: str, sender: int, width: int = 640, height: int = 360) -> None:
        self.width, self.height = width, height
        self._name = name
        self._sender = sender & (1 << SENDER_BITS) - 1
        hue = (0.58 + sender * 0.381966) % 1  # the golden section keeps neighbours apart
        self._colours = [_colour(hue, lightness) for lightness in (0.30, 0.42, 0.62)]
        self._background = _gradient(width, height, self._colours[0], self._colours[1])
        self._large = ImageFont.load_default(height // 8)
        self._small = ImageFont.load_default(height // 14)

    def paint(self, count: int, clock: str) -> Picture:
        """Picture number `count`; `clock` is the text of the time."""
        image = Image.fromarray(self._background)
        draw = ImageDraw.Draw(image)
        turn = count / 45 * math.tau
        for index in range(3):
            angle, radius = turn + index * math.tau / 3, self.height / 4
            x = self.width * 0.72 + radius * math.cos(angle)
            y = self.height * 0.5 + radius * math.sin(angle) * 0.7
            size = self.height / 14
            draw.ellipse((x - size, y - size, x + size, y + size), fill=self._colours[2])
        draw.text((self.width * 0.08, self.height * 0.36), self._name, font=self._large, fill="white")
        draw.text((self.width * 0.08, self.height * 0.56), clock, font=self._small, fill=(255, 255, 255))
        picture = numpy.array(image)
        _write_pattern(picture, self._sender, count)
        return picture


def _colour(hue: float, lightness: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, 0.45)
    return round(red * 255), round(green * 255), round(blue * 255)


def _gradient(width: int, height: int, top: tuple[int, int, int], bottom: tuple[int, int, int]) -> Picture:
    share = numpy.linspace(0, 1, height)[:, None, None]
    rows = numpy.array(top) * (1 - share) + numpy.array(bottom) * share
    return numpy.broadcast_to(rows, (height, width, 3)).astype(numpy.uint8)


def _write_pattern(picture: Picture, sender: int, count: int) -> None:
    value = sender << COUNT_BITS | count & (1 << COUNT_BITS) - 1
    bits = [*SYNC, *(value >> shift & 1 for shift in reversed(range(SENDER_BITS + COUNT_BITS)))]
    for index, bit in enumerate(bits):
        picture[0:BLOCK, index * BLOCK : (index + 1) * BLOCK] = 235 if bit else 16


def read_pattern(picture: Picture) -> tuple[int, int] | None:
    """The (sender, count) of a picture of this size or scaled to it; None where there is no pattern."""
    scale = picture.shape[1] / 640 if picture.shape[1] != 320 else 1
    block = max(1, round(BLOCK * scale))
    bits = []
    for index in range(BITS):
        middle = picture[block // 4 : block - block // 4, index * block + block // 4 : (index + 1) * block - block // 4]
        bits.append(int(middle.mean() > 128))
    if tuple(bits[: len(SYNC)]) != SYNC:
        return None
    value = 0
    for bit in bits[len(SYNC) :]:
        value = value << 1 | bit
    return value >> COUNT_BITS, value & (1 << COUNT_BITS) - 1
