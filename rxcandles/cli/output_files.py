"""Find where a command writes: one file, one file for each series (a pattern or a folder), or stdout."""

from __future__ import annotations

import re
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rxcandles.errors import RequestError
from rxcandles.ports import Series
from rxcandles.util.arguments import check_path, refusal

__all__ = ["FOR_STDOUT", "copied_to_stdout", "files_for"]

FOR_STDOUT: Final = ("csv", "jsonl", "parquet", "feather")
"""Formats that can be written to stdout."""

_PLACE: Final = re.compile(r"\{([^{}]*)\}")
_PLACES: Final = ("symbol", "timeframe", "exchange")


def files_for(series: Sequence[Series], output: str, suffix: str | None, *, folder: bool) -> dict[Series, str]:
    """Return the file of each series, and create its folder.

    * ``output``: a file, for one series; or a pattern with ``{symbol}``, ``{timeframe}`` or ``{exchange}``; or a
      folder, whose files are called ``KRW-BTC-60m.parquet``.
    * ``suffix``: of the files in a folder; None is ``parquet``.
    * ``folder``: ``output`` is one folder for all series, and the writer names the files in it.

    Raises:
        RequestError: several series would be written to one file, or the pattern has an unknown name.
    """
    check_path("path", output)
    if folder:
        return dict.fromkeys(series, output)
    if _PLACE.search(output):
        paths = {each: _filled(output, each) for each in series}
    elif output.endswith("/") or Path(output).is_dir() or (len(series) > 1 and not Path(output).suffix):
        paths = {each: str(Path(output) / f"{_named(each)}.{suffix or 'parquet'}") for each in series}
    elif len(series) > 1:
        kind = Path(output).suffix
        raise refusal(
            "--output", output,
            f"this is one file for {len(series):,} series; write '{{symbol}}-{{timeframe}}{kind}', or name a folder",
        )  # fmt: skip
    else:
        return dict.fromkeys(series, output)
    twice = [path for path, number in Counter(paths.values()).items() if number > 1]
    if twice:
        raise refusal(
            "--output",
            output,
            f"several series would be written to {sorted(twice)[0]!r}; add {{symbol}}, {{timeframe}}",
        )
    for path in paths.values():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    return paths


def copied_to_stdout(paths: Sequence[Path], style: str) -> None:
    """Write files to stdout, one after the other; write the header of CSV only once."""
    if len(paths) > 1 and style not in ("csv", "jsonl"):
        raise RequestError(
            f"-o - writes one {style} file to stdout, but {len(paths):,} series match; name one, or use --format csv"
        )
    stdout = sys.stdout
    if style not in ("csv", "jsonl") and stdout.isatty():
        raise RequestError(f"-o - writes to the terminal, which can't show {style}; use --format csv, or name a file")
    stdout.flush()
    for number, path in enumerate(paths):
        with path.open("rb") as file:
            if number and style == "csv":
                file.readline()
            shutil.copyfileobj(file, stdout.buffer)
    stdout.flush()


def _named(series: Series) -> str:
    return f"{_plain(series.symbol)}-{series.timeframe}"


def _filled(pattern: str, series: Series) -> str:
    def value(found: re.Match[str]) -> str:
        if found[1] not in _PLACES:
            places = ", ".join(f"{{{each}}}" for each in _PLACES)
            raise refusal("--output", pattern, f"{found[0]!r} is not a known name; use {places}")
        return _plain(str(getattr(series, found[1])))

    return _PLACE.sub(value, pattern)


def _plain(name: str) -> str:
    """Return a name with only such characters as are safe in a file name."""
    return re.sub(r"[^\w.@-]", "-", name).lstrip(".") or "-"
