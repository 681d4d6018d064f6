"""The one account of what a run has cost and brought."""

from __future__ import annotations

import attrs

__all__ = ["Tally"]


@attrs.define(eq=False)
class Tally:
    """What a run has cost and brought so far; the stages count here as it happens, and only here."""

    requests: int = 0
    """Requests sent, retries included."""
    retries: int = 0
    """Attempts at a page after its first."""
    rate_limited: int = 0
    """Answers 429 among the requests."""
    pages: int = 0
    """Pages accepted."""
    stored: int = 0
    """Candles stored in slots that were not covered before."""
    stored_before: int = 0
    """Candles that were not fetched because they were stored."""
    revised: int = 0
    """Stored candles that were replaced because the exchange changed them."""
    removed: int = 0
    """Stored candles that were deleted because the exchange no longer has them."""
    older: int = 0
    """Candles stored, less those of the request that came; a page may bring candles that another page has stored."""
