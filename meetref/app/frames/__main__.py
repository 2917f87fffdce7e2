"""`python -m meetref.app.frames`: encode the checked-in frames again.

Stands above `app/picture`, `app/sound` and `media/codec`. The same versions of libvpx and libopus make the same octets;
other versions may make others, which is why the result is checked in and not made at start. The captures in
vectors/sessions carry these frames: whoever makes them again makes those again, too, and looks at the tutorials.
"""

from __future__ import annotations

from meetref.app.frames import (
    FRAME_RATE,
    HEIGHT,
    LENGTH,
    PICTURE,
    VOICE,
    WIDTH,
    Frames,
    serialize_ivf,
    serialize_voice,
)
from meetref.app.picture import Painter
from meetref.app.sound import Voice, level_of
from meetref.media.codec import SoundEncoder, VideoEncoder

BITRATE_BPS = 150_000


def make() -> Frames:
    """Encode five seconds of sender 0."""
    painter = Painter("meetref", 0, width=WIDTH, height=HEIGHT)
    video = VideoEncoder(WIDTH, HEIGHT, frame_rate=FRAME_RATE, bitrate_bps=BITRATE_BPS)
    pictures = tuple(
        video.encode(painter.paint(number, f"{number // FRAME_RATE + 1} / {LENGTH}"))
        for number in range(FRAME_RATE * LENGTH)
    )
    voice, encoder = Voice(0), SoundEncoder(bitrate_bps=24_000)
    samples = [voice.speak() for _ in range(50 * LENGTH)]
    return Frames(pictures, tuple((encoder.encode(piece), level_of(piece)) for piece in samples))


def main() -> None:
    """Write the two files."""
    frames = make()
    PICTURE.write_bytes(serialize_ivf(frames.pictures, WIDTH, HEIGHT, FRAME_RATE))
    VOICE.write_bytes(serialize_voice(frames.sounds))
    for path in (PICTURE, VOICE):
        print(f"{path.name}: {path.stat().st_size} octets")


if __name__ == "__main__":
    main()
