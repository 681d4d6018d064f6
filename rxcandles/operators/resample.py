"""Make longer candles from shorter ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final, Literal, TypeAlias, overload

from rxcandles.flow import Operator
from rxcandles.model import CandleData, CandleWithTrades, Order, Request
from rxcandles.model.absent import AbsentSlot
from rxcandles.model.derived import ImportedCandle, ResampledCandle
from rxcandles.model.spans import Span
from rxcandles.model.stretch import Origin, Stretch
from rxcandles.model.timeframe import Timeframe
from rxcandles.operators.stepping import AnyOrder, Step, Track, check_order, invalid, stepwise
from rxcandles.util.arguments import check_choice, check_kind, refusal

__all__ = ["resample"]

Partial: TypeAlias = Literal["drop", "keep", "mark"]

PARTIAL: Final = ("drop", "keep", "mark")


@overload
def resample(
    timeframe: str | Timeframe,
    *,
    order: AnyOrder = ...,
    partial: Literal["drop", "keep"] = ...,
    request: Request | None = ...,
) -> Operator[Sequence[CandleData], Sequence[CandleData]]: ...
@overload
def resample(
    timeframe: str | Timeframe, *, order: AnyOrder = ..., partial: Literal["mark"], request: Request | None = ...
) -> Operator[Sequence[CandleData], Sequence[ResampledCandle]]: ...
def resample(
    timeframe: str | Timeframe,
    *,
    order: AnyOrder = "of_the_run",
    partial: Partial = "drop",
    request: Request | None = None,
) -> Operator[Sequence[CandleData], Sequence[CandleData]] | Operator[Sequence[CandleData], Sequence[ResampledCandle]]:
    """Make candles of ``timeframe`` from the shorter candles of one series, as the exchange makes them.

    A candle has the open of its oldest part, the close and the ``timestamp`` of its newest part, the highest high, the
    lowest low, and the summed volume and turnover. The sums are float64, so their last digits depend on the order. A
    slot without candles has none. Candles of volume 0 count for the prices only if nobody traded in all of the slot.
    Fields that only day candles have are None. Synchronous; holds one candle, which comes before an error if it is
    complete.

    A first or last candle may be cut off by the edge of the request. It is complete if a candle opens right at its
    edge, or if the lists know that they hold all of it, as those of ``recall`` and of a provider's stream do. A candle
    is not complete if its slot contains a span that was skipped (``on_failure="skip"``), an impossible candle or a
    missing list.

    * ``order``: the order of the candles, which is kept. Lists of a run know it; give it for copies of such lists and
      for candles of another origin (default: newest first).
    * ``partial``: what becomes of a candle that is not complete. ``"drop"`` drops it, ``"keep"`` emits it like the
      others, and ``"mark"`` makes every candle a :class:`ResampledCandle`, which has ``complete``.
    * ``request``: the request that the candles were asked for with, for copies and other origins, if no operator has
      narrowed them since.

    Raises:

    * :class:`RequestError` if ``timeframe`` is not made of whole slots of the candles' timeframe; at once if
      ``request`` is given.
    * :class:`InvalidCandleError` if a candle is out of order, of another series, or filled in.

    >>> stream = provider.stream_candles("KRW-BTC", "1m", since="2024-01-01", until="2024-01-01 02:00")
    >>> hours = await ops.run(ops.from_stream(stream).pipe(ops.resample("60m"), ops.to_list(10)))
    >>> [str(hour.open_time) for hour in hours]
    ['2024-01-01 01:00:00+00:00', '2024-01-01 00:00:00+00:00']
    """
    target = Timeframe.of(timeframe)
    known = check_order(order)
    check_choice("partial", partial, PARTIAL)
    if request is not None:
        _check_fits(check_kind("request", request, Request).timeframe, target)
    return stepwise("resample", lambda: _Resampling(target, known, partial, request))


def _check_fits(given: Timeframe, target: Timeframe) -> None:
    if not given.divides(target):
        raise refusal(
            "timeframe", target.name, f"the candles are {given}; take one each slot of which is made of whole {given}"
        )


class _Resampling(Step[CandleData, CandleData]):
    """One subscription, and the slot that is being filled."""

    def __init__(self, target: Timeframe, order: Order | None, partial: Partial, request: Request | None) -> None:
        self._target = target
        self._partial = partial
        self._request = request
        self._track = Track(order)
        self._seen = _Seen()
        self._told: Origin | None = None
        """What operators behind learn of the longer candles."""
        self._edge = 0
        self._start = self._stop = 0
        self._near: CandleData | None = None
        """The slot's first candle, in order; None before any has come."""
        self._far: CandleData | None = None
        """The slot's last candle so far."""
        self._priced: tuple[CandleData, CandleData] | None = None
        """The first and the last candle that give its prices: those with trades, if there are any."""
        self._high = self._low = self._volume = 0.0
        self._turnover: float | None = 0.0
        self._proven = True
        self._trades: list[float | None] = []
        """The sums of what some exchanges say of trades, which are known where all candles say it."""
        self._whole = False
        """Whether nothing is missing in the slot from its near edge to here."""
        self._high = self._low = self._volume = 0.0

    @property
    def _oldest_first(self) -> bool:
        return self._track.order == "oldest_first"

    def learn(self, items: Stretch[Any]) -> None:
        self._track.learn(items)
        self._seen.add(items)

    def take(self, items: Sequence[CandleData]) -> Iterator[CandleData]:
        for candle in items:
            self._track.check(candle)
            if candle.filled:
                raise invalid(candle, "it was filled in; resample before you fill gaps")
            cut = self._seen.cut()
            if self._near is None or not self._start <= candle.open_seconds < self._stop:
                if self._near is None:
                    _check_fits(Timeframe.of(candle.timeframe), self._target)
                    cut = True  # the time before the first one is unknown too
                elif cut:
                    yield from self._close(whole=self._reaches(self._far or candle, self._seen.before, far=True))
                else:
                    yield from self._close(whole=True)
                self._open(candle)
                self._whole = not cut or self._reaches(candle, self._seen.span, far=False)
                continue
            self._whole &= not cut
            self._far = candle
            self._price(candle)
            self._volume += candle.volume
            self._add(candle)
        # Close a slot as soon as the lists know all of it; a feed may bring nothing else for a long time.
        if self._far is not None and self._is_known():
            yield from self._close(whole=True)
            self._near = self._far = None

    def _is_known(self) -> bool:
        """Return whether the lists have passed the far edge of the slot."""
        span = self._seen.span
        return span is not None and (span[1] >= self._stop if self._oldest_first else span[0] <= self._start)

    def finish(self, failed: bool) -> Iterator[CandleData]:
        if not failed:
            self._seen.end()
        if self._far is not None:
            yield from self._close(whole=self._reaches(self._far, self._seen.span, far=True, asked=not failed))
            self._near = self._far = None
        elif self._told is not None and self._seen.span is not None:
            self._told.edge = self._settled()  # nothing has come behind the last one

    def shape(self, made: list[CandleData]) -> list[CandleData]:
        """Return ``made`` as a list that knows its whole slots, so that it can be resampled once more."""
        if self._told is None:
            self._told = Origin(self._track.order, lambda: self._seen.failed, absent=self._seen.absent)
            self._edge = self._settled(first=True)
        before, self._edge = self._edge, self._settled()
        self._told.last, self._told.edge = self._told.last + 1, self._edge
        span = (min(before, self._edge), max(before, self._edge))
        known = self._seen.span is not None and not self._seen.torn
        return Stretch(made, self._told, span if known else None, self._told.last if known or self._seen.torn else None)

    def _settled(self, *, first: bool = False) -> int:
        """Return how far the longer candles are complete; for the ``first``, where they begin."""
        if self._seen.span is None:
            return 0
        start, stop = self._target.ceil(self._seen.span[0]), self._target.floor(self._seen.span[1])
        if self._oldest_first:
            return start if first else stop if self._near is None else self._start
        return stop if first else start if self._near is None else self._stop

    def _open(self, candle: CandleData) -> None:
        self._start = self._target.floor(candle.open_seconds)
        self._stop = self._target.shift(self._start, 1)
        self._near = self._far = candle
        self._priced = None
        self._price(candle)
        self._volume, self._turnover, self._proven = candle.volume, 0.0, True
        self._trades = [0, 0.0, 0.0] if isinstance(candle, CandleWithTrades) else []
        self._add(candle)

    def _price(self, candle: CandleData) -> None:
        """Take the prices of a candle; of one without a trade only where there are no others."""
        if self._priced is None or (candle.traded and not self._priced[1].traded):
            self._priced = (candle, candle)
            self._high, self._low = candle.high, candle.low
        elif candle.traded or not self._priced[1].traded:
            self._priced = (self._priced[0], candle)
            self._high, self._low = max(self._high, candle.high), min(self._low, candle.low)

    def _add(self, candle: CandleData) -> None:
        """Add the fields that an imported candle may lack."""
        self._proven = self._proven and candle.proven
        turnover: float | None = candle.turnover
        self._turnover = None if turnover is None or self._turnover is None else self._turnover + turnover
        if self._trades:
            told = [candle.trades, candle.taker_volume, candle.taker_turnover]
            pairs = zip(self._trades, told, strict=True)
            self._trades = [None if had is None or more is None else had + more for had, more in pairs]

    def _close(self, *, whole: bool) -> Iterator[CandleData]:
        """Yield the slot's candle; ``whole`` says whether its far end was reached."""
        near, far, priced = self._near, self._far, self._priced
        assert near is not None
        assert far is not None
        assert priced is not None
        complete = whole and self._whole and not self._seen.lacks(self._start, self._stop)
        if self._partial == "drop" and not complete:
            return
        older, newer = priced if self._oldest_first else priced[::-1]
        newest = far if self._oldest_first else near
        fields: tuple[Any, ...] = (
            near.symbol, self._target.name, self._start, older.open, self._high, self._low, newer.close,
            self._volume, self._turnover, newest.timestamp,
        )  # fmt: skip
        made: Callable[..., CandleData] = CandleData if self._proven else ImportedCandle
        if self._partial == "mark":
            made = partial(ResampledCandle, complete=complete, proven=self._proven)
        elif made is CandleData and self._trades:
            made, fields = CandleWithTrades, (*fields, None, None, None, *self._trades)
        yield made(*fields)

    def _reaches(self, candle: CandleData, known: Span | None, *, far: bool, asked: bool = True) -> bool:
        """Say whether the slot is known up to its far or near edge, to which ``candle`` is the nearest."""
        request = self._request if asked else None
        if far != self._oldest_first:
            asked_from = None if request is None else request.start
            seen = known is not None and known[0] <= self._start
            return seen or candle.open_seconds == self._start or (asked_from is not None and asked_from <= self._start)
        last = Timeframe.of(candle.timeframe).shift(self._stop, -1)
        seen = known is not None and known[1] >= self._stop
        return seen or candle.open_seconds == last or (request is not None and request.stop >= self._stop)


class _Seen:
    """The span of which all candles have come, by what their lists know."""

    def __init__(self) -> None:
        self.span: Span | None = None
        """The span of the lists that follow on one another, up to the last one."""
        self.before: Span | None = None
        """The span before it, if a list is missing in between."""
        self.torn = False
        self._last: Stretch[Any] | None = None
        self._cut = self._unsure = False

    def add(self, items: Stretch[Any]) -> None:
        """Add one more list."""
        last, self._last = self._last, items
        self._unsure = items.unsure
        if items.span is None:
            self.before, self.span = self.span, None
            self.torn |= self._unsure
        elif last is None:
            self.span = items.span
        elif self.span is not None and items.follows(last):
            self.span = min(self.span[0], items.span[0]), max(self.span[1], items.span[1])
        else:
            self.before, self.span = self.span, items.span
            self._cut = self.torn = True

    @property
    def absent(self) -> AbsentSlot | None:
        """What a slot without a candle means, where the lists say."""
        return None if self._last is None else self._last.origin.absent

    def cut(self) -> bool:
        """Say whether something may be missing right before this candle; a missing list is reported once."""
        cut, self._cut = self._cut, False
        return cut or self._unsure

    def end(self) -> None:
        """Extend the span at the end to where the run has come, even if it has found no candle there."""
        last = self._last
        if last is not None and self.span is not None and last.final:
            edge = last.origin.edge
            self.span = min(self.span[0], edge), max(self.span[1], edge)

    def lacks(self, start: int, stop: int) -> bool:
        """Say whether a part of ``[start, stop)`` is known to be missing."""
        return any(span[0] < stop and start < span[1] for span in self.failed)

    @property
    def failed(self) -> Sequence[Span]:
        """Spans that the run could not fetch and has passed over."""
        return () if self._last is None else self._last.origin.failed
