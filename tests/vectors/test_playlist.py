"""Replays vectors/playlist against archive/playlist, archive/reload and archive/dash.

Read next: tests/generate/playlist.py.
"""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from meetref.archive import dash
from meetref.archive.playlist import Part, Playlist, Report, Segment, Variant, media_playlist, multivariant_playlist
from meetref.archive.reload import BadRequest, answer, read_directives
from tests.archive.playlistrules import faults
from tests.vectors.codeccases import Vector, load

MPD = "{urn:mpeg:dash:schema:mpd:2011}"


def playlist_of(given: dict[str, Any]) -> Playlist:
    """Raises `ValueError` for what is refused."""
    segments = [
        Segment(**{**each, "parts": tuple(part_of(part) for part in each["parts"])}) for each in given["segments"]
    ]
    reports = tuple(Report(**each) for each in given.get("reports", ()))
    return Playlist(**{**given, "segments": tuple(segments), "reports": reports})


def part_of(given: dict[str, Any]) -> Part:
    return Part(given["uri"], given["duration"], given["independent"], given.get("gap", False))


@pytest.mark.parametrize("vector", load("playlist/media"), ids=str)
def test_media(vector: Vector) -> None:
    if vector.invalid:
        with pytest.raises(ValueError, match=r"."):
            media_playlist(playlist_of(vector.given["playlist"]))
        return
    text = media_playlist(playlist_of(vector.given["playlist"]), skip=vector.given.get("skip", False))
    assert text == vector.out["text"]
    assert faults(text) == []


@pytest.mark.parametrize("vector", load("playlist/multivariant"), ids=str)
def test_multivariant(vector: Vector) -> None:
    variants = [Variant(**each) for each in vector.given["variants"]]
    if vector.invalid:
        with pytest.raises(ValueError, match=r"."):
            multivariant_playlist(variants, vector.given["sound"])
        return
    captions = vector.given.get("captions")
    assert multivariant_playlist(variants, vector.given["sound"], captions) == vector.out["text"]


@pytest.mark.parametrize("vector", load("playlist/reload"), ids=str)
def test_reload(vector: Vector) -> None:
    playlist = playlist_of(vector.given["playlist"])
    if vector.invalid:
        with pytest.raises(BadRequest):
            answer(playlist, read_directives(vector.given["query"]))
        return
    assert answer(playlist, read_directives(vector.given["query"])) == vector.out["answer"]


@pytest.mark.parametrize("vector", load("playlist/dash"), ids=str)
def test_dash(vector: Vector) -> None:
    presentation = dash.Presentation(**vector.given["presentation"])
    representations = [
        dash.Representation(
            **{**each, "playlist": playlist_of(each["playlist"]), "size": each["size"] and tuple(each["size"])}
        )
        for each in vector.given["representations"]
    ]
    if vector.invalid:
        with pytest.raises(ValueError, match="no whole segment"):
            dash.description(presentation, representations)
        return
    root = ElementTree.fromstring(dash.description(presentation, representations))
    assert root.attrib["availabilityStartTime"] == vector.out["began"]
    assert root.attrib["type"] == "dynamic"
    assert [read(each) for each in root.iter(f"{MPD}Representation")] == vector.out["representations"]


def read(representation: ElementTree.Element) -> dict[str, Any]:
    name = representation.attrib["id"]
    (template,) = representation.findall(f"{MPD}SegmentTemplate")
    scale = int(template.attrib["timescale"])

    def address(pattern: str, number: int) -> str:
        return template.attrib[pattern].replace("$RepresentationID$", name).replace("$Number$", str(number))

    entries = [(int(each.attrib["t"]), int(each.attrib["d"])) for each in template.iter(f"{MPD}S")]
    segments = [
        [address("media", number), at / scale, lasts / scale]
        for number, (at, lasts) in enumerate(entries, int(template.attrib["startNumber"]))
    ]
    return {"name": name, "initialization": address("initialization", 0), "segments": segments}
