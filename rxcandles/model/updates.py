"""What following markets gives: candles as they close, and word of everything in between.

Every update has ``kind``, ``symbol`` and ``timeframe``, and ``to_dict()`` for JSON.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal, TypeAlias, get_args

import attrs

from rxcandles.model.candles import CandleData
from rxcandles.model.timeframe import time_text

__all__ = [
    "FOLLOW_STATES",
    "CandleUpdate",
    "ClosedUpdate",
    "FollowState",
    "FormingUpdate",
    "LostUpdate",
    "ProgressUpdate",
    "RevisedUpdate",
    "StateUpdate",
    "Update",
]

FollowState: TypeAlias = Literal["catching_up", "live", "polling", "stalled", "refused"]
"""How following a market goes.

* ``catching_up``: more than one page is missing, and is being collected.
* ``live``: a stream says when a candle closes.
* ``polling``: there is no stream, or it is down; the exchange is asked at the end of each candle.
* ``stalled``: the exchange does not answer; nothing new is known until it does.
* ``refused``: the exchange does not know the market; it is asked again from time to time.
"""

FOLLOW_STATES: Final[tuple[FollowState, ...]] = get_args(FollowState)


class _Update:
    """What all updates share."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values for JSON: times are texts that end in ``Z``."""
        found: dict[str, Any] = {}
        for field in attrs.fields(type(self)):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if isinstance(value, CandleData):
                value = _plain(value)
            found[field.name] = time_text(value.timestamp()) if isinstance(value, datetime) else value
        return found


def _plain(candle: CandleData) -> dict[str, Any]:
    values = dict(zip(candle.row._fields, candle.row, strict=True))
    changes = ("prev_closing_price", "change_price", "change_rate")
    found = {name: value for name, value in values.items() if name not in changes or value is not None}
    return found | {"open_time": time_text(candle.open_seconds)}


@attrs.frozen
class CandleUpdate(_Update):
    """A closed candle, which is in the store. Those of a market come oldest first, each once, and none is left out."""

    symbol: str
    timeframe: str
    candle: CandleData
    proven_until: datetime
    """Every candle of the market that opens before this time has been delivered, this one included."""
    kind: Literal["candle"] = attrs.field(default="candle", init=False)


@attrs.frozen
class RevisedUpdate(_Update):
    """The exchange has changed a candle that was delivered before, or has another view of its slot."""

    symbol: str
    timeframe: str
    open_time: datetime
    before: CandleData | None
    """The candle as it was; None if the slot was empty."""
    candle: CandleData | None
    """The candle as it is now; None if it was removed."""
    kind: Literal["revised"] = attrs.field(default="revised", init=False)


@attrs.frozen
class FormingUpdate(_Update):
    """The candle that is not closed yet, as it stands now; the next one may replace it. Asked for by ``forming``."""

    symbol: str
    timeframe: str
    candle: CandleData
    behind: bool = False
    """Whether older candles are still being collected."""
    final: Literal[False] = attrs.field(default=False, init=False)
    kind: Literal["forming"] = attrs.field(default="forming", init=False)


@attrs.frozen
class ClosedUpdate(_Update):
    """A candle that is closed by the stream and not confirmed yet. Asked for by ``provisional``; it may be wrong."""

    symbol: str
    timeframe: str
    candle: CandleData
    why: Literal["flag", "next", "clock"]
    """What closes it: the exchange's own word, a frame of a later candle, or the server's clock."""
    kind: Literal["closed"] = attrs.field(default="closed", init=False)


@attrs.frozen
class ProgressUpdate(_Update):
    """Nothing is missing: all that was known until now has been delivered. At least every 30 seconds."""

    symbol: str
    timeframe: str
    proven_until: datetime
    """Every candle that opens before this time has been delivered."""
    heard_until: datetime
    """Until then the exchange has said nothing of a candle; this is weaker than proof, as it may be said late."""
    kind: Literal["progress"] = attrs.field(default="progress", init=False)


@attrs.frozen
class StateUpdate(_Update):
    """How following the market goes has changed; ``stalled`` is said again at least every 30 seconds."""

    symbol: str
    timeframe: str
    state: FollowState
    reason: str = ""
    """Why, in words; empty if all is well."""
    kind: Literal["state"] = attrs.field(default="state", init=False)


@attrs.frozen
class LostUpdate(_Update):
    """The candles that open in ``[start, stop)`` can't be had; ``reason`` says why."""

    symbol: str
    timeframe: str
    start: datetime
    stop: datetime
    reason: str = ""
    kind: Literal["lost"] = attrs.field(default="lost", init=False)


Update: TypeAlias = (
    CandleUpdate | RevisedUpdate | FormingUpdate | ClosedUpdate | ProgressUpdate | StateUpdate | LostUpdate
)
"""What a feed gives; ``kind`` tells them apart."""
