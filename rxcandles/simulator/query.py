"""What a path and a query mean, and how the exchange refuses them."""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache
from typing import Final
from urllib.parse import parse_qsl

from rxcandles.model.timeframe import TIMEFRAMES, Timeframe, from_datetime
from rxcandles.simulator.answers import Answer, CandleQuery, error

__all__ = ["MARKETS_PATH", "MOST", "no_route", "parse", "parse_to", "routed"]

MARKETS_PATH: Final = "/v1/market/all"

MOST: Final = 200
"""Most candles a page has; a greater ``count`` is cut to it without a word (Upbit, seen 2026-08-03)."""

_KINDS: Final = {"seconds": "1s", "days": "1d", "weeks": "1w", "months": "1M", "years": "1y"}
_PATH: Final = re.compile(rf"/v1/candles/(?:({'|'.join(_KINDS)})|minutes/([^/]+))")
_TO: Final = re.compile(
    r"\d{4}-\d\d-\d\d(?: \d\d:\d\d:\d\d|T\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)?)", re.ASCII
)
_RAW_COLON: Final = re.compile(r"(?:^|&)to=[^&]*:")
_COUNT: Final = re.compile(r"[+-]?\d{1,10}", re.ASCII)


def routed(path: str) -> bool:
    """Whether the exchange has anything at ``path``."""
    return path == MARKETS_PATH or _PATH.fullmatch(path) is not None


@cache
def no_route() -> Answer:
    """Return the gateway's answer to an unknown path, whose ``name`` is a string (seen 2026-09-23)."""
    return error(404, "no Route matched with those values", "not_found")


def parse_to(text: str) -> float | None:
    """Return ``to`` in UTC seconds, or None where it is in none of the five forms that the exchange reads.

    Without a zone it is UTC (Upbit, seen 2026-09-13).
    """
    if not _TO.fullmatch(text):
        return None
    try:
        return from_datetime(datetime.fromisoformat(text))
    except ValueError:
        return None


def parse(path: str, query: str) -> CandleQuery | Answer:
    """Return what a request for candles means, or the error it is answered with.

    A count below 1 and a colon in ``to`` that is not percent-encoded are invalid parameters; the first is a guess, the
    second documented.
    """
    values: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        # A name given twice is joined by a comma, which makes two markets an unknown one.
        values[name] = f"{values[name]},{value}" if name in values else value
    timeframe = _timeframe(path)
    if isinstance(timeframe, Answer):
        return timeframe
    if not values.get("market"):
        return error(400, "Missing request parameter error. Check the required parameters!")
    text = values.get("count", "1")
    if not _COUNT.fullmatch(text) or abs(int(text)) >= 2**31:
        return error(400, "Type mismatch error. Check the parameters type!")
    to = parse_to(values["to"]) if "to" in values else None
    currency = values.get("converting_price_unit", values.get("convertingPriceUnit"))
    currency = currency if timeframe.name == "1d" else None
    if int(text) < 1 or currency not in (None, "KRW") or ("to" in values and (to is None or _RAW_COLON.search(query))):
        return error(400, "Invalid parameter. Check the given value!")
    return CandleQuery(values["market"], timeframe, to, min(int(text), MOST), currency is not None)


def _timeframe(path: str) -> Timeframe | Answer:
    found = _PATH.fullmatch(path)
    if found is None:
        return no_route()
    kind, unit = found.groups()
    if kind:
        return Timeframe.of(_KINDS[kind])
    if not unit.isdecimal():
        return error(400, "Type mismatch error. Check the parameters type!")
    by_name = {timeframe.name: timeframe for timeframe in TIMEFRAMES}
    return by_name.get(f"{int(unit)}m") or error(400, "specified unit is not valid.")
