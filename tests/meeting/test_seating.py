"""Whom a viewer sees: what is pinned, screens, who speaks, and everybody once on some page."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from meetref.meeting.seating import Content, Scene, Seating, choose
from meetref.wire.signaling import Look, Pin

PEOPLE = ["ann", "ben", "cat", "dan", "eve", "fay", "gus", "hal"]


def names(seating: Seating) -> list[str]:
    return [sight.content.person + ("'s screen" * (sight.content.source == "screen")) for sight in seating.sights]


def test_everybody_as_they_came_when_there_is_room() -> None:
    seating = choose(Scene(PEOPLE), Look(), "cat")
    assert names(seating) == ["ann", "ben", "dan", "eve", "fay", "gus", "hal"]
    assert (seating.large, seating.page, seating.pages) == (None, 0, 1)
    assert {sight.rank for sight in seating.sights} == {"rest"}


def test_who_speaks_and_who_spoke_come_before_those_who_came_earlier() -> None:
    scene = Scene(PEOPLE, speaker="hal", recent=["gus", "nobody"])
    seating = choose(scene, Look(tiles=4), "cat")
    assert names(seating) == ["hal", "gus", "ann", "ben"]
    assert [sight.rank for sight in seating.sights] == ["speaker", "rest", "rest", "rest"]
    assert names(choose(scene, Look(tiles=4), "hal")) == ["gus", "ann", "ben", "cat"], "not to themselves"


def test_pages_show_everybody_once() -> None:
    scene = Scene(PEOPLE, speaker="hal")
    pages = [choose(scene, Look(tiles=3, page=page), "ann") for page in range(3)]
    assert [names(page) for page in pages] == [["hal", "ben", "cat"], ["dan", "eve", "fay"], ["gus"]]
    assert {page.pages for page in pages} == {3}
    last = choose(scene, Look(tiles=3, page=9999), "ann")
    assert (names(last), last.page) == (["gus"], 2), "a page beyond the last is the last"


def test_what_is_pinned_and_shared_stays_on_every_page_and_the_first_is_large() -> None:
    scene = Scene(PEOPLE, screens=["dan"], speaker="ben")
    look = Look(tiles=4, pinned=(Pin("eve"), Pin("eve"), Pin("gone"), Pin("ann")), large=720, small=120)
    pages = [choose(scene, Look(**{**fields(look), "page": page}), "ann") for page in range(4)]
    assert names(pages[0]) == ["eve", "dan's screen", "ben", "cat"]
    assert names(pages[1]) == ["eve", "dan's screen", "dan", "fay"]
    assert {page.large for page in pages} == {Content("eve", "camera")}
    assert [(sight.rank, sight.height) for sight in pages[0].sights] == [
        ("pinned", 720),
        ("screen", 120),
        ("speaker", 120),
        ("rest", 120),
    ]
    screen = choose(scene, Look(), "ann")
    assert screen.large == Content("dan", "screen")
    assert choose(scene, Look(), "dan").large is None, "one's own screen is no sight"


def test_a_screen_may_be_pinned_and_is_gone_when_it_is() -> None:
    look = Look(layout="speaker", pinned=(Pin("dan", "screen"),))
    assert choose(Scene(PEOPLE, ["ben", "dan"]), look, "ann").large == Content("dan", "screen")
    assert choose(Scene(PEOPLE, ["ben"]), look, "ann").large == Content("ben", "screen")


def test_the_speaker_is_large_in_the_speakers_layout_and_on_all_its_pages() -> None:
    look = Look(layout="speaker", tiles=3)
    scene = Scene(PEOPLE, speaker="gus", recent=["ben"])
    first = choose(scene, look, "ann")
    assert (names(first), first.large) == (["gus", "ben", "cat"], Content("gus", "camera"))
    second = choose(scene, Look(layout="speaker", tiles=3, page=1), "ann")
    assert names(second) == ["gus", "dan", "eve"]
    mine = choose(scene, look, "gus")
    assert mine.large == Content("ben", "camera"), "while I speak, I see who spoke before"
    quiet = choose(Scene(PEOPLE), look, "ann")
    assert quiet.large == Content("ben", "camera"), "somebody is always large"


def test_a_new_speaker_moves_one_tile_of_a_page() -> None:
    before = choose(Scene(PEOPLE, recent=["ann", "ben", "cat"]), Look(tiles=4), "me")
    after = choose(Scene(PEOPLE, speaker="hal", recent=["ann", "ben", "cat"]), Look(tiles=4), "me")
    assert set(names(after)) - set(names(before)) == {"hal"}
    assert set(names(before)) - set(names(after)) == {"dan"}, "who has not spoken makes room"


def test_nobody_and_no_stage() -> None:
    for scene, look in ((Scene([]), Look()), (Scene(["me"]), Look(layout="speaker")), (Scene(PEOPLE), Look(tiles=0))):
        seating = choose(scene, look, "me")
        assert (seating.sights, seating.large, seating.page, seating.pages) == ((), None, 0, 1)
    assert names(choose(Scene(PEOPLE, ["ben"]), Look(tiles=1), "me")) == ["ben's screen"]


def fields(look: Look) -> dict[str, object]:
    return {name: getattr(look, name) for name in look.__struct_fields__}


people = st.integers(0, 40).map(lambda number: f"p{number}")
pins = st.builds(Pin, person=people, source=st.sampled_from(["camera", "screen"]))
looks = st.builds(
    Look,
    layout=st.sampled_from(["grid", "speaker"]),
    page=st.integers(0, 50),
    pinned=st.lists(pins, max_size=9).map(tuple),
    tiles=st.integers(0, 25),
)


@given(st.lists(people, unique=True), st.sets(people, max_size=4), st.lists(people, unique=True, max_size=11), looks)
def test_a_page_is_full_or_the_last_and_all_pages_show_everybody(
    here: list[str], sharing: set[str], spoke: list[str], look: Look
) -> None:
    speaker, recent = (spoke[0], spoke[1:]) if spoke else (None, [])
    scene = Scene(here, sharing, speaker, recent)
    viewer = here[0] if here else "nobody"
    seating = choose(scene, look, viewer)
    contents = [sight.content for sight in seating.sights]
    assert len(contents) == len(set(contents)) <= look.tiles
    assert all(content in scene.all and content.person != viewer for content in contents)
    assert (seating.large is None) or seating.large == contents[0]
    assert 0 <= seating.page < seating.pages
    if seating.page < seating.pages - 1:
        assert len(contents) == look.tiles
    if look.tiles:
        seen: set[Content] = set()
        for page in range(seating.pages):
            seen |= {sight.content for sight in choose(scene, Look(**{**fields(look), "page": page}), viewer).sights}
        missing = set(scene.for_viewer(viewer)) - seen
        assert len(missing) == (
            scene.count(viewer) - 1 if look.tiles == 1 and seating.large and scene.count(viewer) else 0
        )
