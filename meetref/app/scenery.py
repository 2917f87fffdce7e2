"""What a bot looks like: a friendly robot in a place of its own, drawn once and then only moved.

Everything is drawn with Pillow three times too large and made smaller, so that edges are soft; places are blurred, as
in calls, which also saves bits. Lengths are in picture heights, from the middle of the picture's upper edge.
Stands below `app/picture`, which moves the parts. The same number looks the same, always.
Leaves out: time, and the planes of video.
"""

from __future__ import annotations

import colorsys
import random

from PIL import Image, ImageDraw, ImageFilter, ImageFont

Colour = tuple[int, int, int]

FINE = 3  # drawn so many times too large
HEAD = (0.62, 0.56)  # width and height of the part that moves
BODY = (0.96, 0.38)
MOUTHS = 3  # shut, half open, open
GOLDEN = 0.381966
INK: Colour = (18, 24, 38)
FADED = 0.32  # how much of a place's own colours is taken back, so that the robot stands out


class _Pen:
    """Draws on a transparent sheet, in picture heights, with the origin in the middle of its upper edge."""

    def __init__(self, size: tuple[float, float], height: int) -> None:
        self.width, self.height = (max(2, round(side * height) // 2 * 2) for side in size)
        self._unit = height * FINE
        self.sheet = Image.new("RGBA", (self.width * FINE, self.height * FINE))
        self._draw = ImageDraw.Draw(self.sheet)

    def box(self, left: float, top: float, right: float, bottom: float, radius: float, colour: Colour) -> None:
        x0, y0, x1, y1 = self._place(left, top, right, bottom)
        self._draw.rounded_rectangle((x0, y0, max(x0, x1), max(y0, y1)), radius * self._unit, colour)

    def disc(self, x: float, y: float, radius: float, colour: Colour) -> None:
        self._draw.ellipse(self._place(x - radius, y - radius, x + radius, y + radius), colour)

    def line(self, x0: float, y0: float, x1: float, y1: float, thick: float, colour: Colour) -> None:
        self._draw.line(self._place(x0, y0, x1, y1), colour, max(1, round(thick * self._unit)))

    def smile(self, x: float, y: float, radius: float, thick: float, colour: Colour) -> None:
        place = self._place(x - radius, y - radius, x + radius, y + radius)
        self._draw.arc(place, 25, 155, colour, max(1, round(thick * self._unit)))

    def words(self, text: str, y: float, size: float, most: float, colour: Colour) -> None:
        """One line in the middle, smaller where it would be wider than `most`."""
        font = ImageFont.load_default(size * self._unit)
        too_wide = self._draw.textlength(text, font) / (most * self._unit)
        if too_wide > 1:
            font = ImageFont.load_default(size * self._unit / too_wide)
        self._draw.text((self.sheet.width / 2, y * self._unit), text, colour, font, anchor="mm")

    def finished(self) -> Image.Image:
        return self.sheet.resize((self.width, self.height), Image.Resampling.LANCZOS)

    def _place(self, x0: float, y0: float, x1: float, y1: float) -> tuple[float, float, float, float]:
        middle = self.sheet.width / 2
        return (middle + x0 * self._unit, y0 * self._unit, middle + x1 * self._unit, y1 * self._unit)


def hue_of(number: int) -> float:
    """Neighbours in number are far apart in colour."""
    return (0.58 + number * GOLDEN) % 1.0


def head(number: int, height: int, *, mouth: int = 0, blinks: bool = False) -> Image.Image:
    """The head of a robot, as RGBA: `mouth` 0 (shut) to 2, eyes open or not."""
    pen = _Pen(HEAD, height)
    shell, shade, glow = (_colour(number, *tone) for tone in ((0.30, 0.93), (0.42, 0.66), (0.28, 1.0)))
    wide, round_ = ((0.22, 0.10), (0.20, 0.17), (0.235, 0.07))[number % 3]
    pen.line(0, 0.02, 0, 0.14, 0.014, shade)
    pen.disc(0, 0.035, 0.028, glow)
    for side in (-1, 1):
        pen.box(side * wide - 0.035, 0.24, side * wide + 0.035, 0.38, 0.03, shade)
    pen.box(-0.06, 0.45, 0.06, 0.56, 0.02, shade)
    pen.box(-wide, 0.10, wide, 0.50, round_, shell)
    pen.box(-wide + 0.035, 0.17, wide - 0.035, 0.44, min(round_, 0.10), INK)
    for side in (-1, 1):
        if blinks:
            pen.box(side * 0.085 - 0.035, 0.275, side * 0.085 + 0.035, 0.29, 0.007, glow)
        else:
            pen.disc(side * 0.085, 0.275, 0.036, glow)
            pen.disc(side * 0.085 + 0.012, 0.263, 0.011, (255, 255, 255))
    if mouth == 0:
        pen.smile(0, 0.325, 0.055, 0.014, glow)
    else:
        pen.box(-0.042, 0.37 - 0.017 * mouth, 0.042, 0.37 + 0.017 * mouth, 0.016 * mouth, glow)
    return pen.finished()


def body(number: int, height: int) -> Image.Image:
    """Shoulders and chest, as RGBA, with a dark plate on which name and clock have room."""
    pen = _Pen(BODY, height)
    shell, shade = _colour(number, 0.34, 0.86), _colour(number, 0.46, 0.60)
    for side in (-1, 1):
        pen.disc(side * 0.375, 0.16, 0.10, shade)
    pen.box(-0.36, 0.02, 0.36, 0.60, 0.13, shell)
    pen.box(-0.27, 0.08, 0.27, 0.325, 0.05, INK)
    return pen.finished()


def plate(name: str, clock: str, number: int, height: int) -> Image.Image:
    """The words on the chest, as RGBA of the body's size."""
    pen = _Pen(BODY, height)
    plain = [" ".join(text.split())[:24] for text in (name, clock)]
    pen.words(plain[0], 0.15, 0.085, 0.48, (255, 255, 255))
    pen.words(plain[1], 0.25, 0.075, 0.48, _colour(number, 0.22, 0.95))
    return pen.finished()


def place(number: int, width: int, height: int) -> Image.Image:
    """The place behind a robot, as RGB."""
    paint = (_hills, _town, _shelves, _sea)[number % 4]
    image = Image.new("RGB", (width, height))
    top, bottom = _colour(number, 0.50, 0.42), _colour(number, 0.28, 0.80)
    draw = ImageDraw.Draw(image)
    for row in range(height):
        draw.line((0, row, width, row), _between(top, bottom, row / height))
    paint(draw, number, width, height)
    image = image.filter(ImageFilter.GaussianBlur(height / 90))
    return Image.blend(image, Image.new("RGB", image.size, _colour(number, 0.45, 0.34)), FADED)


def _hills(draw: ImageDraw.ImageDraw, number: int, width: int, height: int) -> None:
    draw.ellipse((width * 0.72, height * 0.14, width * 0.72 + height * 0.26, height * 0.40), _colour(number, 0.10, 1.0))
    for index, (x, y, radius) in enumerate(((0.15, 1.30, 0.75), (0.85, 1.42, 0.80), (0.45, 1.65, 0.95))):
        box = ((x * width - radius * height), (y - radius) * height, x * width + radius * height, (y + radius) * height)
        draw.ellipse(box, _colour(number, 0.38 + 0.08 * index, 0.68 - 0.13 * index))


def _town(draw: ImageDraw.ImageDraw, number: int, width: int, height: int) -> None:
    dice = random.Random(number)
    for back in (True, False):
        left = -0.02
        while left < 1:
            wide, top = dice.uniform(0.07, 0.13), dice.uniform(0.22, 0.48) if back else dice.uniform(0.5, 0.72)
            wall = _colour(number, 0.40, 0.50) if back else _colour(number, 0.48, 0.33)
            draw.rectangle((left * width, top * height, (left + wide) * width - 2, height), wall)
            for row in range(8):
                for column in (0.25, 0.62):
                    if dice.random() < 0.45:
                        x, y = (left + column * wide) * width, (top + 0.05 + row * 0.08) * height
                        draw.rectangle((x, y, x + width * 0.012, y + height * 0.035), (255, 224, 160))
            left += wide


def _shelves(draw: ImageDraw.ImageDraw, number: int, width: int, height: int) -> None:
    dice = random.Random(number)
    draw.rectangle((0, 0, width, height), _colour(number, 0.22, 0.74))
    for board in (0.30, 0.62, 0.94):
        left = 0.02
        while left < 0.96:
            wide, high = dice.uniform(0.014, 0.034), dice.uniform(0.13, 0.23)
            tone = colorsys.hsv_to_rgb(dice.choice((0.02, 0.10, 0.34, 0.55, 0.62)), 0.42, dice.uniform(0.55, 0.9))
            if dice.random() < 0.86:
                box = (left * width, (board - high) * height, (left + wide) * width - 1, board * height)
                draw.rectangle(box, _octets(tone))
            left += wide
        draw.rectangle((0, board * height, width, (board + 0.035) * height), _colour(number, 0.45, 0.42))


def _sea(draw: ImageDraw.ImageDraw, number: int, width: int, height: int) -> None:
    dice = random.Random(number)
    for _ in range(60):
        x, y, size = dice.random() * width, dice.random() * height * 0.5, dice.uniform(0.002, 0.005) * height
        draw.ellipse((x - size, y - size, x + size, y + size), (255, 255, 255))
    draw.ellipse((width * 0.14, height * 0.10, width * 0.14 + height * 0.2, height * 0.30), (255, 246, 220))
    for index in range(6):
        top = 0.55 + index * 0.09
        draw.rectangle((0, top * height, width, height), _colour(number, 0.42 + 0.04 * index, 0.66 - 0.07 * index))


def _colour(number: int, saturation: float, value: float) -> Colour:
    return _octets(colorsys.hsv_to_rgb(hue_of(number), saturation, value))


def _octets(colour: tuple[float, float, float]) -> Colour:
    red, green, blue = (round(255 * part) for part in colour)
    return red, green, blue


def _between(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue
