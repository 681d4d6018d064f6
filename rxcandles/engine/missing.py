"""The error of a collection that has ended with spans missing, in words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rxcandles.errors import IncompleteError
from rxcandles.model import Request
from rxcandles.model.reports import CollectionSummary

__all__ = ["incomplete"]


def incomplete(request: Request, summary: CollectionSummary, *, again: bool) -> IncompleteError | None:
    """Return the error for a summary that has failed or impossible spans; None if it has none.

    ``again``: stored candles were asked for once more.
    """
    if not (summary.failed_spans or summary.impossible_spans):
        return None
    return IncompleteError(f"{request.symbol} {request.timeframe}: {_told(summary, again=again)}", summary)


def _told(summary: CollectionSummary, *, again: bool) -> str:
    """Return in words what is stored and what is not; ``again``: stored candles were asked for once more."""
    held, missing = f"{summary.collected_count:,} candles are held", []
    if failed := summary.failed_spans:
        spans = _some([f"{_moment(each.start)} to {_moment(each.stop)}" for each in failed])
        ask = f"ask again for just {'that' if again else 'those'}"
        missing.append(
            f"not fetched again, and left as it was, is {spans} ({failed[0].reason}); {ask}"
            if again
            else f"but not {spans} ({failed[0].reason}); {ask}"
        )
    if impossible := summary.impossible_spans:
        spans = _some([_moment(each.start) for each in impossible])
        whose = "whose candle" if len(impossible) == 1 else "whose candles"
        missing.append(f"but not {spans}, {whose} can't be true ({impossible[0].reason}); the next run asks again")
    return f"{held}{';' if again and failed else ','} {'; and '.join(missing)}"


def _some(texts: Sequence[str]) -> str:
    return ", ".join(texts[:3]) + (f" and {len(texts) - 3} more" if len(texts) > 3 else "")


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"
