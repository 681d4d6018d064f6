"""The log of a feed: how following goes, what is disputed, what is lost."""

from __future__ import annotations

import logging
from typing import Final

from rxcandles.events import DisputedEvent, LostEvent, SilentEvent, StateEvent, log_event
from rxcandles.live.market import Market
from rxcandles.model.spans import Span
from rxcandles.model.timeframe import Timeframe, time_text

__all__ = ["Record"]

_log: Final = logging.getLogger("rxcandles.follow")


class Record:
    """Logs what happens to markets of one exchange and timeframe."""

    def __init__(self, exchange: str, timeframe: Timeframe) -> None:
        self._exchange = exchange
        self._timeframe = timeframe.name

    def state(self, market: Market) -> None:
        """Log how following a market goes now."""
        event = StateEvent(
            event="state",
            exchange=self._exchange,
            symbol=market.symbol,
            timeframe=self._timeframe,
            state=market.state,
            reason=market.reason,
        )
        why = f" ({market.reason})" if market.reason else ""
        log_event(_log, logging.INFO, event, "%s %s: %s%s", market.symbol, self._timeframe, market.state, why)

    def losses(self, market: Market) -> None:
        """Log what is disputed and what can't be had, once each."""
        while market.disputes:
            opened = time_text(market.disputes.pop(0))
            disputed = DisputedEvent(
                event="disputed",
                exchange=self._exchange,
                symbol=market.symbol,
                timeframe=self._timeframe,
                open_time=opened,
            )
            message = "%s %s: the stream has shown a candle at %s that pages of the exchange lack"
            log_event(_log, logging.WARNING, disputed, message, market.symbol, self._timeframe, opened)
        for each in market.unlogged():
            lost = LostEvent(
                event="lost",
                exchange=self._exchange,
                symbol=market.symbol,
                timeframe=self._timeframe,
                start=time_text(each.start),
                stop=time_text(each.stop),
                reason=each.reason,
            )
            message = "%s %s: can't be had, %s to %s: %s"
            log_event(
                _log, logging.WARNING, lost, message,
                market.symbol, self._timeframe, lost["start"], lost["stop"], each.reason,
            )  # fmt: skip

    def outage(self, span: Span) -> None:
        """Log that almost all markets that usually trade were empty."""
        start, stop = map(time_text, span)
        event = SilentEvent(event="silent", exchange=self._exchange, timeframe=self._timeframe, start=start, stop=stop)
        message = "%s: hardly any market has traded from %s to %s, which looks like an outage of the exchange"
        log_event(_log, logging.WARNING, event, message, self._exchange, start, stop)
