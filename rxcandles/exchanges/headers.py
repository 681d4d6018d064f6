"""Read an exchange's response headers; an unreadable header is None, never an error."""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Final

__all__ = ["cached_for", "http_date", "remaining_requests", "retry_after"]

_SEC: Final = re.compile(r"(?:^|[\s;,])sec\s*=\s*(\d{1,9})(?![\d.])", re.ASCII | re.IGNORECASE)
_SECONDS: Final = re.compile(r"\s*(\d{1,30}(?:\.\d{1,30})?)\s*", re.ASCII)


@lru_cache(maxsize=16)
def http_date(text: str | None) -> float | None:
    """Return the UTC seconds of an HTTP date (``Wed, 30 Jul 2025 17:36:32 GMT``), or None."""
    if not text:
        return None
    try:
        date = parsedate_to_datetime(text)
        return (date if date.tzinfo is not None else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):  # the parser's errors differ between versions of Python
        return None


@lru_cache(maxsize=64)
def remaining_requests(text: str | None) -> int | None:
    """Return N of ``group=candles; min=600; sec=N``, or None. Upbit's ``min`` is a constant without meaning."""
    found = _SEC.search(text) if text else None
    return int(found[1]) if found else None


def cached_for(text: str | None) -> float | None:
    """Return the seconds of an ``Age`` header, or None; every cache must send one (RFC 9111, section 5.1)."""
    found = _SECONDS.fullmatch(text) if text else None
    return float(found[1]) if found else None


def retry_after(text: str | None, now: float) -> float | None:
    """Return the seconds to wait by a ``Retry-After`` header, which has seconds or a date; None if it is unreadable.

    A date is compared with ``now`` (UTC seconds); a past date means 0.
    """
    if not text:
        return None
    found = _SECONDS.fullmatch(text)
    if found:
        return float(found[1])
    date = http_date(text)
    return None if date is None else max(date - now, 0.0)
