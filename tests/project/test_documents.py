"""The promises of the documents are kept: their Python runs, and prints what they say; their links lead somewhere."""

from __future__ import annotations

import posixpath
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import rxcandles
from rxcandles import operators
from rxcandles.model.naming import EXCHANGES
from tests.support.docexamples import ADDRESS
from tests.support.documents import DOCUMENTS, GUIDE, OPERATORS, Block, anchors, blocks, links
from tests.support.words import ROOT

BLOCKS = blocks("python")


@pytest.mark.parametrize("block", BLOCKS, ids=[block.document for block in BLOCKS])
def test_python_blocks(block: Block, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Every Python block runs as it stands (with a real server), without a warning, and prints the text below it."""
    code = block.code
    if ADDRESS in code:
        code = code.replace(ADDRESS, request.getfixturevalue("postgres_url"))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    if block.output:
        assert done.stdout == block.output


def test_every_operator_has_its_line() -> None:
    """The tables of operators are complete, and each operator stands in one."""
    named = re.findall(r"^\| `(\w+)\(", OPERATORS.split("## Operators of Rx")[0], re.M)
    assert sorted(named) == sorted(set(operators.__all__) - {"Operator", "Retry"})


def test_names_exist() -> None:
    """What the documents call by the library's name is there."""
    for name in re.findall(r"rxcandles\.([A-Za-z_]+)\(", "".join(DOCUMENTS.values())):
        assert hasattr(rxcandles, name), name


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links(name: str) -> None:
    """Every relative link leads to a file of the project, from where the document is, and to a heading of it."""
    for link in links(DOCUMENTS[name]):
        path, _, anchor = link.partition("#")
        target = posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) if path else name
        assert (ROOT / target).exists(), link
        assert not anchor or anchor in anchors(DOCUMENTS[target]), link


def test_contents() -> None:
    """The guide's contents have all of its sections, in order, and every document can be reached from the README."""
    listed = [link.removeprefix("#") for link in links(GUIDE.split("\n## ")[0]) if link.startswith("#")]
    assert [anchor for anchor in listed if anchor in anchors(GUIDE, "##")] == anchors(GUIDE, "##")
    reached, ahead = set(), ["README.md"]
    while ahead:
        name = ahead.pop()
        if name in DOCUMENTS and name not in reached:
            reached.add(name)
            targets = [link.partition("#")[0] for link in links(DOCUMENTS[name])]
            ahead += [posixpath.normpath(posixpath.join(posixpath.dirname(name), each)) for each in targets if each]
    assert reached == set(DOCUMENTS)


def test_exchanges() -> None:
    """README and guide name all exchanges that have a name."""
    for name in ("README.md", "rxcandles/GUIDE.md"):
        said = next(line for line in DOCUMENTS[name].splitlines() if "exchanges by name" in line)
        assert {each for each in EXCHANGES if f"`{each}`" in said} == set(EXCHANGES), name


async def test_tests_of_your_own(candle_provider: rxcandles.CandleDataProvider) -> None:
    """The test that the guide shows passes with the fixture."""
    ran = 0
    for block in BLOCKS:
        if "def test_" in block.code:
            given: dict[str, Any] = {}
            exec(block.code, given)
            await given["test_mine"](candle_provider)
            ran += 1
    assert ran == 1
