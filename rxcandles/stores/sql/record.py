"""Log records of a write: one for each page, and one for each candle that it has changed."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import Final

from rxcandles.events import CommitEvent, RevisedEvent, log_event
from rxcandles.model import Row
from rxcandles.model.spans import Span
from rxcandles.model.timeframe import time_text
from rxcandles.ports import Series, Written

__all__ = ["log_written"]

_log: Final = logging.getLogger("rxcandles.store")


def log_written(series: Series, rows: Sequence[Row], covered: Span, written: Written, seconds: float) -> None:
    """Log that ``rows`` are stored and ``covered``, the seconds that it took, and the candles revised or removed."""
    if _log.isEnabledFor(logging.DEBUG):
        event = CommitEvent(
            event="commit",
            exchange=series.exchange,
            symbol=series.symbol,
            timeframe=series.timeframe,
            rows=len(rows),
            new=int(written),
            start=time_text(covered[0]),
            stop=time_text(covered[1]),
            seconds=seconds,
        )
        log_event(_log, logging.DEBUG, event, "%s %s: %d rows stored", series.symbol, series.timeframe, len(rows))
    for before, after in written.revised:
        _log_revised(series, before, after)
    for row in written.removed:
        _log_revised(series, row, None)


def _log_revised(series: Series, before: Row, after: Row | None) -> None:
    event = RevisedEvent(
        event="revised",
        exchange=series.exchange,
        symbol=series.symbol,
        timeframe=series.timeframe,
        open_time=time_text(before.open_time),
        before=json.dumps(before[1:]),
        after=json.dumps(after and after[1:]),
    )
    message = "%s %s: the candle of %s is " + ("deleted" if after is None else "revised")
    log_event(_log, logging.INFO, event, message, series.symbol, series.timeframe, event["open_time"])
