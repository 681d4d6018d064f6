"""The documents of the project: every Markdown file, its blocks of code and its headings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
ROOMS = (".github", "profiling", "rxcandles", "tests")
"""Where documents are, beside the README at the top."""


def _found() -> list[Path]:
    return [ROOT / "README.md", *sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.md"))]


DOCUMENTS = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in _found()}
"""Their texts, by their paths from the top."""

README, GUIDE, OPERATORS = (
    DOCUMENTS[name] for name in ("README.md", "rxcandles/GUIDE.md", "rxcandles/operators/README.md")
)


class Block(NamedTuple):
    """A block of code."""

    document: str
    code: str
    output: str
    """The block of text below it, which is what it prints; empty if there is none."""


def blocks(language: str) -> list[Block]:
    """Return the blocks of code in a language, in all documents."""
    pattern = rf"^```{language}\n(.+?)^```\n(?:\n```text\n(.+?)^```)?"
    return [Block(name, *found) for name, text in DOCUMENTS.items() for found in re.findall(pattern, text, re.S | re.M)]


def prose(text: str) -> str:
    """Return a document without its blocks of code."""
    return re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)


def anchors(text: str, level: str = "#+") -> list[str]:
    """Return what the headings of a document are called in links, as GitHub does it."""
    headings = re.findall(rf"^{level} (.+)$", prose(text), re.M)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


def links(text: str) -> list[str]:
    """Return the targets of a document's links and pictures that lead into the project."""
    found = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", prose(text)))
    return [target for target in found if not re.match(r"\w+:", target)]
