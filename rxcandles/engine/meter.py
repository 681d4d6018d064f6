"""Measure one run from outside: how far it is, what it has cost, and its record in the log at the end."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from rxcandles.engine.run import Run
from rxcandles.engine.tally import Tally
from rxcandles.events import CollectedEvent, Mode, log_event
from rxcandles.flow import FlowStats
from rxcandles.model import CandleData, Request
from rxcandles.model.reports import StreamStats

__all__ = ["Meter"]

_log: Final = logging.getLogger("rxcandles.modes.collector")


class Meter:
    """Measures one run; given to ``plan_chunks`` as ``on_plan``, it starts with the run. Holds no candles."""

    def __init__(self, request: Request, exchange: str, mode: Mode) -> None:
        self.chunks = 0
        """Chunks delivered."""
        self.candles = 0
        """Candles in them."""
        self._request = request
        self._exchange = exchange
        self._mode: Mode = mode
        self._run: Run | None = None
        self._position: datetime | None = None
        self._began = self._ended = 0.0

    def __call__(self, run: Run) -> None:
        """Begin to measure ``run``."""
        self._run, self._began = run, time.monotonic()

    @property
    def expected(self) -> int:
        """Candles expected in all: the count, or an estimate that improves; at least those delivered."""
        return max(self.candles, self._request.most if self._run is None else self._run.expected)

    @property
    def seconds(self) -> float:
        """Seconds since the run began; they stop when it ends."""
        return (self._ended or time.monotonic()) - self._began if self._run is not None else 0.0

    def delivered(self, candles: Sequence[CandleData]) -> None:
        """Count a chunk that is delivered now."""
        self.chunks += 1
        self.candles += len(candles)
        self._position = candles[-1].open_time

    def end(self) -> None:
        """Stop the clock."""
        self._ended = time.monotonic()

    def log(self, candles: int, failed_spans: int = 0) -> None:
        """Log that the run has come to its own end with ``candles`` candles."""
        tally = Tally() if self._run is None else self._run.tally
        event = CollectedEvent(
            event="collected",
            exchange=self._exchange,
            symbol=self._request.symbol,
            timeframe=self._request.timeframe.name,
            mode=self._mode,
            candles=candles,
            stored=tally.stored,
            requests=tally.requests,
            retries=tally.retries,
            rate_limited=tally.rate_limited,
            failed_spans=failed_spans,
            seconds=self.seconds,
        )
        message = "%s %s: candles: %d, requests: %d"
        log_event(_log, logging.INFO, event, message, event["symbol"], event["timeframe"], candles, tally.requests)

    def stats(self, flow: FlowStats) -> StreamStats:
        """Return a snapshot of the run and of its pipeline."""
        tally = Tally() if self._run is None else self._run.tally
        return StreamStats(
            chunks=self.chunks,
            candles=self.candles,
            expected=self.expected,
            position=self._position,
            pages=tally.pages,
            requests=tally.requests,
            retries=tally.retries,
            rate_limited=tally.rate_limited,
            stored=tally.stored,
            stored_before=tally.stored_before,
            revised=tally.revised,
            gaps_found=0 if self._run is None else self._run.gaps_found,
            waiting=flow.waiting,
            peak_waiting=flow.peak_waiting,
            in_flight=flow.held,
            peak_in_flight=flow.peak_held,
            tasks=flow.tasks,
            paused=flow.paused and not self._ended,
            elapsed_seconds=self.seconds,
        )
