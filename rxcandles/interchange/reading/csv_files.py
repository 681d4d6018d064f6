"""Read CSV as programs and spreadsheets write it: with lines above the header, without a header, in any encoding."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import IO, Final

from rxcandles.errors import RequestError
from rxcandles.interchange.reading import row_sources
from rxcandles.interchange.reading.find_columns import field_called
from rxcandles.interchange.reading.other_columns import texts_among
from rxcandles.interchange.reading.row_sources import Batch, Source
from rxcandles.interchange.tools import known_tools, tool_of_row
from rxcandles.interchange.vocabulary.column_names import NEEDED
from rxcandles.interchange.vocabulary.name_words import read_line
from rxcandles.interchange.vocabulary.numbers import meaning_of_commas
from rxcandles.util.arguments import shown

__all__ = ["CsvFile", "csv_source"]

_SAMPLE: Final = 1 << 17
"""Characters from which the shape of a file is judged."""
_LONGEST: Final = 1 << 16
"""The most characters of a line."""
_ABOVE: Final = 15
"""Lines in which the header is searched."""
_FEWEST: Final = 5
"""The fewest columns of candles."""
_BLANK: Final = 100_000
"""Lines without a value that a file may have beside its rows."""

_MARKET: Final = re.compile(r"[A-Z]{3,5}[-_/][A-Z0-9]{2,10}", re.ASCII)
_DATA: Final = re.compile(r"[+-]?\d[\d.,:/\-+TZ eE]*", re.ASCII)


class CsvFile(Source):
    """A CSV file, separated by commas, semicolons, tabs or bars."""

    word = "line"

    def __init__(self, file: IO[str], where: str, columns: Mapping[str, str], symbol: str) -> None:
        sample = file.read(_SAMPLE)
        file.seek(0)
        whole = sample if len(sample) < _SAMPLE else sample[: sample.rfind("\n") + 1]
        if not whole.strip():
            what = "has a line that does not end" if sample.strip() else "has no header in its first line"
            raise RequestError(f"{where} {what}; the columns must have names")
        lines = whole.removeprefix("\ufeff").splitlines()
        self._delimiter = _delimiter(lines)
        sampled = list(csv.reader(lines[:500], delimiter=self._delimiter))
        try:
            self.comma = meaning_of_commas((cell for row in sampled for cell in row), self._delimiter)
        except ValueError as error:
            raise RequestError(f"{where}: {error}. Nothing was imported") from None
        self._file = file
        self.names, self._skip = self._header(sampled, where, columns, symbol)
        self.texts = texts_among(self.names, sampled[self._skip :])

    def _header(
        self, sampled: Sequence[Sequence[str]], where: str, columns: Mapping[str, str], symbol: str
    ) -> tuple[Sequence[str], int]:
        """Return the names of the columns, and the number of lines before the first row."""
        start = next(at for at, row in enumerate(sampled) if any(cell.strip() for cell in row))
        first_lines = sampled[start : start + _ABOVE]
        for tool in known_tools():
            if header := tool.header(first_lines, where, symbol):
                self.tool, self.statements = tool.name, [header.statement]
                return header.names, start + header.lines
        first = sampled[start]
        if _is_data(first):
            return self._headless(first, where, columns), start
        best = max(range(start, min(start + _ABOVE, len(sampled))), key=lambda at: (_known(sampled[at]), -at))
        above = sampled[start:best]
        if _known(sampled[best]) < 4 or any(_is_data(row) for row in above):
            return self._checked(first), start + 1
        if above:
            self.tool = next((tool.name for tool in known_tools() if tool.title(above[0][0])), None)
            self.statements = [each for row in above if (each := read_line(" ".join(row)))]
            lines = "a line" if len(above) == 1 else f"{len(above)} lines"
            self.notes = [f"{lines} above the header left out, the first {shown(self._delimiter.join(above[0]))}"]
        return self._checked(sampled[best]), best + 1

    @staticmethod
    def _checked(names: Sequence[str]) -> Sequence[str]:
        return [name.strip() for name in names]

    def _headless(self, first: Sequence[str], where: str, columns: Mapping[str, str]) -> Sequence[str]:
        if (of_tool := tool_of_row([cell.strip() for cell in first])) and not columns:
            tool, names = of_tool
            self.tool = tool.name
            self.notes = [f"it has no header; its columns are those of {tool.archives or tool.name}"]
            return names
        start = 0 if "0" in columns.values() else 1
        names = [str(at) for at in range(start, start + len(first))]
        if columns and not set(columns.values()) <= set(names) and set(columns.values()) <= set(first):
            names = list(first)  # the columns were named after the values of the first row, which is a candle
        if not columns:
            wanted = ",".join(f"{field}={at}" for at, field in enumerate(NEEDED, 1))
            raise RequestError(
                f"{where} has no header: its first line is {shown(self._delimiter.join(first))}; say which column is"
                f" which by number with columns (--columns), such as {wanted}, and all lines are read"
            )
        self.notes = ["it has no header; its columns were taken by number"]
        # A column of market names counts without a header, too.
        return [
            "market" if _MARKET.fullmatch(cell.strip()) and name not in columns.values() else name
            for name, cell in zip(names, first, strict=True)
        ]

    def batches(self, wanted: Sequence[str], where: str, loose: Sequence[str] = ()) -> Iterator[Batch]:
        """Yield batches of rows; lines without a value are skipped."""
        pick = itemgetter(*(self.names.index(name) for name in wanted))
        width, blank, count = len(self.names), 0, 0
        for _ in range(self._skip):
            self._file.readline(_LONGEST)
        rows = csv.reader(_lines(self._file, where), delimiter=self._delimiter, strict=True)
        batch: Batch = []
        for row in rows:
            if len(row) != width or not row[0]:
                if not any(cell.strip() for cell in row):
                    blank += 1
                    if blank > _BLANK + count:
                        raise RequestError(f"{where} has {blank:,} lines without a value. Nothing was imported")
                    continue
                if len(row) < width or any(cell.strip() for cell in row[width:]):
                    raise RequestError(
                        f"{where}, line {rows.line_num + self._skip}: it has {len(row)} values, its header {width}."
                        " Nothing was imported"
                    )
            batch.append((rows.line_num + self._skip, pick(row)))
            count += 1
            if len(batch) == row_sources.BATCH:
                yield batch
                batch = []
        yield batch


@contextmanager
def csv_source(path: Path, where: str, encoding: str, columns: Mapping[str, str], symbol: str) -> Iterator[CsvFile]:
    """Open a CSV file."""
    with path.open(encoding=encoding, newline="") as file:
        try:
            yield CsvFile(file, where, columns, symbol)
        except (UnicodeError, csv.Error) as error:
            raise RequestError(f"{where} is no CSV in {encoding.upper()}: {error}. Nothing was imported") from error


def _lines(file: IO[str], where: str) -> Iterator[str]:
    while line := file.readline(_LONGEST):
        if len(line) == _LONGEST and line[-1] not in "\r\n":
            raise RequestError(f"{where} has a line of more than {_LONGEST:,} characters. Nothing was imported")
        yield line


def _delimiter(lines: Sequence[str]) -> str:
    """Return the mark that is most frequent in the first lines, counted line by line, so that a title has little
    weight.
    """
    counts = Counter[str]()
    for line in lines[:_ABOVE]:
        counts[max(",;\t|", key=line.count)] += 1 if any(mark in line for mark in ",;\t|") else 0
    # A comma may also be a decimal comma: it is one if another mark separates the header.
    header = next((line for line in lines if any(mark in line for mark in ";\t|")), "")
    other = max(";\t|", key=header.count)
    return other if header.count(other) >= _FEWEST - 1 else counts.most_common(1)[0][0]


def _is_data(row: Sequence[str]) -> bool:
    """Return whether a line has values rather than names; pandas numbers columns without a name."""
    cells = [cell.strip() for cell in row]
    if cells in (list(map(str, range(len(cells)))), ["", *map(str, range(len(cells) - 1))]):
        return False
    return sum(1 for cell in cells if _DATA.fullmatch(cell)) >= max(2, min(5, len(cells)))


def _known(row: Sequence[str]) -> int:
    """Return how many of the names that candles need are in a line."""
    return len({field for cell in row if (field := field_called(cell))})
