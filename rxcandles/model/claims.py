"""Doubtful absences of an answer, and the claims that are kept of them.

A row proves that a candle exists. A missing row is only a claim of the answer, and an exchange with a fault makes false
ones for a while. Three absences are doubtful:

* the ``head``: the slots after the newest row of a page, if nothing newer is known;
* a ``gap`` so long that, by the market's own density, chance makes it less than once in a hundred times;
* the ``beginning``: nothing is older than the oldest row.

A doubtful absence is covered *provisionally*: a claim of it is stored beside the coverage. When the claim is due, the
next run that asks for its span asks once more. An answer that confirms it, long enough after the first, makes it final.
A row that appears in the span of a claim makes the claim void.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal, TypeAlias, get_args

import attrs

from rxcandles.model.spans import Span, SpanSet
from rxcandles.model.timeframe import Timeframe

__all__ = ["ABSENCE_KINDS", "Absence", "AbsenceKind", "Claim", "ConfirmTimes", "hear"]

AbsenceKind: TypeAlias = Literal["head", "gap", "beginning"]
"""Why an absence is doubtful."""

ABSENCE_KINDS: Final[tuple[AbsenceKind, ...]] = get_args(AbsenceKind)

_SKEW: Final = 60
"""Seconds by which two clocks may differ.

If our clock now stands earlier than a claim's first answer, by more than that, the clock was wrong when the claim was
made; the claim is due at once. If less time has passed by the server's clock than by ours, the claim waits for the
rest.
"""


@attrs.frozen
class ConfirmTimes:
    """How long after the first answer an absence is asked about again, in seconds; an exchange may declare others.

    A head is asked about again after ``head`` seconds. It is final as soon as an answer has a newer row. Without one it
    is final only after ``gap`` seconds, since the answer of a server that lags behind looks the same.

    >>> ConfirmTimes(head=300.0)
    ConfirmTimes(head=300.0, gap=3600.0, beginning=3600.0)
    """

    head: float = 120.0
    gap: float = 3600.0
    beginning: float = 3600.0


@attrs.frozen
class Absence:
    """A doubtful absence of one answer: no candle opens in ``[start, stop)``."""

    kind: AbsenceKind
    start: int
    stop: int
    again: float
    """Seconds after the first answer from which on a run asks again."""
    final: float
    """Seconds after the first answer from which on a confirming answer makes it final."""

    @staticmethod
    def of(kind: AbsenceKind, span: Span, confirm: ConfirmTimes) -> Absence:
        """Return the absence of a span, with the confirm times of its kind."""
        again: float = getattr(confirm, kind)
        return Absence(kind, *span, again, max(again, confirm.gap) if kind == "head" else again)


@attrs.frozen
class Claim:
    """A doubtful absence that is covered provisionally.

    Times are UTC seconds of our own clock, except ``said``.

    >>> claims = await store.claims("KRW-BTC", Timeframe.of("1m"), 1_704_067_200, 1_704_074_400)
    >>> [claim.kind for claim in claims]
    []
    """

    kind: AbsenceKind
    start: int
    stop: int
    first_heard: int
    """When the first answers had claimed all of it."""
    last_heard: int
    times: int
    """How many answers have claimed it."""
    due: int
    """From this time on a run asks about it again."""
    final: int
    """From this time on a confirming answer makes it final."""
    said: int | None = None
    """The server's own clock at ``first_heard``; None if it is unknown."""

    @property
    def span(self) -> Span:
        """Its start and stop."""
        return (self.start, self.stop)

    def is_due(self, now: float) -> bool:
        """Return whether a run at ``now`` (UTC seconds) asks about it; also True if the clock was set back since."""
        return now >= self.due or now < self.first_heard - _SKEW


def hear(
    claims: Iterable[Claim],
    absences: Iterable[Absence],
    *,
    proven: Span,
    opens: Iterable[int],
    covered: SpanSet,
    heard: float,
    said: float | None = None,
    timeframe: Timeframe,
) -> tuple[list[Claim], SpanSet]:
    """Return the claims that are left after an answer, and the spans that are no longer covered.

    An absence that was covered without a claim is final and not doubted again.

    * ``claims``: the claims before, as far as they touch or lie in ``proven``.
    * ``absences``: the doubtful absences of the answer.
    * ``proven``: the span that the answer covers.
    * ``opens``: open times of the answer's rows.
    * ``covered``: what was covered before.
    * ``heard``: our clock, UTC seconds; ``said``: the server's clock, if it is known.
    """
    now, server = int(heard), None if said is None else int(said)
    before, told = [_put_right(claim, now, server) for claim in claims], list(absences)
    slots = SpanSet(tuple((opened, timeframe.shift(opened, 1)) for opened in opens))
    kept: list[Claim] = []
    void: list[Span] = []
    for claim in before:
        whole, answered = SpanSet((claim.span,)), SpanSet((claim.span,)).intersect(SpanSet((proven,)))
        if whole.intersect(slots):
            void += whole.subtract(answered)  # the answer that made the claim was wrong about it
        else:
            kept += [attrs.evolve(claim, start=start, stop=stop) for start, stop in whole.subtract(answered)]
        kept += _still_doubtful(claim, answered.subtract(slots), told, now)
    for absence in told:
        new = SpanSet(((absence.start, absence.stop),)).intersect(SpanSet((proven,))).subtract(covered)
        kept += [
            Claim(absence.kind, *span, now, now, 1, now + int(absence.again), now + int(absence.final), server)
            for span in new
        ]
    return _merged(kept), SpanSet(tuple(void))


def _still_doubtful(claim: Claim, absent: SpanSet, told: Sequence[Absence], now: int) -> list[Claim]:
    """Return what is left of a claim after an answer that has no candle in ``absent`` either."""
    kept: list[Claim] = []
    for absence in told:
        again = absent.intersect(SpanSet(((absence.start, absence.stop),)))
        final = claim.first_heard + int(absence.final)
        if now < final:
            due = claim.first_heard + int(absence.again)
            times = (claim.first_heard, now, claim.times + 1, due if now < due else final, final)
            kept += [Claim(absence.kind, *span, *times, claim.said) for span in again]
        absent = absent.subtract(again)
    if claim.kind != "head" and now < claim.final:
        # This answer no longer doubts it, but an earlier one did: its confirm time must still pass.
        due = max(claim.due, claim.final)
        kept += [
            attrs.evolve(claim, start=start, stop=stop, last_heard=now, times=claim.times + 1, due=due)
            for start, stop in absent
        ]
    return kept


def _put_right(claim: Claim, now: int, server: int | None) -> Claim:
    """Return the claim with the times that our clock would have given it, had it been right."""
    heard = claim.first_heard
    if now < heard - _SKEW:
        heard = now
    elif claim.said is not None and server is not None and claim.said < server < claim.said + now - heard - _SKEW:
        heard = now - (server - claim.said)
    if heard == claim.first_heard:
        return claim
    return attrs.evolve(
        claim, first_heard=heard, last_heard=min(now, max(heard, claim.last_heard)),
        final=heard + claim.final - claim.first_heard,
    )  # fmt: skip


def _merged(claims: Sequence[Claim]) -> list[Claim]:
    """Join adjacent claims of one kind, to keep them few; the joined claim is as young as the younger one."""
    merged: list[Claim] = []
    for claim in sorted(claims, key=lambda each: each.start):
        last = merged[-1] if merged else None
        if last is not None and last.kind == claim.kind and last.stop == claim.start:
            merged[-1] = Claim(
                claim.kind,
                last.start,
                claim.stop,
                max(last.first_heard, claim.first_heard),
                max(last.last_heard, claim.last_heard),
                min(last.times, claim.times),
                max(last.due, claim.due),
                max(last.final, claim.final),
                None if last.said is None or claim.said is None else max(last.said, claim.said),
            )
        else:
            merged.append(claim)
    return merged
