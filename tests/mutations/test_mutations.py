"""Guards and the tests that miss them: the list is true, the slice of it that is tried here is noticed.

`make soak STEM=mutations` or `python -m tests.mutations` tries all of it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutations.trial import ROOT, Guard, GuardMissing, attempt, copied_tree, guards

LEAST = 30
ALL = guards()


def test_every_guard_of_the_list_is_there_once() -> None:
    assert len(ALL) == len(set(ALL)) >= LEAST
    for guard in ALL:
        text = (ROOT / guard.file).read_text(encoding="utf-8")
        assert guard.removed_from(text) != text
        for word in guard.tests:
            assert not word.startswith("tests/") or (ROOT / word.partition("::")[0]).exists()


def test_handshakes_and_srtp_are_both_in_it() -> None:
    stems = {Path(guard.file).stem for guard in ALL}
    for stem in ("client12", "server12", "client13", "server13", "recordlayer", "recordlayer13", "keyshare"):
        assert stem in stems
    assert len([guard for guard in ALL if "srtp" in guard.file]) >= 5


@pytest.mark.soak(ci=3, full=len(ALL))
def test_without_the_guard_a_test_fails(seed: int) -> None:
    """A few places of the list, spread over it."""
    guard = ALL[seed * 7 % len(ALL)]
    with copied_tree() as copy:
        outcome, said = attempt(guard, copy)
    assert outcome == "noticed", f"{guard}\n{said}"


def test_a_line_that_is_not_there_is_an_error() -> None:
    guard = Guard("x.py", "if forged:", "if False:", ())
    assert guard.removed_from("a\n  if forged:\n    b\n") == "a\n  if False:\n    b\n"
    for text in ("a\n", "if forged:\nif forged:\n"):
        with pytest.raises(GuardMissing):
            guard.removed_from(text)
    second = Guard("x.py", "if forged:", "if False:", (), after="def two")
    assert second.removed_from("if forged:\ndef two\nif forged:\n") == "if forged:\ndef two\nif False:\n"
    with pytest.raises(GuardMissing):
        second.removed_from("if forged:\n")


def test_a_test_that_notices_nothing_is_told() -> None:
    """A comment is no guard: without it everything passes."""
    with copied_tree() as copy:
        guard = Guard(
            file="meetref/protocol/cookie.py",
            line="# spec: handshake12/cookie-bound-to-hello",
            instead="pass",
            tests=("tests/protocol/test_cookie.py",),
        )
        assert attempt(guard, copy)[0] == "unnoticed"
        broken = Guard(guard.file, guard.line, "this is no Python", guard.tests)
        assert attempt(broken, copy)[0] == "broken"
