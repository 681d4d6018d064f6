"""Where the markets of ``follow`` come from."""

from __future__ import annotations

import attrs

from rxcandles.cli.job_file import read_jobs
from rxcandles.cli.place import Place
from rxcandles.cli.wanted import Wanted
from rxcandles.errors import RequestError

__all__ = ["Source"]


@attrs.frozen
class Source:
    """Where the markets come from: the command line, or a file that is read again."""

    wanted: list[Wanted]
    place: Place
    path: str | None = None
    own: frozenset[str] = frozenset()
    """Fields of the place that the command line says, whatever the file does."""

    @staticmethod
    def of(wanted: Wanted, place: Place, jobs: str | None, given: set[str]) -> Source:
        """Return what the command line names; raise RequestError if that is nothing, or a file and something else."""
        files = [each for each in wanted.words if each.endswith(".toml")]
        paths = [*files, *([] if jobs is None else [jobs])]
        if not paths:
            _check(wanted, place.exchange)
            return Source([wanted], place)
        if len(paths) > 1 or len(wanted.words) > len(files) or wanted.symbols or wanted.timeframes:
            raise RequestError(f"{paths[0]!r} says what to follow; give it alone, or put everything into one file")
        own = frozenset(each.name for each in attrs.fields(Place) if each.name in given)
        return Source([], place, paths[0], own).again()

    def again(self) -> Source:
        """Return it as the file says now."""
        assert self.path is not None
        wanted, there = read_jobs(self.path, endless=True)
        said = {name: getattr(self.place, name) for name in self.own}
        return attrs.evolve(self, wanted=wanted, place=attrs.evolve(there, **said))


def _check(wanted: Wanted, exchange: str) -> None:
    symbols, timeframes = wanted.series
    if not symbols and not timeframes:
        raise RequestError(
            "missing: a market (SYMBOL) and a timeframe (TIMEFRAME), or a file of jobs; write, for example, "
            "`rxcandles follow KRW-BTC 1m`"
        )
    if len(dict.fromkeys(timeframes)) > 1:
        raise RequestError(
            f"{len(timeframes)} timeframes are given, {', '.join(timeframes)}; follow one, and make longer candles of "
            "it, or write a TOML file of jobs, which may have several (`rxcandles run --help` shows one)"
        )
    wanted.check(exchange, endless=True)
