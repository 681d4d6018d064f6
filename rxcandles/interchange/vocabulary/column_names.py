"""Names of columns, as people and programs write them, in plain form: lower case, without spaces and marks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from rxcandles.stores.sql.columns import COLUMNS

__all__ = [
    "CLOCKS",
    "CLOSES",
    "EXCHANGES",
    "LETTERS",
    "MARKETS",
    "NAMELESS",
    "NEEDED",
    "TIMEFRAMES",
    "TIMES",
    "VALUES",
    "ZONES",
    "plain",
]

NEEDED: Final = COLUMNS[: COLUMNS.index("volume") + 1]
"""Our names of the columns that every source must have."""

VALUES: Final[Mapping[str, tuple[str, ...]]] = {
    "open": ("open", "openprice", "시가", "시작가"),
    "high": ("high", "고가", "최고가"),
    "low": ("low", "저가", "최저가"),
    "close": ("close", "closingprice", "closeprice", "종가", "현재가"),
    "volume": ("volume", "vol", "거래량", "누적거래량"),
    "turnover": ("turnover", "거래대금", "거래금액", "누적거래대금", "누적거래금액"),
    **{name: (name.replace("_", ""),) for name in COLUMNS[COLUMNS.index("timestamp") + 1 :]},
}
"""Names of the values of a candle; names that only one tool uses are in that tool's file."""

LETTERS: Final = {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"}
"""The names that WebSockets use; they count only if no column has a whole name."""

TIMES: Final = (
    "opentime", "timeopen", "candledatetime", "datetime", "date", "time", "opendate", "opentimestamp", "unix",
    "unixtime", "unixtimestamp", "epoch", "starttime", "start", "day",
    "일시", "날짜", "일자", "시간", "시각", "기준시각", "기준일시", "캔들시각", "캔들기준시각", "체결시간", "체결시각",
    "거래일시", "거래일", "거래일자", "영업일자",
    "tradedate", "ts", "t", "", "index", "level0", "unnamed:0", "timestamp",
)  # fmt: skip
"""Names of columns that may have the open time, the most reliable first."""

NAMELESS: Final = frozenset({"", "index", "level0", "unnamed:0"})
"""What pandas calls an index without a name."""
CLOCKS: Final = frozenset({"time", "시간", "시각", "체결시간", "체결시각"})
"""Times that may be a time of day beside a date."""
CLOSES: Final = frozenset({
    "closetime", "timeclose", "endtime", "timeend", "end", "closedate", "enddate", "closetimestamp", "endtimestamp",
    "종료시각", "종료시간", "마감시각",
})  # fmt: skip
"""Times at which a candle ends."""

MARKETS: Final = frozenset({
    "market", "symbol", "ticker", "tic", "code", "pair", "instrument", "product", "productid", "instid", "marketcode",
    "coin", "base", "마켓", "종목", "종목코드", "티커", "코인",
})  # fmt: skip
TIMEFRAMES: Final = frozenset({"timeframe", "interval", "tf", "period", "resolution", "granularity", "주기", "봉"})
EXCHANGES: Final = frozenset({"exchange", "venue", "거래소"})
ZONES: Final = frozenset({
    "timezone", "tz", "zone", "utcoffset", "gmtoffset", "tzoffset", "timezoneoffset", "tzname", "timezonename",
    "offset", "시간대", "표준시", "타임존",
})  # fmt: skip


def plain(name: str) -> str:
    """Return a name without case, spaces and marks."""
    return re.sub(r"[\s_\-<>\"'.]", "", name).casefold()
