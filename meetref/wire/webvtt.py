"""WebVTT: words with the time at which they are shown, as players and browsers read them.

Stands on nothing; `archive/composer` makes files of chat and captions. `parse` and `serialize` are the pair.
Specification: WebVTT, W3C Candidate Recommendation of 2019, sections 3 (syntax) and 6.4 (text of cues).
Leaves out: where words stand on the screen, styles, regions, notes; `parse` passes over them.
Read next: `archive/composer.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from meetref.wire.reader import Malformed

LONGEST_HOUR = 10_000
_TIME = r"(?:(\d{2,5}):)?([0-5]\d):([0-5]\d)\.(\d{3})"
_TIMING = re.compile(rf"{_TIME}[ \t]+-->[ \t]+{_TIME}(?:[ \t].*)?", re.ASCII)
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?[ \t]+([^>]*)>(.*)", re.DOTALL)
_TAG = re.compile(r"<[^>]*>?")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


@dataclass(slots=True, frozen=True)
class Cue:
    """Some words. `begins` and `ends` are seconds, to the millisecond; `voice` is who says them."""

    begins: float
    ends: float
    text: str
    voice: str | None = None


def serialize(cues: Iterable[Cue], header: str = "") -> str:
    """The file; cues in the order in which they begin. Lines without words in a text are left away.

    `header` is a line of metadata.
    """
    blocks = [
        f"{_time(cue.begins)} --> {_time(max(cue.ends, cue.begins + 0.001))}\n{_payload(cue)}\n"
        for cue in sorted(cues, key=lambda cue: cue.begins)
    ]
    head = f"WEBVTT\n{header}\n" if header else "WEBVTT\n"
    return "\n".join([head, *blocks]) if blocks or not header else head + "\n"


def parse(text: str) -> list[Cue]:
    """The cues of a file; blocks that are none are passed over. Raises `Malformed` where it is no WebVTT."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if not re.match(r"WEBVTT(?:[ \t\n]|\Z)", text):
        raise Malformed("no WebVTT: it does not begin with that word")
    cues = []
    for block in re.split(r"\n{2,}", text)[1:]:
        lines = block.strip("\n").split("\n")
        timing = next((place for place, line in enumerate(lines[:2]) if "-->" in line), None)
        match = _TIMING.fullmatch(lines[timing]) if timing is not None else None
        if timing is None or match is None:
            continue
        begins, ends = _seconds(match.groups()[:4]), _seconds(match.groups()[4:])
        if ends > begins:
            cues.append(_cue(begins, ends, "\n".join(lines[timing + 1 :])))
    return cues


def _cue(begins: float, ends: float, payload: str) -> Cue:
    voice = _VOICE.fullmatch(payload)
    words = _TAG.sub("", voice[2] if voice else payload)
    return Cue(begins, ends, _plain(words), _plain(voice[1]) if voice else None)


def _payload(cue: Cue) -> str:
    words = "\n".join(line.strip() for line in re.split(r"[\r\n]+", cue.text) if line.strip())
    escaped = "".join(_ENTITIES.get(character, character) for character in words.replace("\0", ""))
    if cue.voice is None:
        return escaped
    voice = "".join(_ENTITIES.get(character, character) for character in " ".join(cue.voice.split()).replace("\0", ""))
    return f"<v {voice}>{escaped}"


def _plain(text: str) -> str:
    for character, entity in (("<", "&lt;"), (">", "&gt;"), ("&", "&amp;")):
        text = text.replace(entity, character)
    return text


def _time(seconds: float) -> str:
    milliseconds = min(round(max(0.0, seconds) * 1000), LONGEST_HOUR * 3_600_000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}.{rest % 1000:03}"


def _seconds(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, thousandths = (int(part or 0) for part in parts)
    return (((hours * 60 + minutes) * 60 + seconds) * 1000 + thousandths) / 1000
