"""The files of the page, read from their folder and told apart by what is in them.

Stands below `app/http`. A browser asks each time whether its copy is still good (`no-cache`) and mostly hears that it
is (304): an edited file is there at the next reload, and nothing is sent twice.
Specification: RFC 9110 section 8.8.3 (ETag), 13.1.2 (If-None-Match); RFC 9239 (text/javascript).
Leaves out: ranges and compression; the whole page is smaller than one second of video.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

MAXIMUM_SIZE = 4 * 1024 * 1024  # octets
# Said here and not by the operating system, whose registry may call a module text/plain: a browser would not run it.
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/vnd.microsoft.icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mp3": "audio/mpeg",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".wav": "audio/wav",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
_SAFE = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]*/)*[A-Za-z0-9_-][A-Za-z0-9._-]*\Z")


@dataclass(slots=True, frozen=True)
class PageFile:
    """What is in a file, its media type, and a tag that changes with what is in it."""

    octets: bytes
    media_type: str
    tag: str


def read_page_file(folder: Path, name: str) -> PageFile | None:
    """The file `name` (with slashes) inside `folder`, or `None`: not there, hidden, of no known type, or outside."""
    if not _SAFE.match(name) or len(name) > 200:
        return None
    path = folder / name
    media_type = TYPES.get(path.suffix)
    try:
        if media_type is None or not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
            return None
        if path.stat().st_size > MAXIMUM_SIZE:
            return None
        octets = path.read_bytes()
    except OSError:
        return None
    return PageFile(octets, media_type, f'"{hashlib.sha256(octets).hexdigest()[:32]}"')


def is_current(if_none_match: str | None, tag: str) -> bool:
    """Does the browser's list of tags name this one? (A weak tag will do for a GET.)"""
    tags = {word.strip().removeprefix("W/") for word in (if_none_match or "").split(",")}
    return tag in tags or "*" in tags
