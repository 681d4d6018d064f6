"""What the functions of a lake return."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import attrs

from rxcandles.ports import Series
from rxcandles.util.plain import to_plain
from rxcandles.util.showing import Brief

__all__ = ["LakeFinding", "LakeReport", "Sealing", "Synced", "Unsealed"]


@attrs.frozen(repr=False)
class Synced(Brief):
    """What a sync has done with one series.

    >>> [done] = await lake.sync(store, "lake", "KRW-BTC", "1m")
    >>> done.candles, done.files, done.written
    (120, 1, 1)
    """

    series: Series
    start: datetime | None
    """When its oldest candle opens; None if it has none."""
    stop: datetime | None
    """When its newest candle ends."""
    candles: int
    """Candles of the series in the lake now."""
    files: int
    """Its files in the lake now."""
    written: int = 0
    """Files that were written."""
    removed: int = 0
    """Files that were removed, since their candles are gone."""
    sealed: int = 0
    """Files whose candles have left the database."""
    size: int = 0
    """Bytes of its files in the lake now."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as a JSON object; times end in ``Z``."""
        plain = {field.name: getattr(self, field.name) for field in attrs.fields(type(self))[1:]}
        return dict(to_plain({**self.series._asdict(), **plain}))


@attrs.frozen(repr=False)
class Sealing(Brief):
    """Which months of one series were sealed.

    >>> [done] = await lake.seal(store, "lake", "KRW-BTC", "1m", older_than="100y")
    >>> done.months, done.left
    (0, ())
    """

    series: Series
    start: datetime | None = None
    """The beginning of the first month that was sealed; None if none was."""
    stop: datetime | None = None
    """The end of the last one."""
    candles: int = 0
    """Candles that have left the database; with ``dry_run`` those that would."""
    months: int = 0
    left: Sequence[tuple[datetime, str]] = ()
    """The months that are old enough and stay, and why."""
    dry_run: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return it as a JSON object; times end in ``Z``."""
        plain = {field.name: getattr(self, field.name) for field in attrs.fields(type(self))[1:]}
        plain["left"] = [{"month": month, "reason": why} for month, why in self.left]
        return dict(to_plain({**self.series._asdict(), **plain}))


@attrs.frozen(repr=False)
class Unsealed(Brief):
    """Which months of one series are back in the database.

    >>> await lake.unseal(store, "lake", "KRW-BTC")
    []
    """

    series: Series
    start: datetime
    stop: datetime
    candles: int
    months: int

    def to_dict(self) -> dict[str, Any]:
        """Return it as a JSON object; times end in ``Z``."""
        plain = {field.name: getattr(self, field.name) for field in attrs.fields(type(self))[1:]}
        return dict(to_plain({**self.series._asdict(), **plain}))


@attrs.frozen(repr=False)
class LakeFinding(Brief):
    """One thing that is wrong with a lake.

    >>> (await lake.verify(store, "lake", "KRW-BTC", "1m")).findings[0].kind
    'not_synced'
    """

    series: Series
    kind: str
    """``not_synced``, ``missing_file``, ``changed_file``, ``other_candles``, ``other_coverage``, ``stray_file``,
    ``not_stored`` or ``unreadable``."""
    path: str
    """The file in the lake."""
    detail: str
    """What is wrong, in a sentence."""


@attrs.frozen(repr=False)
class LakeReport(Brief):
    """What a check of a lake has found.

    >>> _ = await lake.sync(store, "lake")
    >>> report = await lake.verify(store, "lake")
    >>> report.clean, report.series, report.files, report.candles
    (True, 1, 1, 120)
    """

    series: int
    """Series that were compared."""
    files: int
    candles: int
    findings: Sequence[LakeFinding] = ()

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def to_dict(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        findings = [
            {**each.series._asdict(), "kind": each.kind, "path": each.path, "detail": each.detail}
            for each in self.findings
        ]
        return {**dict(to_plain(attrs.evolve(self, findings=()))), "findings": findings, "clean": self.clean}
