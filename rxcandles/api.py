"""All public names, for ``rxcandles``, which gives them out: ``import rxcandles`` loads them when one is used."""

from __future__ import annotations

from rxcandles.chunk import Chunk
from rxcandles.claims import Claim, ConfirmTimes
from rxcandles.collector import CandleCollector
from rxcandles.derived import FilledCandle, ImportedCandle, NoTrade, ResampledCandle
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
    UnreachableError,
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
from rxcandles.limiters import Limit, LimiterStats, MachineLimiter, SlidingWindowLimiter
from rxcandles.model import CandleData, Candles, MarkedRow, Order, Request, Row
from rxcandles.monitor import MemoryMonitor, Timer
from rxcandles.notebook import ProgressBar
from rxcandles.ohlcv import get_ohlcv
from rxcandles.opening import OpenedProvider, connect
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
    "Candles",
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
    "ImportedCandle",
    "ImpossibleSpan",
    "IncompleteError",
    "InvalidCandleError",
    "InvalidResponseError",
    "LargeCollectionWarning",
    "Limit",
    "LimiterStats",
    "MachineLimiter",
    "MarkedRow",
    "Market",
    "MemoryLimitError",
    "MemoryMonitor",
    "NoTrade",
    "OpenedProvider",
    "Order",
    "Page",
    "PassingError",
    "ProgressBar",
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
    "UnreachableError",
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
