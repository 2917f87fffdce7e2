"""Files of single people: what somebody's camera and microphone sent, or screen, as it came, without encoding it anew.

One file of a source, or several: another codec, another size of H264 or AV1, or a telephone that was turned needs
another one, from the next keyframe on. Sound goes to the file that is there at its time.
Stands on `archive/frames` and `media/codec/container`; `archive/composer` asks for them.
Specification: docs/recording.md ("Films"), spec/composer.toml.
Leaves out: mirrored pictures (nobody sends any).
Read next: `archive/film.py`.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from meetref.archive.frames import Frame, Sound
from meetref.media.codec.container import Container, extension_of, needs

Pictures = Callable[[], Iterator[Frame]]
Sounds = Callable[[], Iterator[Sound]]
Needs = tuple[str, bytes, int]
"""Codec, what a header says of its pictures, and how they are turned."""
MOST_FILES = 50  # of one source, those that could not be begun among them


@dataclass(slots=True)
class PersonFile:
    """A file that was made; `begins` and `ends` are the times in the recording of its first and its last content."""

    path: Path
    begins: float
    ends: float


class _Files:
    """The files of one source, one after the other."""

    def __init__(self, stem: Path, *, first: Frame | None, sound: bool, told: list[str]) -> None:
        self.made: list[PersonFile] = []
        self._stem = stem
        self._first = first
        self._sound = sound
        self._told = told
        self._file: Container | None = None
        self._needs: Needs | None = None
        self._takes_pictures = False
        self._unreadable = 0  # keyframes that nobody can read

    def take(self, item: Frame | Sound) -> None:
        """Put it into the file, or into a new one."""
        if isinstance(item, Frame):
            if item.is_key and (wanted := _needs(item)) != self._needs:
                if len(self.made) + self._unreadable < MOST_FILES:
                    self._begin(item, item.at)  # spec: composer/new-file
                elif self._needs is None or wanted[:2] != self._needs[:2]:  # spec: composer/bounded
                    self._stop_pictures()
            if not self._takes_pictures:
                return
        elif self._file is None:
            self._begin(self._first, item.at)
            if self._file is None:
                self._begin(None, item.at)
        file, made = self._file, self.made[-1] if self.made else None
        if file is None or made is None:
            return
        made.ends = max(made.ends, item.at)
        if isinstance(item, Frame):  # spec: composer/not-encoded-again
            file.put_picture(item.data, item.at - made.begins, is_key=item.is_key)
        elif self._sound:
            file.put_sound(item.data, item.at - made.begins)

    def _begin(self, keyframe: Frame | None, at: float) -> None:
        codec = keyframe.codec if keyframe is not None else None
        data = keyframe.data if keyframe is not None else b""
        self.close()
        self._needs = _needs(keyframe) if keyframe is not None else None
        path = self._stem.with_name(f"{self._stem.name}-{len(self.made) + 1}.{extension_of(codec)}")
        try:
            turned = keyframe.turned if keyframe is not None else 0  # spec: composer/turned
            self._file = Container(str(path), codec=codec, keyframe=data, turned=turned, sound=self._sound)
        except ValueError as error:
            self._told.append(f"Some pictures are not in {path.name}, nobody can read them: {error}.")
            self._takes_pictures = False
            self._unreadable += 1
            self._first = None
            return
        self._takes_pictures = codec is not None
        self.made.append(PersonFile(path, at, at))

    def _stop_pictures(self) -> None:
        """They would need one file more than anybody gets."""
        if self._takes_pictures:
            self._takes_pictures = False
            self._told.append(f"Pictures after {self.made[-1].path.name} are in no file, they changed too often.")

    def close(self) -> None:
        """End the file that is open."""
        if self._file is not None:
            self._file.close()
            if self._file.refused:
                self._told.append(f"{self._file.refused} parts of {self.made[-1].path.name} were damaged and left out.")
            self._file = None


def _needs(keyframe: Frame) -> Needs:
    return keyframe.codec, needs(keyframe.codec, keyframe.data), keyframe.turned


def write_files(stem: Path, pictures: Pictures, sounds: Sounds, told: list[str]) -> list[PersonFile]:
    """Write all that there is; names begin with `stem`. Each of the two is asked twice, and gives the same again."""
    first, sound = next(pictures(), None), next(sounds(), None)
    files = _Files(stem, first=first, sound=sound is not None, told=told)
    try:
        both: list[Iterator[Frame | Sound]] = [pictures(), sounds()]
        for item in heapq.merge(*both, key=lambda item: item.at):
            files.take(item)
    finally:
        files.close()
    return files.made
