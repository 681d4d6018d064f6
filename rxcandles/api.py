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
    StreamClosedError,
    StreamRefusedError,
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
from rxcandles.interchange.copying import CopiedSeries, CopyReport, copy_candles
from rxcandles.interchange.ohlcv import get_ohlcv
from rxcandles.limiters import Limit, LimiterStats, MachineLimiter, SlidingWindowLimiter
from rxcandles.live.feed import Feed
from rxcandles.live.stats import FollowStats, MarketStats
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
from rxcandles.model.settings import CollectionConfig, FollowConfig, StreamingConfig, recommend_mode
from rxcandles.model.timeframe import TIMEFRAMES, Timeframe
from rxcandles.model.updates import (
    CandleUpdate,
    ClosedUpdate,
    FormingUpdate,
    LostUpdate,
    ProgressUpdate,
    RevisedUpdate,
    StateUpdate,
    Update,
)
from rxcandles.modes.collector import CandleCollector
from rxcandles.modes.connect import OpenedProvider, connect
from rxcandles.modes.notebook import ProgressBar
from rxcandles.modes.provider import CandleDataProvider, LargeCollectionWarning
from rxcandles.modes.sequence import CandleSequence, stored_candles
from rxcandles.modes.stream import CandleStream
from rxcandles.modes.sync import SyncProvider, open
from rxcandles.modes.sync_readers import SyncFeed, SyncStream
from rxcandles.modes.sync_repository import SyncRepository
from rxcandles.ports import (
    Beat,
    CandleStore,
    Covered,
    Exchange,
    Frame,
    FrameStream,
    Market,
    Month,
    Page,
    RateLimiter,
    Revised,
    Series,
    Streaming,
    StreamRules,
)
from rxcandles.stores import Import, SqliteStore
from rxcandles.stores.cells import CoverageCell, coverage_cells
from rxcandles.stores.overview import SeriesOverview, overview
from rxcandles.stores.postgres.store import PostgresStore
from rxcandles.util.monitor import MemoryMonitor, Timer
from rxcandles.version import VERSION

__version__ = VERSION

__all__ = [
    "TIMEFRAMES",
    "BannedError",
    "Beat",
    "CandleCollector",
    "CandleData",
    "CandleDataProvider",
    "CandleProgress",
    "CandleSequence",
    "CandleStore",
    "CandleStream",
    "CandleUpdate",
    "CandleWithTrades",
    "Candles",
    "CertificateError",
    "Chunk",
    "Claim",
    "ClosedUpdate",
    "CollectionConfig",
    "CollectionPlan",
    "CollectionProgress",
    "CollectionSummary",
    "ConfirmTimes",
    "ConnectionFailedError",
    "ContradictionError",
    "CopiedSeries",
    "CopyReport",
    "CoverageCell",
    "Covered",
    "Exchange",
    "ExchangeError",
    "Exported",
    "ExtraMissingError",
    "FailedSpan",
    "Feed",
    "FilledCandle",
    "Finding",
    "Flow",
    "FlowStats",
    "FollowConfig",
    "FollowStats",
    "FormingUpdate",
    "Frame",
    "FrameStream",
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
    "LostUpdate",
    "MachineLimiter",
    "MarkedRow",
    "Market",
    "MarketStats",
    "MemoryLimitError",
    "MemoryMonitor",
    "Month",
    "NoCandle",
    "NoTrade",
    "OpenedProvider",
    "Order",
    "Outage",
    "Page",
    "PassingError",
    "PostgresStore",
    "ProgressBar",
    "ProgressUpdate",
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
    "Revised",
    "RevisedUpdate",
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
    "StateUpdate",
    "StoreError",
    "Stream",
    "StreamClosedError",
    "StreamRefusedError",
    "StreamRules",
    "StreamStats",
    "Streaming",
    "StreamingConfig",
    "StreamingMeta",
    "SyncFeed",
    "SyncProvider",
    "SyncRepository",
    "SyncStream",
    "Timeframe",
    "Timer",
    "UnknownMarketError",
    "UnprovenError",
    "UnreachableError",
    "Update",
    "VerificationReport",
    "WrongServerError",
    "check_imported",
    "connect",
    "copy_candles",
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
