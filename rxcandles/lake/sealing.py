"""Let months that a lake has leave the database, and bring them back."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

import attrs

from rxcandles.lake.files import difference
from rxcandles.lake.held import Held, held_of
from rxcandles.lake.manifest import LakeFile, Manifest, SeriesError, read_manifest, write_manifest
from rxcandles.lake.names import file_name, folder_of, in_months
from rxcandles.lake.reports import Sealing, Unsealed
from rxcandles.lake.syncing import blocking, chosen, which_of
from rxcandles.lake.target import Stat, Target, target_at
from rxcandles.model import Row, RowWithTrades
from rxcandles.model.moments import Time, check_instant, read_length
from rxcandles.model.spans import Span, SpanSet
from rxcandles.model.timeframe import BEGINNING, END, Timeframe, from_datetime, to_datetime
from rxcandles.model.which import Names
from rxcandles.ports import CandleStore, Series, zone_of
from rxcandles.ports import Sealed as SealedMonth
from rxcandles.ports.store import Sealing as SealingStore
from rxcandles.util.arguments import check_flag, check_like
from rxcandles.util.extras import need
from rxcandles.util.files import temporary_folder
from rxcandles.util.threads import in_thread

__all__ = ["seal", "unseal"]

_log: Final = logging.getLogger("rxcandles.lake")

_BATCH: Final = 50_000
_PIECE: Final = 1 << 20
_PLAIN: Final = Row._fields.index("timestamp") + 1


async def seal(
    store: CandleStore,
    target: str | Path,
    symbol: Names = None,
    timeframe: Names | Timeframe = None,
    *,
    older_than: str | timedelta,
    dry_run: bool = False,
    now: float | None = None,
) -> list[Sealing]:
    """Delete from ``store`` the candles of old months that a lake has, and return what was done, by series.

    A month is sealed only if all of it is covered, nothing of it is provisional or impossible, and its file in the lake
    is that of the last sync and has the same candles, compared one by one just before. Each month is one transaction.
    The store keeps the coverage, and which slots have a candle: nothing is fetched again, and counts stay right. What
    needs the candles raises ``SealedError``, which says where they are; :func:`unseal` brings them back. From then on
    the file in the lake is the only copy.

    Only timeframes shorter than a day can be sealed; the others are small.

    * ``target``: the lake: a folder, or ``s3://BUCKET/PREFIX``.
    * ``symbol``, ``timeframe``: only these series: a name, several, or a glob.
    * ``older_than``: months that have ended this long ago: ``"24M"``, ``"2y"``, ``"90d"``, a timedelta.
    * ``dry_run``: compare, but delete nothing.
    * ``now``: UTC seconds in place of this machine's clock.

    Raises:

    * ``RequestError`` for an invalid argument.
    * ``LakeError`` if the lake can't be read or written, or does not have a series, or has it from another database.
    * ``StoreError`` if the store can't be used.
    * ``ExtraMissingError`` if pyarrow is not installed.

    >>> _ = await lake.sync(store, "lake", "KRW-BTC", "1m")
    >>> [done] = await lake.seal(store, "lake", "KRW-BTC", "1m", older_than="12M", dry_run=True)
    >>> done.candles, [why for _, why in done.left]
    (0, ['it has gaps'])
    """
    check_like("store", store, SealingStore)
    check_flag("dry_run", dry_run)
    length = read_length("older_than", older_than)
    need("pyarrow", "export")
    place = target_at(target)
    moment = to_datetime(time.time() if now is None else now)
    until = int(from_datetime(length.since(moment)))
    return [
        await _Seal(store, place, series, until, dry_run).run()
        for series in await chosen(store, which_of(symbol, timeframe))
    ]


class _Seal:
    """One series, of which months are sealed."""

    def __init__(self, store: CandleStore, target: Target, series: Series, until: int, dry_run: bool) -> None:
        self._store, self._target, self._series = store, target, series
        self._until, self._dry_run = until, dry_run
        self._frame = Timeframe.of(series.timeframe)
        self._folder = folder_of(series)

    async def run(self) -> Sealing:
        """Seal month after month, oldest first."""
        if not in_months(self._frame):
            return Sealing(self._series, dry_run=self._dry_run)
        held = await held_of(self._store, self._series)
        wanted = [span for span in held.wanted if span[1] <= self._until and span not in held.sealed]
        if not wanted:
            return Sealing(self._series, dry_run=self._dry_run)
        manifest, there = await blocking(lambda: (read_manifest(self._target, self._series), self._listing()))
        if manifest is None or manifest.source != held.source:
            what = "is not in it" if manifest is None else "is in it from another database"
            raise SeriesError(
                f"the lake {self._target.shown}: {self._series.symbol} {self._frame} {what}; sync it first"
            )
        done: list[LakeFile] = []
        left: list[tuple[Span, str]] = []
        for span in wanted:
            file = manifest.files.get(file_name(self._frame, span[0]))
            stat = None if file is None else there.get(file.name)
            if file is None and not await blocking(partial(self._has_candles, held, span)):
                continue
            why = await self._doubt(held, span, file, stat)
            if why is None and file is not None and not self._dry_run:
                manifest, why = await self._leave(manifest, file)
            if why is None and file is not None:
                done.append(file)
            elif why is not None:
                left.append((span, why))
        return self._done(done, left)

    def _listing(self) -> dict[str, Stat]:
        return self._target.listing(self._folder)

    def _has_candles(self, held: Held, span: Span) -> bool:
        return bool(held.reader.columns(*span, 1))

    async def _doubt(self, held: Held, span: Span, file: LakeFile | None, stat: Stat | None) -> str | None:
        """Return why a month must stay in the store; None if its file is proven to have all of it."""
        month, evidence = SpanSet((span,)), held.evidence
        if month.subtract(evidence.covered):
            return "it has gaps"
        if month.intersect(SpanSet(tuple(each.span for each in evidence.claims))):
            return "a part of it is provisional"
        if any(span[0] <= each.open_time < span[1] for each in evidence.impossible):
            return "the exchange has an impossible candle in it"
        if file is None or stat is None or file.revision != held.wanted[span] or stat.size != file.stat.size:
            return "its file is not as the database is; sync first"
        path = f"{self._folder}/{file.name}"
        if await blocking(partial(self._target.sha256, path)) != file.sha256:
            return "its file has changed since it was written; remove it, and sync first"
        stopped = threading.Event()
        look = partial(difference, self._target, path, held.columns, held.reader, span, stopped)
        return await in_thread(look, stopped.set)

    async def _leave(self, manifest: Manifest, file: LakeFile) -> tuple[Manifest, str | None]:
        """Delete the candles of a month from the store; return the manifest, and why not if that can't be."""
        marked = attrs.evolve(manifest, files={**manifest.files, file.name: attrs.evolve(file, sealed=True)})
        # First the mark, so that nobody replaces a file that is the only copy.
        await blocking(partial(write_manifest, self._target, marked))
        store: SealingStore = self._store  # type: ignore[assignment]
        why = await store.seal(
            self._series.symbol, self._frame, file.span, int(file.revision), file.rows, file.sha256,
            self._target.address,
        )  # fmt: skip
        if why is not None:
            await blocking(partial(write_manifest, self._target, manifest))
            return manifest, why
        _log.info("%s %s: %s is sealed", self._series.symbol, self._frame, file.name)
        return marked, None

    def _done(self, done: Sequence[LakeFile], left: Sequence[tuple[Span, str]]) -> Sealing:
        return Sealing(
            self._series,
            to_datetime(done[0].start) if done else None,
            to_datetime(done[-1].stop) if done else None,
            sum(each.rows for each in done),
            len(done),
            tuple((to_datetime(span[0]), why) for span, why in left),
            self._dry_run,
        )


async def unseal(
    store: CandleStore,
    target: str | Path,
    symbol: Names = None,
    timeframe: Names | Timeframe = None,
    *,
    since: Time | None = None,
    until: Time | None = None,
) -> list[Unsealed]:
    """Bring sealed months back into ``store``, and return what was done, by series.

    Each file must have the SHA-256 that it was sealed with, and the candles that it was sealed with; each month is one
    transaction. The files stay in the lake.

    * ``target``: the lake that has the files, wherever it is now.
    * ``symbol``, ``timeframe``: only these series: a name, several, or a glob.
    * ``since``, ``until``: only months that overlap this span.

    Raises:

    * ``RequestError`` for an invalid argument.
    * ``LakeError`` if a file is missing, or is not what was sealed; earlier months are back.
    * ``StoreError`` if the store can't be written.
    * ``ExtraMissingError`` if pyarrow is not installed.

    >>> await lake.unseal(store, "lake")
    []
    """
    check_like("store", store, SealingStore)
    need("pyarrow", "export")
    place, tz = target_at(target), zone_of(store)
    start = BEGINNING if since is None else int(check_instant("since", since, tz))
    stop = END - 1 if until is None else int(check_instant("until", until, tz))
    sealing: SealingStore = store  # type: ignore[assignment]
    done = []
    for series in await chosen(store, which_of(symbol, timeframe)):
        frame = Timeframe.of(series.timeframe)
        months = await sealing.sealed(series.symbol, frame, start, stop)
        candles = 0
        for month in months:
            candles += await _bring_back(sealing, place, series, month)
        if months:
            ends = to_datetime(months[0].start), to_datetime(months[-1].stop)
            done.append(Unsealed(series, *ends, candles, len(months)))
    return done


async def _bring_back(store: SealingStore, target: Target, series: Series, month: SealedMonth) -> int:
    frame = Timeframe.of(series.timeframe)
    name = f"{folder_of(series)}/{file_name(frame, month.start)}"
    with temporary_folder() as folder:
        path = folder / "month.parquet"
        digest = await blocking(partial(_fetch, target, name, path))
        if digest != month.sha256:
            raise SeriesError(
                f"the lake {target.shown}: {name} is not the file that was sealed; put that back from a copy"
            )
        return await store.unseal(series.symbol, frame, month.start, partial(_pages, path))


def _fetch(target: Target, name: str, path: Path) -> str:
    """Copy a file of a lake to ``path``; return its SHA-256."""
    digest = hashlib.sha256()
    with target.open(name) as file, target.failing(name), path.open("wb") as copy:
        while piece := file.read(_PIECE):
            digest.update(piece)
            copy.write(piece)
    return digest.hexdigest()


def _pages(path: Path) -> Iterator[list[Row]]:
    """Yield the candles of a file, a batch at a time."""
    pa, parquet = need("pyarrow", "export"), need("pyarrow.parquet", "export")
    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(_BATCH):
            times = batch.column("open_time").cast(pa.int64()).to_pylist()
            others = [batch.column(name).to_pylist() for name in batch.schema.names[1:]]
            yield [_row((time // 1_000_000, *values)) for time, *values in zip(times, *others, strict=True)]


def _row(values: tuple[float | int | None, ...]) -> Row:
    """Return a candle of a timeframe shorter than a day, with or without trades."""
    plain = (*values[:_PLAIN], *(None,) * (len(Row._fields) - _PLAIN))
    return Row._make(plain) if len(values) == _PLAIN else RowWithTrades._make((*plain, *values[_PLAIN:]))
