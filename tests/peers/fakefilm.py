"""A composer for tests that makes a film of eight seconds out of nothing, with chapters, captions and the room's chat.

    python fakefilm.py FOLDER --out DIR --chat FILE --json
Where the environment's FAKEFILM_FAILS names a file it takes that away and fails: so it does once.
Each second of the picture has a grey of its own, so that a test can read in it which second is shown.
Read next: tests/peers/test_page_shelf.py.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import av
import numpy

SECONDS = 8
RATE = 10
GREY = 24  # from one second to the next


def main() -> None:
    folder, into, chat = Path(sys.argv[1]), Path(sys.argv[3]), Path(sys.argv[5])
    fails = Path(os.environ.get("FAKEFILM_FAILS", folder / "nothing"))
    if fails.exists():
        fails.unlink()
        say({"failed": "There is nobody in it."})
        sys.exit(1)
    part = into.with_name(f"{into.name}.part")
    part.mkdir(parents=True)
    film(part / "film.mp4")
    film(part / "01-ada-1.mp4", seconds=1)
    picture = av.VideoFrame.from_ndarray(numpy.full((180, 320, 3), 90, numpy.uint8), format="rgb24")
    picture.to_image().save(part / "poster.jpg")
    (part / "chat.vtt").write_text("WEBVTT\n")
    said = [{**each, "at": 1.0 + number} for number, each in enumerate(json.loads(chat.read_bytes()))]
    chapters = [{"begins": at, "person": person, "name": name} for at, person, name in CHAPTERS]
    people = [{"person": "p1", "name": "Ada", "files": ["01-ada-1.mp4"]}, {"person": "p2", "name": "Ben", "files": []}]
    index: dict[str, object] = {"recording": folder.name, "room": "algebra", "began_at": time.time()}
    index |= {"duration": float(SECONDS), "people": people, "chapters": chapters, "chat": said, "captions": CAPTIONS}
    (part / "index.json").write_text(json.dumps(index))
    part.rename(into)
    say({"composed": str(into)})


CHAPTERS = ((0.0, "p1", "Ada"), (3.0, "p2", "Ben"), (6.0, "p1", "Ada"))
CAPTIONS = [
    {"begins": 1.0, "ends": 2.0, "name": "Ada", "text": "Is 1 < 2?"},
    {"begins": 5.0, "ends": 7.0, "name": None, "text": "somebody laughs"},
]


def film(path: Path, seconds: int = SECONDS) -> None:
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "ultrafast", "g": str(RATE)})
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for number in range(seconds * RATE):
            shade = numpy.full((180, 320, 3), GREY * (1 + number // RATE), numpy.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(shade, format="rgb24")))
            if number % RATE == 0:
                say({"done": number / seconds / RATE})
        container.mux(stream.encode(None))


def say(words: dict[str, object]) -> None:
    print(json.dumps(words), flush=True)


if __name__ == "__main__":
    main()
