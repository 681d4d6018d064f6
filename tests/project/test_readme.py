"""The README's promises are kept: its Python runs, and prints what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import rxcandles
from rxcandles import operators

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.+?)```\n(?:\n```text\n(.+?)```)?", README, re.S)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_python_blocks(number: int, tmp_path: Path) -> None:
    """Every Python block runs as it stands, without a warning, and prints the text below it."""
    program, expected = BLOCKS[number]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    if expected:
        assert done.stdout == expected


def test_every_operator_has_its_line() -> None:
    """The table of operators is complete."""
    table = README.split("### Operators")[1].split("##")[0]
    named = set(re.findall(r"^\| `(\w+)\(", table, re.M))
    assert named == set(operators.__all__) - {"Operator", "Retry"}


def test_names_exist() -> None:
    """What the README calls by the library's name is there."""
    for name in re.findall(r"rxcandles\.([A-Za-z_]+)\(", README):
        assert hasattr(rxcandles, name), name


async def test_tests_of_your_own(candle_provider: rxcandles.CandleDataProvider) -> None:
    """The test that the README shows passes with the fixture."""
    ran = 0
    for program, _ in BLOCKS:
        if "def test_" in program:
            given: dict[str, Any] = {}
            exec(program, given)
            await given["test_mine"](candle_provider)
            ran += 1
    assert ran == 1
