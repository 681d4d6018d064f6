"""The interface of a tool: everything that is known about its files and frames, in both directions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import attrs

from rxcandles.interchange.output import Format
from rxcandles.interchange.vocabulary.statements import Statement

__all__ = ["Header", "Names", "Tool"]

Names: TypeAlias = Mapping[str, tuple[str, ...]]
"""A tool's names for our columns."""


@attrs.frozen
class Header:
    """The header of a CSV file that has more than one line."""

    names: Sequence[str]
    """Names of the columns."""
    lines: int
    """Number of its lines."""
    statement: Statement


class Tool:
    """A tool whose files are read or written.

    Subclass it in a file of its own and register an instance. Only ``name`` is required. By default each method
    recognises nothing and each attribute claims nothing.
    """

    name: ClassVar[str]

    # Reading

    archives: ClassVar[str] = ""
    """The name in notes for its files without a header: ``Binance's archives``."""
    is_format: ClassVar[bool] = False
    """Whether an import accepts ``name`` as its ``format``."""
    kind: ClassVar[str | None] = None
    """The kind of all its files: ``csv``, ``json``, ``parquet`` or ``feather``; None to decide by each file's name."""
    statement: ClassVar[Statement | None] = None
    """What is true of all its files, such as the zone of their times."""
    columns: ClassVar[Names] = {}
    """Its names for values of a candle, if few other tools use them: ``{"turnover": ("value",)}``."""
    timeframe_columns: ClassVar[frozenset[str]] = frozenset()
    """Its names for columns with a timeframe, if few other tools use them."""
    stamp_is_trade: ClassVar[bool] = False
    """Whether its ``timestamp`` is the time of the last trade, not the open time."""

    def by_name(self, name: str) -> Statement | None:
        """Return what the name of a file states, if the tool names files so."""

    def by_folder(self, path: Path) -> Statement | None:
        """Return what the folders of a file state, if the tool keeps files so."""

    def has_columns(self, names: Sequence[str]) -> bool:
        """Return whether the columns are those of the tool."""
        return False

    def row_columns(self, row: Sequence[Any]) -> Sequence[str] | None:
        """Return the columns of a row without a header, if the tool writes such rows."""

    def title(self, line: str) -> bool:
        """Return whether a line above the header names the tool."""
        return False

    def header(self, lines: Sequence[Sequence[str]], where: str, symbol: str) -> Header | None:
        """Return the header of a CSV file, given the cells of its first lines, if it is the tool's and longer than a
        line.
        """

    def korean_hint(self, names: Sequence[str]) -> str | None:
        """Return why columns may be the tool's, if its times are Korean and the file does not state it."""

    # Writing

    export: ClassVar[Format | None] = None
    """How an export writes its files; None if it can't."""
