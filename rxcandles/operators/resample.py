"""Longer candles of shorter ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final, Literal, TypeAlias, overload

from rxcandles.arguments import check_choice, check_kind, refusal
from rxcandles.derived import ImportedCandle, ResampledCandle
from rxcandles.flow import Operator
from rxcandles.model import ORDERS, CandleData, Order, Request
from rxcandles.operators.stepping import Step, Track, invalid, stepwise
from rxcandles.timeframe import Timeframe

__all__ = ["resample"]

Partial: TypeAlias = Literal["drop", "keep", "mark"]

PARTIAL: Final = ("drop", "keep", "mark")


@overload
def resample(
    timeframe: str | Timeframe,
    *,
    order: Order = ...,
    partial: Literal["drop", "keep"] = ...,
    request: Request | None = ...,
) -> Operator[Sequence[CandleData], Sequence[CandleData]]: ...
@overload
def resample(
    timeframe: str | Timeframe, *, order: Order = ..., partial: Literal["mark"], request: Request | None = ...
) -> Operator[Sequence[CandleData], Sequence[ResampledCandle]]: ...
def resample(
    timeframe: str | Timeframe,
    *,
    order: Order = "newest_first",
    partial: Partial = "drop",
    request: Request | None = None,
) -> Operator[Sequence[CandleData], Sequence[CandleData]] | Operator[Sequence[CandleData], Sequence[ResampledCandle]]:
    """Make candles of ``timeframe`` of the shorter ones of one series, in their ``order``, as the exchange makes them.

    Open of the oldest, close and ``timestamp`` of the newest, the highest high and lowest low, volume and turnover
    summed (as float64, so the last digits depend on the order); a slot in which nobody traded has none. The fields of
    day candles alone are None. Synchronous; one candle is held, and it comes before an error if it is complete.

    The first and the last may be cut by the edge of what was asked for. One is complete where a candle opens right at
    its edge, or where ``request``, with which the candles were asked for and which nothing has narrowed since, tells
    that the edge was asked for. Others are dropped; with ``partial="keep"`` they are emitted like any, and with
    ``"mark"`` all are :class:`ResampledCandle`, which say so. A span that was skipped inside (``on_failure="skip"``)
    can't be told from one without a trade.

    Raises :class:`RequestError` where ``timeframe`` is not made of whole slots of the candles' own, at once where
    ``request`` tells, :class:`InvalidCandleError` for candles out of order, of several series, or filled in.
    """
    target = Timeframe.of(timeframe)
    check_choice("order", order, ORDERS)
    check_choice("partial", partial, PARTIAL)
    if request is not None:
        _check_fits(check_kind("request", request, Request).timeframe, target)
    return stepwise(lambda: _Resampling(target, order, partial, request))


def _check_fits(given: Timeframe, target: Timeframe) -> None:
    if not given.divides(target):
        raise refusal(
            "timeframe", target.name, f"the candles are {given}; take one each slot of which is made of whole {given}"
        )


class _Resampling(Step[CandleData, CandleData]):
    """One subscription: the slot that is being filled."""

    def __init__(self, target: Timeframe, order: Order, partial: Partial, request: Request | None) -> None:
        self._target = target
        self._oldest_first = order == "oldest_first"
        self._partial = partial
        self._request = request
        self._track = Track(order)
        self._start = self._stop = 0
        self._first = True
        """Whether the slot is the first one, before which candles may have been cut off."""
        self._near: CandleData | None = None
        """The slot's first candle, in order; None before any has come."""
        self._far: CandleData | None = None
        """Its last so far."""
        self._high = self._low = self._volume = 0.0
        self._turnover: float | None = 0.0
        self._proven = True

    def take(self, items: Sequence[CandleData]) -> Iterator[CandleData]:
        for candle in items:
            self._track.check(candle)
            if not candle.traded:
                raise invalid(candle, "nobody traded in it; resample before you fill gaps")
            if self._near is None or not self._start <= candle.open_seconds < self._stop:
                if self._near is None:
                    _check_fits(Timeframe.of(candle.timeframe), self._target)
                else:
                    yield from self._close(whole=True)
                    self._first = False
                self._open(candle)
                continue
            self._far = candle
            self._high = max(self._high, candle.high)
            self._low = min(self._low, candle.low)
            self._volume += candle.volume
            self._add(candle)

    def finish(self, failed: bool) -> Iterator[CandleData]:
        if self._far is not None:
            yield from self._close(whole=self._reaches(self._far, far=True, asked=not failed))

    def _open(self, candle: CandleData) -> None:
        self._start = self._target.floor(candle.open_seconds)
        self._stop = self._target.shift(self._start, 1)
        self._near = self._far = candle
        self._high, self._low = candle.high, candle.low
        self._volume, self._turnover, self._proven = candle.volume, 0.0, True
        self._add(candle)

    def _add(self, candle: CandleData) -> None:
        """Take what a candle that was imported may lack."""
        self._proven = self._proven and candle.proven
        turnover: float | None = candle.turnover
        self._turnover = None if turnover is None or self._turnover is None else self._turnover + turnover

    def _close(self, *, whole: bool) -> Iterator[CandleData]:
        """Yield the slot's candle; ``whole`` says whether all of its far end was seen."""
        near, far = self._near, self._far
        assert near is not None
        assert far is not None
        complete = whole and (not self._first or self._reaches(near, far=False, asked=True))
        if self._partial == "drop" and not complete:
            return
        older, newer = (near, far) if self._oldest_first else (far, near)
        fields: tuple[Any, ...] = (
            near.symbol, self._target.name, self._start, older.open, self._high, self._low, newer.close,
            self._volume, self._turnover, newer.timestamp,
        )  # fmt: skip
        made: Callable[..., CandleData] = CandleData if self._proven else ImportedCandle
        if self._partial == "mark":
            made = partial(ResampledCandle, complete=complete, proven=self._proven)
        yield made(*fields)

    def _reaches(self, candle: CandleData, *, far: bool, asked: bool) -> bool:
        """Say whether the slot is known up to its far or near edge, of which ``candle`` is the nearest."""
        request = self._request if asked else None
        if far != self._oldest_first:
            asked_from = None if request is None else request.start
            return candle.open_seconds == self._start or (asked_from is not None and asked_from <= self._start)
        last = Timeframe.of(candle.timeframe).shift(self._stop, -1)
        return candle.open_seconds == last or (request is not None and request.stop >= self._stop)
