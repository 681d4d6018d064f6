"""What Binance's errors mean, by code and status, and the used weight in its headers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from rxcandles.errors import ExchangeError, InvalidResponseError, RequestRejectedError, ServerError, UnknownMarketError
from rxcandles.exchanges.answers import Refused, excerpt, failure_by_status, one_line

__all__ = ["error_code", "failure", "used_weight"]

_UNKNOWN_SYMBOL: Final = -1121
_UNKNOWN_INTERVAL: Final = -1120
_TOO_MUCH: Final = -1003
_PASSING: Final = frozenset({-1000, -1001, -1006, -1007, -1008, -1016})
"""Codes for: unknown, disconnected, an unexpected answer, a timeout, overloaded, shutting down."""
_UNTIL: Final = re.compile(r"until (\d{13})(?!\d)", re.ASCII)
_NUMBER: Final = re.compile(r"\s*(\d{1,9})\s*", re.ASCII)


class _Error(msgspec.Struct):
    code: int
    msg: str = ""


_errors: Final = msgspec.json.Decoder(_Error)


def error_code(body: bytes) -> int | None:
    """Return the code of a body that is an error (``{"code": -1121, "msg": "Invalid symbol."}``), or None."""
    error = _error(body)
    return None if error is None else error.code


def failure(refused: Refused) -> ExchangeError:
    """Return the error that an answer stands for: by the code in its body if that is more precise than its status."""
    error, what = _error(refused.body), refused.what
    code = 0 if error is None else error.code
    said = excerpt(refused.body) if refused.body else "no message"
    if error is not None:
        said = f"{one_line(error.msg) or 'no message'} (code {code})"
    if code == _UNKNOWN_SYMBOL:
        return UnknownMarketError(f"{what}: {said}")
    if code == _UNKNOWN_INTERVAL:
        return RequestRejectedError(f"{what}: {said}; it has no candles of this timeframe, take another one")
    if code == _TOO_MUCH and refused.status not in (418, 429):
        refused = refused._replace(status=429)
    if code in _PASSING and refused.status < 500 and refused.status not in (418, 429):
        return ServerError(f"{what}: {said}", refused.wait)
    if refused.status == 418 and refused.wait is None:
        found = _UNTIL.search(said)
        refused = refused._replace(wait=None if found is None else max(0.0, int(found[1]) / 1000 - refused.now))
    if refused.status == 451:
        return RequestRejectedError(
            f"{what}: it serves nobody where this address is: {said}; ask from another network, or try its address for "
            "market data: --base-url https://data-api.binance.vision --name binance"
        )
    if refused.status == 403:
        return RequestRejectedError(
            f"{what}: its firewall refuses this address, or a proxy on the way does: {said}; wait some minutes, and "
            "see that nothing else asks from this address"
        )
    if refused.status == 200:
        return InvalidResponseError(f"{what} with an error: {said}")
    return failure_by_status(refused, said)


def used_weight(headers: Mapping[str, str]) -> float | None:
    """Return the weight used in this minute of the server's clock, by its header, or None."""
    found = _NUMBER.fullmatch(headers.get("X-MBX-USED-WEIGHT-1M", ""))
    return float(found[1]) if found else None


def _error(body: bytes) -> _Error | None:
    try:
        return _errors.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
