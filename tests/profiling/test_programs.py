"""The programs that measure: each is found by its file's name, is explained, and serves no test."""

from __future__ import annotations

import asyncio
import importlib
import re

import pytest

from profiling.__main__ import PROGRAMS, SOAK
from profiling.operators import candles
from tests.support.words import PROGRAMS as FILES
from tests.support.words import ROOT


def test_names_are_files() -> None:
    """Every program that ``python -m profiling`` lists is the file of its name, and none is left out."""
    found = {name: path.relative_to(ROOT / "profiling").as_posix() for name, path in FILES.items()}
    assert found == {name: f"{name}.py" for name in PROGRAMS} | {name: f"soak/{name}.py" for name in SOAK}


@pytest.mark.parametrize("name", sorted(FILES))
def test_can_be_run(name: str) -> None:
    """Each is imported without what only some have, and has a ``main`` that takes its arguments."""
    assert callable(importlib.import_module(f"profiling.{name}" if name in PROGRAMS else f"profiling.soak.{name}").main)


def test_explained() -> None:
    """The table of ``profiling/README.md`` says of each what ``python -m profiling`` says."""
    table = (ROOT / "profiling" / "README.md").read_text(encoding="utf-8").split("## The programs")[1]
    assert dict(re.findall(r"^\| `(\w+)` \| (.+?) \| .+ \|$", table, re.MULTILINE)) == PROGRAMS | SOAK


def test_the_costs_of_operators_are_measured() -> None:
    """The exchange and the store that ``operators`` measures with have what the operators ask of one."""
    assert min(asyncio.run(candles(2))["costs"].values()) > 0


def test_no_test_needs_them() -> None:
    """Programs use what tests use; no test, and nothing in the package, uses a program."""
    paths = [path for room in ("tests", "rxcandles") for path in (ROOT / room).rglob("*.py")]
    importing = re.compile(r"^\s*(from|import) profiling\b", re.MULTILINE)
    upward = [path for path in paths if importing.search(path.read_text(encoding="utf-8"))]
    assert {path.parent.name for path in upward} == {"profiling"}
