"""Words in a picture: the plate with somebody's name, and the tile with initials of who has no picture.

Drawn by Pillow, once for each name and size, and kept by whoever shows it; what comes out is planar YUV, to be laid on
a canvas. Colours and initials are those of the page (`app/page/avatar.js`).
Stands beside `media/canvas`, below `media/scene`.
Leaves out: a font of our own. The first of `FONTS` that is installed is taken; Pillow's knows English letters only, and
what a font has no letter for is drawn as a box.
Read next: `media/scene.py`.
"""

from __future__ import annotations

import colorsys
import re
from functools import cache
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from meetref.media.codec import Picture, planar

RGB = tuple[int, int, int]

DARK: RGB = (20, 24, 34)
WHITE: RGB = (255, 255, 255)
RED: RGB = (235, 87, 87)
FONTS = ("NotoSans-Regular.ttf", "DejaVuSans.ttf", "LiberationSans-Regular.ttf", "Arial.ttf", "Arial Unicode.ttf")
FINE = 2  # drawn so many times too large, so that edges are soft
LONGEST = 40  # characters of a name


def initials(name: str) -> str:
    """One or two letters that stand for a name."""
    words = [word for word in re.split(r"[\s_.-]+", name.strip()) if word]
    letters = words[0][0] + words[-1][0] if len(words) > 1 else words[0][0] if words else ""
    return letters.upper() or "?"


def colour_of(name: str) -> RGB:
    """A colour that is always the same for that name: 24 hues, by FNV-1a over its characters."""
    number = 2166136261
    for character in name:
        number = (number ^ ord(character)) * 16777619 & 0xFFFFFFFF
    red, green, blue = colorsys.hls_to_rgb(number % 24 / 24, 0.38, 0.32)
    return round(red * 255), round(green * 255), round(blue * 255)


def plate(name: str, height: int, widest: int, *, muted: bool = False) -> Picture:
    """A dark plate with a name, `height` pixels high; in front of who is muted stands a crossed microphone."""
    text = " ".join(name.split())[:LONGEST] or "?"
    high = height * FINE
    font = _font(high * 0.52)
    mark = high if muted else 0
    room = widest * FINE - mark - high * 0.8
    while len(text) > 1 and font.getlength(text) > room:
        text = text[:-2].rstrip() + "…"
    width = round(min(widest * FINE, font.getlength(text) + mark + high * 0.8)) // (2 * FINE) * 2 * FINE
    sheet = Image.new("RGB", (max(2 * FINE, width), high), DARK)
    draw = ImageDraw.Draw(sheet)
    if muted:
        _microphone(draw, high)
    draw.text((high * 0.4 + mark * 0.8, high * 0.5), text, WHITE, font, anchor="lm")
    return _planar(sheet)


def portrait(name: str, width: int, height: int) -> Picture:
    """A tile in somebody's colour, with the initials in its middle."""
    sheet = Image.new("RGB", (width, height), colour_of(name))
    font = _font(height * 0.34)
    ImageDraw.Draw(sheet).text((width / 2, height / 2), initials(name), WHITE, font, anchor="mm")
    return planar(np.asarray(sheet))


@cache
def _font(size: float) -> Any:
    for name in FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)


def _microphone(draw: ImageDraw.ImageDraw, high: int) -> None:
    """In a square at the left, crossed out."""
    unit = high / 24
    draw.rounded_rectangle((12 * unit, 5 * unit, 17 * unit, 14 * unit), 2.5 * unit, WHITE)
    draw.arc((9.5 * unit, 7 * unit, 19.5 * unit, 17 * unit), 0, 180, WHITE, round(1.6 * unit))
    draw.line((14.5 * unit, 17 * unit, 14.5 * unit, 20 * unit), WHITE, round(1.6 * unit))
    draw.line((8 * unit, 5 * unit, 20.5 * unit, 19 * unit), RED, round(2.2 * unit))


def _planar(sheet: Image.Image) -> Picture:
    small = sheet.resize((sheet.width // FINE, sheet.height // FINE), Image.Resampling.LANCZOS)
    return planar(np.asarray(small))
