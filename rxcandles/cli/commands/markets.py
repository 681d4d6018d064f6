"""``rxcandles markets``: list the markets of the exchange."""

from __future__ import annotations

from fnmatch import fnmatchcase

import attrs
import click

from rxcandles.cli import options
from rxcandles.cli.console import printable
from rxcandles.cli.display import Output
from rxcandles.cli.objects import OBJECTS
from rxcandles.cli.place import Place
from rxcandles.cli.runner import run_async
from rxcandles.cli.text import echo
from rxcandles.engine.listing import listed
from rxcandles.errors import RequestError
from rxcandles.ports import Market
from rxcandles.ports.declared import example_glob

__all__ = ["markets"]


@click.command(
    help="""List the markets of the exchange with their names: all of them, or those that match PATTERN.

    \b
    Reads:    nothing on this machine
    Writes:   nothing
    Network:  asks the exchange for its list

    \b
    rxcandles markets 'KRW-*'
    rxcandles markets 'BTC-*' --json
    """
)
@click.argument("pattern", default="*")
@options.connection
@options.as_json
@options.gathered
def markets(pattern: str, place: Place, output: Output) -> options.Work:
    """List the markets of the exchange that match a pattern."""

    def work() -> int:
        if output.as_json:
            OBJECTS.expect("markets", dict.fromkeys(["exchange", *(each.name for each in attrs.fields(Market))]))
        everything = run_async(_listed(place))
        found = [each for each in everything if fnmatchcase(each.symbol, pattern)]
        if not found:
            glob = example_glob(place.kind)
            raise RequestError(
                f"none of the {len(everything):,} markets matches {pattern!r}; write a pattern such as {glob!r}"
            )
        if output.as_json:
            whose = place.whose()
            OBJECTS.show_all({"exchange": whose, **attrs.asdict(each)} for each in found)
            return 0
        for each in found:
            names = (each.symbol.ljust(12), each.english_name, each.local_name)
            echo(printable("  ".join(filter(None, names)).rstrip()))
        return 0

    return work


async def _listed(place: Place) -> list[Market]:
    async with place.connect() as provider:
        return await listed(provider.exchange)
