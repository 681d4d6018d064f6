"""All errors of this library, in one tree.

::

    RxCandlesError
    ├── RequestError (ValueError)      an argument is invalid
    ├── MemoryLimitError               more candles than a list may hold
    ├── InvalidCandleError (ValueError) a candle does not fit into its stream
    ├── ExchangeError                  the exchange, or the connection to it, failed
    │   ├── RequestRejectedError       4xx: asking again does not help
    │   │   ├── UnknownMarketError     404: never listed, delisted or renamed
    │   │   └── WrongServerError       a simulator instead of an exchange, or the reverse
    │   ├── InvalidResponseError       not an answer to the question: asked again, never stored
    │   │   └── ContradictionError     an answer contradicts what is known: asked again, never stored
    │   ├── BannedError                418: stop until the block is over
    │   ├── StreamRefusedError         a stream's subscription was refused: asking again does not help
    │   └── PassingError               worth another attempt
    │       ├── ConnectionFailedError  refused, reset, cut short, timed out
    │       │   ├── CertificateError   the server's certificate is invalid: a person must mend that
    │       │   └── UnreachableError   the server has never answered, and the patience is used up
    │       ├── ServerError            5xx
    │       ├── RateLimitedError       429
    │       └── StreamClosedError      a stream's connection has ended
    ├── StoreError                     the database can't be opened, read or written, or has disappeared
    │   ├── SealedError                the candles are in a lake only
    │   ├── SchemaError                a file of a newer version, or of another program
    │   └── OddRowError                a row that this library can't have written; other series can be read
    ├── LakeError                      a lake can't be read or written, or is not what it should be
    ├── ClusterError                   a scheduler or its workers can't be used, or have gone
    ├── StageCancelledError            a task of a pipeline was cancelled from inside
    ├── ExtraMissingError (ImportError) a package of an extra is not installed
    ├── UnprovenError                  an export has spans that are not covered; carries them
    ├── IncompleteError                a collection ended with spans missing; carries its summary
    └── SeveralFailedError             some of several series failed; carries all results
"""

from __future__ import annotations

import copyreg
import io
import pickle  # nosec B403
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rxcandles.model import Request
    from rxcandles.model.reports import CollectionSummary
    from rxcandles.ports import Series

__all__ = [
    "BannedError",
    "CertificateError",
    "ClusterError",
    "ConnectionFailedError",
    "ContradictionError",
    "ExchangeError",
    "ExtraMissingError",
    "IncompleteError",
    "InvalidCandleError",
    "InvalidResponseError",
    "LakeError",
    "MemoryLimitError",
    "OddRowError",
    "PassingError",
    "RateLimitedError",
    "RequestError",
    "RequestRejectedError",
    "RxCandlesError",
    "SchemaError",
    "SealedError",
    "ServerError",
    "SeveralFailedError",
    "StageCancelledError",
    "StoreError",
    "StreamClosedError",
    "StreamRefusedError",
    "UnknownMarketError",
    "UnprovenError",
    "UnreachableError",
    "WrongServerError",
]


class RxCandlesError(Exception):
    """The root of this library's errors.

    Each error can be pickled and copied, for example between processes, with its attributes, notes and cause. If a
    cause or the failure of a series can't be pickled, its text takes its place.

    >>> try:
    ...     rxcandles.Timeframe.of("7m")
    ... except rxcandles.RxCandlesError as error:
    ...     print(type(error).__name__)
    RequestError
    """

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how to rebuild it without its own ``__init__``, which may need more than the message."""
        return _remade, (type(self), self.args, self._state(), _portable(self.__cause__), self.__suppress_context__)

    def _state(self) -> dict[str, Any]:
        return self.__dict__ | {"__notes__": [*self.__notes__]} if hasattr(self, "__notes__") else self.__dict__


def _remade(
    kind: type[RxCandlesError],
    arguments: tuple[Any, ...],
    state: dict[str, Any],
    cause: BaseException | None,
    suppressed: bool,
) -> RxCandlesError:
    error = kind.__new__(kind, *arguments)
    Exception.__init__(error, *arguments)
    for name, value in state.items():
        setattr(error, name, value)
    error.__cause__ = cause
    error.__suppress_context__ = suppressed
    return error


def _portable(error: BaseException | None) -> BaseException | None:
    """Return ``error``, or an error with its text if pickling it and back, which is tried, fails."""
    try:
        pickle.loads(dumped(error))  # nosec B301  # noqa: S301
    except Exception:  # whatever a user's class raises
        return RxCandlesError(f"{type(error).__name__}: {error}")
    return error


def dumped(error: BaseException | None) -> bytes:
    """Return an error, pickled in its own way, also where tblib is loaded, which pickles all errors in another one.

    Dask loads it. It sends each cause and traceback too, and fails with one that can't be pickled.
    """
    file = io.BytesIO()
    pickler = pickle.Pickler(file)
    pickler.dispatch_table = {kind: how for kind, how in copyreg.dispatch_table.items() if not _is_error(kind)}
    pickler.dump(error)
    return file.getvalue()


def _is_error(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseException)


class RequestError(RxCandlesError, ValueError):
    """An argument is invalid; raised before anything is sent or written. Not an error of the transport.

    >>> try:
    ...     rxcandles.Request("KRW-BTC", "1m", count=0)
    ... except rxcandles.RequestError as error:
    ...     print(error)
    count is 0; take a whole number from 1 to 1000000000000
    """


class MemoryLimitError(RxCandlesError):
    """A list of candles would exceed its limit; raised before any request if the request shows it.

    >>> try:
    ...     await ops.run(ops.from_demand([[1, 2, 3]]).pipe(ops.to_list(2)))
    ... except rxcandles.MemoryLimitError as error:
    ...     print(error)
    more than 2 came for one list; stream them, or raise the limit
    """


class InvalidCandleError(RxCandlesError, ValueError):
    """A candle does not fit into its stream: it is out of order, of another series, off the grid, or impossible.

    >>> twice = ops.from_demand([[candles[0], candles[0]]])
    >>> try:
    ...     await ops.run(twice.pipe(ops.validate()))
    ... except rxcandles.InvalidCandleError as error:
    ...     print(error)
    KRW-BTC 1m, the candle of 2024-01-01T00:00:00Z: it is repeated; ops.deduplicate() drops what is
    """


class ExchangeError(RxCandlesError):
    """The exchange, or the connection to it, failed.

    >>> try:
    ...     await provider.get_candles("KRW-NOTHING", "1m", count=1)
    ... except rxcandles.ExchangeError as error:
    ...     print(error.status, error.series.symbol)
    404 KRW-NOTHING
    """

    retryable: bool = False
    """Whether the fault is likely to pass, so that the request is sent again (see ``Retry``)."""
    retry_after: float | None = None
    """Seconds that the server asked to wait before that, if any."""
    status: int | None = None
    """The HTTP status of the answer; None if unknown."""
    series: Series | None = None
    """The series that was asked for, ``(exchange, symbol, timeframe)``; None if no candles were asked for."""
    span: tuple[int, int] | None = None
    """The span that could not be fetched, UTC seconds; the older end is included, the newer end is excluded."""


class RequestRejectedError(ExchangeError):
    """The exchange refused the request (4xx); asking again does not help.

    >>> rxcandles.RequestRejectedError("400: invalid parameter").retryable
    False
    """


class UnknownMarketError(RequestRejectedError):
    """The exchange does not know the market: it was never listed, was delisted, or was renamed.

    >>> with rxcandles.open(":memory:", exchange="simulated") as candles:
    ...     try:
    ...         candles.get_candles("KRW-NOTHING", "1m", count=1)
    ...     except rxcandles.UnknownMarketError as error:
    ...         print(error.status)
    404
    """


class WrongServerError(RequestRejectedError):
    """The server is a simulator but was not called one, or the reverse; nothing of its answer is stored.

    Asking again does not help: give the server's candles a name of their own.

    ::

        rxcandles.connect("test.db", exchange="upbit", base_url="http://localhost:8000", name="upbit-test")
    """


class InvalidResponseError(ExchangeError):
    """The answer does not fit the question: empty, half a page, HTML, another market's, a cached page, or impossible.

    A page is asked for again as ``retry`` says, over other connections. Then this is raised for the last answer, and
    the message quotes its beginning. No answer of these is stored.

    >>> rxcandles.InvalidResponseError("the answer is empty").retryable
    True
    """

    retryable = True


class ContradictionError(InvalidResponseError):
    """The answer contradicts stored candles, a list of markets or another answer; the message names both sides.

    The page is asked for again, over other connections and after longer and longer pauses. Then this is raised. Nothing
    of the answers is stored, so the same request asks again later.

    ::

        try:
            await provider.collect_candles_only("KRW-BTC", "1m", last="1h")
        except rxcandles.ContradictionError as error:
            print(error)
    """


class BannedError(ExchangeError):
    """The exchange has blocked this address (418) for ``seconds``.

    >>> rxcandles.BannedError("418: blocked", seconds=60.0).seconds
    60.0
    """

    retryable = True
    status = 418

    def __init__(self, message: str, seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = seconds

    @property
    def seconds(self) -> float | None:
        """How long the block lasts, if the exchange says so; the same as ``retry_after``."""
        return self.retry_after

    @seconds.setter
    def seconds(self, value: float | None) -> None:
        self.retry_after = value


class PassingError(ExchangeError):
    """A fault that is likely to pass; ``retry_after`` is how many seconds the server asked to wait, if any.

    An ``Exchange`` of your own raises it for a fault after which the page should be asked for again:

    >>> rxcandles.PassingError("503: maintenance", retry_after=30.0).retry_after
    30.0
    """

    retryable = True

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ConnectionFailedError(PassingError):
    """No whole answer came: refused, reset, cut short, or too slow.

    ``why`` is the reason alone, if it is known. The message is logged, so it never quotes an answer.

    >>> rxcandles.ConnectionFailedError("the connection was reset").retryable
    True
    """

    why: str | None = None


class CertificateError(ConnectionFailedError):
    """The server's certificate can't be verified; nothing was sent, and asking again does not help.

    >>> rxcandles.CertificateError("the certificate has expired").retryable
    False
    """

    retryable = False


class UnreachableError(ConnectionFailedError):
    """The server was never reached within the time that was set for that; asking again is up to you.

    >>> rxcandles.UnreachableError("no answer for 30 s").retryable
    False
    """

    retryable = False


class ServerError(PassingError):
    """The exchange answered 5xx; the request is sent again as ``retry`` says.

    >>> rxcandles.ServerError("502").retryable
    True
    """


class RateLimitedError(PassingError):
    """The exchange answered 429, too many requests: all requests of its limiter pause, then it is sent again.

    >>> rxcandles.RateLimitedError("429", retry_after=1.0).status
    429
    """

    status = 429


class StreamClosedError(PassingError):
    """A connection of a stream has ended, with the ``code`` of its close frame, or 1006 if there was none.

    >>> rxcandles.StreamClosedError("the connection ended", code=1001).code
    1001
    """

    def __init__(self, message: str, code: int = 1006) -> None:
        super().__init__(message)
        self.code = code


class StreamRefusedError(ExchangeError):
    """The exchange refused to stream what was subscribed to, and would refuse the same words again.

    >>> rxcandles.StreamRefusedError("INVALID_PARAM: wrong codes").retryable
    False
    """


class StoreError(RxCandlesError):
    """The database can't be opened, read or written, or another file has replaced it while it was open.

    >>> candles = rxcandles.open(":memory:", exchange="simulated")
    >>> candles.close()
    >>> try:
    ...     candles.markets()
    ... except rxcandles.StoreError as error:
    ...     print(error)
    :memory: is closed; open it again
    """


class SchemaError(StoreError):
    """The file was made by a newer version of this library, or by another program.

    >>> import sqlite3
    >>> other = sqlite3.connect("others.db")
    >>> _ = other.execute("CREATE TABLE notes (text)")
    >>> other.close()
    >>> try:
    ...     rxcandles.open("others.db", exchange="simulated")
    ... except rxcandles.SchemaError as error:
    ...     print(type(error).__name__)
    SchemaError
    """


class SealedError(StoreError):
    """Candles of a month are sealed: they have left the database, and a lake has them; the message says where.

    The coverage still has them, so they are not fetched again. ``rxcandles.lake.unseal`` brings them back.

    >>> raise rxcandles.SealedError("the candles of KRW-BTC 1m of 2021-01 are sealed")
    Traceback (most recent call last):
    SealedError: the candles of KRW-BTC 1m of 2021-01 are sealed
    """


class OddRowError(StoreError):
    """The store has a row that this library can't have written, so the series can't be read.

    Use ``verify`` and ``repair``.
    """


class LakeError(RxCandlesError):
    """A lake can't be read or written, or is not what it should be; the database is as it was.

    >>> from rxcandles import lake
    >>> _ = Path("lake").write_text("a file in its place")
    >>> try:
    ...     await lake.sync(store, "lake")
    ... except rxcandles.LakeError as error:
    ...     print(type(error).__name__)
    LakeError
    """


class ClusterError(RxCandlesError):
    """A scheduler can't be reached or has gone, no worker has the address that is needed, or workers died.

    What was fetched is stored; the same call goes on from there.

    ::

        try:
            await provider.collect_many(requests, client="tcp://scheduler:8786")
        except rxcandles.RxCandlesError as error:
            print(error)
    """


class StageCancelledError(RxCandlesError):
    """A task of the pipeline was cancelled from inside it, not by the end of the pipeline.

    >>> import asyncio
    >>> async def stage(item):
    ...     asyncio.current_task().cancel()
    ...     await asyncio.sleep(0)
    >>> try:
    ...     await ops.run(ops.from_demand([1]).pipe(ops.map_async(stage)))
    ... except rxcandles.StageCancelledError as error:
    ...     print(error)
    a task of the pipeline was cancelled from inside it
    """


class ExtraMissingError(RxCandlesError, ImportError):
    """An optional package is not installed; the message names the extra that installs it.

    ::

        try:
            frame = rxcandles.to_pandas(candles)
        except rxcandles.ExtraMissingError as error:
            print(error)  # this needs pandas: pip install 'rxcandles[pandas]'
    """

    def _state(self) -> dict[str, Any]:
        return {**super()._state(), "name": self.name, "path": self.path}


class UnprovenError(RxCandlesError):
    """Not everything that is to be exported is covered; ``missing`` has the other spans, in UTC seconds, oldest first.

    >>> rxcandles.UnprovenError("a minute is not covered", [(0, 60)]).missing
    [(0, 60)]
    """

    def __init__(self, message: str, missing: Sequence[tuple[int, int]]) -> None:
        super().__init__(message)
        self.missing = missing


class IncompleteError(RxCandlesError):
    """A collection has stored everything it could, and some spans are missing.

    ``summary`` has what is stored; ``summary.failed_spans`` and ``summary.impossible_spans`` are missing. The same
    request asks only for those.

    ::

        try:
            summary = await provider.collect_candles_only("KRW-BTC", "1m", last="1h")
        except rxcandles.IncompleteError as error:
            print(error.summary.failed_spans)
    """

    def __init__(self, message: str, summary: CollectionSummary) -> None:
        super().__init__(message)
        self.summary = summary


class SeveralFailedError(RxCandlesError):
    """Some of several series failed; all others were collected to their end.

    ``summaries`` has the summaries of the complete ones, ``failures`` the error of each other one, both by request.

    ::

        try:
            await provider.collect_many(requests)
        except rxcandles.SeveralFailedError as error:
            for request, failure in error.failures.items():
                print(request.symbol, failure)
    """

    def __init__(self, summaries: Mapping[Request, CollectionSummary], failures: Mapping[Request, Exception]) -> None:
        first = next(iter(failures.values()))
        super().__init__(f"{len(failures)} of {len(failures) + len(summaries)} series failed; the first: {first}")
        self.summaries = summaries
        self.failures = failures

    def _state(self) -> dict[str, Any]:
        failures = {request: _portable(error) for request, error in self.failures.items()}
        return {**super()._state(), "summaries": dict(self.summaries), "failures": failures}
