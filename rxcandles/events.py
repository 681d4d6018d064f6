"""What is logged: one record for each event, with the same fields every time.

The loggers are ``rxcandles.fetch``, ``.limiter``, ``.store``, ``.collector``, ``.lease`` and ``.flow``; no handler or
level is ever set here, so ``logging.getLogger("rxcandles").setLevel(logging.DEBUG)`` and a handler of yours show all.

==========  =======  =========  =======================================================
event       level    logger     when
==========  =======  =========  =======================================================
request     DEBUG    fetch      a request was sent, and answered, failed or cancelled
page        DEBUG    fetch      a page was accepted
retry       WARNING  fetch      a page will be asked for again
failed      ERROR    fetch      a page failed for good
contact     WARNING  fetch      a server that was never reached will be tried again
impossible  WARNING  fetch      a candle of a page can't be true, and is not stored
off_grid    WARNING  fetch      rows of a page open between two slots, and are left out
429         WARNING  limiter    the exchange said that its limit was passed
418         WARNING  limiter    the exchange has blocked this address
commit      DEBUG    store      rows and what they prove were stored
revised     INFO     store      a stored candle was replaced by the exchange's new one
import      INFO     store      candles from elsewhere were stored as imported
open        DEBUG    store      a database was opened
close       DEBUG    store      it was closed
migrate     INFO     store      a file was brought to the next schema version (DEBUG: a new one)
collected   INFO     collector  a run has come to its own end, in any of the three modes
lease       WARNING  lease      the file of a shared limit can't be used (or, INFO, is begun anew)
unfinished  ERROR    flow       what was to be finished after the pipeline's end has failed
==========  =======  =========  =======================================================

A record has its event's fields as attributes (``record.event``, ``record.symbol``): all of them, and None where one is
not known. They are text, numbers, True, False or None, so that JSON takes them; times are UTC in ISO 8601, durations
seconds. None has the name of an attribute of logging's own. Neither fields nor message hold anything that an exchange
has sent: an error is told by its class and its HTTP status, and says the rest where it is raised. The fields of each
event are the classes below, :data:`EVENTS` has them by name; names and meanings stay.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, TypeAlias, TypedDict

__all__ = [
    "EVENTS",
    "BannedEvent",
    "CloseEvent",
    "CollectedEvent",
    "CommitEvent",
    "ContactEvent",
    "FailedEvent",
    "ImportEvent",
    "ImpossibleEvent",
    "LeaseEvent",
    "LimitedEvent",
    "MigrateEvent",
    "Mode",
    "OfSeries",
    "OffGridEvent",
    "OpenEvent",
    "PageEvent",
    "RequestEvent",
    "RetryEvent",
    "RevisedEvent",
    "UnfinishedEvent",
    "log_event",
]


Mode: TypeAlias = Literal["collection", "storage_only", "streaming"]
"""The modes by the names of ``recommend_mode``."""


class OfSeries(TypedDict):
    """What all events of a series begin with."""

    exchange: str
    """Its name, the namespace of its candles in a store."""
    symbol: str
    timeframe: str


class RequestEvent(OfSeries):
    """DEBUG: a request was sent, and answered, failed or cancelled."""

    event: Literal["request"]
    to: str
    """Candles that open before this time were asked for,"""
    count: int
    """and so many of them."""
    attempt: int
    """Requests sent for this page so far, this one included."""
    seconds: float
    """From sending it to the end of the answer; the wait for a permit is not in it."""
    status: int | None
    """HTTP status: 200 for a page, else the error's; None where it has none."""
    error: str | None
    """Class of what went wrong (``CancelledError`` where it was cancelled); None for a page."""
    rows: int | None
    """Rows of the page, before it was checked; None where there was none."""
    remaining: int | None
    """Requests that the server still allowed in that second, as far as it said."""


class PageEvent(OfSeries):
    """DEBUG: a page has passed its checks."""

    event: Literal["page"]
    rows: int
    """Rows kept of it: those that are final."""
    reached: str
    """Everything from here on is known now."""
    start: str | None
    """The span that the page proves, its older end included, its newer end excluded; None where it proves nothing."""
    stop: str | None


class RetryEvent(OfSeries):
    """WARNING: a page will be asked for again."""

    event: Literal["retry"]
    to: str
    attempt: int
    """Attempts that have failed so far."""
    error: str
    """Class of the error."""
    status: int | None
    wait: float
    """Seconds until the next attempt, which also waits for a permit."""


class FailedEvent(OfSeries):
    """ERROR: a page failed for good. A request that is refused (4xx) is none: it is raised at once."""

    event: Literal["failed"]
    start: str
    """The span that was not fetched, its older end included, its newer end excluded."""
    stop: str
    requests: int
    """Requests sent for it."""
    error: str
    status: int | None


class ContactEvent(TypedDict):
    """WARNING: a server that was never reached will be tried again; only where there is a limit to that."""

    event: Literal["contact"]
    host: str
    attempt: int
    """Attempts that have failed so far."""
    error: str
    """Class of the error."""
    wait: float
    """Seconds until the next attempt."""


class ImpossibleEvent(OfSeries):
    """WARNING: a candle of a page can't be true; it is not stored, its slot not covered, and later runs ask for it."""

    event: Literal["impossible"]
    open_time: str


class OffGridEvent(OfSeries):
    """WARNING: rows of a page open between two slots, as some of Binance's of 2017 and 2018 do; they are left out."""

    event: Literal["off_grid"]
    rows: int
    open_time: str
    """The newest of them, cut to whole seconds."""


class LimitedEvent(TypedDict):
    """WARNING: a 429; nobody gets a permit for a while."""

    event: Literal["429"]
    wait: float
    """Seconds from now on without permits."""
    retry_after: float | None
    """Seconds that the server asked for, if any."""


class BannedEvent(TypedDict):
    """WARNING: a 418; nothing is sent for a while."""

    event: Literal["418"]
    wait: float
    retry_after: float | None


class CommitEvent(OfSeries):
    """DEBUG: rows and what they prove were stored, in one transaction; not told where the caller was cancelled."""

    event: Literal["commit"]
    rows: int
    new: int
    """Those of them that the store did not hold as proven."""
    start: str
    """The span proven, its older end included, its newer end excluded."""
    stop: str
    seconds: float
    """The wait for other writers is in it."""


class RevisedEvent(OfSeries):
    """INFO: a stored candle was replaced, because the exchange has sent it again with other values (late trades).

    Or deleted, because the exchange was asked anew and has it no longer.
    """

    event: Literal["revised"]
    open_time: str
    before: str
    """The values it had, as a JSON array in the order of ``Row`` without the open time."""
    after: str
    """Those it has now; ``null`` where it was deleted."""


class OpenEvent(TypedDict):
    """DEBUG: a database was opened."""

    event: Literal["open"]
    path: str
    exchange: str
    seconds: float


class CloseEvent(TypedDict):
    """DEBUG: a database was closed; what was being written was finished before."""

    event: Literal["close"]
    path: str
    exchange: str
    seconds: float


class ImportEvent(OfSeries):
    """INFO: candles from elsewhere were stored as imported, in one transaction; also where none of them was new."""

    event: Literal["import"]
    source: str
    """Path of the file, or what it was instead."""
    format: str
    new: int
    """Candles stored; it may replace others."""
    covered: int
    """Candles left out because the exchange was asked about their time."""
    differing: int
    """Those of them that the exchange does not have, or has with other values."""
    seconds: float


class MigrateEvent(TypedDict):
    """INFO: a file was brought to the next schema version; a new file begins with 0."""

    event: Literal["migrate"]
    path: str
    before: int
    after: int


class CollectedEvent(OfSeries):
    """INFO: a run has come to its own end; not logged where an error or its user ended it."""

    event: Literal["collected"]
    mode: Mode
    candles: int
    """Candles of the request that are held, or were delivered."""
    stored: int
    """Candles that the store did not hold as proven before."""
    requests: int
    """Requests sent, retries included."""
    retries: int
    rate_limited: int
    """Answers 429 among the requests."""
    failed_spans: int
    seconds: float


class LeaseEvent(TypedDict):
    """WARNING (INFO for ``damaged`` and ``old``): what is the matter with the file of a shared limit, or its folder."""

    event: Literal["lease"]
    path: str | None
    """None where there is no file."""
    problem: Literal["no locking", "unusable", "damaged", "old"]


class UnfinishedEvent(TypedDict):
    """ERROR: what was to be finished after the pipeline's end, such as storing a page, has failed."""

    event: Literal["unfinished"]
    error: str


EVENTS: Final[Mapping[str, type]] = MappingProxyType(
    {
        "request": RequestEvent,
        "page": PageEvent,
        "retry": RetryEvent,
        "failed": FailedEvent,
        "contact": ContactEvent,
        "impossible": ImpossibleEvent,
        "off_grid": OffGridEvent,
        "429": LimitedEvent,
        "418": BannedEvent,
        "commit": CommitEvent,
        "revised": RevisedEvent,
        "import": ImportEvent,
        "open": OpenEvent,
        "close": CloseEvent,
        "migrate": MigrateEvent,
        "collected": CollectedEvent,
        "lease": LeaseEvent,
        "unfinished": UnfinishedEvent,
    }
)
"""The class that describes each event's fields, by the event's name."""


def log_event(
    logger: logging.Logger, level: int, event: Mapping[str, object], message: str, *arguments: object
) -> None:
    """Log one record with the fields of ``event``, one of the classes above, as its attributes."""
    logger.log(level, message, *arguments, extra=event, stacklevel=2)
