"""Run a command's work with an open provider, and show the progress of its series on stderr."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import TypeVar

from rxcandles.cli.board import Board
from rxcandles.cli.display import Output, board_shown
from rxcandles.cli.place import Place
from rxcandles.cli.runner import run_async
from rxcandles.model import Request
from rxcandles.modes.provider import CandleDataProvider

__all__ = ["run_several"]

_A = TypeVar("_A")


def run_several(
    place: Place,
    titles: Mapping[Request, str],
    output: Output,
    work: Callable[[CandleDataProvider, Board], Awaitable[_A]],
    *,
    live: bool = True,
    watched: bool = True,
) -> _A:
    """Run ``work`` with an open provider and return its result; show progress; after Ctrl-C print how far it came.

    ``watched``: show the provider's limit too.
    """
    opening = place.connect()
    expected = {title: each.most for each, title in titles.items()}
    with board_shown(expected, output, live=live, page=place.kind.page_limit) as board:
        return _run(opening, board, lambda provider: work(provider, board), place.db, watched=watched)


def _run(
    opening: AbstractAsyncContextManager[CandleDataProvider],
    board: Board,
    work: Callable[[CandleDataProvider], Awaitable[_A]],
    db: str,
    *,
    watched: bool,
) -> _A:
    async def go() -> _A:
        async with opening as provider, board.watching(provider.limiter) if watched else nullcontext():
            return await work(provider)

    def stopped() -> str:
        what = next(iter(board.series)) if len(board.series) == 1 else f"{len(board.series)} series"
        known = any(each is not None for each in board.series.values())
        held = f"{board.held:,} of {board.total:,} candles are" if known else "what was fetched is"
        return f"{what} stopped: {held} in {db}; run the same command again to continue"

    return run_async(go(), stopped)
