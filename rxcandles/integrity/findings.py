"""What a check of a database finds, and what a repair has done about it."""

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
"""What can be found, in the order of a report. All but the notes are wrong.

* the file: ``damaged_file`` SQLite can't read all of it, ``wrong_schema`` a table is not as it was made;
* names: ``orphaned_rows`` belong to no series, ``unreachable_series`` has a name that no request can have,
  ``alias_series`` is another one under a second spelling (``1h`` and ``60m``, ``krw-btc``, look-alikes, spaces);
* candles: ``off_grid_candle`` opens where none can, ``impossible_candle`` has values that can't be,
  ``future_candles`` are not over yet by this machine's clock, ``unproven_candles`` lie in no span of the ledger;
* the ledger: ``impossible_span`` ends before it starts or is no time, ``off_grid_span`` has an end where no candle
  opens, ``overlapping_spans`` overlap or touch, ``future_span`` reaches beyond now, ``wrong_count`` holds other than
  the number of candles that the ledger says, ``wrong_claim`` says of a span that it is empty by an exchange's word,
  which can't be, ``unfinished_repair`` a repair was to fetch and was stopped;
* against the exchange, inside proven spans: ``missing_candle`` only the exchange has, ``extra_candle`` only the store
  has, ``different_candle`` both have, with other values;
* notes: ``provisional_absence`` is empty by the word of answers that may have been wrong, until one more confirms it,
  ``impossible_answer`` is not held as the exchange's candle can't be true, until a run gets a better one,
  ``two_scales`` is a place where all prices change by a power of ten and stay so: history before it, or after it, may
  have been restated since, ``not_compared`` could not be held against the exchange, which refuses it.
"""

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

FILE_KINDS: Final = frozenset({"damaged_file", "wrong_schema"})
"""Those that keep everything else from being checked."""

NOTE_KINDS: Final = frozenset({"provisional_absence", "impossible_answer", "two_scales", "not_compared"})
"""Those that are worth knowing and not wrong."""


EXCHANGE_KINDS: Final = frozenset({"missing_candle", "extra_candle", "different_candle"})
"""Those that only the exchange can show."""


@attrs.frozen(repr=False)
class Finding(Brief):
    """One thing that is wrong, or a note."""

    kind: Kind
    exchange: str
    """As stored, like ``symbol`` and ``timeframe``; empty where it is about no series."""
    symbol: str
    timeframe: str
    start: datetime | None
    """Where it is: the older end included, the newer excluded, UTC. None where that is no time, or all of a series."""
    stop: datetime | None
    detail: str
    """In words, with the values."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it: times ending in ``Z``, spans with ``start`` and ``stop``."""
        return dict(to_plain(self))


@attrs.frozen(repr=False)
class VerificationReport(Brief):
    """What a check has looked at, and what it found."""

    path: str
    series: int
    """Series looked at."""
    candles: int
    spans: int
    """Spans of their ledgers."""
    imported: int
    """Imported candles, which are unproven and not checked."""
    samples: int
    """Pages compared with the exchange."""
    findings: tuple[Finding, ...]
    """The first of each kind, by series and time."""
    counts: Mapping[Kind, int]
    """How many of each kind there are, of those that are there."""

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong; there may be notes."""
        return not self.counts.keys() - NOTE_KINDS

    @property
    def wrong(self) -> int:
        """How many findings say that something is wrong, all kinds together."""
        return sum(count for kind, count in self.counts.items() if kind not in NOTE_KINDS)

    @property
    def damaged(self) -> bool:
        """Whether the file itself is at fault, so that its contents were not checked and can't be repaired in place."""
        return bool(FILE_KINDS & self.counts.keys())

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it: times ending in ``Z``, and what its properties say."""
        return {**to_plain(self), "clean": self.clean, "damaged": self.damaged}


@attrs.frozen(repr=False)
class RepairStep(Brief):
    """What a repair does to one series of the file."""

    action: Literal["distrust", "remove", "question"]
    """Take spans out of its ledger, with the candles in them; or remove all of it, as no request can name it; or ask
    for spans anew, which stay as they are until then."""
    exchange: str
    symbol: str
    timeframe: str
    spans: int
    """Spans that are taken out of the ledger, or asked anew."""
    candles: int
    """Candles that are deleted, or held against the exchange's."""
    slots: int
    """Slots that are fetched again."""
    claims: int = 0
    """Wrong claims, which are cut to what can be or dropped."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it: times ending in ``Z``, spans with ``start`` and ``stop``."""
        return dict(to_plain(self))


@attrs.frozen
class AbsencesAsked:
    """What has become of the doubtful absences that a repair has asked about."""

    asked: int
    """Doubtful absences that there were."""
    healed: int
    """Of these, those in which the exchange has candles after all; they are stored."""
    candles: int
    """Candles stored in these."""
    left: int
    """Doubtful absences that there are now: those that have not had their time, and new ones."""
    until: datetime | None
    """When the last of them can be final; None where there is none."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it: times ending in ``Z``, spans with ``start`` and ``stop``."""
        return dict(to_plain(self))


@attrs.frozen(repr=False)
class RepairReport(Brief):
    """What a repair has done, or in a dry run would do."""

    before: VerificationReport
    steps: tuple[RepairStep, ...]
    removed: int
    """Candles deleted; in a dry run those that would be."""
    stored: int
    """Candles fetched and stored."""
    requests: int
    """Requests sent."""
    failures: tuple[str, ...]
    """Why something could not be fetched; it is left for the next repair, except where the exchange refuses it."""
    revised: int = attrs.field(default=0, kw_only=True)
    """Candles replaced because the exchange has them with other values."""
    absences: AbsencesAsked | None = attrs.field(default=None, kw_only=True)
    """What has come of asking about the doubtful absences; None where that was not done."""
    after: VerificationReport | None
    """What another check has found in the end; None in a dry run, and where the file is damaged."""

    @property
    def repaired(self) -> bool:
        """Whether all is well in the end."""
        return not self.failures and (self.before if self.after is None else self.after).clean

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it: times ending in ``Z``, and what its properties say."""
        return {
            **to_plain(self), "repaired": self.repaired, "before": self.before.to_dict(),
            "after": None if self.after is None else self.after.to_dict(),
        }  # fmt: skip


class Tally:
    """Counts findings and keeps the first ``most`` of each kind, whatever their number."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: list[Finding] = []
        self.counts: Counter[Kind] = Counter()

    def add(self, finding: Finding) -> None:
        """Count one more."""
        self.counts[finding.kind] += 1
        if self.counts[finding.kind] <= self._most:
            self._kept.append(finding)

    def report(self, path: str, *, series: int, candles: int, spans: int, imported: int) -> VerificationReport:
        """Return what was found so far, kind by kind."""
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
