"""Sections with normative words are found in plain text and in Markdown, and those that were forgotten are named."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from meetref.app.requirements import Document, read_specification
from meetref.app.sections import forgotten, normative_sections
from tests.app.small_tree import TEXT, plant, write


def test_sections_of_an_rfc() -> None:
    assert normative_sections(TEXT) == {"1": "Introduction", "2": "Cups", "2.1": "Saucers"}


def test_the_paragraph_about_key_words_and_the_contents_do_not_count() -> None:
    text = '1.  Contents ..... 3\n1.  Words\n\n   The key words "MUST" are\n   to be read as in RFC 2119.\n'
    assert normative_sections(text) == {}


def test_markdown_is_numbered_by_depth_or_by_itself() -> None:
    text = "# Tea\n\nIt MUST be hot.\n\n## Cups {#cups}\n\n# 7.1. Milk\n\nMAY be taken.\n"
    assert normative_sections(text, markdown=True) == {"1": "Tea", "7.1": "Milk"}


def test_a_skipped_section_covers_what_is_inside_it(tmp_path: Path) -> None:
    root = plant(tmp_path)
    write(root, "texts/rfc1.txt", TEXT)
    documents = read_specification(root).documents
    assert list(forgotten(documents, root / "texts")) == []
    write(root, "texts/rfc1.txt", TEXT.replace("Some take milk", "Milk SHOULD be fresh"))
    assert list(forgotten(documents, root / "texts")) == [
        "rfc1 section A (Milk) has normative words and is neither mapped nor skipped"
    ]


def test_two_stems_may_share_a_document(tmp_path: Path) -> None:
    write(tmp_path, "rfc1.txt", TEXT)
    halves = (
        Document("rfc1", "tea", "Tea", mapped={"1": ("tea/boil",)}),
        Document("rfc1", "cups", "Tea", skipped={"Cups": "elsewhere"}, mapped={"Saucers": ("cups/saucer",)}),
    )
    assert list(forgotten(halves, tmp_path)) == []
    assert len(list(forgotten(halves[:1], tmp_path))) == 2


def test_a_document_without_a_text_is_passed_over(tmp_path: Path) -> None:
    assert list(forgotten((Document("rfc9", "tea", "Tea"),), tmp_path)) == []


@given(st.text(), st.booleans())
def test_any_text_is_survived(text: str, markdown: bool) -> None:
    assert isinstance(normative_sections(text, markdown=markdown), dict)
