"""The sections of a specification's plain text that ask for something, to prove that none was forgotten.

Stands beside `app/requirements`; used by `meetref spec check --text DIR`, where DIR holds `rfc8489.txt`,
`draft-....md` and so on, named by document id.
Specification: RFC 2119 and RFC 8174 (the words), RFC 7322 section 4.8 (how RFCs number their sections).
Leaves out: what a section asks for. Telling that is the work of whoever writes spec/*.toml.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from meetref.app.requirements import Document

NORMATIVE = re.compile(r"\b(MUST|SHALL|REQUIRED|SHOULD|RECOMMENDED|MAY|OPTIONAL)\b")
# At column 0; lines of a table of contents are indented, or end in dots and a page number.
HEADING = re.compile(
    r"(?:Appendix )?(?P<number>[0-9]+(?:\.[0-9]+)*|[A-Z](?:\.[0-9]+)*)\.? {1,3}(?P<title>[A-Z\"(].*)\Z"
)
MARKDOWN_HEADING = re.compile(r"(?P<marks>#{1,6})\s+(?P<title>[^{#]+)")


def normative_sections(text: str, *, markdown: bool = False) -> dict[str, str]:
    """Section number -> title, for every section whose own text (not its subsections') has a normative word."""
    found: dict[str, str] = {}
    for number, title, body in _sections(text, markdown):
        paragraphs = re.split(r"\n\s*\n", body)
        if any(NORMATIVE.search(paragraph) for paragraph in paragraphs if not _explains_the_words(paragraph)):
            found[number] = title
    return found


def forgotten(documents: tuple[Document, ...], folder: Path) -> Iterator[str]:
    """A sentence for every normative section that no stem maps or skips. A document without a text is passed over."""
    for identity in sorted({document.id for document in documents}):
        path = next((folder / f"{identity}{suffix}" for suffix in (".txt", ".md")
                     if (folder / f"{identity}{suffix}").exists()), None)  # fmt: skip
        if path is None:
            continue
        same = [document for document in documents if document.id == identity]
        text = path.read_text(encoding="utf-8", errors="replace")
        for number, title in normative_sections(text, markdown=path.suffix == ".md").items():
            if not any(_covers(document, number, title) for document in same):
                yield f"{identity} section {number} ({title}) has normative words and is neither mapped nor skipped"


def _covers(document: Document, number: str, title: str) -> bool:
    """Mapped by its number or title; or skipped, itself or with the section it is part of."""
    parts = number.split(".")
    above = {".".join(parts[:length]) for length in range(1, len(parts) + 1)} | {title}
    return number in document.mapped or title in document.mapped or bool(above & document.skipped.keys())


def _sections(text: str, markdown: bool) -> Iterator[tuple[str, str, str]]:
    number, title, lines = "0", "front matter", list[str]()
    counters: list[int] = []
    for line in text.splitlines():
        if markdown and (mark := MARKDOWN_HEADING.match(line)):
            yield number, title, "\n".join(lines)
            counters = _count(counters, len(mark["marks"]))
            own = re.match(r"(?P<number>\d+(?:\.\d+)*)\.? +", mark["title"])
            number = own["number"] if own else ".".join(map(str, counters))
            title, lines = mark["title"][own.end() if own else 0 :].strip(), []
        elif not markdown and (heading := HEADING.match(line)) and not re.search(r"\.{3,}|\. \. ", line):
            yield number, title, "\n".join(lines)
            number, title, lines = heading["number"], heading["title"].strip(), []
        else:
            lines.append(line)
    yield number, title, "\n".join(lines)


def _count(counters: list[int], depth: int) -> list[int]:
    """The number of the next heading at `depth`, as kramdown counts them."""
    counters = counters[:depth] + [0] * (depth - len(counters))
    return [*counters[:-1], counters[-1] + 1]


def _explains_the_words(paragraph: str) -> bool:
    """The paragraph with which every document introduces the key words."""
    words = " ".join(paragraph.split())
    return bool(re.search(r"key ?words", words, re.IGNORECASE) and re.search(r"RFC ?2119|BCP ?14|\[2\]|bcp14", words))
