"""Show the progress of a collection as a bar in a notebook."""

from __future__ import annotations

import importlib
import sys
import time
from typing import Any, Final, overload

from rxcandles.model import Request
from rxcandles.model.reports import CollectionProgress
from rxcandles.util.arguments import refusal
from rxcandles.util.showing import Markup, bar_html, table_html

__all__ = ["ProgressBar"]

EVERY: Final = 0.1
"""Seconds between two updates of a bar; its end is always shown."""


class ProgressBar:
    """A ``progress_callback`` that shows a bar for each series in a notebook, and nothing elsewhere.

    ::

        summary = await provider.collect_candles_only("KRW-BTC", "1m", 10_000, progress_callback=ProgressBar())
        summaries = await provider.collect_many(requests, ProgressBar())

    Use one bar for one call. IPython is used if it is running already, and never imported otherwise. Printed, a bar is
    a line of text for each series:

    >>> ProgressBar()
    <ProgressBar: nothing yet>
    """

    def __init__(self) -> None:
        self._told: dict[str, CollectionProgress] = {}
        self._shown = -EVERY
        self._display: Any = None

    @overload
    def __call__(self, told: CollectionProgress, /) -> None: ...
    @overload
    def __call__(self, told: Request, progress: CollectionProgress, /) -> None: ...
    def __call__(self, told: Request | CollectionProgress, progress: CollectionProgress | None = None, /) -> None:
        """Take the newest progress; with its request if there are several."""
        if isinstance(told, Request) and isinstance(progress, CollectionProgress):
            title, newest = f"{told.symbol} {told.timeframe}", progress
        elif isinstance(told, CollectionProgress):
            title, newest = "candles", told
        else:
            raise refusal("progress", told, "give this as progress_callback, which is called with progress")
        self._told[title] = newest
        now = time.monotonic()
        if now - self._shown >= EVERY or newest.collected_count >= newest.total_count:
            self._shown = now
            self._show()

    def _show(self) -> None:
        ipython = sys.modules.get("IPython")
        shell = None if ipython is None else ipython.get_ipython()
        if getattr(shell, "kernel", None) is None:  # no notebook, or a shell in a terminal
            return
        if self._display is None:
            self._display = importlib.import_module("IPython.display").display(self, display_id=True)
        else:
            self._display.update(self)

    def __repr__(self) -> str:
        """Return a line for each series."""
        return "\n".join(_line(title, each) for title, each in self._told.items()) or "<ProgressBar: nothing yet>"

    def _repr_html_(self) -> str:
        """Return a bar for each series."""
        rows = [(title, _bar(each), _numbers(each)) for title, each in self._told.items()]
        return table_html("collecting", rows)


def _share(progress: CollectionProgress) -> float:
    return min(1.0, progress.collected_count / progress.total_count) if progress.total_count else 1.0


def _bar(progress: CollectionProgress) -> Markup:
    return bar_html([("held", _share(progress))], of=1.0)


def _numbers(progress: CollectionProgress) -> str:
    held, total = progress.collected_count, progress.total_count
    left = f", {progress.estimated_remaining_seconds:,.0f} s left" if held < total else ""
    return f"{held:,} of {total:,} candles{left}"


def _line(title: str, progress: CollectionProgress) -> str:
    cells = int(_share(progress) * 20)
    return f"{title} [{'#' * cells}{'.' * (20 - cells)}] {_numbers(progress)}"
