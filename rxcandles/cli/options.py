"""What the commands have in common: their options, and what the values of these may be."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

import click

from rxcandles.arguments import check_rate
from rxcandles.cli.console import FORMATS
from rxcandles.opening import EXCHANGES, OwnRate

__all__ = ["Work", "rate", "together"]

Work: TypeAlias = Callable[[], int]
"""What a command comes to: click only reads the command line, since it would also handle Ctrl-C and closed pipes."""

Option: TypeAlias = Callable[[Any], Any]


def _time(value: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(
            f"{value!r} is no time; write it as 2024-01-31, 2024-01-31T09:00 or 2024-01-31T09:00+09:00"
        ) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


def _duration(value: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,6})([smhdw])", value, re.ASCII)
    if found is None or int(found[1]) == 0:
        raise click.BadParameter(f"{value!r} is no length of time; write it as 90m, 12h, 30d or 4w")
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


def rate(value: str | OwnRate) -> float | OwnRate | None:
    """Return the requests a second that an option says; None for no limit."""
    if isinstance(value, OwnRate):
        return value
    if value == "none":
        return None
    try:
        return check_rate("rate", float(value))
    except ValueError:
        raise click.BadParameter(
            f"{value!r} is no rate; give requests a second, 0.00001 to 1000000, or none for no limit"
        ) from None


def together(*options: Option) -> Option:
    """Return all ``options`` as one, in their order in the help."""

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


db: Final = click.option(
    "--db", default="candles.db", show_default=True, help="The database file; made where it is absent."
)
existing_db: Final = click.option("--db", default="candles.db", show_default=True, help="The database file.")
exchange: Final = together(
    click.option("--exchange", type=click.Choice(EXCHANGES), default="upbit", show_default=True,
                 help="simulated starts a simulated Upbit in this process."),
    click.option("--base-url", help="Another address of the same API."),
    click.option("--rate-limit", type=rate, metavar="N|none", default=OwnRate.OWN,
                 help="Requests a second, or none; the exchange's own where not given."),
)  # fmt: skip
series: Final = together(click.argument("symbol", required=False), click.argument("timeframe", required=False))
asked: Final = together(
    click.argument("symbol"),
    click.argument("timeframe"),
    click.option("--count", type=int, help="Candles that exist, back from --to or now."),
    click.option(
        "--to", type=_time, metavar="TIME", help="One end of the span (ISO 8601, UTC without a zone); now if not given."
    ),
    click.option(
        "--end", type=_time, metavar="TIME", help="The other end. The older end is included, the newer excluded."
    ),
    db,
    exchange,
    click.option("--quiet", is_flag=True, help="No progress."),
)
printed: Final = together(
    click.option("--order", type=click.Choice(["newest_first", "oldest_first"]), default="newest_first",
                 show_default=True),
    click.option("--format", "style", type=click.Choice(FORMATS), default="table", show_default=True),
)  # fmt: skip
stored_span: Final = together(
    click.option("--since", type=_time, metavar="TIME", help="From this time on; the oldest candle if not given."),
    click.option("--last", type=_duration, metavar="LENGTH", help="This long, back from the newer end: 90m, 12h, 30d."),
    click.option("--to", type=_time, metavar="TIME", help="Up to this time; the end of what is stored without."),
    click.option("--end", type=_time, metavar="TIME", help="The other end, as of the other commands."),
)
as_json: Final = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
