"""The findings of a check, and the report of a repair."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias, get_args

import attrs

from rxcandles.util.plain import to_plain
from rxcandles.util.showing import Brief

__all__ = [
    "EXCHANGE_KINDS",
    "FILE_KINDS",
    "KINDS",
    "NOTE_KINDS",
    "AbsencesAsked",
    "Finding",
    "Kind",
    "RepairReport",
    "RepairStep",
    "Tally",
    "VerificationReport",
]

Kind: TypeAlias = Literal[
    "damaged_file",
    "wrong_schema",
    "orphaned_rows",
    "unreachable_series",
    "alias_series",
    "off_grid_candle",
    "impossible_candle",
    "future_candles",
    "unproven_candles",
    "impossible_span",
    "off_grid_span",
    "overlapping_spans",
    "future_span",
    "wrong_count",
    "wrong_claim",
    "unfinished_repair",
    "missing_candle",
    "extra_candle",
    "different_candle",
    "provisional_absence",
    "impossible_answer",
    "two_scales",
    "not_compared",
]
"""Kinds of findings, in the order of a report. Notes are worth knowing; every other kind is a fault.

* The file: ``damaged_file`` (SQLite can't read all of it), ``wrong_schema`` (a table is not as it was made).
* Names: ``orphaned_rows`` (rows that belong to no series), ``unreachable_series`` (a name that no request can have),
  ``alias_series`` (a second spelling of another series: ``1h`` and ``60m``, ``krw-btc``, look-alike letters, spaces).
* Candles: ``off_grid_candle`` (opens where no candle can open), ``impossible_candle`` (values that can't be true),
  ``future_candles`` (not closed yet by this machine's clock), ``unproven_candles`` (in no covered span).
* Coverage: ``impossible_span`` (ends before it starts, or has no valid time), ``off_grid_span`` (an end where no candle
  opens), ``overlapping_spans`` (overlap or touch), ``future_span`` (reaches beyond now), ``wrong_count`` (holds another
  number of candles than it says), ``wrong_claim`` (a claim that can't be true), ``unfinished_repair`` (a stopped repair
  was to fetch it).
* Against the exchange, within covered spans: ``missing_candle`` (only the exchange has it), ``extra_candle`` (only the
  store has it), ``different_candle`` (both have it, with different values).
* Notes: ``provisional_absence`` (empty by answers that may have been wrong, until one more confirms it),
  ``impossible_answer`` (not stored, since the exchange's candle can't be true; the next run asks again), ``two_scales``
  (all prices change by a power of ten and stay there: the history on one side may be older than a redenomination),
  ``not_compared`` (the exchange refuses the series).
"""

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

FILE_KINDS: Final = frozenset({"damaged_file", "wrong_schema"})
"""Kinds that keep everything else from being checked."""

NOTE_KINDS: Final = frozenset({"provisional_absence", "impossible_answer", "two_scales", "not_compared"})
"""Kinds that are notes, not faults."""


EXCHANGE_KINDS: Final = frozenset({"missing_candle", "extra_candle", "different_candle"})
"""Kinds that only a comparison with the exchange can find."""


@attrs.frozen(repr=False)
class Finding(Brief):
    """One fault, or one note.

    >>> report = await verify("candles.db")
    >>> [finding.kind for finding in report.findings]
    []
    """

    kind: Kind
    exchange: str
    """As stored, like ``symbol`` and ``timeframe``; empty if the finding is about no series."""
    symbol: str
    timeframe: str
    start: datetime | None
    """Older end (included) of its span, which ends before ``stop``; UTC. Both are None if the finding is about a whole
    series, or its time is invalid."""
    stop: datetime | None
    detail: str
    """A sentence with the values."""

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as a JSON object; times end in ``Z``, spans have ``start`` and ``stop``."""
        return dict(to_plain(self))


@attrs.frozen(repr=False)
class VerificationReport(Brief):
    """What a check has examined and found.

    >>> report = await verify("candles.db", "KRW-BTC", "1m")
    >>> report.clean, report.wrong, report.damaged
    (True, 0, False)
    """

    path: str
    series: int
    """Series examined."""
    candles: int
    spans: int
    """Covered spans examined."""
    imported: int
    """Imported candles; they are not covered and not checked."""
    samples: int
    """Pages compared with the exchange."""
    findings: tuple[Finding, ...]
    """The first findings of each kind, by series and time."""
    counts: Mapping[Kind, int]
    """Number of findings by kind; kinds without findings are left out."""

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong; there may be notes."""
        return not self.counts.keys() - NOTE_KINDS

    @property
    def wrong(self) -> int:
        """Number of findings that are not notes."""
        return sum(count for kind, count in self.counts.items() if kind not in NOTE_KINDS)

    @property
    def damaged(self) -> bool:
        """Whether the file itself is at fault: its contents were not checked, and it can't be repaired in place."""
        return bool(FILE_KINDS & self.counts.keys())

    def to_dict(self) -> dict[str, Any]:
        """Return the report as a JSON object; times end in ``Z``, and ``clean`` and ``damaged`` are included."""
        return {**to_plain(self), "clean": self.clean, "damaged": self.damaged}


@attrs.frozen(repr=False)
class RepairStep(Brief):
    """What a repair does to one series of the file.

    >>> report = await repair("candles.db", "simulated", dry_run=True)
    >>> report.steps
    ()
    """

    action: Literal["distrust", "remove", "question"]
    """``"distrust"``: take spans out of the coverage, with their candles. ``"remove"``: delete the whole series, since
    no request can name it. ``"question"``: ask for spans again; they stay as they are until the answer comes."""
    exchange: str
    symbol: str
    timeframe: str
    spans: int
    """Spans taken out of the coverage, or asked for again."""
    candles: int
    """Candles deleted, or compared with the exchange's."""
    slots: int
    """Slots fetched again."""
    claims: int = 0
    """Wrong claims that are corrected or dropped."""

    def to_dict(self) -> dict[str, Any]:
        """Return the step as a JSON object."""
        return dict(to_plain(self))


@attrs.frozen
class AbsencesAsked:
    """What has become of the provisional absences that a repair has asked about."""

    asked: int
    """Provisional absences before."""
    healed: int
    """Those in which the exchange has candles after all; the candles are stored."""
    candles: int
    """Candles stored in them."""
    left: int
    """Provisional absences now: those whose confirm time has not passed, and new ones."""
    until: datetime | None
    """When the last of them can become final; None if there are none."""

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as a JSON object; times end in ``Z``."""
        return dict(to_plain(self))


@attrs.frozen(repr=False)
class RepairReport(Brief):
    """What a repair has done, or would do in a dry run.

    >>> report = await repair("candles.db", "simulated", dry_run=True)
    >>> report.repaired, report.removed, report.failures
    (True, 0, ())
    """

    before: VerificationReport
    steps: tuple[RepairStep, ...]
    removed: int
    """Candles deleted; in a dry run, candles that would be deleted."""
    stored: int
    """Candles fetched and stored."""
    requests: int
    """Requests sent."""
    failures: tuple[str, ...]
    """Why something could not be fetched. It is left for the next repair, unless the exchange refuses the series."""
    revised: int = attrs.field(default=0, kw_only=True)
    """Candles replaced because the exchange has them with other values."""
    absences: AbsencesAsked | None = attrs.field(default=None, kw_only=True)
    """The result of ``absences=True``; None otherwise."""
    after: VerificationReport | None
    """The report of a second check at the end; None in a dry run, and if the file is damaged."""

    @property
    def repaired(self) -> bool:
        """Whether nothing is wrong at the end."""
        return not self.failures and (self.before if self.after is None else self.after).clean

    def to_dict(self) -> dict[str, Any]:
        """Return the report as a JSON object; times end in ``Z``, and ``repaired`` is included."""
        return {
            **to_plain(self), "repaired": self.repaired, "before": self.before.to_dict(),
            "after": None if self.after is None else self.after.to_dict(),
        }  # fmt: skip


class Tally:
    """Counts findings, and keeps the first ``most`` of each kind."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: list[Finding] = []
        self.counts: Counter[Kind] = Counter()

    def add(self, finding: Finding) -> None:
        """Count one finding."""
        self.counts[finding.kind] += 1
        if self.counts[finding.kind] <= self._most:
            self._kept.append(finding)

    def report(self, path: str, *, series: int, candles: int, spans: int, imported: int) -> VerificationReport:
        """Return the findings so far, ordered by kind."""
        return VerificationReport(
            path=path,
            series=series,
            candles=candles,
            spans=spans,
            imported=imported,
            samples=0,
            findings=tuple(sorted(self._kept, key=lambda finding: KINDS.index(finding.kind))),
            counts={kind: self.counts[kind] for kind in KINDS if self.counts[kind]},
        )
