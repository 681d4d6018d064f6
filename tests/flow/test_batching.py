"""Regrouping, in marbles."""

from __future__ import annotations

import pytest
from reactivex.testing import ReactiveTest, TestScheduler

from rxcandles.errors import MemoryLimitError, RequestError
from rxcandles.flow import batch, to_list

on_next, on_completed, on_error, subscribe = (
    ReactiveTest.on_next,
    ReactiveTest.on_completed,
    ReactiveTest.on_error,
    ReactiveTest.subscribe,
)


def test_regroups() -> None:
    """Lists of four from lists of three and one of nine, the rest at the end; the source is let go then."""
    scheduler = TestScheduler()
    source = scheduler.create_hot_observable(
        on_next(210, [1, 2, 3]),
        on_next(220, [4, 5, 6]),
        on_next(230, [*range(7, 16)]),
        on_completed(240),
    )
    result = scheduler.start(lambda: source.pipe(batch(4)))
    assert result.messages == [
        on_next(220, [1, 2, 3, 4]),
        on_next(230, [5, 6, 7, 8]),
        on_next(230, [9, 10, 11, 12]),
        on_next(240, [13, 14, 15]),
        on_completed(240),
    ]
    assert source.subscriptions == [subscribe(200, 240)]


def test_flushes_before_an_error() -> None:
    """What waits is delivered before an error: delivered is stored."""
    scheduler = TestScheduler()
    error = OSError("lost")
    source = scheduler.create_hot_observable(on_next(210, [1, 2]), on_error(220, error))
    result = scheduler.start(lambda: source.pipe(batch(4)))
    assert result.messages == [on_next(220, [1, 2]), on_error(220, error)]


def test_nothing_from_nothing() -> None:
    """No candles make no batch."""
    scheduler = TestScheduler()
    source = scheduler.create_hot_observable(on_next(210, []), on_completed(220))
    assert scheduler.start(lambda: source.pipe(batch(4))).messages == [on_completed(220)]


def test_two_subscriptions_share_nothing() -> None:
    """What one subscriber has begun does not end in another's batch."""
    scheduler = TestScheduler()
    source = scheduler.create_hot_observable(on_next(210, [1]), on_next(230, [2, 3]), on_completed(240))
    grouped = source.pipe(batch(2))
    other = scheduler.create_observer()
    scheduler.schedule_absolute(220, lambda *_: grouped.subscribe(other, scheduler=scheduler))
    result = scheduler.start(lambda: grouped)
    assert result.messages == [on_next(230, [1, 2]), on_next(240, [3]), on_completed(240)]
    assert other.messages == [on_next(230, [2, 3]), on_completed(240)]


def test_to_list() -> None:
    """Everything joined, once, at the end."""
    scheduler = TestScheduler()
    source = scheduler.create_hot_observable(on_next(210, [1]), on_next(230, [2, 3]), on_completed(240))
    result = scheduler.start(lambda: source.pipe(to_list(3)))
    assert result.messages == [on_next(240, [1, 2, 3]), on_completed(240)]


def test_to_list_is_guarded() -> None:
    """One more than the limit ends it at once, and the source is let go."""
    scheduler = TestScheduler()
    source = scheduler.create_hot_observable(on_next(210, [1]), on_next(230, [2, 3]), on_completed(240))
    result = scheduler.start(lambda: source.pipe(to_list(2)))
    assert [(message.time, message.value.kind) for message in result.messages] == [(230, "E")]
    assert isinstance(result.messages[0].value.exception, MemoryLimitError)
    assert source.subscriptions == [subscribe(200, 230)]


@pytest.mark.parametrize("size", [0, -5, True, 2.0, None])
def test_size_is_checked(size: object) -> None:
    """A size that can't be is refused with its value."""
    with pytest.raises(RequestError, match="size is"):
        batch(size)  # type: ignore[arg-type]
