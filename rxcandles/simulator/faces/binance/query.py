"""What a path and a query mean to Binance, and how it refuses them."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qsl

from rxcandles.simulator.answers import Answer, CandleQuery
from rxcandles.simulator.faces.binance.form import refusal
from rxcandles.simulator.faces.binance.intervals import interval, zone_seconds

__all__ = ["INFO_PATH", "KLINES_PATH", "PING_PATH", "TIME_PATH", "WEIGHTS", "parameters", "read_klines"]

KLINES_PATH: Final = "/api/v3/klines"
INFO_PATH: Final = "/api/v3/exchangeInfo"
TIME_PATH: Final = "/api/v3/time"
PING_PATH: Final = "/api/v3/ping"

WEIGHTS: Final = {KLINES_PATH: 2, INFO_PATH: 20, TIME_PATH: 1, PING_PATH: 1}
"""What a request counts, whatever its limit."""

_DEFAULT: Final = 500
_MOST: Final = 1000
"""Most candles a page has; a greater limit is cut to it without a word."""

_MICROSECONDS: Final = 10**14
"""From here on a time is in microseconds; in milliseconds it would lie in the year 5138."""

_LEGAL: Final = {
    "symbol": "^[A-Z0-9-_.]{1,20}$",
    "startTime": "^[0-9]{1,20}$",
    "endTime": "^[0-9]{1,20}$",
    "limit": "^[0-9]{1,20}$",
}
_PATTERNS: Final = {name: re.compile(legal.replace("9-_.", "9_.-"), re.ASCII) for name, legal in _LEGAL.items()}
_READ: Final = ("symbol", "interval", "startTime", "endTime", "timeZone", "limit")


def parameters(query: str) -> dict[str, str] | Answer:
    """Return the parameters of a query by name, or the error for one that is given twice."""
    values: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name in values:
            return refusal(-1101, f"Duplicate values for parameter '{name}' detected.")
        values[name] = value
    return values


def read_klines(query: str) -> CandleQuery | Answer:
    """Return what a request for candles means, or the error it is answered with.

    With ``startTime`` the oldest candles from there on are meant, without it the newest. Both ends are included.
    """
    values = parameters(query)
    refused = values if isinstance(values, Answer) else _refused(values)
    if refused is not None or isinstance(values, Answer):
        return refused or refusal(-1000, "An unknown error occurred while processing the request.")
    zone = zone_seconds(values.get("timeZone", "0"))
    if zone is None:
        return refusal(-1130, "Data sent for parameter 'timeZone' is not valid.")
    frame = interval(values["interval"], zone)
    if frame is None:
        return refusal(-1120, "Invalid interval.")
    limit = int(values.get("limit", _DEFAULT))
    if limit < 1:
        return refusal(-1130, "Data sent for parameter 'limit' is not valid.")
    since, to = _milliseconds(values.get("startTime")), _milliseconds(values.get("endTime"))
    return CandleQuery(
        values["symbol"],
        frame,
        None if to is None else (to + 1) / 1000,
        min(limit, _MOST),
        since=None if since is None else since / 1000,
    )


def _refused(values: dict[str, str]) -> Answer | None:
    """The error that parameters are answered with before anything is looked up."""
    for name in ("symbol", "interval"):
        if not values.get(name):
            return refusal(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
    for name, legal in _LEGAL.items():
        if values.get(name, "") == "" and name in values:
            return refusal(-1105, f"Parameter '{name}' was empty.")
        if name in values and not _PATTERNS[name].fullmatch(values[name]):
            return refusal(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")
    read = sum(name in values for name in _READ)
    if read < len(values):
        return refusal(
            -1104, f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{len(values)}'."
        )
    return None


def _milliseconds(text: str | None) -> int | None:
    if text is None:
        return None
    number = int(text)
    return number // 1000 if number >= _MICROSECONDS else number
