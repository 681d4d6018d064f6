"""The limit of an exchange: how many requests in how many seconds, how the server counts them, and who shares it."""

from __future__ import annotations

import math
import re
from typing import Final, Literal, TypeAlias, get_args

import attrs

from rxcandles.util.arguments import (
    check_choice,
    check_flag,
    check_name,
    check_number,
    check_rate,
    check_source,
    refusal,
)

__all__ = ["Limit", "LimitKind", "limit_of", "shared_key"]

LimitKind: TypeAlias = Literal["sliding", "fixed", "bucket"]
"""How a server counts: over the last ``window`` seconds at any moment, in windows of its own clock, or with a bucket
that refills."""

_MOST: Final = 1e9
_LONGEST_WINDOW: Final = 86_400.0
_LONGEST_KEY: Final = 64


@attrs.frozen
class Limit:
    """The limit of an exchange for one source address: ``capacity`` in ``window`` seconds.

    Binance allows a weight of 6,000 in each minute of its own clock. Bithumb allows 150 requests at once, and 150 a
    second::

        Limit(6000, window=60, kind="fixed", group="binance", unit="weight")
        Limit(150, kind="bucket", group="bithumb")

    Raise ``RequestError`` for an invalid value.
    """

    capacity: float = attrs.field()
    """The most that a window allows, in the exchange's own unit: requests or weight. A bucket holds so much, and
    refills in ``window`` seconds."""
    window: float = attrs.field(default=1.0, kw_only=True)
    """Seconds."""
    kind: LimitKind = attrs.field(default="sliding", kw_only=True)
    """``"sliding"`` is the strictest; take it if nothing is known. ``"fixed"`` windows begin at multiples of ``window``
    of the server's clock (UTC)."""
    group: str = attrs.field(default="", kw_only=True)
    """Name of everything that shares this limit, such as ``binance-futures``. The part before a slash shares blocks: a
    block of ``bybit/linear`` stops ``bybit/spot`` too."""
    unit: str = attrs.field(default="requests", kw_only=True)
    """What is counted, for messages."""
    told: bool = attrs.field(default=True, kw_only=True)
    """Whether the count that the server reports is about this window."""

    @capacity.validator
    def _(self, _attribute: object, value: float) -> None:
        check_number("capacity", value, 1, _MOST, what="a number")

    @window.validator
    def _(self, _attribute: object, value: float) -> None:
        check_number("window", value, 0, _LONGEST_WINDOW, above=True)

    @kind.validator
    def _(self, _attribute: object, value: str) -> None:
        check_choice("kind", value, get_args(LimitKind))

    @group.validator
    def _(self, _attribute: object, value: str) -> None:
        if value != "":
            if not isinstance(value, str) or value.count("/") > 1:
                raise refusal("group", value, "take a name such as 'bybit', or two such as 'bybit/linear'")
            for part in value.split("/"):
                check_name("group", part)

    @told.validator
    def _(self, _attribute: object, value: bool) -> None:
        check_flag("told", value)

    @property
    def a_second(self) -> float:
        """What a second allows in the long run."""
        return self.capacity / self.window

    @property
    def text(self) -> str:
        """The limit in words."""
        per = "second" if abs(self.window - 1) < 1e-9 else f"{self.window:g} s"
        return f"{self.capacity:g} {self.unit} a {per}"

    @property
    def family(self) -> str:
        """The part of the group before a slash; it shares blocks."""
        return self.group.partition("/")[0]

    def allowing(self, rate: float) -> Limit:
        """Return this limit with another ``rate`` a window; a fraction shortens the window: 2.5 is 2 in 0.8 of it."""
        most = max(1, math.floor(rate))
        return attrs.evolve(self, capacity=most, window=self.window * (most / rate))


def limit_of(rate: float | Limit | None, window: float = 1.0) -> Limit | None:
    """Return a ``rate`` (permits in ``window`` seconds, one for each request) as a limit; None for no limit.

    >>> from rxcandles.limiters import limit_of
    >>> limit = limit_of(2.5)
    >>> limit.capacity, limit.window
    (2, 0.8)
    """
    check_number("window", window, 0, _LONGEST_WINDOW, above=True)
    if rate is None or isinstance(rate, Limit):
        return rate
    check_rate("rate", rate)
    return Limit(1, window=window).allowing(rate)


def shared_key(group: str, source: str | None = None) -> str:
    """Return the file name of a shared limit, from its group and the address that requests are sent from.

    An exchange counts by address. ``source`` is the address to send from on a machine with several; None leaves the
    choice to the system.

    >>> from rxcandles.limiters import shared_key
    >>> shared_key("bybit/linear", "10.0.0.7")
    'bybit.linear-10.0.0.7'
    """
    name = group.replace("/", ".")
    if source is None:
        return check_name("key", name)
    address = re.sub("[^0-9A-Za-z.]", "_", check_source("source", source))
    return check_name("key", f"{name[: _LONGEST_KEY - 1 - len(address)]}-{address}")
