"""Everything that can go wrong, in one tree.

::

    RxCandlesError
    ├── RequestError (ValueError)      the caller asked for something that can't be asked
    ├── MemoryLimitError               more candles than a list may hold
    ├── InvalidCandleError (ValueError) a candle that does not fit into the stream it comes in
    ├── ExchangeError                  the exchange, or the way to it, failed
    │   ├── RequestRejectedError       4xx: asking again won't help
    │   │   ├── UnknownMarketError     404: never listed, delisted or renamed away
    │   │   └── WrongServerError       a simulator where an exchange was expected, or the other way round
    │   ├── InvalidResponseError       an answer that is not what was asked for: asked again, never stored
    │   │   └── ContradictionError     an answer that contradicts what is known: asked again, never believed
    │   ├── BannedError                418: stop until the block is over
    │   └── PassingError               worth another try
    │       ├── ConnectionFailedError  refused, reset, cut short, timed out
    │       │   ├── CertificateError   nobody vouches for the server: a person has to mend that, not another try
    │       │   └── UnreachableError   nothing has ever answered, and patience is over
    │       ├── ServerError            5xx
    │       └── RateLimitedError       429
    ├── StoreError                     the database can't be opened, read or written, or is no longer there
    │   ├── SchemaError                a file of a newer version, or of another program
    │   └── OddRowError                a row that this library can't have written; other series can be read
    ├── StageCancelledError            a pipeline's own task was cancelled from inside
    ├── ExtraMissingError (ImportError) a package of an extra is not installed
    ├── UnprovenError                  more was to be exported than is proven; carries the missing spans
    ├── IncompleteError                a collection that ended with spans missing; carries its summary
    └── SeveralFailedError             collections of several series of which some failed; carries all of them
"""

from __future__ import annotations

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
    "ConnectionFailedError",
    "ContradictionError",
    "ExchangeError",
    "ExtraMissingError",
    "IncompleteError",
    "InvalidCandleError",
    "InvalidResponseError",
    "MemoryLimitError",
    "OddRowError",
    "PassingError",
    "RateLimitedError",
    "RequestError",
    "RequestRejectedError",
    "RxCandlesError",
    "SchemaError",
    "ServerError",
    "SeveralFailedError",
    "StageCancelledError",
    "StoreError",
    "UnknownMarketError",
    "UnprovenError",
    "UnreachableError",
    "WrongServerError",
]


class RxCandlesError(Exception):
    """The root of this library's errors.

    Each survives pickling and copying, as between processes, with its attributes, notes and cause; of a cause, or a
    series' failure, that can't be pickled itself, what it says.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how it is made again: not by its own ``__init__``, which may want more than the message."""
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
    """Return ``error``, or one with its text where it can't be pickled or not be made again, which is tried."""
    try:
        pickle.loads(pickle.dumps(error))  # nosec B301  # noqa: S301
    except Exception:  # whatever somebody else's class raises
        return RxCandlesError(f"{type(error).__name__}: {error}")
    return error


class RequestError(RxCandlesError, ValueError):
    """A request that can't be meant; raised before anything is sent or written."""


class MemoryLimitError(RxCandlesError):
    """A list of candles would pass its limit; raised before any request where the plan shows it."""


class InvalidCandleError(RxCandlesError, ValueError):
    """A candle that does not fit into its stream: out of order, of another series, off the grid, or impossible."""


class ExchangeError(RxCandlesError):
    """The exchange, or the way to it, failed."""

    retryable: bool = False
    """Whether the fault is likely to pass, so that the same is asked again (see ``Retry``)."""
    retry_after: float | None = None
    """Seconds that the server asked to wait before that, if any."""
    status: int | None = None
    """The HTTP status of what it answered, None where unknown."""
    series: Series | None = None
    """The series that was asked for, ``(exchange, symbol, timeframe)``; None where none was."""
    span: tuple[int, int] | None = None
    """The span of it that could not be had, UTC seconds, the older end included."""


class RequestRejectedError(ExchangeError):
    """The exchange refused the request (4xx); asking again changes nothing."""


class UnknownMarketError(RequestRejectedError):
    """The exchange does not know the market: never listed, delisted, or renamed away."""


class WrongServerError(RequestRejectedError):
    """The server is a simulator, or is none, and its candles would be stored under the other's name; none of them is.

    Asking again changes nothing: give the server's candles a name that is theirs.
    """


class InvalidResponseError(ExchangeError):
    """The answer is not what was asked for: empty, half a page, HTML, another market's, a cache's, or impossible.

    A page is asked for again up to the ``retry`` policy, over other connections, and then this is raised for the last
    answer, whose beginning the message quotes. Nothing of any of them is stored.
    """

    retryable = True


class ContradictionError(InvalidResponseError):
    """The answer contradicts what is held, what is listed, or another answer; the message says what contradicts what.

    It is asked again, over other connections and after longer and longer pauses, and then raised. Nothing of it is
    stored, so that the same request asks again later.
    """


class BannedError(ExchangeError):
    """The exchange has blocked this address (418) for ``seconds``."""

    retryable = True
    status = 418

    def __init__(self, message: str, seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = seconds

    @property
    def seconds(self) -> float | None:
        """How long the block lasts, where the exchange says that; the same as ``retry_after``."""
        return self.retry_after

    @seconds.setter
    def seconds(self, value: float | None) -> None:
        self.retry_after = value


class PassingError(ExchangeError):
    """A fault that is likely to pass; ``retry_after`` are the seconds the server asked to wait, if any."""

    retryable = True

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ConnectionFailedError(PassingError):
    """No whole answer came: refused, reset, cut short, or too slow. Its text is logged, so it quotes no answer.

    ``why`` is the reason alone, where it is known.
    """

    why: str | None = None


class CertificateError(ConnectionFailedError):
    """The server's certificate can't be verified: nothing was sent, and trying again changes nothing."""

    retryable = False


class UnreachableError(ConnectionFailedError):
    """The server was never reached, and was tried for as long as was to be waited for it; trying again is up to you."""

    retryable = False


class ServerError(PassingError):
    """The exchange answered 5xx; tried again up to the ``retry`` policy."""


class RateLimitedError(PassingError):
    """The exchange answered 429, too many requests: everybody of its limiter pauses, then it is tried again."""

    status = 429


class StoreError(RxCandlesError):
    """The database can't be opened, read or written, or another file has taken its place while it was open."""


class SchemaError(StoreError):
    """The file was made by a newer version of this library, or by another program."""


class OddRowError(StoreError):
    """The store has a row that can't be, so that this series can't be read; ``verify`` and ``repair`` are for it."""


class StageCancelledError(RxCandlesError):
    """A task of the pipeline was cancelled by something other than the pipeline's own end."""


class ExtraMissingError(RxCandlesError, ImportError):
    """A package that only some need is not installed; the message names the extra that brings it."""

    def _state(self) -> dict[str, Any]:
        return {**super()._state(), "name": self.name, "path": self.path}


class UnprovenError(RxCandlesError):
    """What is to be exported is not all proven; ``missing`` are the spans that aren't, in UTC seconds, oldest first."""

    def __init__(self, message: str, missing: Sequence[tuple[int, int]]) -> None:
        super().__init__(message)
        self.missing = missing


class IncompleteError(RxCandlesError):
    """A collection has finished all it could and some spans are missing.

    ``summary`` says what is held; ``summary.failed_spans`` and ``summary.impossible_spans`` what is not. The same
    request again asks for just those.
    """

    def __init__(self, message: str, summary: CollectionSummary) -> None:
        super().__init__(message)
        self.summary = summary


class SeveralFailedError(RxCandlesError):
    """Of several series collected at once some failed; all others were collected to their end.

    ``summaries`` has those that are whole, ``failures`` the error of each other one.
    """

    def __init__(self, summaries: Mapping[Request, CollectionSummary], failures: Mapping[Request, Exception]) -> None:
        first = next(iter(failures.values()))
        super().__init__(f"{len(failures)} of {len(failures) + len(summaries)} series failed; the first: {first}")
        self.summaries = summaries
        self.failures = failures

    def _state(self) -> dict[str, Any]:
        failures = {request: _portable(error) for request, error in self.failures.items()}
        return {**super()._state(), "summaries": dict(self.summaries), "failures": failures}
