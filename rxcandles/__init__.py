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
* pictures: ``rxcandles.charts``, one HTML page or a PNG; ``ProgressBar`` shows progress in a notebook.
* whether a database is true: ``verify`` finds what is wrong with it, ``repair`` mends it.
* watching it run: ``stats()`` of streams (``StreamStats``) and limiters (``LimiterStats``), ``CollectionProgress``;
  ``rxcandles.events`` says what is logged; ``Timer`` and ``MemoryMonitor`` measure.
* errors: ``rxcandles.errors``, all of them an ``RxCandlesError``; ``RequestError`` before anything is sent.
* parts of your own: ``Exchange``, ``CandleStore``, ``RateLimiter`` are protocols; ours are ``SqliteStore``,
  ``SlidingWindowLimiter``, ``MachineLimiter`` (for a rate, or a ``Limit``) and, for tests, ``rxcandles.simulator``.

Times are UTC, datetimes aware; spans include their older end, not their newer one. Prices and ``turnover`` are in
the quote currency (KRW for ``KRW-BTC``), ``volume`` in the base currency. At a shell it is ``rxcandles --help``.
"""

TYPE_CHECKING = False  # nothing is imported here, so that a command listens to signals at once
if TYPE_CHECKING:
    from typing import Any

    from rxcandles.api import *  # noqa: F403 - they are what the module gives out

    __version__: str


def __getattr__(name: str) -> "Any":
    """Return a public name: all of them are loaded when the first is used."""
    if name.startswith("__") and name not in ("__all__", "__version__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import rxcandles.api  # which also makes the rooms that it loads attributes of this module

    public = {*rxcandles.api.__all__, "__all__", "__version__"}
    found = getattr(rxcandles.api, name, None) if name in public else globals().get(name)
    if found is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    import rxcandles.api

    return sorted({*globals(), *rxcandles.api.__all__, "__version__"})
