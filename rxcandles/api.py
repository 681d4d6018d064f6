"""All public names of ``rxcandles``; ``import rxcandles`` loads this module when the first name is used."""

from __future__ import annotations

from rxcandles.engine.chunk import Chunk
from rxcandles.engine.estimate import CollectionPlan
from rxcandles.engine.retry import Retry
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
from rxcandles.flow import Flow, FlowStats, Stream, run, with_backpressure
from rxcandles.integrity.findings import Finding, RepairReport, RepairStep, VerificationReport
from rxcandles.integrity.repair import repair
from rxcandles.integrity.verify import verify
from rxcandles.interchange import (
    Exported,
    ImportCheck,
    ImportReport,
    check_imported,
    export_candles,
    import_candles,
    in_batches,
    to_arrow,
    to_ccxt,
    to_freqtrade,
    to_pandas,
    to_polars,
    to_pyupbit,
)
from rxcandles.interchange.ohlcv import get_ohlcv
from rxcandles.limiters import Limit, LimiterStats, MachineLimiter, SlidingWindowLimiter
from rxcandles.model import CandleData, Candles, CandleWithTrades, MarkedRow, Order, Request, Row, RowWithTrades
from rxcandles.model.claims import Claim, ConfirmTimes
from rxcandles.model.derived import FilledCandle, ImportedCandle, NoCandle, NoTrade, Outage, ResampledCandle
from rxcandles.model.reports import (
    CandleProgress,
    CollectionProgress,
    CollectionSummary,
    FailedSpan,
    ImpossibleSpan,
    ProvisionalSpan,
    StreamingMeta,
    StreamStats,
)
from rxcandles.model.settings import CollectionConfig, StreamingConfig, recommend_mode
from rxcandles.model.timeframe import TIMEFRAMES, Timeframe
from rxcandles.modes.collector import CandleCollector
from rxcandles.modes.connect import OpenedProvider, connect
from rxcandles.modes.notebook import ProgressBar
from rxcandles.modes.provider import CandleDataProvider, LargeCollectionWarning
from rxcandles.modes.sequence import CandleSequence, stored_candles
from rxcandles.modes.stream import CandleStream
from rxcandles.modes.sync import SyncProvider, SyncStream, open
from rxcandles.modes.sync_repository import SyncRepository
from rxcandles.ports import CandleStore, Covered, Exchange, Market, Page, RateLimiter, Series
from rxcandles.stores import Import, SqliteStore
from rxcandles.stores.cells import CoverageCell, coverage_cells
from rxcandles.stores.overview import SeriesOverview, overview
from rxcandles.util.monitor import MemoryMonitor, Timer
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
    "CandleWithTrades",
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
    "NoCandle",
    "NoTrade",
    "OpenedProvider",
    "Order",
    "Outage",
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
    "Retry",
    "Row",
    "RowWithTrades",
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
