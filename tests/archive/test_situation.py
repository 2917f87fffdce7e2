"""Who is to be seen when, who is large, and who led the conversation."""

from __future__ import annotations

from typing import Any

import pytest

from meetref.archive.reading import Recording
from meetref.archive.situation import Chapter, Situation, chapters_of, people_of
from meetref.media.scene import MOST_BESIDE


def recording(*events: tuple[float, str, dict[str, Any]]) -> Recording:
    return Recording("r", "algebra", 0.0, [(at, {"event": name, **more}) for at, name, more in events], [], [])


def joined(person: str, at: float = 0.0, **devices: Any) -> tuple[float, str, dict[str, Any]]:
    states = {"microphone": "on", "camera": "on", "screen": False, **devices}
    return at, "joined", {"person": person, "name": person.title(), "bot": False, "devices": states}


def devices(person: str, at: float, **changed: Any) -> tuple[float, str, dict[str, Any]]:
    return at, "devices", {"person": person, "microphone": "on", "camera": "on", "screen": False, **changed}


def seen(situation: Situation, layout: Any = "grid", *keys: tuple[str, str]) -> tuple[list[Any], bool]:
    tiles, has_large = situation.tiles(layout, keys)
    return [tile.key if tile.key[1] == "screen" else tile.key[0] for tile in tiles], has_large  # type: ignore[index]


def test_people_come_and_go() -> None:
    situation = Situation(recording(joined("ada"), joined("emmy", 5), (9.0, "left", {"person": "ada"})))
    for now, there in ((0.0, ["ada"]), (5.0, ["ada", "emmy"]), (8.9, ["ada", "emmy"]), (9.0, ["emmy"])):
        situation.advance(now)
        assert seen(situation) == (there, False)
    assert not situation.advance(20)


def test_who_closes_the_camera_has_no_picture_and_who_mutes_has_a_mark() -> None:
    situation = Situation(recording(joined("ada"), devices("ada", 3, camera="off", microphone="muted")))
    situation.advance(0)
    assert situation.has_picture(("ada", "camera"))
    assert situation.advance(3)
    assert not situation.has_picture(("ada", "camera"))
    assert situation.closed == [("ada", "camera")]
    [tile] = situation.tiles("grid", [])[0]
    assert (tile.name, tile.muted) == ("Ada", True)


@pytest.mark.spec("composer/screen-large")
def test_a_screen_is_large_as_soon_as_there_is_a_picture_of_it() -> None:
    situation = Situation(recording(joined("ada"), joined("emmy"), devices("emmy", 3, screen=True), devices("emmy", 9)))
    situation.advance(4)
    assert seen(situation) == (["ada", "emmy"], False)
    assert seen(situation, "grid", ("emmy", "screen")) == ([("emmy", "screen"), "ada", "emmy"], True)
    situation.advance(9)
    assert situation.closed == [("emmy", "screen")]
    assert seen(situation, "grid", ("emmy", "screen")) == (["ada", "emmy"], False)


@pytest.mark.spec("composer/screen-large")
def test_of_two_screens_the_newer_one_is_large() -> None:
    situation = Situation(recording(joined("ada", screen=True), joined("emmy"), devices("emmy", 3, screen=True)))
    situation.advance(3)
    both = (("ada", "screen"), ("emmy", "screen"))
    assert seen(situation, "grid", *both)[0][0] == ("emmy", "screen")


@pytest.mark.spec("composer/speaker-large")
def test_who_speaks_is_large_and_stays_so_while_nobody_else_speaks() -> None:
    situation = Situation(
        recording(
            joined("ada"), joined("emmy"), (2.0, "speaker", {"person": "emmy"}), (4.0, "speaker", {"person": None})
        )
    )
    situation.advance(0)
    assert seen(situation, "speaker") == (["ada", "emmy"], True)
    for now in (2.0, 4.0):
        situation.advance(now)
        assert seen(situation, "speaker") == (["emmy", "ada"], True)
    assert seen(situation, "grid") == (["ada", "emmy"], False)


def test_who_speaks_is_among_the_few_beside_a_screen() -> None:
    many = [joined(f"person{number}") for number in range(20)]
    situation = Situation(
        recording(*many, devices("person0", 1, screen=True), (2.0, "speaker", {"person": "person17"}))
    )
    situation.advance(2)
    names, has_large = seen(situation, "grid", ("person0", "screen"))
    assert has_large
    assert names[-1] == "person17"
    assert len(names) == 1 + MOST_BESIDE


def test_events_that_say_nothing_do_no_harm() -> None:
    names, people = ("joined", "left", "devices", "speaker", "?"), (None, 7, "ada", ["x"])
    odd = [(float(at), name, {"person": person}) for at, name in enumerate(names) for person in people]
    situation = Situation(recording(*odd, (9.0, "devices", {}), (9.0, "joined", {"devices": 5})))
    assert situation.advance(100)
    assert situation.tiles("speaker", [])[1] in (True, False)


def test_when_people_were_there() -> None:
    events = [joined("ada"), joined("emmy", 5), (9.0, "left", {"person": "ada"}), joined("ada", 12)]
    people = people_of(recording(*events), 20.0)
    assert {person.id: person.present for person in people} == {"ada": [(0.0, 9.0), (12, 20.0)], "emmy": [(5, 20.0)]}
    assert [person.name for person in people] == ["Ada", "Emmy"]


def test_chapters_are_of_those_who_led() -> None:
    speakers = [(0.5, "ada"), (10.0, None), (12.0, "ada"), (20.0, "emmy"), (21.0, "ada"), (30.0, "emmy")]
    found = chapters_of(recording(*((at, "speaker", {"person": person}) for at, person in speakers)), 40.0)
    assert found == [Chapter(0.5, 30.0, "ada"), Chapter(30.0, 40.0, "emmy")]
