"""Collect exchange candles into local storage, and hand them to code: as a list, as a stream, or not at all.

::

    frame = rxcandles.get_ohlcv("KRW-BTC", "60m", since="2024-01-01")

    with rxcandles.open("candles.db") as candles:
        newest = candles.get_candles("KRW-BTC", "1m", count=1000)

    async with rxcandles.connect("candles.db") as provider:
        newest = await provider.get_candles("KRW-BTC", "1m", count=1000)

Where to look:

* the doors: ``get_ohlcv`` returns a data frame of pandas, ``open`` gives a provider that needs no ``await``,
  ``connect`` an asynchronous one (``SyncProvider``, ``CandleDataProvider``).
* the three modes of both: ``get_candles`` returns candles, ``stream_candles`` yields them chunk by chunk,
  ``collect_candles_only`` and ``collect_many`` only store them. ``plan`` says before what it would take,
  ``recommend_mode`` which suits.
* what is asked for, and what comes: ``Request``, ``Timeframe``, ``CandleData``, ``CollectionSummary``.
* what is stored already, without asking the exchange: ``stored_candles``, ``overview``, ``coverage_cells``.
* your own pipelines: ``rxcandles.operators`` has what the modes are composed of, and ``resample``, ``fill_gaps`` and
  the like; ``Stream`` and ``Flow`` are what bounds them.
* data frames and files: ``to_pandas``, ``to_polars``, ``to_arrow``, ``in_batches``, ``export_candles``, and
  ``to_pyupbit``, ``to_ccxt``, ``to_freqtrade``; ``import_candles`` and ``check_imported`` for the way back.
* pictures: ``rxcandles.charts``, one HTML page or a PNG.
* whether a database is true: ``verify`` finds what is wrong with it, ``repair`` mends it.
* watching it run: ``stats()`` of streams (``StreamStats``) and limiters (``LimiterStats``), ``CollectionProgress``;
  ``rxcandles.events`` says what is logged; ``Timer`` and ``MemoryMonitor`` measure.
* errors: ``rxcandles.errors``, all of them an ``RxCandlesError``; ``RequestError`` before anything is sent.
* parts of your own: ``Exchange``, ``CandleStore``, ``RateLimiter`` are protocols; ours are ``SqliteStore``,
  ``SlidingWindowLimiter``, ``MachineLimiter`` and, for tests, ``rxcandles.simulator``.

Times are UTC, datetimes aware; spans include their older end, not their newer one. Prices and ``turnover`` are in
the quote currency (KRW for ``KRW-BTC``), ``volume`` in the base currency. At a shell it is ``rxcandles --help``.
"""

from rxcandles.chunk import Chunk
from rxcandles.claims import Claim, ConfirmTimes
from rxcandles.collector import CandleCollector
from rxcandles.derived import FilledCandle, NoTrade, ResampledCandle
from rxcandles.errors import (
    BannedError,
    CertificateError,
    ConnectionFailedError,
    ContradictionError,
    ExchangeError,
    ExtraMissingError,
    IncompleteError,
    InvalidCandleError,
    InvalidResponseError,
    MemoryLimitError,
    PassingError,
    RateLimitedError,
    RequestError,
    RequestRejectedError,
    RxCandlesError,
    SchemaError,
    ServerError,
    SeveralFailedError,
    StageCancelledError,
    StoreError,
    UnknownMarketError,
    UnprovenError,
    WrongServerError,
)
from rxcandles.estimating import CollectionPlan
from rxcandles.findings import Finding, RepairReport, RepairStep, VerificationReport
from rxcandles.flow import Flow, FlowStats, Stream, run, with_backpressure
from rxcandles.frames import (
    Exported,
    export_candles,
    in_batches,
    to_arrow,
    to_ccxt,
    to_freqtrade,
    to_pandas,
    to_polars,
    to_pyupbit,
)
from rxcandles.holdings import CoverageCell, SeriesOverview, coverage_cells, overview
from rxcandles.importing import ImportCheck, ImportReport, check_imported, import_candles
from rxcandles.lease import MachineLimiter
from rxcandles.limiter import LimiterStats, SlidingWindowLimiter
from rxcandles.model import CandleData, MarkedRow, Order, Request, Row
from rxcandles.monitor import MemoryMonitor, Timer
from rxcandles.ohlcv import get_ohlcv
from rxcandles.opening import connect
from rxcandles.ports import CandleStore, Covered, Exchange, Market, Page, RateLimiter, Series
from rxcandles.provider import CandleDataProvider, LargeCollectionWarning
from rxcandles.repairing import repair
from rxcandles.reports import (
    CandleProgress,
    CollectionConfig,
    CollectionProgress,
    CollectionSummary,
    FailedSpan,
    ImpossibleSpan,
    ProvisionalSpan,
    StreamingConfig,
    StreamingMeta,
    StreamStats,
    recommend_mode,
)
from rxcandles.sequence import CandleSequence, stored_candles
from rxcandles.stores import Import, SqliteStore
from rxcandles.streaming import CandleStream
from rxcandles.sync import SyncProvider, SyncRepository, SyncStream, open
from rxcandles.timeframe import TIMEFRAMES, Timeframe
from rxcandles.verification import verify
from rxcandles.version import VERSION

__version__ = VERSION

__all__ = [
    "TIMEFRAMES",
    "BannedError",
    "CandleCollector",
    "CandleData",
    "CandleDataProvider",
    "CandleProgress",
    "CandleSequence",
    "CandleStore",
    "CandleStream",
    "CertificateError",
    "Chunk",
    "Claim",
    "CollectionConfig",
    "CollectionPlan",
    "CollectionProgress",
    "CollectionSummary",
    "ConfirmTimes",
    "ConnectionFailedError",
    "ContradictionError",
    "CoverageCell",
    "Covered",
    "Exchange",
    "ExchangeError",
    "Exported",
    "ExtraMissingError",
    "FailedSpan",
    "FilledCandle",
    "Finding",
    "Flow",
    "FlowStats",
    "Import",
    "ImportCheck",
    "ImportReport",
    "ImpossibleSpan",
    "IncompleteError",
    "InvalidCandleError",
    "InvalidResponseError",
    "LargeCollectionWarning",
    "LimiterStats",
    "MachineLimiter",
    "MarkedRow",
    "Market",
    "MemoryLimitError",
    "MemoryMonitor",
    "NoTrade",
    "Order",
    "Page",
    "PassingError",
    "ProvisionalSpan",
    "RateLimitedError",
    "RateLimiter",
    "RepairReport",
    "RepairStep",
    "Request",
    "RequestError",
    "RequestRejectedError",
    "ResampledCandle",
    "Row",
    "RxCandlesError",
    "SchemaError",
    "Series",
    "SeriesOverview",
    "ServerError",
    "SeveralFailedError",
    "SlidingWindowLimiter",
    "SqliteStore",
    "StageCancelledError",
    "StoreError",
    "Stream",
    "StreamStats",
    "StreamingConfig",
    "StreamingMeta",
    "SyncProvider",
    "SyncRepository",
    "SyncStream",
    "Timeframe",
    "Timer",
    "UnknownMarketError",
    "UnprovenError",
    "VerificationReport",
    "WrongServerError",
    "check_imported",
    "connect",
    "coverage_cells",
    "export_candles",
    "get_ohlcv",
    "import_candles",
    "in_batches",
    "open",
    "overview",
    "recommend_mode",
    "repair",
    "run",
    "stored_candles",
    "to_arrow",
    "to_ccxt",
    "to_freqtrade",
    "to_pandas",
    "to_polars",
    "to_pyupbit",
    "verify",
    "with_backpressure",
]
