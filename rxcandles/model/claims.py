"""What answers leave out: doubtful absences, and the claims that are kept of them.

A row is proof that it exists. That there is no row is a claim of the answer that lacks it, and an exchange that is ill
for a while makes false ones. Three absences are doubtful:

* the ``head``: what is newer than the newest row of a page that nothing newer is known of;
* a ``gap`` that chance makes less often than once in a hundred times, by the market's own density;
* the ``beginning``: that nothing is older than the oldest row.

A doubtful absence is covered *provisionally*: a claim of it lies beside the coverage. When the claim is due, the next
run that asks for its span asks about it once more. An answer that says the same, long enough after the first, makes it
final. A row that comes after all, in the span of a claim, voids the claim.
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
"""Seconds by which two clocks may differ in what they say has passed. A claim that was first heard later than that from
now was stamped by a clock that was wrong; it is due at once. So was one since which the server's clock says that less
time has passed than ours does; it waits for the rest."""


@attrs.frozen
class ConfirmTimes:
    """How long after it was first heard an absence is asked about again, in seconds; an exchange declares its own.

    A head is asked about again after ``head`` seconds. It is final as soon as an answer has a row that is newer.
    Without one it is final only after ``gap`` seconds: an answer of a server that lags behind looks the same.
    """

    head: float = 120.0
    gap: float = 3600.0
    beginning: float = 3600.0


@attrs.frozen
class Absence:
    """A doubtful absence, as one answer has it: no candle opens in ``[start, stop)``."""

    kind: AbsenceKind
    start: int
    stop: int
    again: float
    """Seconds after the first hearing from which on it is asked about again."""
    final: float
    """Seconds after the first hearing from which on an answer that says the same makes it final."""

    @staticmethod
    def of(kind: AbsenceKind, span: Span, confirm: ConfirmTimes) -> Absence:
        """Return the absence of a span, with the confirm times of its kind."""
        again: float = getattr(confirm, kind)
        return Absence(kind, *span, again, max(again, confirm.gap) if kind == "head" else again)


@attrs.frozen
class Claim:
    """A doubtful absence that is covered provisionally. Times are UTC seconds, those of hearing by our own clock."""

    kind: AbsenceKind
    start: int
    stop: int
    first_heard: int
    """When all of it had been heard for the first time."""
    last_heard: int
    times: int
    """How many answers have said so."""
    due: int
    """From when on a run asks about it again."""
    final: int
    """From when on an answer that says the same makes it final."""
    said: int | None = None
    """What the server's own clock said when all of it had been heard for the first time; None where that is unknown."""

    @property
    def span(self) -> Span:
        """Its span."""
        return (self.start, self.stop)

    def is_due(self, now: float) -> bool:
        """Say whether a run at ``now`` (UTC seconds) asks about it; also where the clock has been set back since."""
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
    """Return the claims that are left after an answer, and what is no longer covered.

    ``claims`` are those that touch the span which the answer tells of, ``proven``, or lie in it. ``opens`` are the open
    times of the answer's rows, ``absences`` what of it is doubtful, ``covered`` what was covered before. What was
    covered without a claim stays so: an absence is not asked about again once it is final. ``heard`` is our clock, and
    ``said`` the server's, where it is known.
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
        absent = answered.subtract(slots)
        for absence in told:
            again = absent.intersect(SpanSet(((absence.start, absence.stop),)))
            final = claim.first_heard + int(absence.final)
            if now < final:
                due = claim.first_heard + int(absence.again)
                kept += [
                    Claim(
                        absence.kind,
                        *span,
                        claim.first_heard,
                        now,
                        claim.times + 1,
                        due if now < due else final,
                        final,
                        claim.said,
                    )
                    for span in again
                ]
            absent = absent.subtract(again)
        if claim.kind != "head" and now < claim.final:
            # By this answer it is no longer doubtful, by the one before it is: it takes its time all the same.
            kept += [
                attrs.evolve(
                    claim,
                    start=start,
                    stop=stop,
                    last_heard=now,
                    times=claim.times + 1,
                    due=max(claim.due, claim.final),
                )
                for start, stop in absent
            ]
    for absence in told:
        new = SpanSet(((absence.start, absence.stop),)).intersect(SpanSet((proven,))).subtract(covered)
        kept += [
            Claim(absence.kind, *span, now, now, 1, now + int(absence.again), now + int(absence.final), server)
            for span in new
        ]
    return _merged(kept), SpanSet(tuple(void))


def _put_right(claim: Claim, now: int, server: int | None) -> Claim:
    """Return the claim with the times that a right clock of ours would have given it."""
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
    """Make one claim of neighbours of one kind, as young as the younger one, so that there are few."""
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
