"""Tickets, cookies, links and addresses: none passes for another, none lasts for ever, none can be changed."""

from __future__ import annotations

import stat
from pathlib import Path

import jwt
import pytest

from meetref.app import passes as passes_module
from meetref.app.passes import FILE_FOR, KEY_SIZE, LINK_FOR, MAXIMUM_VISITS, TICKET_FOR, Passes, Visit, read_key

KEY = bytes(range(KEY_SIZE))
NAME = "20261128T102345Z-algebra-9fe37c"


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def passes(clock: Clock) -> Passes:
    return Passes(KEY, clock)


@pytest.mark.spec("shelf/expired")
def test_each_says_what_it_says_until_it_expires(passes: Passes, clock: Clock) -> None:
    ticket, visits = passes.ticket("algebra", "p1"), passes.visits([Visit("algebra", "p1"), Visit("geometry", "p2")])
    link, until = passes.link(NAME)
    assert passes.read_ticket(ticket) == Visit("algebra", "p1")
    assert passes.read_visits(visits) == [Visit("algebra", "p1"), Visit("geometry", "p2")]
    assert passes.opens(link, NAME)
    assert until == clock.now + LINK_FOR
    clock.now += TICKET_FOR + 1
    assert passes.read_ticket(ticket) is None
    assert passes.read_visits(visits)
    clock.now += LINK_FOR
    assert passes.read_visits(visits) == []
    assert not passes.opens(link, NAME)


@pytest.mark.spec("shelf/tampered")
def test_none_passes_for_another(passes: Passes) -> None:
    tokens = [passes.ticket("algebra", "p1"), passes.visits([Visit("algebra", "p1")]), passes.link(NAME)[0]]
    assert [passes.read_ticket(token) is not None for token in tokens] == [True, False, False]
    assert [bool(passes.read_visits(token)) for token in tokens] == [False, True, False]
    assert [passes.opens(token, NAME) for token in tokens] == [False, False, True]
    assert not passes.opens(tokens[2], NAME.replace("algebra", "geometry"))


@pytest.mark.spec("shelf/tampered")
def test_what_is_none_of_ours_says_nothing(passes: Passes, clock: Clock) -> None:
    good = passes.visits([Visit("algebra", "p1")])
    claims = {"visits": [["algebra", "p1"]], "aud": "visits", "exp": clock.now + 100}
    foreign = [
        Passes(bytes(KEY_SIZE), clock).visits([Visit("algebra", "p1")]),
        jwt.encode(claims, "", algorithm="none"),
        jwt.encode({key: value for key, value in claims.items() if key != "exp"}, KEY, algorithm="HS256"),
        good[:-2] + ("AA" if good[-2:] != "AA" else "BB"),
        good.replace(".", ".e", 1),
        f"{good}{'x' * 5000}",
        "",
        "é",
        None,
    ]
    assert [passes.read_visits(token) for token in foreign] == [[]] * len(foreign)


@pytest.mark.spec("shelf/bounded-visits")
def test_a_cookie_keeps_the_last_visits_and_fits_into_a_browser(passes: Passes) -> None:
    room = "a" * 63
    visits = [Visit(room, f"{number:016x}") for number in range(100)]
    token = passes.visits([*visits, visits[90], visits[99]])
    assert passes.read_visits(token) == [*visits[80:90], *visits[91:99], visits[90], visits[99]]
    assert len(passes.read_visits(token)) == MAXIMUM_VISITS
    assert len(token) < 4000


@pytest.mark.spec("shelf/signed-files")
def test_an_address_opens_one_file_for_a_while(passes: Passes, clock: Clock) -> None:
    query = dict(part.split("=") for part in passes.sign_file("one/a/film.mp4").split("&"))
    until, signature = query["until"], query["signature"]
    assert passes.opens_file("one/a/film.mp4", until, signature)
    assert not passes.opens_file("one/a/index.json", until, signature)
    assert not passes.opens_file("one/a/film.mp4", str(int(until) + 1), signature)
    for wrong in ("", "x", "-1", "٣", "9" * 13, f"0{until}x"):
        assert not passes.opens_file("one/a/film.mp4", wrong, signature)
    assert not passes.opens_file("one/a/film.mp4", until, signature[:-1] + "é")
    clock.now += FILE_FOR + 2
    assert not passes.opens_file("one/a/film.mp4", until, signature)


def test_the_key_is_made_once_and_is_for_nobody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "passes.key"
    key = read_key(path)
    assert (len(key), stat.S_IMODE(path.stat().st_mode)) == (KEY_SIZE, 0o600)
    assert read_key(path) == key
    monkeypatch.setattr(passes_module.Path, "exists", lambda path: False)  # two servers start at once
    assert read_key(path) == key
    assert [each.name for each in tmp_path.iterdir()] == ["passes.key"]
    path.write_bytes(b"short")
    with pytest.raises(OSError, match="delete it"):
        read_key(path)
