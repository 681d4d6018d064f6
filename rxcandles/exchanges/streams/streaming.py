"""The base of an exchange with pages over HTTP and streams over WebSockets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rxcandles.errors import ExchangeError
from rxcandles.exchanges.http import HttpExchange
from rxcandles.exchanges.streams.dialect import Dialect
from rxcandles.exchanges.streams.machine import SocketStream
from rxcandles.exchanges.streams.opening import Door
from rxcandles.model.naming import address_of
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports import StreamRules
from rxcandles.ports.declared import source_address
from rxcandles.util.arguments import refusal

__all__ = ["StreamingExchange"]


class StreamingExchange(HttpExchange):
    """An :class:`HttpExchange` with streams.

    A subclass says by what rules (``stream_rules``), how (``_dialect``), and where: ``stream_url`` at the exchange,
    ``stream_path`` below the ``base_url`` of any other server.
    """

    stream_rules: StreamRules
    """What the exchange says about its streams."""
    stream_url: ClassVar[str]
    """Where its own streams are."""
    stream_path: ClassVar[str]
    """Where the streams of another server with the same API are."""

    def _dialect(self, timeframe: Timeframe) -> Dialect:
        """Return how a connection for candles of a timeframe is spoken."""
        raise NotImplementedError

    def _stream_url(self) -> str:
        """Return where streams are: ``ws`` where pages come over ``http``, and ``wss`` for ``https``."""
        if self._base.startswith("https:") and address_of(self._base) == address_of(self.url):
            return self.stream_url
        return f"ws{self._base.removeprefix('http')}{self.stream_path}"

    def stream(self, symbols: Sequence[str], timeframe: Timeframe) -> SocketStream:
        """Return a connection for candles of these markets, at most ``stream_rules.codes``; nothing is sent yet.

        Raise ``RequestError`` for a market or a timeframe that it can't have.

        ::

            async with UpbitExchange() as exchange:
                stream = exchange.stream(["KRW-BTC"], rxcandles.Timeframe.of("1m"))
                async for heard in stream:
                    ...
        """
        timeframe = Timeframe.of(timeframe)
        if timeframe.name not in self.stream_rules.timeframes:
            names = ", ".join(self.stream_rules.timeframes)
            raise refusal("timeframe", timeframe.name, f"{self.title} streams {names}")
        for symbol in symbols:
            self.check(symbol, timeframe)
        if self._closed:
            raise ExchangeError("a stream: this exchange is closed; open a new one")
        self._mine().check()
        what = f"stream of {timeframe} candles"
        door = Door(
            what,
            self._stream_url(),
            timeout=self._timeout,
            connect_timeout=self._connect_timeout,
            session=None if self._own else self._session,
            source=source_address(self),
            check=self._check_server,
            failed=self._failed,
        )
        return SocketStream(self._dialect(timeframe), symbols, door)
