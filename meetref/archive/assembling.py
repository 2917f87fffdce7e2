"""Makes a file that can be played and sought of what a browser uploaded, and says what it is.

    browser.webm.part -> browser.webm, index.json

    python -m meetref.archive.assembling FOLDER     as `app/uploads` runs it: a child, so that no media wait for it

Done again after a crash it does the same, for the leftover goes last. What cannot be played is kept under another name.
Stands on `media/codec/remux` and `archive/upload`. Specification: docs/ways.md, spec/recorder.toml.
Leaves out: people, chapters and chat of the index, which a browser does not record. Read next: `archive/upload.py`.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import msgspec

from meetref.archive.segment import sync_folder
from meetref.archive.upload import PART, About, read_about
from meetref.media.codec.remux import Unreadable, remux

FILM = "browser.webm"
INDEX = "index.json"
DAMAGED = "browser.webm.unreadable"
NOTHING, NOT_NOW = 3, 4  # how the program ends where nothing can be played, and where the disk does not take it
PIECE = 2**20  # octets that are read at a time


def assemble(folder: Path) -> bool:
    """Assemble the upload in a folder; False when nothing in it can be played. Raises `OSError`."""
    about = read_about(folder)
    draft = folder / f"{FILM}.draft"
    try:
        result = remux(str(folder / PART), str(draft))
    except Unreadable:
        put_away(folder)
        return False
    _write_safely(folder / FILM, draft)
    index = _index(about, result.duration, folder / FILM)
    text = folder / f"{INDEX}.draft"
    text.write_bytes(msgspec.json.encode(index))
    _write_safely(folder / INDEX, text)
    sync_folder(folder)
    return True  # spec: recorder/upload-assembled


def put_away(folder: Path) -> None:
    """Nothing can be made of the upload in a folder: it is kept under another name. Raises `OSError`."""
    (folder / f"{FILM}.draft").unlink(missing_ok=True)
    os.replace(folder / PART, folder / DAMAGED)  # spec: recorder/upload-unreadable
    sync_folder(folder)


def _index(about: About, duration: float, film: Path) -> dict[str, object]:
    """As `archive/composer` writes it of its films, as far as anything is known here."""
    size, lasts = film.stat().st_size, round(duration, 3)
    file = {"name": film.name, "holds": "film", "type": "video/webm", "size": size, "sha256": _digest(film)}
    return {
        "version": 1,
        "recording": about.recording,
        "room": about.room,
        "began_at": about.began_at,
        "duration": lasts,
        "people": [],
        "chapters": [],
        "chat": [],
        "files": [{**file, "begins": 0.0, "ends": lasts}],
        "told": [],
    }


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
    return digest.hexdigest()


def _write_safely(path: Path, draft: Path) -> None:
    """Give a whole file its name, when it is on the disk."""
    descriptor = os.open(draft, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(draft, path)


def _main(folder: Path) -> int:
    try:
        return 0 if assemble(folder) else NOTHING
    except OSError as error:
        print(error.strerror or error, file=sys.stderr)
        return NOT_NOW


if __name__ == "__main__":
    sys.exit(_main(Path(sys.argv[1])))
