"""What is logged: one record for each event, always with the same fields.

The loggers are ``rxcandles.fetch``, ``.limiter``, ``.store``, ``.collector``, ``.lease``, ``.flow`` and ``.cluster``.
The library sets no handler and no level, so ``logging.getLogger("rxcandles").setLevel(logging.DEBUG)`` and a handler of
yours show everything.

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
address     WARNING  cluster    a worker was told to slow down: it may share its address
unfinished  ERROR    flow       what was to be finished after the pipeline's end has failed
==========  =======  =========  =======================================================

A record has all fields of its event as attributes (``record.event``, ``record.symbol``); a field that is unknown is
None. Fields are text, numbers, True, False or None, so that JSON can express them. Times are UTC in ISO 8601, durations
are seconds. No field has the name of one of logging's own attributes. Neither fields nor message contain anything that
an exchange has sent: an error appears by its class and its HTTP status, and its text is in the exception that is
raised. The classes below describe the fields of each event, and :data:`EVENTS` has them by name. Names and meanings do
not change.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, TypeAlias, TypedDict

__all__ = [
    "EVENTS",
    "AddressEvent",
    "BannedEvent",
    "CloseEvent",
    "CollectedEvent",
    "CommitEvent",
    "ConnectedEvent",
    "ContactEvent",
    "DisconnectedEvent",
    "DisputedEvent",
    "FailedEvent",
    "ImportEvent",
    "ImpossibleEvent",
    "LeaseEvent",
    "LimitedEvent",
    "LostEvent",
    "MigrateEvent",
    "Mode",
    "OfSeries",
    "OffGridEvent",
    "OpenEvent",
    "PageEvent",
    "ReconnectEvent",
    "RequestEvent",
    "RetryEvent",
    "RevisedEvent",
    "SilentEvent",
    "StateEvent",
    "UnfinishedEvent",
    "log_event",
]


Mode: TypeAlias = Literal["collection", "storage_only", "streaming"]
"""The modes by the names of ``recommend_mode``."""


class OfSeries(TypedDict):
    """The fields that all events of a series begin with."""

    exchange: str
    """Name of the exchange, under which its candles are stored."""
    symbol: str
    timeframe: str


class RequestEvent(OfSeries):
    """DEBUG: a request was sent, and answered, failed or cancelled."""

    event: Literal["request"]
    to: str
    """Candles that open before this time were asked for."""
    count: int
    """How many candles were asked for."""
    attempt: int
    """Requests sent for this page so far, this one included."""
    seconds: float
    """From sending the request to the end of the answer, without the wait for a permit."""
    status: int | None
    """HTTP status: 200 for a page, else the error's; None if the error has none."""
    error: str | None
    """Class of the error (``CancelledError`` if it was cancelled); None for a page."""
    rows: int | None
    """Rows of the page, before it was checked; None if no page came."""
    remaining: int | None
    """Requests that the server still allowed in that second, if it reported that."""


class PageEvent(OfSeries):
    """DEBUG: a page has passed its checks."""

    event: Literal["page"]
    rows: int
    """Rows that are kept: those of closed candles."""
    reached: str
    """Everything from here on is known now."""
    start: str | None
    """The span that the page covers, its older end included, its newer end excluded; None if it covers nothing."""
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
    """ERROR: a page failed for good. Not logged for a refused request (4xx), which raises at once."""

    event: Literal["failed"]
    start: str
    """The span that was not fetched, its older end included, its newer end excluded."""
    stop: str
    requests: int
    """Requests sent for it."""
    error: str
    status: int | None


class ContactEvent(TypedDict):
    """WARNING: a server that was never reached will be tried again; only if there is a limit to that."""

    event: Literal["contact"]
    host: str
    attempt: int
    """Attempts that have failed so far."""
    error: str
    """Class of the error."""
    wait: float
    """Seconds until the next attempt."""


class ImpossibleEvent(OfSeries):
    """WARNING: a candle of a page is impossible. It is not stored nor covered: later runs ask for it."""

    event: Literal["impossible"]
    open_time: str


class OffGridEvent(OfSeries):
    """WARNING: rows of a page open between two slots, as some of Binance's of 2017 and 2018 do; they are left out."""

    event: Literal["off_grid"]
    rows: int
    open_time: str
    """The newest of them, cut to whole seconds."""


class LimitedEvent(TypedDict):
    """WARNING: a 429; no permit is given for a while."""

    event: Literal["429"]
    wait: float
    """Seconds from now on without permits."""
    retry_after: float | None
    """Seconds that the server asked for, if any."""


class BannedEvent(TypedDict):
    """WARNING: a 418; no request is sent for a while."""

    event: Literal["418"]
    wait: float
    retry_after: float | None


class CommitEvent(OfSeries):
    """DEBUG: rows and what they cover were stored in one transaction. Not logged if the caller was cancelled."""

    event: Literal["commit"]
    rows: int
    new: int
    """Rows in slots that were not covered before."""
    start: str
    """The span that is covered now, its older end included, its newer end excluded."""
    stop: str
    seconds: float
    """Includes the wait for other writers."""


class RevisedEvent(OfSeries):
    """INFO: a stored candle was replaced, because the exchange has sent it with other values (late trades).

    Or it was deleted, because the exchange was asked again and no longer has it.
    """

    event: Literal["revised"]
    open_time: str
    before: str
    """Its old values, as a JSON array in the order of ``Row`` without the open time."""
    after: str
    """Its new values; ``null`` if it was deleted."""


class OpenEvent(TypedDict):
    """DEBUG: a database was opened."""

    event: Literal["open"]
    path: str
    exchange: str
    seconds: float


class CloseEvent(TypedDict):
    """DEBUG: a database was closed, after everything that was being written was finished."""

    event: Literal["close"]
    path: str
    exchange: str
    seconds: float


class ImportEvent(OfSeries):
    """INFO: candles from elsewhere were stored as imported, in one transaction; logged even if none of them was new."""

    event: Literal["import"]
    source: str
    """Path of the file, or the kind of source."""
    format: str
    new: int
    """Candles stored; they may have replaced others."""
    covered: int
    """Candles left out because the exchange was asked about their slots."""
    differing: int
    """Those of them that the exchange does not have, or has with other values."""
    seconds: float


class MigrateEvent(TypedDict):
    """INFO: a file was brought to the next schema version; a new file begins with 0."""

    event: Literal["migrate"]
    path: str
    before: int
    after: int


class ReconnectEvent(TypedDict):
    """INFO, and WARNING after half a second and then every 20: the store's server is away, or is back (``state``).

    ``seconds`` is how long it has been away, ``reason`` what the last attempt to connect said.
    """

    event: Literal["reconnect"]
    path: str
    state: Literal["waiting", "back"]
    seconds: float
    reason: str


class CollectedEvent(OfSeries):
    """INFO: a run has come to its own end; not logged if an error or its user ended it."""

    event: Literal["collected"]
    mode: Mode
    candles: int
    """Candles of the request that are stored, or were delivered."""
    stored: int
    """Candles stored in slots that were not covered before."""
    requests: int
    """Requests sent, retries included."""
    retries: int
    rate_limited: int
    """Answers 429 among the requests."""
    failed_spans: int
    seconds: float


class ConnectedEvent(TypedDict):
    """INFO: a stream's connection is open, and the exchange has answered on it."""

    event: Literal["connected"]
    markets: int


class DisconnectedEvent(TypedDict):
    """INFO: a stream's connection has ended, or could not be opened; another one follows."""

    event: Literal["disconnected"]
    markets: int
    code: int
    """The code of its close frame; 0 if it could not be opened, 1006 if there was no frame."""
    seconds: float
    """How long it was open."""


class StateEvent(OfSeries):
    """INFO: how following a market goes has changed."""

    event: Literal["state"]
    state: str
    reason: str


class DisputedEvent(OfSeries):
    """WARNING: the stream has shown a candle that pages of the exchange lack, after several questions."""

    event: Literal["disputed"]
    open_time: str


class LostEvent(OfSeries):
    """WARNING: the exchange no longer has the candles of a span that is followed."""

    event: Literal["lost"]
    start: str
    stop: str
    reason: str


class SilentEvent(TypedDict):
    """WARNING: almost all followed markets that usually trade are empty: the exchange was probably out."""

    event: Literal["silent"]
    exchange: str
    timeframe: str
    start: str
    stop: str


class LeaseEvent(TypedDict):
    """WARNING (INFO for ``damaged`` and ``old``): a problem with the file of a shared limit, or with its folder."""

    event: Literal["lease"]
    path: str | None
    """None if there is no file."""
    problem: Literal["no locking", "unusable", "damaged", "old"]


class AddressEvent(TypedDict):
    """WARNING: a worker of a cluster got answers 429, so its address may be that of others too."""

    event: Literal["address"]
    worker: str
    """Its name."""
    address: str
    """What it sends from, as its machine knows it."""
    requests: int
    rate_limited: int
    """Answers 429 among the requests."""


class UnfinishedEvent(TypedDict):
    """ERROR: work that was to finish after the pipeline's end, such as storing a page, has failed."""

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
        "reconnect": ReconnectEvent,
        "collected": CollectedEvent,
        "connected": ConnectedEvent,
        "disconnected": DisconnectedEvent,
        "state": StateEvent,
        "disputed": DisputedEvent,
        "lost": LostEvent,
        "silent": SilentEvent,
        "lease": LeaseEvent,
        "address": AddressEvent,
        "unfinished": UnfinishedEvent,
    }
)
"""The class that describes each event's fields, by the event's name."""


def log_event(
    logger: logging.Logger, level: int, event: Mapping[str, object], message: str, *arguments: object
) -> None:
    """Log one record with the fields of ``event``, one of the classes above, as its attributes."""
    logger.log(level, message, *arguments, extra=event, stacklevel=2)
