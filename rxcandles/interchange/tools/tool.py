"""What a tool is here: all that is known of its files and frames, in both directions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import attrs

from rxcandles.interchange.output import Format
from rxcandles.interchange.vocabulary.statements import Statement

__all__ = ["Header", "Names", "Tool"]

Names: TypeAlias = Mapping[str, tuple[str, ...]]
"""Names that a tool gives to our columns."""


@attrs.frozen
class Header:
    """The header of a CSV file that is longer than a line."""

    names: Sequence[str]
    """The columns."""
    lines: int
    """How many lines it has."""
    statement: Statement


class Tool:
    """A tool whose files are read or written.

    Subclass it in a file of its own and register an instance. Only ``name`` is required: each method here recognises
    nothing, and each attribute claims nothing, until a subclass says otherwise.
    """

    name: ClassVar[str]

    # Reading

    archives: ClassVar[str] = ""
    """What a note calls its files that have no header: ``Binance's archives``."""
    is_format: ClassVar[bool] = False
    """Whether an import takes ``name`` as its ``format``."""
    kind: ClassVar[str | None] = None
    """How all its files are read: ``csv``, ``json``, ``parquet`` or ``feather``; None to go by each file's name."""
    statement: ClassVar[Statement | None] = None
    """What holds for all its files, such as the zone of their times."""
    columns: ClassVar[Names] = {}
    """What it calls values of a candle, where few others do: ``{"turnover": ("value",)}``."""
    timeframe_columns: ClassVar[frozenset[str]] = frozenset()
    """What it calls columns with a timeframe, where few others do."""
    stamp_is_trade: ClassVar[bool] = False
    """Whether its ``timestamp`` is the time of the last trade, not the open time."""

    def by_name(self, name: str) -> Statement | None:
        """Return what the name of a file says, if the tool calls files so."""

    def by_folder(self, path: Path) -> Statement | None:
        """Return what the folders of a file say, if the tool keeps files so."""

    def has_columns(self, names: Sequence[str]) -> bool:
        """Say whether the columns are those of the tool."""
        return False

    def row_columns(self, row: Sequence[Any]) -> Sequence[str] | None:
        """Return the columns of a row that has no header, if the tool writes such rows."""

    def title(self, line: str) -> bool:
        """Say whether a line above the header names the tool."""
        return False

    def header(self, lines: Sequence[Sequence[str]], where: str, symbol: str) -> Header | None:
        """Return the header of a CSV file, by its first lines in cells, if it is the tool's and longer than a line."""

    def korean_hint(self, names: Sequence[str]) -> str | None:
        """Return why columns may be the tool's, whose times are Korean without saying so."""

    # Writing

    export: ClassVar[Format | None] = None
    """How an export writes its files; None where it can't."""
