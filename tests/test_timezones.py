"""Nothing depends on where the machine thinks it is."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

ZONES = ("UTC", "Asia/Seoul", "America/New_York")


def collected(zone: str, folder: Path) -> tuple[list[str], list[tuple[object, ...]]]:
    """What a span over a change to summer time prints, and what it stores, under ``TZ=zone``."""
    folder.mkdir()
    printed = []
    for timeframe, to, end in (
        ("1m", "2024-03-10T09:00", "2024-03-10T05:00"),
        ("240m", "2024-03-12", "2024-03-09"),
        ("1w", "2024-04-01", "2024-02-01"),
        ("1M", "2024-12-01", "2023-06-15"),
    ):
        command = ["get", "KRW-BTC", timeframe, "--to", to, "--end", end, "--format", "csv"]
        done = subprocess.run(
            [sys.executable, "-m", "rxcandles", *command, "--exchange", "simulated", "--rate-limit", "none"],
            cwd=folder,
            env={**os.environ, "TZ": zone},
            capture_output=True,
            text=True,
            check=True,
        )
        printed.append(done.stdout)
    connection = sqlite3.connect(folder / "candles.db")
    rows = connection.execute("SELECT * FROM candles ORDER BY series, open_time").fetchall()
    rows += connection.execute("SELECT * FROM coverage ORDER BY series, start").fetchall()
    connection.close()
    return printed, rows


def test_same_everywhere(tmp_path: Path) -> None:
    """The same candles and the same rows, to the byte, in Seoul, New York and Greenwich."""
    first, *others = (collected(zone, tmp_path / str(number)) for number, zone in enumerate(ZONES))
    assert first[1]
    assert all(other == first for other in others)
