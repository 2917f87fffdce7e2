"""Heals the recordings that a crash left open: every journal is cut back to its last whole record, and ended.

Called at the start of a server, before anybody records in it. A recording whose manifest is ended is complete and not
looked at, and one that another server writes is none of ours; in others the journals that the manifest names as
complete are not read again. Healing what is healed changes nothing, so a crash in here does no harm either.
Stands on `archive/journal`; `app/recordings` calls it. Specification: docs/journal.md ("Healing"), spec/recorder.toml.
Leaves out: files that are no journals of ours, or of a later version; they stay as they are and are told.
Read next: `archive/journal.py`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from meetref.archive.journal import HEADER_AT, MAXIMUM_HEADER, Journal, Record, Unbegun, Writing, read
from meetref.archive.recorder import MANIFEST, Event
from meetref.archive.segment import is_being_written, sync_folder
from meetref.archive.upload import is_upload
from meetref.wire.reader import Malformed

logger = logging.getLogger("meetref.archive")

MAXIMUM_WITNESSES = 10_000  # as many as the meeting floor remembers


@dataclass(slots=True)
class Healed:
    """What was done for one recording. `cut` is how many octets were no whole record; `unreadable` are file names."""

    name: str
    journals: int = 0
    cut: int = 0
    unreadable: list[str] = field(default_factory=list)


def recover(root: Path) -> list[Healed]:
    """Heal and close every unfinished recording in the folder `root`; those that were, in the order of their names.

    A recording that the disk does not let us heal is left to the next start, and told in the server's log.
    """
    healed = []
    for folder in sorted(root.iterdir()) if root.is_dir() else ():
        if not folder.is_dir():
            continue
        try:
            one = _recover_one(folder)
        except OSError as error:
            logger.warning("the recording %s cannot be recovered: %s", folder.name, error)
            continue
        if one is not None:
            healed.append(one)
    return healed


def events_of(manifest: Journal) -> Iterator[tuple[int, Event]]:
    """The events of a manifest, each with its time in microseconds; what is no event is passed over."""
    for at, content in manifest.records:
        try:
            yield at, msgspec.json.decode(content, type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            continue


def ending(folder: Path) -> Event | None:
    """What the event log has to say of the end of a recording, by its manifest; None while that is open.

    What a browser delivers has none: whoever assembles it says so.
    """
    if is_being_written(folder / MANIFEST):  # spec: recorder/being-written
        return None
    try:
        manifest = read((folder / MANIFEST).read_bytes())
    except (OSError, Malformed):
        if is_upload(folder):
            return None
        # spec: recorder/unreadable-manifest
        said: Event = {"recording": folder.name, "people": _people_in(folder), "what": "recovered"}
        return {**said, "journals": 0, "cut": 0, "unreadable": [MANIFEST]}
    if not manifest.is_closed:
        return None
    events = [event for _, event in events_of(manifest)]
    came = (str(event.get("person")) for event in events if event.get("event") == "joined")
    people = list(dict.fromkeys(came))[:MAXIMUM_WITNESSES]  # spec: recorder/witnesses
    said = {"recording": folder.name, "people": people}
    if events and events[-1].get("event") == "recovered":
        return {**said, "what": "recovered", **{key: events[-1].get(key) for key in ("journals", "cut", "unreadable")}}
    troubles = [event.get("what") for event in events if event.get("event") == "trouble"]
    return {**said, "what": "ended", "way": "server", "trouble": troubles[-1] if troubles else None}


def _people_in(folder: Path) -> list[str]:
    """Those of whom there are journals, where no manifest tells who was there."""
    people: dict[str, None] = {}
    for path in sorted(folder.glob("*.mrj")):
        with suppress(OSError, Malformed), path.open("rb") as file:
            person = read(file.read(HEADER_AT + MAXIMUM_HEADER)).header.get("person")
            if person is not None:
                people[str(person)] = None
    return list(people)[:MAXIMUM_WITNESSES]


def _recover_one(folder: Path) -> Healed | None:
    path = folder / MANIFEST
    if is_being_written(path):  # spec: recorder/being-written
        return None
    try:
        manifest = read(path.read_bytes())
    except FileNotFoundError:
        return None  # not a recording, or one that did not even begin
    except Unbegun:
        path.unlink()  # spec: recorder/never-begun
        return None
    except Malformed as error:
        logger.warning("the manifest of %s cannot be read: %s", folder.name, error.what)
        return None
    if manifest.is_closed and manifest.damage is None:  # spec: recorder/finished-not-touched
        return None
    (folder / "reserve").unlink(missing_ok=True)
    events = [event for _, event in events_of(manifest)]
    complete = {str(event.get("file")) for event in events if event.get("event") == "journal"}
    healed = Healed(folder.name)
    last = max((record.at for record in manifest.records), default=0)
    for journal in sorted(folder.glob("*.mrj")):
        if journal != path and journal.name not in complete:
            last = max(last, _heal_journal(journal, healed))
    event = {"event": "recovered", "journals": healed.journals, "cut": healed.cut, "unreadable": healed.unreadable}
    healed.cut += _heal(path, manifest, [] if manifest.is_closed else [Record(last, msgspec.json.encode(event))])
    sync_folder(folder)
    return healed


def _heal_journal(path: Path, healed: Healed) -> int:
    """Heal one journal; when the last thing in it came."""
    data = path.read_bytes()
    try:
        journal = read(data)
    except Unbegun:
        path.unlink()  # spec: recorder/never-begun
        healed.cut += len(data)
        return 0
    except Malformed as error:
        logger.warning("%s in %s cannot be read: %s", path.name, path.parent.name, error.what)
        healed.unreadable.append(path.name)
        return 0
    healed.journals += 1
    healed.cut += _heal(path, journal, [])
    return max((record.at for record in journal.records), default=0)


def _heal(path: Path, journal: Journal, more: list[Record]) -> int:
    """Cut a file back to what is whole, add what is still to be said, and end it; how many octets were cut."""
    before = path.stat().st_size
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.ftruncate(descriptor, journal.size)  # spec: recorder/healed
        if not journal.is_closed:  # spec: journal/healing-again
            writing = Writing(journal.size, journal.crc)
            last = max((record.at for record in (*journal.records, *more)), default=0)
            _write_all(descriptor, writing.add(more) + writing.end(last), journal.size)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return before - journal.size


def _write_all(descriptor: int, octets: bytes, at: int) -> None:
    while octets:
        written = os.pwrite(descriptor, octets, at)
        octets, at = octets[written:], at + written
