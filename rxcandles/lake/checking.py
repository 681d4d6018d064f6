"""Compare a lake with the database that it comes from."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import attrs

from rxcandles.lake.files import difference
from rxcandles.lake.held import Held, held_of, wanted_of
from rxcandles.lake.manifest import LakeFile, Manifest, SeriesError, read_manifest
from rxcandles.lake.names import MANIFEST, file_name, folder_of, series_of
from rxcandles.lake.reports import LakeFinding, LakeReport
from rxcandles.lake.syncing import blocking, chosen, which_of
from rxcandles.lake.target import Stat, Target, target_at
from rxcandles.model.spans import SpanSet
from rxcandles.model.timeframe import Timeframe, plain_time
from rxcandles.model.which import Names, Which
from rxcandles.ports import CandleStore, Revised, Series
from rxcandles.util.arguments import check_like
from rxcandles.util.extras import need
from rxcandles.util.threads import in_thread

__all__ = ["verify"]


async def verify(
    store: CandleStore, target: str | Path, symbol: Names = None, timeframe: Names | Timeframe = None
) -> LakeReport:
    """Compare a lake with what ``store`` has of its exchange, and return what differs; nothing is written.

    Each file must be there, with the size and the SHA-256 of the manifest; its candles must be those of the store; the
    manifest must say of the coverage what the store says. Files that belong to nothing are findings, too. A batch of
    candles is in memory at a time.

    * ``target``: a folder, or ``s3://BUCKET/PREFIX``.
    * ``symbol``, ``timeframe``: only these series: a name, several, or a glob.

    Raises:

    * ``RequestError`` for an invalid argument.
    * ``LakeError`` if the lake can't be read.
    * ``StoreError`` if the store can't be read.
    * ``ExtraMissingError`` if pyarrow is not installed.

    >>> _ = await lake.sync(store, "lake")
    >>> (await lake.verify(store, "lake")).clean
    True
    """
    check_like("store", store, CandleStore)
    check_like("store", store, Revised)
    need("pyarrow", "export")
    which, place = which_of(symbol, timeframe), target_at(target)
    files = candles = 0
    findings: list[LakeFinding] = []
    there = await chosen(store, which)
    for series in there:
        check = _Check(store, place, series)
        await check.run()
        files, candles = files + check.files, candles + check.candles
        findings += check.findings
    findings += await blocking(partial(_not_stored, store, place, which, there))
    return LakeReport(len(there), files, candles, tuple(findings))


def _not_stored(store: CandleStore, target: Target, which: Which, there: Sequence[Series]) -> list[LakeFinding]:
    """Return the series of a lake, of the store's exchange, that the store does not have."""
    exchange, found = getattr(store, "exchange", None), []
    for name in target.walk():
        folder, _, file = name.rpartition("/")
        series = series_of(folder)
        if file != MANIFEST or series is None or series in there or exchange not in (None, series.exchange):
            continue
        if which.fits(series.symbol, series.timeframe):
            detail = f"the database has no {series.symbol} {series.timeframe}; delete the folder if nobody needs it"
            found.append(LakeFinding(series, "not_stored", folder, detail))
    return sorted(found, key=lambda each: each.path)


class _Check:
    """One series of a lake, compared with the store."""

    def __init__(self, store: CandleStore, target: Target, series: Series) -> None:
        self._store, self._target, self._series = store, target, series
        self._folder = folder_of(series)
        self.files = self.candles = 0
        self.findings: list[LakeFinding] = []

    async def run(self) -> None:
        """Look at the manifest, each file, and what else is in the folder."""
        try:
            manifest = await blocking(partial(read_manifest, self._target, self._series))
        except SeriesError as error:
            self._find("unreadable", MANIFEST, str(error))
            return
        if manifest is None:
            self._find("not_synced", MANIFEST, "it is not there: the series was never synced, or only in part")
            return
        there = await blocking(lambda: self._target.listing(self._folder))
        held = await held_of(self._store, self._series)
        if manifest.source != held.source:
            self._find("not_synced", MANIFEST, "the files come from another database")
        self._coverage(manifest, held)
        for file in sorted(manifest.files.values(), key=lambda each: each.start):
            await self._file(file, held, there.get(file.name))
        await self._others(manifest, held, there)

    def _find(self, kind: str, name: str, detail: str) -> None:
        self.findings.append(LakeFinding(self._series, kind, f"{self._folder}/{name}", detail))

    def _coverage(self, manifest: Manifest, held: Held) -> None:
        mine, theirs = held.evidence, manifest.evidence
        names = {span: file_name(held.timeframe, span[0]) for span in held.sealed}
        elsewhere = SpanSet(tuple(span for span, name in names.items() if name not in manifest.files))
        mine = attrs.evolve(mine, covered=mine.covered.subtract(elsewhere))
        for spans, what in (
            (mine.covered.subtract(theirs.covered), "not"),
            (theirs.covered.subtract(mine.covered), "still"),
        ):
            if spans:
                detail = f"{_shown(spans)} {'are' if len(spans) > 1 else 'is'} {what} covered in it; sync again"
                self._find("other_coverage", MANIFEST, detail)
        if mine.covered == theirs.covered and mine != theirs:
            what = "what is provisional or impossible, or what an empty slot means, has changed; sync again"
            self._find("other_coverage", MANIFEST, what)

    async def _file(self, file: LakeFile, held: Held, stat: Stat | None) -> None:
        """Compare one file with the manifest and with the store."""
        self.files += 1
        self.candles += file.rows
        path = f"{self._folder}/{file.name}"
        if stat is None:
            self._find(
                "missing_file",
                file.name,
                f"it is not there; the manifest says that it has {file.rows:,} candles; sync again",
            )
            return
        if stat.size != file.stat.size:
            self._find(
                "changed_file", file.name, f"it has {stat.size:,} bytes instead of {file.stat.size:,}; sync again"
            )
            return
        if await blocking(partial(self._target.sha256, path)) != file.sha256:
            self._find(
                "changed_file",
                file.name,
                "its content is not what was written (its SHA-256 is another); remove it and sync again",
            )
            return
        sealed = held.sealed.get(file.span)
        if sealed is not None:  # the store does not have its candles
            if sealed.rows != file.rows or sealed.revision != int(file.revision):
                self._find("other_candles", file.name, "it is not the file that was sealed; put that back from a copy")
            return
        stopped = threading.Event()
        look = partial(difference, self._target, path, held.columns, held.reader, file.span, stopped)
        try:
            differs = await in_thread(look, stopped.set)
        except ValueError as error:  # Arrow's own are of this kind
            differs = f"it can't be read as Parquet ({' '.join(str(error).split())[:100]})"
        if differs is None:
            return
        changed = (await wanted_of(self._store, self._series)).get(file.span) != file.revision
        if changed:
            self._find("not_synced", file.name, f"candles of the store have changed since: {differs}; sync again")
        else:
            self._find("other_candles", file.name, f"{differs}; remove the file and sync again")

    async def _others(self, manifest: Manifest, held: Held, there: dict[str, Stat]) -> None:
        """Find months without a file, and files that belong to nothing."""
        for span in held.wanted:
            name = file_name(held.timeframe, span[0])
            known = name in manifest.files or span in held.sealed
            rows = () if known else await blocking(partial(held.reader.columns, *span, 1))
            if rows:
                self._find("not_synced", name, "the store has candles of it, and the lake has none; sync again")
        for name in sorted(there.keys() - manifest.files.keys() - {MANIFEST}):
            if name.endswith(".parquet"):
                self._find("stray_file", name, "the manifest does not name it, but readers will read it; sync again")


def _shown(spans: SpanSet) -> str:
    some = [f"{plain_time(start)} to {plain_time(stop)}" for start, stop in spans.spans[:3]]
    return ", ".join(some) + (", …" if len(spans) > 3 else "") + " UTC"
