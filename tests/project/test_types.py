"""What users write passes their type checker: the documents' Python, the examples, and what we give out is typed."""

from __future__ import annotations

import ast
import configparser
import re
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

import pytest
from mypy import api

import rxcandles
from tests.support.docspans import filled, of
from tests.support.documents import blocks

pytestmark = pytest.mark.exhaustive

ROOT = Path(__file__).parents[2]

HEAD = """
# mypy: disable-error-code="unused-coroutine"
from datetime import datetime
from pathlib import Path
from typing import Any
import rxcandles
from rxcandles import *
from rxcandles import charts, operators, ports
from rxcandles import operators as ops
from rxcandles.exchanges import UpbitExchange
from rxcandles.operators import *
from rxcandles.simulator import Illness, Simulator

async def spans(
    provider: OpenedProvider, candles: SyncProvider, store: SqliteStore, exchange: Exchange, limiter: RateLimiter,
    request: Request, requests: list[Request], span: tuple[int, int], data: charts.ChartData, simulator: Simulator,
    start: datetime, stop: datetime, limit: int, size: int, rate: float, path: str, tmp_path: Path,
    stream: CandleStream, frame: Any, callback: Any, write: Any, function: Any, generator: Any, items: Any, source: Any,
    sources: Any, observers: Any, rx: Any, replay: Any, upbit_simulator: Any, sim: Any,
    symbol: str, timeframe: Timeframe, rows: list[Row], covered: tuple[int, int], to: int, count: int,
    mine: UpbitExchange, first: int, oldest: int, message: str, seconds: float, first_open: Any, page_cost: Any,
    row: Row, trades: int, taker_volume: float, taker_turnover: float, feed: Feed,
) -> None:
    follow = provider.follow
    get_candles, collect_many = provider.get_candles, provider.collect_many
    collect_candles_only = provider.collect_candles_only
    check, page, page_anew = mine.check, mine.page, mine.page_anew
    retention, absent_slot = mine.retention, mine.absent_slot
"""
"""What the spans of Python mean by their names."""


def test_strict(tmp_path: Path) -> None:
    """Every Python block and span of the documents and every example passes ``mypy --strict``."""
    written = []
    for number, block in enumerate(blocks("python")):
        written.append(tmp_path / f"block_{number}.py")
        written[-1].write_text(block.code, encoding="utf-8")
    written.append(tmp_path / "spans.py")
    shown = (
        ast.unparse(filled(span))
        for span in of("python")
        if not re.search(r"Observable|Operator|=report|to_pyupbit|^from", span)
    )
    lines = [f"    if request:\n        {each}\n".replace("\n    pass", " pass") for each in shown]
    written[-1].write_text(HEAD + "".join(lines), encoding="utf-8")
    examples = sorted((ROOT / "tests" / "examples").glob("*.py"))
    out, err, code = api.run(
        ["--strict", "--config-file", str(ROOT / "setup.cfg"), "--cache-dir", str(ROOT / ".mypy_cache"),
         "--explicit-package-bases", *map(str, [*written, *examples])]
    )  # fmt: skip
    assert code == 0, out + err


def test_candles() -> None:
    """``Candles`` is what operators hand on: a list, or another sequence, of candles."""
    assert rxcandles.Candles == Sequence[rxcandles.CandleData]


def test_installed() -> None:
    """An editable install writes a plain path, which type checkers see, and all files of the package are packed.

    ``.ci/installed`` tries both; here it is only read, as setuptools does.
    """
    read = configparser.RawConfigParser()
    read.read(ROOT / "setup.cfg", encoding="utf-8")
    assert read["options"]["package_dir"].split() == ["=", "."]
    packed = read["options.package_data"]["rxcandles"].split()
    assert "py.typed" in packed
    package = ROOT / "rxcandles"
    others = [path.relative_to(package) for path in package.rglob("*") if path.is_file() and path.suffix != ".py"]
    others = [path.as_posix() for path in others if "__pycache__" not in path.parts]
    assert [name for name in others if not any(fnmatch(name, each) for each in packed)] == []
