"""Collect exchange candles into local storage, and use them as a list, as a stream, or from the store.

::

    frame = rxcandles.get_ohlcv("KRW-BTC", "60m", since="2024-01-01")

    with rxcandles.open("candles.db") as candles:
        newest = candles.get_candles("KRW-BTC", "1m", count=1000)

    async with rxcandles.connect("candles.db") as provider:
        newest = await provider.get_candles("KRW-BTC", "1m", count=1000)

Where to look:

* Ways in: ``get_ohlcv`` returns a data frame of pandas, ``open`` a provider that needs no ``await``, ``connect`` an
  asynchronous one (``SyncProvider``, ``CandleDataProvider``).
* The three modes of both providers: ``get_candles`` returns candles, ``stream_candles`` yields them chunk by chunk,
  ``collect_candles_only`` and ``collect_many`` only store them. ``plan`` estimates the cost before anything is sent,
  ``recommend_mode`` recommends a mode.
* Candles as they close: ``follow`` of both providers gives history and the newest candle without a gap (``Feed``,
  ``FollowConfig``); ``rxcandles.serve`` shows them in a browser.
* Requests and results: ``Request``, ``Timeframe``, ``CandleData``, ``CollectionSummary``.
* What is stored, without asking the exchange: ``stored_candles``, ``overview``, ``coverage_cells``.
* Pipelines of your own: ``rxcandles.operators`` has the parts of the modes, and ``resample``, ``fill_gaps`` and others;
  ``Stream`` and ``Flow`` bound them.
* Data frames and files: ``to_pandas``, ``to_polars``, ``to_arrow``, ``in_batches``, ``export_candles``, and
  ``to_pyupbit``, ``to_ccxt``, ``to_freqtrade``; ``import_candles`` and ``check_imported`` for the way back.
* A lake: ``rxcandles.lake`` keeps Parquet files in a folder or an S3 bucket equal to the database.
* Pictures: ``rxcandles.charts`` makes an HTML page or a PNG; ``ProgressBar`` shows progress in a notebook.
* Is a database correct? ``verify`` finds what is wrong with it, ``repair`` mends it.
* Watching a run: ``stats()`` of streams (``StreamStats``) and limiters (``LimiterStats``), ``CollectionProgress``;
  ``rxcandles.events`` describes the log; ``Timer`` and ``MemoryMonitor`` measure.
* Errors: ``rxcandles.errors``; each is an ``RxCandlesError``. ``RequestError`` comes before anything is sent.
* Parts of your own: ``Exchange``, ``CandleStore`` and ``RateLimiter`` are protocols; ours are ``SqliteStore``,
  ``SlidingWindowLimiter``, ``MachineLimiter`` (for a rate, or a ``Limit``) and, for tests, ``rxcandles.simulator``.

Times are UTC, and datetimes are aware. A span includes its older end and excludes its newer end. Prices and
``turnover`` are in the quote currency (KRW for ``KRW-BTC``), ``volume`` in the base currency. At a shell it is
``rxcandles --help``. ``GUIDE.md`` beside this file is the manual.
"""

TYPE_CHECKING = False  # nothing is imported here, so that a command handles signals at once
if TYPE_CHECKING:
    from typing import Any

    from rxcandles.api import *  # noqa: F403 - they are what the module gives out

    __version__: str


def __getattr__(name: str) -> "Any":
    """Return a public name; all of them are loaded when the first one is used."""
    if name.startswith("__") and name not in ("__all__", "__version__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import rxcandles.api  # this also makes the subpackages attributes of this module

    public = {*rxcandles.api.__all__, "__all__", "__version__"}
    found = getattr(rxcandles.api, name, None) if name in public else globals().get(name)
    if found is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    import rxcandles.api

    return sorted({*globals(), *rxcandles.api.__all__, "__version__"})
