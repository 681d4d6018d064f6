"""Errors cross processes: each class survives pickling and copying, with all that it carries."""

from __future__ import annotations

import copy
import pickle
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

import rxcandles
from rxcandles import CollectionSummary, Request
from rxcandles.errors import (
    ExtraMissingError,
    IncompleteError,
    RxCandlesError,
    SeveralFailedError,
    StoreError,
    UnprovenError,
)
from rxcandles.model.timeframe import to_datetime
from tests.support.fakes import NEWEST, FakeExchange, slots

REQUEST = Request("KRW-BTC", "1m", count=10)
SUMMARY = CollectionSummary(
    collected_count=9,
    db_records_count=9,
    time_range=(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC)),
    chunks_processed=1,
    duration_seconds=0.5,
    api_calls_made=1,
    overlap_analysis_results={"no_overlap": 1},
)
SPECIAL: dict[type[RxCandlesError], Callable[[], RxCandlesError]] = {
    IncompleteError: lambda: IncompleteError("a message", SUMMARY),
    SeveralFailedError: lambda: SeveralFailedError({REQUEST: SUMMARY}, {REQUEST: IncompleteError("other", SUMMARY)}),
    UnprovenError: lambda: UnprovenError("a message", [(60, 120)]),
    ExtraMissingError: lambda: ExtraMissingError("a message", name="pyarrow"),
}


def classes(root: type[RxCandlesError] = RxCandlesError) -> Iterator[type[RxCandlesError]]:
    yield root
    for each in root.__subclasses__():
        yield from classes(each)


def plain(error: BaseException) -> object:
    """What an error says and carries, errors in it included, as something that can be compared."""
    carried = {
        name: {key: plain(each) for key, each in value.items()} if name == "failures" else value
        for name, value in vars(error).items()
    }
    name = getattr(error, "name", None)
    return type(error), str(error), error.args, carried, name, error.__cause__ and plain(error.__cause__)


@pytest.mark.parametrize("way", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy], ids=["pickled", "copied"])
@pytest.mark.parametrize("kind", sorted({*classes()}, key=lambda kind: kind.__name__))
def test_survives(kind: type[RxCandlesError], way: Callable[[RxCandlesError], RxCandlesError]) -> None:
    """Message, attributes, notes and cause are the same afterwards."""
    error = SPECIAL.get(kind, lambda: kind("a message"))()
    for name in ("seconds", "retry_after"):
        if hasattr(error, name):
            setattr(error, name, 2.5)
    if isinstance(error, rxcandles.ExchangeError):
        error.status = 599
    error.add_note("a note")
    error.__cause__ = StoreError("the cause")
    made = way(error)
    assert plain(made) == plain(error)
    made.add_note("of the copy alone")
    assert error.__notes__ == ["a note"]


class Local(Exception):
    """What can't be made again from its arguments."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} and {two}")


def test_what_cannot_be_pickled() -> None:
    """A cause, or one series' failure, that can't be pickled is there with what it says."""
    error = SeveralFailedError({}, {REQUEST: Local("this", "that")})
    error.__cause__ = sqlite3.OperationalError(lambda: None)
    made = pickle.loads(pickle.dumps(error))
    assert str(made.failures[REQUEST]) == "Local: this and that"
    assert str(made.__cause__).startswith("OperationalError: <function")
    assert str(made) == str(error)


def test_what_is_asked_again_is_the_errors_own_word() -> None:
    """``retryable`` says it for each kind; there is no other list of them."""
    public = {kind for kind in classes() if kind.__module__ == "rxcandles.errors"}
    again = {kind for kind in public if getattr(kind, "retryable", False)}
    assert again == {
        rxcandles.BannedError,
        rxcandles.ConnectionFailedError,
        rxcandles.ContradictionError,
        rxcandles.InvalidResponseError,
        rxcandles.PassingError,
        rxcandles.RateLimitedError,
        rxcandles.ServerError,
        rxcandles.StreamClosedError,
    }
    assert rxcandles.BannedError("blocked", 60).retry_after == 60


async def test_an_error_of_the_exchange_says_what_of() -> None:
    """Series and span are attributes, also after pickling."""
    exchange = FakeExchange(slots(500))

    def down(to: int, count: int) -> None:
        raise rxcandles.ServerError("down")

    exchange.before = down
    async with rxcandles.connect(":memory:", exchange, rate_limit=None, retry=rxcandles.Retry(1)) as provider:
        with pytest.raises(rxcandles.ServerError) as caught:
            await provider.get_candles("KRW-BTC", "1m", 300, to=to_datetime(NEWEST))
    assert caught.value.series == ("upbit", "KRW-BTC", "1m")
    assert caught.value.span == (NEWEST - 200 * 60, NEWEST)
    made = pickle.loads(pickle.dumps(caught.value))
    assert (made.series, made.span) == (caught.value.series, caught.value.span)
