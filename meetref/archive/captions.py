"""When captions are shown: from when they came, as long as it takes to read them, and not beside the next one.

Pure. `archive/composer` makes subtitles of a recording with it, `archive/studio` those of a webinar, in segments.
Specification: docs/captions.md, spec/captions.toml; for segments HTTP Live Streaming 2nd Edition
(draft-pantos-hls-rfc8216bis-22) section 3.1.4.
Leaves out: where they come from (`meeting/captions`), and how they are written (`wire/webvtt`).
Read next: `archive/composer.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Final

from meetref.wire.webvtt import Cue, serialize

KIND: Final = "caption"
LEAST: Final = 5.0  # seconds of a line that nothing follows, or more:
CHARACTERS_A_SECOND: Final = 15
SHORTEST: Final = 1.5  # seconds, also of a line that another one follows at once
MOST_IN_A_SEGMENT: Final = 40  # lines
TIMES: Final = "X-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:0"  # the times of cues are those of the media


def cue_of(at: float, event: dict[str, Any]) -> Cue:
    """The line of an event, shown for as long as it takes to read it."""
    text, name = str(event.get("text", "")), event.get("name")
    ends = at + max(LEAST, len(text) / CHARACTERS_A_SECOND)
    return Cue(round(at, 3), round(ends, 3), text, str(name) if name is not None else None)


def one_by_one(cues: Sequence[Cue]) -> Iterator[Cue]:
    """The same lines, in their order, each of which goes when the next one comes, if it was long enough there."""
    for cue, following in pairwise(cues):  # spec: captions/reading-time
        ends = min(cue.ends, max(following.begins, cue.begins + SHORTEST))
        yield Cue(cue.begins, round(ends, 3), cue.text, cue.voice)
    yield from cues[-1:]


class Segments:
    """Captions of a show in segments, each a file of its own.

    When a line goes is settled when its first segment is cut: what follows later may stand beside it for a while, since
    a line that is still to be read is repeated as it was in the next segment.
    """

    def __init__(self) -> None:
        self._new: list[Cue] = []
        self._unread: list[Cue] = []

    def take(self, event: dict[str, Any], at: float) -> None:
        """A line that came; of too many in one segment the first ones count."""
        if len(self._new) < MOST_IN_A_SEGMENT:
            cue = cue_of(at, event)
            # Voices are not shown by players, so who speaks is said in words.
            text = f"{cue.voice}: {cue.text}" if cue.voice is not None else cue.text
            self._new.append(Cue(cue.begins, cue.ends, text))

    def cut(self, ends: float) -> bytes:
        """The next segment, up to this time."""
        lines = [*self._unread, *one_by_one(self._new)]
        self._new = []
        self._unread = [cue for cue in lines if cue.ends > ends]  # spec: playlist/captions-segment
        return serialize(lines, TIMES).encode()  # spec: playlist/captions-times
