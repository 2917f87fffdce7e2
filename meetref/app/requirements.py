"""The requirements that meetref holds itself to: `spec/<stem>.toml`, read and checked.

Stands above the files only; `app/citations` finds who cites an id, `app/coverage` joins the two.
Specification: docs/requirements.md (the format is ours; the requirements name their own documents).
Leaves out: whether a requirement is met. That is never typed by hand.
Read next: `app/citations.py`.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LEVELS = ("MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "MAY")
KNOWN_FIELDS = {"source", "level", "says", "roles", "left_out", "planned"}
SHORT_ID = re.compile(r"[a-z0-9][a-z0-9-]*\Z")
SKIPPED = "skipped:"


@dataclass(frozen=True)
class Requirement:
    """One thing that a document asks for, in our words. `id` is `<stem>/<name>`."""

    id: str
    level: str
    source: str
    says: str
    left_out: str | None = None
    planned: str | None = None


@dataclass(frozen=True)
class Document:
    """One document as one stem reads it: a section is mapped to requirement ids, or skipped with a reason."""

    id: str
    stem: str
    title: str
    mapped: dict[str, tuple[str, ...]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Specification:
    """All of spec/: requirements by id, documents, and in `problems` a sentence for everything wrong with the files."""

    requirements: dict[str, Requirement]
    documents: tuple[Document, ...]
    problems: tuple[str, ...]


def read_specification(root: Path) -> Specification:
    """Read every spec/*.toml below `root`. What cannot be read is a problem, not an exception."""
    requirements: dict[str, Requirement] = {}
    documents: list[Document] = []
    problems: list[str] = []
    for path in sorted((root / "spec").glob("*.toml")):
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            problems.append(f"{path.name}: {error}")
            continue
        for name, entry in table.items():
            if name == "document":
                documents += _read_documents(path.stem, entry, problems)
            elif requirement := _read_requirement(path.stem, name, entry, problems):
                requirements[requirement.id] = requirement
    problems += _unmapped(requirements, documents)
    return Specification(requirements, tuple(documents), tuple(problems))


def _read_requirement(stem: str, name: str, entry: Any, problems: list[str]) -> Requirement | None:
    identity = f"{stem}/{name}"
    if not isinstance(entry, dict):
        problems.append(f"{identity}: a requirement is a table")
        return None
    wrong = [f"unknown field {key}" for key in sorted(entry.keys() - KNOWN_FIELDS)]
    wrong += [f"{key} is missing" for key in ("source", "level", "says") if not isinstance(entry.get(key), str)]
    if not SHORT_ID.match(name):
        wrong.append("a name has lower-case letters, digits and hyphens")
    if isinstance(entry.get("level"), str) and entry["level"] not in LEVELS:
        wrong.append(f"level {entry['level']!r} is none of {', '.join(LEVELS)}")
    if "left_out" in entry and "planned" in entry:
        wrong.append("it is either left out or planned")
    problems += [f"{identity}: {what}" for what in wrong]
    fields = ("level", "source", "says")
    known = {key: str(entry.get(key, "")) for key in fields}
    return Requirement(identity, **known, left_out=entry.get("left_out"), planned=entry.get("planned"))


def _read_documents(stem: str, entries: Any, problems: list[str]) -> list[Document]:
    documents = []
    for entry in entries if isinstance(entries, list) else []:
        identity = str(entry.get("id", ""))
        document = Document(identity, stem, str(entry.get("title", identity)))
        if not identity:
            problems.append(f"{stem}.toml: a document has no id")
        for section, content in dict(entry.get("sections", {})).items():
            if isinstance(content, list):
                names = (str(name) for name in content)
                document.mapped[section] = tuple(name if "/" in name else f"{stem}/{name}" for name in names)
            elif isinstance(content, str) and content.startswith(SKIPPED) and content[len(SKIPPED) :].strip():
                document.skipped[section] = content[len(SKIPPED) :].strip()
            else:
                problems.append(f"{stem}.toml: {identity} section {section} is neither a list nor 'skipped: reason'")
        documents.append(document)
    return documents


def _unmapped(requirements: dict[str, Requirement], documents: list[Document]) -> list[str]:
    """Ids that a section names and nobody defines, and requirements that no section names."""
    named: set[str] = set()
    problems = []
    for document in documents:
        for section, ids in document.mapped.items():
            named.update(ids)
            unknown = [identity for identity in ids if identity not in requirements]
            problems += [f"{document.stem}.toml: {document.id} section {section} names {each}, which is not there"
                         for each in unknown]  # fmt: skip
    problems += [f"{identity}: no section of a document names it" for identity in requirements if identity not in named]
    return problems
