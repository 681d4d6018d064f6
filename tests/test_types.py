"""What users write passes their type checker: the README's Python, the examples, and what we give out is typed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from mypy import api

import rxcandles

pytestmark = pytest.mark.exhaustive

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"```python\n(.+?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)


def test_strict(tmp_path: Path) -> None:
    """Every Python block of the README and every example passes ``mypy --strict``."""
    written = []
    for number, block in enumerate(BLOCKS):
        written.append(tmp_path / f"block_{number}.py")
        written[-1].write_text(block, encoding="utf-8")
    examples = sorted((ROOT / "tests" / "examples").glob("*.py"))
    out, err, code = api.run(
        ["--strict", "--config-file", str(ROOT / "setup.cfg"), "--cache-dir", str(ROOT / ".mypy_cache"),
         "--explicit-package-bases", *map(str, [*written, *examples])]
    )  # fmt: skip
    assert code == 0, out + err


def test_candles() -> None:
    """``Candles`` is what operators hand on: a list, or another sequence, of candles."""
    assert rxcandles.Candles == Sequence[rxcandles.CandleData]
