"""What a replica of the exchange has, the slow and obvious way, and how a client reads what it sends."""

from __future__ import annotations

from datetime import datetime

import msgspec

from rxcandles.model import Row
from rxcandles.model.spans import SpanSet
from rxcandles.model.timeframe import Timeframe
from rxcandles.simulator import Illness, Market, Replay

_NAMES = (
    "opening_price", "high_price", "low_price", "trade_price", "candle_acc_trade_volume", "candle_acc_trade_price",
    "timestamp",
)  # fmt: skip
_CHANGES = ("prev_closing_price", "change_price", "change_rate")


def read(body: str | bytes) -> list[Row]:
    """The rows of a page, in its order, as a client reads them."""
    return [
        Row._make(
            [
                int(datetime.fromisoformat(f"{candle['candle_date_time_utc']}Z").timestamp()),
                *(candle[name] for name in _NAMES),
                *(candle.get(name) for name in _CHANGES),
            ]
        )
        for candle in msgspec.json.decode(body)
    ]


def view(
    illness: Illness, market: Market | Replay, timeframe: Timeframe, to: float, count: int, now: float, since: int = 0
) -> list[Row]:
    """The page that a replica sends, newest first: of all candles from ``since`` on, those that it has."""
    if illness.empty:
        return []
    now -= illness.lag
    has = []
    for row in market.rows(timeframe, since, now + 1, now=now):
        opened, end = row.open_time, timeframe.shift(row.open_time, 1)
        lost = not SpanSet(((opened, end),)).subtract(SpanSet(illness.lost))
        kept = illness.keeps is None or now - opened <= illness.keeps
        if lost or not kept or opened >= to:
            continue
        if now < end + (illness.late if illness.late_by is None else illness.late_by):
            stood = market.rows(timeframe, opened, opened + 1, now=min(now, max(opened, end - illness.late)))
            if not stood:  # nobody had traded yet
                continue
            row = stood[0]
        has.append(row)
    return has[::-1][illness.without_newest :][:count]
