"""The seconds of a minute: some of them trade, and together they make the minute's candle."""

from __future__ import annotations

from itertools import accumulate, pairwise
from struct import unpack

from rxcandles.simulator.chance import digest, subset
from rxcandles.simulator.text import UNIT, Candle

__all__ = ["forming", "split"]


def split(key: str, minute: Candle, tick: int, lot: int) -> list[Candle]:
    """Return the 1 to 60 seconds of ``minute`` that trade, oldest first.

    Prices are multiples of ``tick`` and volumes of ``lot``, of which the minute has 256 or more. Each second touches
    the minute's mean price, at which all turnover is made, so that turnover adds up exactly. A ``timestamp`` lies in
    its second, but the last one may be late: it is the minute's. Every second has a trade or more, of which there are
    256 or more as well, and takers buy about the same part of each.
    """
    begin = minute.open_time
    last = min(59, minute.timestamp // 1000 - begin)
    luck = digest(f"{key}|{begin}|seconds", 3 + 3 * 60 + 2 * 60)
    count = 1 + luck[0] * (last + 1) // 256
    numbers = [*subset(f"{key}|{begin}", range(last), count - 1), last]
    mean = minute.turnover * UNIT // minute.volume
    span = (minute.high - minute.low) // tick
    closes = [minute.low + span * byte // 255 * tick for byte in luck[3 : 2 + count]]
    prices = [minute.open, *closes, minute.close]
    weights = unpack("<60H", luck[-120:])[:count]
    lots = _shared(minute.volume // lot, weights)
    trades = _shared(minute.trades, weights)
    bought = [minute.taker_volume * done // minute.volume for done in accumulate(lots, initial=0)]
    top, bottom = luck[1] % count, luck[2] % count
    seconds = []
    for index, (number, (first, close), some) in enumerate(zip(numbers, pairwise(prices), lots, strict=True)):
        taken = bought[index + 1] - bought[index]
        seconds.append(
            Candle(
                begin + number,
                first,
                minute.high if index == top else max(first, close, mean),
                minute.low if index == bottom else min(first, close, mean),
                close,
                some * lot,
                some * lot * mean // UNIT,
                minute.timestamp if number == last else (begin + number) * 1000 + 999 - luck[64 + index],
                trades[index],
                taken * lot,
                taken * lot * mean // UNIT,
            )
        )
    return seconds


def forming(second: Candle, now: float, tick: int, lot: int) -> Candle:
    """Return what a second is while it runs: each part has grown by the share of it that is over, by whole steps."""
    past = int((now - second.open_time) * 1000) + 1

    def grown(begin: int, value: int, step: int) -> int:
        # Rounding down also where the value falls keeps low <= close <= high.
        return begin + (value - begin) // step * past // 1001 * step

    volume = max(lot, grown(0, second.volume, lot))
    mean = second.turnover * UNIT // second.volume
    taken = second.taker_volume * volume // second.volume // lot * lot
    return Candle(
        second.open_time,
        second.open,
        max(mean, grown(second.open, second.high, tick)),
        min(mean, grown(second.open, second.low, tick)),
        grown(second.open, second.close, tick),
        volume,
        volume * mean // UNIT,
        min(int(now * 1000), second.timestamp),
        max(1, grown(0, second.trades, 1)),
        taken,
        taken * mean // UNIT,
    )


def _shared(lots: int, weights: tuple[int, ...]) -> list[int]:
    """Part ``lots`` among so many by their weights; each has one or more, and all together have all."""
    count, total = len(weights), sum(weights) + len(weights)
    shares = accumulate((weight + 1 for weight in weights), initial=0)
    bounds = [number + (lots - count) * share // total for number, share in enumerate(shares)]
    return [after - before for before, after in pairwise(bounds)]
