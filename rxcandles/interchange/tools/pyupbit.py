"""pyupbit: frames whose index has no name and holds Korean time; after ``reset_index()`` that is a column ``index``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Final

from rxcandles.interchange.frames import to_pandas
from rxcandles.interchange.tools.tool import Names, Tool
from rxcandles.interchange.vocabulary.column_names import NAMELESS, TIMES, plain
from rxcandles.interchange.vocabulary.statements import Statement
from rxcandles.model import CandleData
from rxcandles.model.moments import KST

if TYPE_CHECKING:
    import pandas

__all__ = ["TOOL", "to_pyupbit"]

_COLUMNS: Final = {
    "open": "open", "high": "high", "low": "low", "close": "close", "volume": "volume", "value": "turnover",
}  # fmt: skip
"""Its names of columns, and ours."""
_INDEXES: Final = ("", "index", "Unnamed: 0", "level_0")
_TIMES: Final = ("date", "datetime", "time", "timestamp", "open_time")


def to_pyupbit(candles: Sequence[CandleData]) -> pandas.DataFrame:
    """Return the candles of one series as pyupbit's ``get_ohlcv`` does, oldest first.

    The index has no name and holds Korean time (UTC+9) without a zone. The columns are ``open``, ``high``, ``low``,
    ``close``, ``volume`` and ``value`` (``float64``), the last of which is ``turnover`` here. Errors are those of
    :func:`to_pandas`.

    >>> frame = to_pyupbit(candles)
    >>> str(frame.index[0]), list(frame.columns)
    ('2024-01-01 09:00:00', ['open', 'high', 'low', 'close', 'volume', 'value'])
    """
    theirs = {ours: name for name, ours in _COLUMNS.items()}
    frame = to_pandas(candles).rename(columns=theirs)[list(_COLUMNS)]
    return frame.set_axis(frame.index.tz_convert(KST).tz_localize(None).rename(None))


class _Pyupbit(Tool):
    name = "pyupbit"
    is_format = True
    statement = Statement("as pyupbit's frames have them", zone=KST)
    columns: ClassVar[Names] = {"turnover": ("value",)}

    def has_columns(self, names: Sequence[str]) -> bool:
        """All of its columns, behind an index without a name, and no other time."""
        rest = names[1:]
        return (
            len(names) > len(_COLUMNS)
            and names[0] in _INDEXES
            and set(rest) >= _COLUMNS.keys()
            and not any(name.casefold() in _TIMES for name in rest)
        )

    def korean_hint(self, names: Sequence[str]) -> str | None:
        """A column ``value``, or an index without a name, and no other time."""
        if "value" in map(plain, names):
            return "it has a column 'value' as pyupbit's frames have"
        if names and plain(names[0]) in NAMELESS and not {plain(name) for name in names[1:]} & set(TIMES):
            return "its index has no name, as in pyupbit's frames"
        return None


TOOL: Final = _Pyupbit()
