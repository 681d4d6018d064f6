"""The JSON objects that commands print with ``--json``. All are made here, with the same names.

Each object has ``schema``, which says what it is (``rxcandles/collect/1``), and ``stopped``, which is true if a signal
ended the command early. An object about a series begins with the names in ``SERIES``. The other names are those of the
objects that the library returns. A name means the same in all objects (``NAMES``).
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
"""Version of the schema. It changes if a name is removed or gets another meaning, not if a name is added."""

SERIES: Final = ("exchange", "symbol", "timeframe", "start", "stop", "candles")
"""The first names of an object about a series, in this order."""

NAMES: Final[Mapping[str, str]] = {
    "schema": "what the object is: rxcandles/COMMAND/1",
    "exchange": "the exchange of the candles: upbit, simulated, upbit@HOST:PORT",
    "symbol": "the market",
    "timeframe": "the length of a candle: 1m, 60m, 1d",
    "start": "the older end, included",
    "stop": "the newer end, excluded",
    "candles": "number of candles in it",
    "asked": "number of candles that were asked for (--count); null for a span",
    "first_candle": "open time of the oldest candle; null if there is none",
    "last_candle": "open time of the newest candle",
    "reached_start": "whether it is proven that the market has nothing older than the first candle",
    "stopped": "whether a signal ended the command early",
    "error": "why it failed, in one sentence; null if it did not fail",
    "missing": "spans that are not covered",
    "missing_slots": "number of slots in them",
    "path": "the database that was checked",
}
"""The meaning of names that several objects have. Other names are described in the classes that the library returns."""


class Objects:
    """The objects that a command has not printed yet, so that a signal can print them: same objects, same names."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Forget the objects of an earlier command."""
        self._command, self._err = "", False
        self._empty: Mapping[str, Any] = {}
        self._left: dict[Hashable, Mapping[str, Any] | Callable[[], Mapping[str, Any]]] = {}

    def expect(self, command: str, empty: Mapping[str, Any], *, err: bool = False) -> None:
        """Let a signal print one empty object until :meth:`coming` names the real ones.

        * ``command``: its name in the schema.
        * ``empty``: all names of the command's objects, with their values before any work is done.
        * ``err``: print on stderr instead of stdout.
        """
        self._command, self._empty, self._err = command, empty, err
        self._left = {None: {}}

    def coming(self, heads: Mapping[Any, Mapping[str, Any] | Callable[[], Mapping[str, Any]]]) -> None:
        """Let a signal print these objects from now on; a callable is called at that time."""
        if self._command:
            self._left = {**heads}

    def know(self, key: Hashable, values: Mapping[str, Any]) -> None:
        """Replace the values of one object, which is printed later."""
        if self._command:
            self._left[key] = values

    def drop(self, key: Hashable) -> None:
        """Forget one object, which is not printed."""
        self._left.pop(key, None)

    def show(self, key: Hashable, values: Mapping[str, Any]) -> None:
        """Print one object now."""
        self.know(key, values)
        echo(text(self._command, values, stopped=False), err=self._err)
        self.drop(key)

    def show_all(self, found: Iterable[Mapping[str, Any]]) -> None:
        """Print these objects, and forget all others."""
        every = dict(enumerate(found))
        self.coming(every)
        for key, values in every.items():
            self.show(key, values)
        self.begin()

    def stopped(self) -> list[str]:
        """Return the lines to print after a signal; a second call returns none."""
        left, self._left = self._left, {}
        known = (each() if callable(each) else each for each in left.values())
        return [printable(text(self._command, {**self._empty, **each}, stopped=True)) for each in known]

    def tell_stopped(self) -> None:
        """Print the objects that are left, after a signal."""
        echo(*self.stopped(), err=self._err)

    def write_stopped(self) -> None:
        """Write the objects that are left, but not through ``sys.stdout``, which the signal may have interrupted."""
        for line in self.stopped():
            os.write(2 if self._err else 1, f"{line}\n".encode(errors="backslashreplace"))


def text(command: str, values: Mapping[str, Any], *, stopped: bool) -> str:
    """Return one object as a line of JSON, with its schema."""
    plain = to_plain(values)
    head = {name: plain[name] for name in SERIES if name in plain}
    return json.dumps({"schema": f"rxcandles/{command}/{VERSION}", **head, **plain, "stopped": stopped})


OBJECTS: Final = Objects()
