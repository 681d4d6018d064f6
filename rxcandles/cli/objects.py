"""The JSON objects that commands print with ``--json``: all of them come from here, under the same names.

Each has ``schema``, which says what it is (``rxcandles/collect/1``), and ``stopped``, which is true where a signal
ended the command before it was done. What is about a series begins with the names of ``SERIES``. Its other
names are those of what the library returns, and every name means the same in all of them (``NAMES``).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from rxcandles.cli.text import echo, printable
from rxcandles.plain import to_plain

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
    """What a command has still to print, so that a signal can print it instead."""

    def __init__(self) -> None:
        self._rest: Callable[[], Iterable[tuple[str, Mapping[str, Any]]]] | None = None

    def begin(self) -> None:
        """Forget what an earlier command had to print."""
        self._rest = None

    def expect(self, command: str, rest: Callable[[], Iterable[Mapping[str, Any]]] = lambda: [{}]) -> None:
        """Let a signal print ``rest()``: an object for each that is not printed yet, with what is known by then."""
        self._rest = lambda: ((command, each) for each in rest())

    def show(self, command: str, values: Mapping[str, Any], *, err: bool = False) -> None:
        """Print one object. After the last that was expected, call :meth:`begin`."""
        echo(text(command, values, stopped=False), err=err)

    def stopped(self) -> list[str]:
        """Return the lines that are left to print where a signal ended the command; only once."""
        rest, self._rest = self._rest, None
        return [] if rest is None else [printable(text(command, each, stopped=True)) for command, each in rest()]

    def write_stopped(self) -> None:
        """Write them past ``sys.stdout``, which may be what was interrupted."""
        for line in self.stopped():
            os.write(1, f"{line}\n".encode(errors="backslashreplace"))


def text(command: str, values: Mapping[str, Any], *, stopped: bool) -> str:
    """Return one object as a line of JSON."""
    plain = to_plain(values)
    head = {name: plain[name] for name in SERIES if name in plain}
    return json.dumps({"schema": f"rxcandles/{command}/{VERSION}", **head, **plain, "stopped": stopped})


OBJECTS: Final = Objects()
