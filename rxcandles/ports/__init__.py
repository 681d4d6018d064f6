"""What a pipeline needs from outside: an exchange, a store, a rate limiter.

Each is a Protocol, so any object of the same shape can take its place. None of them knows Rx.
"""

from rxcandles.ports.exchange import Exchange, Market, Page, PageUnit
from rxcandles.ports.limiter import RateLimiter
from rxcandles.ports.records import (
    IMPORTED,
    CachePlace,
    Covered,
    Followed,
    Impossible,
    Month,
    News,
    Revision,
    Sealed,
    Series,
    Written,
)
from rxcandles.ports.store import (
    CandleStore,
    Followable,
    Reserved,
    Reserving,
    Revised,
    RowReader,
    Sealing,
    absent_of,
    impossible_in,
    opens_of,
    sealed_in,
    with_imported,
    zone_of,
)
from rxcandles.ports.stream import Beat, Frame, FrameStream, Heard, Streaming, StreamRules

__all__ = [
    "IMPORTED",
    "Beat",
    "CachePlace",
    "CandleStore",
    "Covered",
    "Exchange",
    "Followable",
    "Followed",
    "Frame",
    "FrameStream",
    "Heard",
    "Impossible",
    "Market",
    "Month",
    "News",
    "Page",
    "PageUnit",
    "RateLimiter",
    "Reserved",
    "Reserving",
    "Revised",
    "Revision",
    "RowReader",
    "Sealed",
    "Sealing",
    "Series",
    "StreamRules",
    "Streaming",
    "Written",
    "absent_of",
    "impossible_in",
    "opens_of",
    "sealed_in",
    "with_imported",
    "zone_of",
]
