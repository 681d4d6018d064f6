"""The machine of all streams: it opens, subscribes, pings, reads, checks, counts and closes; a dialect says how."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import Sequence
from typing import Final

from rxcandles.errors import ExchangeError, StreamClosedError
from rxcandles.exchanges.streams.budget import Budget
from rxcandles.exchanges.streams.checks import frame_fault
from rxcandles.exchanges.streams.counts import StreamCounts
from rxcandles.exchanges.streams.dialect import Dialect, UnfitError
from rxcandles.exchanges.streams.wire import Kind, Opener, Wire
from rxcandles.model.limit import Limit
from rxcandles.ports import Beat, Frame, Heard
from rxcandles.util.arguments import refusal

__all__ = ["SocketStream"]

_QUIET: Final = 1.0
"""Seconds after the first change of the list in which further ones are gathered."""
_LATE: Final = 1.0
"""Seconds that a ping may wait behind a long list."""
_GARBAGE: Final = 10
"""Messages in a row that make no sense, after which a connection is given up."""
_PONGS: Final = Limit(5)
"""How many pings are answered; servers send one in seconds, and count the answers as messages."""
_TOO_LONG: Final = 1009
"""The close code for a message that is too long."""


class SocketStream:
    """A :class:`~rxcandles.ports.FrameStream` over one WebSocket; ``counts`` says what has come.

    * Messages that are no candle give a ``Beat``: acknowledgements, keep-alives, pings of the protocol.
    * What makes no sense is dropped and counted: no JSON, a market or timeframe that nobody asked for, impossible
      values, a time off the grid or in the future, pings without end. After ten in a row without a candle in between,
      the connection is given up. A message longer than a megabyte ends it, too.
    * Changes of the list are gathered for a second; only the newest list is sent, within what the exchange allows.
    """

    def __init__(self, dialect: Dialect, symbols: Sequence[str], door: Opener) -> None:
        self.counts = StreamCounts()
        self._dialect = dialect
        self._door = door
        self._wanted = self._checked(symbols)
        self._known = set(self._wanted)
        self._list_due = 0.0
        self._changed = asyncio.Event()
        self._budget = Budget(dialect.budget)
        self._pongs = Budget([_PONGS])
        self._come: deque[Heard] = deque()
        self._senseless = 0
        self._opening: asyncio.Task[None] | None = None
        self._sending: asyncio.Task[None] | None = None
        self._wire: Wire | None = None
        self._fault: Exception | None = None
        self._ended = False

    def _checked(self, symbols: Sequence[str]) -> tuple[str, ...]:
        unique = tuple(dict.fromkeys(symbols))
        if not unique:
            raise refusal("symbols", list(symbols), "name one market at least, or close the stream")
        if len(unique) > self._dialect.codes:
            raise refusal(
                "symbols", f"{len(unique)} markets", f"a connection may have {self._dialect.codes}; open several"
            )
        return unique

    # Reading

    def __aiter__(self) -> SocketStream:
        return self

    async def __anext__(self) -> Heard:
        """Wait for the next candle or beat; the first call opens the connection."""
        while not self._ended:
            if self._come:
                return self._come.popleft()
            try:
                if self._wire is None:
                    await self._open()
                else:
                    await self._hear(self._wire)
            except Exception:
                if self._ended:  # closed by us, which is no failure
                    break
                self._ended = True
                await self._release()
                raise
        raise StopAsyncIteration

    async def _open(self) -> None:
        self._opening = asyncio.create_task(self._opened())
        self._opening.add_done_callback(_seen)
        try:
            await self._opening
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not self._ended or (task is not None and task.cancelling()):
                raise

    async def _opened(self) -> None:
        wire = await self._door()
        # Nothing waits from here on, so that being cancelled can't lose an open connection.
        self._wire = wire
        self._list_due = asyncio.get_running_loop().time()
        self._sending = asyncio.create_task(self._keep_sending(wire))

    async def _hear(self, wire: Wire) -> None:
        """Take one message, whatever it is."""
        message = await wire.receive()
        if message.kind is Kind.END:
            if message.code == _TOO_LONG:
                self.counts.drop("long")
            if self._fault is not None:
                raise self._fault
            why = f": {message.words}" if message.words else ""
            raise StreamClosedError(
                f"{self._door.what}: the connection has ended with code {message.code}{why}", message.code
            )
        self.counts.messages += 1
        self.counts.bytes += len(message.data)
        if message.kind is Kind.DATA:
            self._read(message.data, wire.server_time)
        elif message.kind is Kind.PONG:
            self._give(Beat())
        else:
            await self._answer(message.data, wire)

    async def _answer(self, data: bytes, wire: Wire) -> None:
        """Answer a ping, but no flood of them, which is garbage."""
        now = asyncio.get_running_loop().time()
        if self._pongs.free_at(now) > now:
            self._drop("pings")
            return
        self._pongs.spend(now)
        await wire.pong(data)
        self._give(Beat())

    def _read(self, data: bytes, now: float | None) -> None:
        try:
            heard = self._dialect.read(data, now)
        except UnfitError as error:
            self._drop(error.reason)
            return
        except ExchangeError as error:
            error.args = (f"{self._door.what}: {error}",)
            raise
        for each in heard:
            fault = self._fault_of(each, now) if isinstance(each, Frame) else None
            if fault is not None:
                self._drop(fault)
            elif isinstance(each, Frame) and each.symbol not in self._wanted:
                self.counts.unwanted += 1
            else:
                self._give(each)

    def _fault_of(self, frame: Frame, now: float | None) -> str | None:
        return "symbol" if frame.symbol not in self._known else frame_fault(frame, self._dialect.timeframe, now)

    def _give(self, heard: Heard) -> None:
        if isinstance(heard, Frame):
            self.counts.frames += 1
            self._senseless = 0
        else:
            self.counts.beats += 1
        self._come.append(heard)

    def _drop(self, reason: str) -> None:
        self.counts.drop(reason)
        self._senseless += 1
        if self._senseless >= _GARBAGE:
            reasons = ", ".join(f"{reason} {count}" for reason, count in self.counts.dropped.items())
            raise StreamClosedError(
                f"{self._door.what}: {_GARBAGE} messages in a row make no sense; dropped so far, by reason: {reasons}"
            )

    # Sending

    async def subscribe(self, symbols: Sequence[str]) -> None:
        """Ask for these markets and no others, all of them again, within a second or so.

        Return at once; what comes of other markets is dropped from now on. Raise ``RequestError`` for too many of them.
        """
        self._wanted = self._checked(symbols)
        self._known.update(self._wanted)
        if self._wire is not None and self._list_due == math.inf:
            self._list_due = asyncio.get_running_loop().time() + _QUIET
            self._changed.set()

    async def _keep_sending(self, wire: Wire) -> None:
        """Send lists and pings when they are due; end with the connection."""
        try:
            await self._send_for_ever(wire)
        except StreamClosedError:
            pass  # the reader learns that, too
        except Exception as error:
            self._fault = error
            await wire.close()

    async def _send_for_ever(self, wire: Wire) -> None:
        loop, dialect = asyncio.get_running_loop(), self._dialect
        every = math.inf if dialect.ping_every is None else dialect.ping_every
        ping_due = math.inf if dialect.ping_every is None else loop.time()
        texts: deque[str] = deque()
        asked: tuple[str, ...] = ()
        wanted = self._wanted
        lists = 0
        while True:
            now = loop.time()
            if self._list_due <= now:
                self._list_due = math.inf
                wanted = self._wanted
                # Of a list that was not sent to its end nobody knows which part is in force.
                texts = deque(dialect.asks(asked, wanted))
                asked = tuple(dict.fromkeys((*asked, *wanted)))
                lists += 1
                self.counts.resubscribes = lists - 1
            due = max(now if texts else min(self._list_due, ping_due), self._budget.free_at(now))
            if due > now:
                self._changed.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(None if due == math.inf else due - now):
                        await self._changed.wait()
                continue
            if texts and now < ping_due + _LATE:
                text = texts.popleft()
                if not texts:
                    asked = wanted
            else:
                text, ping_due = dialect.ping(), now + every
            self._budget.spend(now)
            self.counts.sent += 1
            await wire.send(text)

    # Closing

    async def aclose(self) -> None:
        """Close the connection with code 1000, within a second; idempotent. A pending ``__anext__`` ends."""
        self._ended = True
        await self._release()

    async def _release(self) -> None:
        tasks = [task for task in (self._opening, self._sending) if task is not None and not task.done()]
        for task in tasks:
            task.cancel()
        try:
            if tasks:
                await asyncio.wait(tasks)
        finally:
            if self._wire is not None:
                await self._wire.close()


def _seen(task: asyncio.Task[None]) -> None:
    """Look at how a task has ended, so that nobody complains if whoever waits for it has left."""
    if not task.cancelled():
        task.exception()
