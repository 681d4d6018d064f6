"""Lakes in tests: what is in one, read without this library's own reading, and kills at any step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from rxcandles.lake.target import Stat, Target
from rxcandles.model import Row
from rxcandles.model.timeframe import Timeframe

HOUR = Timeframe.of("60m")
JANUARY, FEBRUARY, MARCH, APRIL = 1_704_067_200, 1_706_745_600, 1_709_251_200, 1_711_929_600
"""Months of 2024."""


class Killed(BaseException):
    """The process ends here."""


class Steps:
    """Counts the steps that change a lake, and ends the process before one of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, kind: type[Target]) -> None:
        self.done = 0
        self.last: int | None = None
        write, remove = kind.writing, kind.remove

        @contextmanager
        def writing(target: Any, name: str) -> Iterator[Path]:
            self.step()
            with write(target, name) as path:
                yield path
                self.step()
            self.step()

        def removing(target: Any, name: str) -> None:
            self.step()
            remove(target, name)
            self.step()

        monkeypatch.setattr(kind, "writing", writing)
        monkeypatch.setattr(kind, "remove", removing)

    def step(self) -> None:
        if self.last is not None and self.done >= self.last:
            raise Killed
        self.done += 1


def lake_rows(folder: Path) -> list[Row]:
    """The candles of all files below a folder, oldest first in each file, files by name."""
    found = []
    for path in sorted(folder.rglob("*.parquet")):
        table = pyarrow.parquet.read_table(path, partitioning=None)
        for each in table.to_pylist():
            found.append(Row(**{**each, "open_time": int(each["open_time"].timestamp())}))
    return found


def files_in(folder: Path) -> dict[str, Stat]:
    """The files below a folder, with their size and time."""
    return {
        str(path.relative_to(folder)): Stat(path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }
