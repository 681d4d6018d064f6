"""The JSON objects that commands print with ``--json``: all of them come from here, under the same names.

Each has ``schema``, which says what it is (``rxcandles/collect/1``), and ``stopped``, which is true where a signal
ended the command before it was done. What is about a series begins with the names of ``SERIES``. Its other
names are those of what the library returns, and every name means the same in all of them (``NAMES``).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, Final

from rxcandles.cli.text import echo, printable
from rxcandles.util.plain import to_plain

__all__ = ["NAMES", "OBJECTS", "SERIES"]

VERSION: Final = 1
"""It changes where a name goes, or means something else; new names do not change it."""

SERIES: Final = ("exchange", "symbol", "timeframe", "start", "stop", "candles")
"""Names of what is about a series, in this order."""

NAMES: Final[Mapping[str, str]] = {
    "schema": "what the object is: rxcandles/COMMAND/1",
    "exchange": "whose candles: upbit, simulated, upbit@HOST:PORT",
    "symbol": "the market",
    "timeframe": "the length of a candle: 1m, 60m, 1d",
    "start": "the older end, included",
    "stop": "the newer end, excluded",
    "candles": "how many candles there are in it",
    "asked": "how many candles were asked for (--count); null for a span",
    "first_candle": "when the oldest candle opened; null where there is none",
    "last_candle": "when the newest candle opened",
    "reached_start": "whether it is proven that the market has nothing older than the first candle",
    "stopped": "whether a signal ended the command before it was done",
    "error": "why something failed, in a sentence; null where nothing did",
    "missing": "spans that nobody asked the exchange about",
    "missing_slots": "how many slots are in them",
    "path": "the database that was checked",
}
"""What the names mean that several objects have; others are explained where the library returns them."""


class Objects:
    """What a command has still to print, so that a signal can print it instead: the same objects, of the same names."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Forget what an earlier command had to print."""
        self._command, self._err = "", False
        self._empty: Mapping[str, Any] = {}
        self._left: dict[Hashable, Mapping[str, Any] | Callable[[], Mapping[str, Any]]] = {}

    def expect(self, command: str, empty: Mapping[str, Any], *, err: bool = False) -> None:
        """Let a signal print one object, as long as it is not known which there will be.

        ``empty`` has all names of the command's objects, with what holds before it has begun.
        """
        self._command, self._empty, self._err = command, empty, err
        self._left = {None: {}}

    def coming(self, heads: Mapping[Any, Mapping[str, Any] | Callable[[], Mapping[str, Any]]]) -> None:
        """Let a signal print these from now on: what is known of each, now or by then."""
        if self._command:
            self._left = {**heads}

    def know(self, key: Hashable, values: Mapping[str, Any]) -> None:
        """Take what one has come to; it is printed later."""
        if self._command:
            self._left[key] = values

    def drop(self, key: Hashable) -> None:
        """Forget one that is not to be printed after all."""
        self._left.pop(key, None)

    def show(self, key: Hashable, values: Mapping[str, Any]) -> None:
        """Print one."""
        self.know(key, values)
        echo(text(self._command, values, stopped=False), err=self._err)
        self.drop(key)

    def show_all(self, found: Iterable[Mapping[str, Any]]) -> None:
        """Print all, and none besides."""
        every = dict(enumerate(found))
        self.coming(every)
        for key, values in every.items():
            self.show(key, values)
        self.begin()

    def stopped(self) -> list[str]:
        """Return the lines that are left to print where a signal has ended the command; only once."""
        left, self._left = self._left, {}
        known = (each() if callable(each) else each for each in left.values())
        return [printable(text(self._command, {**self._empty, **each}, stopped=True)) for each in known]

    def tell_stopped(self) -> None:
        """Print them."""
        echo(*self.stopped(), err=self._err)

    def write_stopped(self) -> None:
        """Write them past ``sys.stdout``, which may be what was interrupted."""
        for line in self.stopped():
            os.write(2 if self._err else 1, f"{line}\n".encode(errors="backslashreplace"))


def text(command: str, values: Mapping[str, Any], *, stopped: bool) -> str:
    """Return one object as a line of JSON."""
    plain = to_plain(values)
    head = {name: plain[name] for name in SERIES if name in plain}
    return json.dumps({"schema": f"rxcandles/{command}/{VERSION}", **head, **plain, "stopped": stopped})


OBJECTS: Final = Objects()
