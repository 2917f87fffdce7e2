"""The sample recording is what a server leaves today, octet for octet, and all of it can be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from meetref.archive.journal import read
from meetref.archive.recovery import events_of
from tests.generate import journalsample

VECTORS = Path(__file__).parent.parent.parent / "vectors"
SAMPLE = VECTORS / "journal" / "sample"


def test_the_sample_is_what_a_server_leaves() -> None:
    made = journalsample.files()
    assert {f"journal/sample/{path.name}" for path in SAMPLE.glob("*.mrj")} == made.keys()
    for name, octets in made.items():
        assert (VECTORS / name).read_bytes() == octets, f"{name}: meetref vectors generate"


@pytest.mark.spec("recorder/events", "recorder/complete-journals-named")
def test_the_manifest_names_every_journal_of_the_sample() -> None:
    manifest = read((SAMPLE / "manifest.mrj").read_bytes())
    events = [event for _, event in events_of(manifest)]
    sizes = {event["file"]: event["size"] for event in events if event["event"] == "journal"}
    assert sizes == {path.name: path.stat().st_size for path in SAMPLE.glob("*-*.mrj")}
    assert [event["event"] for event in events if event["event"] in ("joined", "left")] == ["joined", "joined", "left"]
    assert events[-1] == {"event": "ended"}
    assert all(read(path.read_bytes()).is_closed for path in SAMPLE.glob("*.mrj"))
