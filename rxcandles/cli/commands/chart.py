"""``rxcandles chart``: stored candles as HTML pages or pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import attrs
import click

from rxcandles.cli import options
from rxcandles.cli.display import Output
from rxcandles.cli.ends import check_length
from rxcandles.cli.objects import OBJECTS, SERIES
from rxcandles.cli.output_files import files_for
from rxcandles.cli.place import Place
from rxcandles.cli.runner import run_async
from rxcandles.cli.stored import existing, series_of
from rxcandles.cli.text import echo, printable, write_bytes
from rxcandles.cli.times import ZONE, at_home, home, span_shown
from rxcandles.cli.wanted import Wanted
from rxcandles.cli.words import example_at
from rxcandles.errors import OddRowError, RequestError
from rxcandles.model.spans import Span
from rxcandles.model.timeframe import BEGINNING, Timeframe, from_datetime, to_datetime
from rxcandles.model.which import Which
from rxcandles.ports import Series, with_imported
from rxcandles.stores.held import check_ends, span_held
from rxcandles.stores.opening import store_at
from rxcandles.util.arguments import check_path, refusal
from rxcandles.util.files import check_replaceable, replacing

__all__ = ["chart"]

_KINDS: Final = {".html": False, ".htm": False, ".png": True}
"""Suffixes of files, and whether it is the suffix of a picture."""
_OWN: Final = (b'<meta name="generator" content="rxcandles">', b"Software\0rxcandles")
"""Text near the beginning of every chart: of a page, and of a picture."""
_EMPTY: Final[dict[str, Any]] = {**dict.fromkeys([*SERIES, "paths"]), "candles": 0, "paths": []}


@click.command(
    help="""Draw stored candles with volume and coverage, one file for each series.

    The page is one HTML file, which works without a network. Candles that are missing are shown as missing; nothing
    is fetched.

    \b
    Reads:    the database
    Writes:   one .html or .png file for each series
    Network:  not used

    \b
    rxcandles chart KRW-BTC 1m --last 30d -o btc.html
    rxcandles chart KRW-BTC 1d --png
    rxcandles chart 'KRW-*' 1d -o charts/
    """
)
@options.stored_series
@options.stretch
@options.last
@options.output_path("  [default: SYMBOL-TIMEFRAME.html or .png]")
@click.option(
    "--png",
    "as_png",
    is_flag=True,
    help="Draw a PNG picture instead of an HTML page; a PATH that ends in .png does the same.",
)
@click.option("--title", metavar="TEXT", help="Title of the chart.  [default: the name of the series]")
@options.source
@options.imported
@click.option(
    "--force", is_flag=True, help="Replace any existing file. An earlier chart is replaced without this option."
)
@options.existing_db
@options.as_json
@options.quiet
@options.gathered
def chart(
    wanted: Wanted, place: Place, output: Output, source: str | None, as_png: bool, title: str | None
) -> options.Work:
    """Draw one chart for each series."""

    def work() -> int:
        if wanted.which() == Which():
            named = f"{example_at(source)} 60m"
            raise RequestError(
                f"missing: a series (SYMBOL TIMEFRAME); write, for example, `rxcandles chart {named}`, or '*' for all"
            )
        check_ends(*wanted.span())
        path, picture = _output(output.path, as_png)
        if output.as_json:
            OBJECTS.expect("chart", _EMPTY, err=path == "-")
        found = run_async(series_of(existing(place.db), wanted.which(), source, imported=wanted.include_imported))
        if wanted.last is not None:
            for frame in {each.timeframe for each in found}:
                check_length(wanted.last, Timeframe.of(frame))
        draw = partial(_drawn, place.db, wanted=wanted, title=title, as_png=picture)
        if path == "-":
            return _to_stdout(found, draw, output)
        files = files_for(found, path or "./", "png" if picture else "html", folder=False)
        may = {path: output.force or (Path(path).is_file() and _is_own(path)) for path in files.values()}
        for each in files.values():
            check_replaceable(each, force=may[each])
        OBJECTS.coming({each: each._asdict() for each in files})
        return _write(files, may, draw, output)

    return work


def _to_stdout(found: Sequence[Series], draw: Callable[[Series], _Drawn], output: Output) -> int:
    if len(found) > 1:
        raise RequestError(f"-o - writes one chart to stdout, but {len(found):,} series match; name a folder instead")
    OBJECTS.coming({found[0]: found[0]._asdict()})
    drawn = draw(found[0])
    write_bytes(drawn.content)
    if output.as_json:
        OBJECTS.show(found[0], drawn.plain("-"))
    elif not output.quiet:
        echo(drawn.line(), err=True)
    return 0


def _output(output: str | None, as_png: bool) -> tuple[str | None, bool]:
    """Return where to write, and whether to draw a picture; raise :class:`RequestError` for an unknown suffix."""
    if output is not None:
        check_path("path", output)
    if output is None or output == "-" or output.endswith("/") or Path(output).is_dir():
        return output, as_png
    suffix = Path(output).suffix.lower()
    if suffix not in _KINDS:
        raise refusal("--output", output, "give a name that ends in .html or .png, a folder (charts/), or - for stdout")
    if as_png and not _KINDS[suffix]:
        raise refusal(
            "--output", output, "--png draws a PNG picture; give a name that ends in .png, or leave out --png"
        )
    return output, _KINDS[suffix]


def _is_own(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            beginning = file.read(2000)
    except OSError:
        return False
    return any(each in beginning for each in _OWN)


def _write(
    files: Mapping[Series, str], may: Mapping[str, bool], draw: Callable[[Series], _Drawn], output: Output
) -> int:
    failures = []
    for series, path in files.items():
        try:
            drawn = draw(series)
        except (RequestError, OddRowError) as error:
            if len(files) == 1:
                raise
            failures.append(str(error))
            OBJECTS.drop(series)
            continue
        with replacing(path, force=may[path]) as temporary:
            temporary.write_bytes(drawn.content)
        if output.as_json:
            OBJECTS.show(series, drawn.plain(path))
        elif not output.quiet:
            echo(drawn.line(), printable(path))
    for failure in failures:
        echo(f"rxcandles: {at_home(failure)}", err=True)
    return 1 if failures else 0


@attrs.frozen
class _Drawn:
    """A chart, with the span and the number of candles that it shows."""

    series: Series
    span: Span
    candles: int
    content: bytes

    def line(self) -> str:
        """Return a line that describes it for people."""
        title, size = f"{self.series.symbol} {self.series.timeframe}", len(self.content) / 1e6
        return f"{title}: {self.candles:,} candles, {span_shown(*self.span)}, {size:,.2f} MB"

    def plain(self, path: str) -> dict[str, Any]:
        """Return the object that --json prints."""
        start, stop = map(to_datetime, self.span)
        about = {"start": start, "stop": stop, "candles": self.candles, "paths": [path]}
        return {**self.series._asdict(), **about}


def _drawn(db: str, series: Series, *, wanted: Wanted, title: str | None, as_png: bool) -> _Drawn:
    from rxcandles import charts

    tz = ZONE.get()
    # Draw and write outside of the event loop, so that a signal ends it at once.
    data = run_async(_read(db, series, wanted))
    content = charts.png(data, title, tz=tz) if as_png else charts.html(data, title, tz=tz).encode()
    return _Drawn(series, (data.open_time(0), data.open_time(data.slots)), len(data), content)


async def _read(db: str, series: Series, wanted: Wanted) -> Any:
    from rxcandles import charts

    frame, (since, to), imported = Timeframe.of(series.timeframe), wanted.span(), wanted.include_imported
    async with store_at(db, exchange=series.exchange) as store:
        if wanted.last is not None:
            held = await span_held(with_imported(store, imported), series.symbol, frame, None, to)
            stop = held[1] if held is not None and to is None else BEGINNING if to is None else from_datetime(to)
            since = wanted.last.since(home(stop))
        return await charts.read_chart(store, series.symbol, frame, since, to, include_imported=imported)
