"""Doubtful absences: what an answer makes of the claims of those before it."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxcandles.model.claims import Absence, AbsenceKind, Claim, ConfirmTimes, hear
from rxcandles.model.spans import Span, SpanSet
from rxcandles.model.timeframe import Timeframe

MINUTE = Timeframe.of("1m")
CONFIRM = ConfirmTimes()
T = 1_000_000


def slots(first: int, last: int) -> Span:
    return (first * 60, last * 60)


def absent(kind: AbsenceKind, first: int, last: int) -> Absence:
    return Absence.of(kind, slots(first, last), CONFIRM)


def told(
    claims: list[Claim],
    *absences: Absence,
    proven: Span,
    opens: tuple[int, ...] = (),
    covered: Span | None = None,
    heard: float,
    said: float | None = None,
) -> tuple[list[Claim], SpanSet]:
    return hear(
        claims,
        absences,
        proven=slots(*proven),
        opens=[slot * 60 for slot in opens],
        covered=SpanSet(() if covered is None else (slots(*covered),)),
        heard=heard,
        said=said,
        timeframe=MINUTE,
    )


def spans(claims: list[Claim]) -> list[tuple[str, int, int, int]]:
    return [(claim.kind, claim.start // 60, claim.stop // 60, claim.times) for claim in claims]


def first(kind: AbsenceKind, start: int, stop: int) -> list[Claim]:
    return told([], absent(kind, start, stop), proven=(0, 200), heard=T)[0]


@pytest.mark.parametrize(
    ("kind", "again", "final"), [("head", 120, 3600), ("gap", 3600, 3600), ("beginning", 3600, 3600)]
)
def test_first_heard(kind: AbsenceKind, again: int, final: int) -> None:
    """A doubtful absence becomes a claim, due when its confirm time has passed."""
    (claim,) = first(kind, 100, 160)
    assert claim == Claim(kind, *slots(100, 160), T, T, 1, T + again, T + final)
    assert not claim.is_due(T + again - 1)
    assert claim.is_due(T + again)


def test_a_clock_that_was_wrong() -> None:
    """A claim that was heard in the future is due at once, and counts from the next hearing on."""
    (claim,) = first("gap", 100, 160)
    assert claim.is_due(T - 3600)
    ((heard,), _) = told([claim], absent("gap", 100, 160), proven=(0, 200), covered=(0, 200), heard=T - 3600)
    assert (heard.first_heard, heard.times, heard.final) == (T - 3600, 2, T)


@pytest.mark.parametrize(
    ("passed", "left"),
    [(10, 3590), (3599, 1), (3600, None), (None, None), (0, None), (-5, None)],
    ids=["ten seconds", "not yet", "an hour", "told no time", "stands still", "runs back"],
)
def test_a_clock_that_was_put_right(passed: int | None, left: int | None) -> None:
    """Our clock was two hours slow: what has passed is what the server's says, where that runs at all."""
    gap = absent("gap", 100, 160)
    ((claim,), _) = told([], gap, proven=(0, 200), heard=T - 7200, said=T)
    assert (claim.first_heard, claim.said) == (T - 7200, T)
    said = None if passed is None else T + passed
    heard = T + (passed or 10)
    claims, _ = told([claim], gap, proven=(0, 200), covered=(0, 200), heard=heard, said=said)
    assert [claim.final - heard for claim in claims] == ([] if left is None else [left])
    if left is not None:  # from now on it counts from when it was heard
        assert claims[0].first_heard == T
        assert told(claims, gap, proven=(0, 200), covered=(0, 200), heard=T + 3600, said=T + 3600)[0] == []


@pytest.mark.parametrize("kind", ["gap", "beginning", "head"])
def test_confirmed(kind: AbsenceKind) -> None:
    """An answer that says the same makes it final after the confirm time, not before."""
    claims = first(kind, 100, 160)
    young, _ = told(claims, absent(kind, 100, 160), proven=(50, 200), covered=(0, 200), heard=T + 3599)
    assert spans(young) == [(kind, 100, 160, 2)]
    assert (young[0].first_heard, young[0].last_heard) == (T, T + 3599)
    assert told(young, absent(kind, 100, 160), proven=(50, 200), covered=(0, 200), heard=T + 3600) == ([], SpanSet())


def test_a_head_that_has_a_newer_candle_now() -> None:
    """It is a gap between candles then: believed where chance makes it, else it takes the time of a gap."""
    claims = first("head", 190, 200)
    assert told(claims, proven=(150, 205), opens=(189, 203), covered=(0, 200), heard=T + 60) == ([], SpanSet())
    kept, _ = told(claims, absent("gap", 190, 203), proven=(150, 205), opens=(189, 203), covered=(0, 200), heard=T + 60)
    assert [(claim.kind, claim.start // 60, claim.stop // 60, claim.final) for claim in kept] == [
        ("gap", 190, 203, T + 60 + 3600)
    ]


def test_a_head_that_grows() -> None:
    """It stays one claim, as young as its newest part."""
    claims = first("head", 190, 200)
    for minute in range(1, 100):
        claims, _ = told(
            claims,
            absent("head", 190, 200 + minute),
            proven=(180, 200 + minute),
            covered=(0, 199 + minute),
            heard=T + 60 * minute,
        )
    assert spans(claims) == [("head", 190, 299, 1)]
    assert claims[0].first_heard == T + 99 * 60


def test_a_row_voids_the_claim() -> None:
    """The answer that made it was wrong: what this one does not tell of is no longer covered."""
    claims = first("gap", 100, 160)
    kept, void = told(claims, proven=(130, 200), opens=(140,), covered=(0, 200), heard=T + 60)
    assert (spans(kept), void) == ([("gap", 130, 140, 2), ("gap", 141, 160, 2)], SpanSet((slots(100, 130),)))
    kept, void = told(claims, absent("gap", 141, 160), proven=(90, 200), opens=(140,), covered=(0, 200), heard=T + 60)
    assert (spans(kept), void) == ([("gap", 100, 140, 2), ("gap", 141, 160, 2)], SpanSet())


def test_half_of_it_is_heard_again() -> None:
    """What an answer does not tell of stays as it was."""
    claims = first("gap", 100, 160)
    kept, void = told(claims, absent("gap", 130, 160), proven=(130, 200), covered=(0, 200), heard=T + 3600)
    assert (spans(kept), void) == ([("gap", 100, 130, 1)], SpanSet())


def test_what_is_final_stays_so() -> None:
    """An absence of what was covered without a claim is not doubted again."""
    assert told([], absent("gap", 100, 160), proven=(50, 200), covered=(0, 200), heard=T) == ([], SpanSet())
    kept, _ = told([], absent("gap", 100, 160), proven=(50, 200), covered=(0, 120), heard=T)
    assert spans(kept) == [("gap", 120, 160, 1)]


def test_no_longer_doubtful() -> None:
    """A gap that has become likely takes its time all the same."""
    claims = first("gap", 100, 160)
    kept, _ = told(claims, proven=(50, 200), covered=(0, 200), heard=T + 60)
    assert spans(kept) == [("gap", 100, 160, 2)]
    assert told(kept, proven=(50, 200), covered=(0, 200), heard=T + 3600)[0] == []


pages = st.tuples(
    st.integers(0, 39),
    st.integers(1, 40),
    st.frozensets(st.integers(0, 39), max_size=8),
    st.lists(
        st.tuples(st.sampled_from(["head", "gap", "beginning"]), st.integers(0, 39), st.integers(1, 12)), max_size=3
    ),
    st.integers(0, 4000),
)


@given(st.lists(pages, max_size=8))
def test_as_the_slow_way(answers: list) -> None:
    """Slot by slot: what is provisional, since when, and what has lost its coverage."""
    claims: list[Claim] = []
    covered, slow_covered = SpanSet(), set[int]()
    slow: dict[int, int] = {}  # provisional slots, and when all of their claim was heard at the earliest
    now = T
    for start, length, rows, absences, pause in answers:
        now += pause
        stop = start + length
        opens = sorted(slot for slot in rows if start <= slot < stop)
        doubtful = {}
        for kind, begin, some in absences:
            # An answer doubts what it lacks, each slot once.
            for slot in range(max(begin, start), min(begin + some, stop)):
                if slot not in opens:
                    doubtful.setdefault(slot, kind)
        kinds = sorted(doubtful.items())
        told_of = [Absence.of(kind, slots(slot, slot + 1), CONFIRM) for slot, kind in kinds]
        before = [claim for claim in claims if claim.start <= stop * 60 and start * 60 <= claim.stop]
        away = [claim for claim in claims if claim not in before]
        kept, void = hear(
            before,
            told_of,
            proven=slots(start, stop),
            opens=[slot * 60 for slot in opens],
            covered=covered,
            heard=now,
            timeframe=MINUTE,
        )
        wrong = {
            slot
            for claim in before
            if any(claim.start <= opened * 60 < claim.stop for opened in opens)
            for slot in range(claim.start // 60, claim.stop // 60)
            if not start <= slot < stop
        }
        fresh = set(range(start, stop)) - slow_covered
        for slot in list(slow):
            if slot in wrong:
                del slow[slot]
            elif start <= slot < stop:
                head = any(claim.kind == "head" and claim.start <= slot * 60 < claim.stop for claim in before)
                final = slow[slot] + 3600
                if slot in opens or now >= final or (head and slot not in doubtful):
                    del slow[slot]
        slow |= {slot: now for slot in doubtful if slot in fresh}
        slow_covered = (slow_covered | set(range(start, stop))) - wrong
        covered = covered.union(SpanSet((slots(start, stop),))).subtract(void)
        claims = sorted([*away, *kept], key=lambda claim: claim.start)
        assert {slot for start_, stop_ in covered for slot in range(start_ // 60, stop_ // 60)} == slow_covered
        provisional = {slot for claim in claims for slot in range(claim.start // 60, claim.stop // 60)}
        assert provisional == set(slow)
        for claim in claims:
            inside = [slow[slot] for slot in range(claim.start // 60, claim.stop // 60)]
            assert claim.first_heard >= max(inside)  # never older than any part of it
            for slot in range(claim.start // 60, claim.stop // 60):
                slow[slot] = claim.first_heard
        assert all(a.stop <= b.start for a, b in zip(claims, claims[1:], strict=False))


def test_kinds_have_their_times() -> None:
    """An exchange's own confirm times are those of its claims."""
    own = attrs.evolve(CONFIRM, head=5, gap=10, beginning=20)
    times = {kind: Absence.of(kind, (0, 60), own) for kind in ("head", "gap", "beginning")}
    assert [(each.again, each.final) for each in times.values()] == [(5, 10), (10, 10), (20, 20)]
