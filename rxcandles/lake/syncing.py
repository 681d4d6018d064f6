"""Keep a lake current: write the files whose candles have changed, and nothing else."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

import attrs

from rxcandles.errors import LakeError
from rxcandles.lake.files import write_file
from rxcandles.lake.held import UNKNOWN, Held, held_of, wanted_of
from rxcandles.lake.manifest import LakeFile, Manifest, SeriesError, read_manifest, write_manifest
from rxcandles.lake.names import file_name, folder_of, is_file_name
from rxcandles.lake.reports import Synced
from rxcandles.lake.target import Stat, Target, target_at
from rxcandles.model.reports import CollectionProgress
from rxcandles.model.spans import Span, SpanSet
from rxcandles.model.timeframe import Timeframe, to_datetime
from rxcandles.model.which import Names, Which
from rxcandles.ports import CandleStore, Revised, Sealed, Series
from rxcandles.util.arguments import check_callable, check_flag, check_like
from rxcandles.util.extras import need
from rxcandles.util.plain import plain_moment
from rxcandles.util.threads import in_thread

__all__ = ["Told", "blocking", "chosen", "sync", "sync_one", "which_of"]

_log: Final = logging.getLogger("rxcandles.lake")

_A = TypeVar("_A")

TRIES: Final = 3
"""How often a file is written in one sync while its candles change."""

Told: TypeAlias = Callable[[Series, CollectionProgress], object]
"""Is told of each file: candles of the series that the lake has so far, of those that are covered."""


async def sync(
    store: CandleStore,
    target: str | Path,
    symbol: Names = None,
    timeframe: Names | Timeframe = None,
    *,
    replace: bool = False,
    progress_callback: Told | None = None,
) -> list[Synced]:
    """Make a lake of Parquet files equal to what ``store`` has of its exchange, and return what was done, by series.

    The files are ``exchange=upbit/symbol=KRW-BTC/timeframe=1m/2024-01.parquet``, with the columns of an export, oldest
    first: one for each month (UTC); for days and weeks one for each year; for months and years one. Only files whose
    candles have changed since the last sync are written, each whole and then renamed or uploaded; a file whose candles
    are all gone is removed. ``_manifest.json`` beside them says what is covered, what is provisional, and what each
    file is. After a kill at any moment, the next sync does the rest. One file's candles are read at a time.

    * ``target``: a folder, which is made if there is none, or ``s3://BUCKET/PREFIX``.
    * ``symbol``, ``timeframe``: only these series: a name, several, or a glob.
    * ``replace``: replace the files of a series that come from another database; otherwise they are left, and this is
      an error.
    * ``progress_callback``: called for each file.

    Raises:

    * ``RequestError`` for an invalid argument.
    * ``LakeError`` if the lake can't be read or written, or if it has a series from another database; then all others
      are synced.
    * ``StoreError`` if the store can't be read.
    * ``ExtraMissingError`` if pyarrow is not installed.

    >>> [(done.series.symbol, done.files, done.written) for done in await lake.sync(store, "lake")]
    [('KRW-BTC', 1, 1)]
    >>> [(done.series.symbol, done.files, done.written) for done in await lake.sync(store, "lake")]
    [('KRW-BTC', 1, 0)]
    """
    check_like("store", store, CandleStore)
    check_like("store", store, Revised)
    check_flag("replace", replace)
    check_callable("progress_callback", progress_callback, optional=True)
    need("pyarrow", "export")
    place = target_at(target)
    done: list[Synced] = []
    failures: list[SeriesError] = []
    for series in await chosen(store, which_of(symbol, timeframe)):
        try:
            done.append(await sync_one(store, place, series, replace, progress_callback))
        except SeriesError as error:
            failures.append(error)
    if failures:
        more = f" ({len(failures) - 1:,} more series have failed)" if len(failures) > 1 else ""
        raise LakeError(f"{failures[0]}{more}") from failures[0]
    return done


async def sync_one(
    store: CandleStore, target: Target, series: Series, replace: bool, progress_callback: Told | None
) -> Synced:
    """Bring one series of a lake up to date; raise ``SeriesError`` if only this one can't be."""
    return await _Sync(store, target, series, replace, progress_callback).run()


def which_of(symbol: Names, timeframe: Names | Timeframe) -> Which:
    """Return the choice for these names."""
    return Which.of(symbol, timeframe.name if isinstance(timeframe, Timeframe) else timeframe)


async def chosen(store: CandleStore, which: Which) -> list[Series]:
    """Return the covered series of the store's exchange that were asked for, by name."""
    exchange = getattr(store, "exchange", None)
    return sorted(
        each
        for each in await store.series()
        if exchange in (None, each.exchange) and which.fits(each.symbol, each.timeframe)
    )


async def blocking(work: Callable[[], _A]) -> _A:
    """Return ``work()``, run in a thread; if cancelled, wait for its end, which is near."""
    return await in_thread(work, lambda: None)


class _Sync:
    """One series: what the lake has, and what it is to have."""

    def __init__(
        self, store: CandleStore, target: Target, series: Series, replace: bool, progress: Told | None
    ) -> None:
        self._store, self._target, self._series = store, target, series
        self._replace, self._progress = replace, progress
        self._folder = folder_of(series)
        self._began = time.monotonic()
        self._written = self._removed = 0

    async def run(self) -> Synced:
        """Bring the files of the series up to date, and its manifest after each of them."""
        held = await held_of(self._store, self._series)
        before, there = await blocking(lambda: (read_manifest(self._target, self._series), self._listing()))
        manifest, todo = await blocking(partial(self._plan, held, self._valid(held, before), there))
        held = self._as_far_as_here(held, manifest)
        stored = sum(file.rows for name, file in manifest.files.items() if name not in todo)
        for number, (name, span) in enumerate(todo.items(), 1):
            files = {each: file for each, file in manifest.files.items() if each != name}
            file = await self._write(held, span)
            if file is not None:
                files[name] = file
                self._written += 1
            manifest = attrs.evolve(manifest, files=files)
            await blocking(partial(self._note, manifest))
            self._tell(held, manifest, span, (number, len(todo)), stored)
        kept = {*manifest.files, *(file_name(held.timeframe, span[0]) for span in held.sealed)}
        for name in [each for each in there if is_file_name(each) and each not in kept]:
            await blocking(partial(self._target.remove, f"{self._folder}/{name}"))
            self._removed += 1
        manifest = attrs.evolve(manifest, evidence=held.evidence)
        if manifest != before:
            await blocking(partial(self._note, manifest))
        done = self._done(held, manifest)
        _log.info("%s: %d files written, %d removed, in %s", self._called, done.written, done.removed, self._shown)
        return done

    def _as_far_as_here(self, held: Held, manifest: Manifest) -> Held:
        """Return what is held without the coverage of sealed months that only another lake has."""
        elsewhere = [
            span
            for span, sealed in held.sealed.items()
            if sealed.rows and file_name(held.timeframe, span[0]) not in manifest.files
        ]
        covered = held.evidence.covered.subtract(SpanSet(tuple(elsewhere)))
        return attrs.evolve(held, evidence=attrs.evolve(held.evidence, covered=covered))

    def _valid(self, held: Held, before: Manifest | None) -> Manifest:
        """Return what may stay of the manifest; raise ``SeriesError`` if it is of another database."""
        empty = Manifest(self._series, held.source, tuple(held.columns))
        if before is None:
            return empty
        sealed = {name: file for name, file in before.files.items() if file.sealed}
        if before.source != held.source:
            ours = {name: file for name, file in sealed.items() if self._is_ours(held, file)}
            if ours != sealed:
                raise SeriesError(
                    f"the lake {self._shown} has sealed files of {self._called} from another database, the only ones"
                    " with those candles; take another lake"
                )
            if before.files and not self._replace:
                raise SeriesError(
                    f"the lake {self._shown} has {self._called} from another database; take another lake, or put"
                    " this database's candles in their place with replace (--replace)"
                )
            return attrs.evolve(empty, files=ours)
        if before.columns != empty.columns:
            return attrs.evolve(empty, files=sealed)
        return attrs.evolve(before, evidence=held.evidence.within(before.evidence))

    def _is_ours(self, held: Held, file: LakeFile) -> bool:
        """Return whether this database has sealed just this file, perhaps as another file of SQLite."""
        sealed = held.sealed.get(file.span)
        return sealed is not None and sealed.sha256 == file.sha256

    def _plan(self, held: Held, valid: Manifest, there: Mapping[str, Stat]) -> tuple[Manifest, dict[str, Span]]:
        """Return the manifest to begin with, and the files to write, oldest first."""
        files: dict[str, LakeFile] = {}
        todo: dict[str, Span] = {}
        for span, revision in held.wanted.items():
            name = file_name(held.timeframe, span[0])
            file, sealed = valid.files.get(name), held.sealed.get(span)
            current = self._current(file, there.get(name)) if file and revision == file.revision != UNKNOWN else None
            if sealed is not None:
                kept = self._sealed(sealed, name, current, there.get(name))
                if kept is not None:
                    files[name] = kept
            elif current is not None:
                files[name] = attrs.evolve(current, sealed=False)
            elif name in there or held.reader.columns(*span, 1):
                todo[name] = span
                if file is not None:
                    files[name] = file
        return attrs.evolve(valid, files=files), todo

    def _sealed(self, sealed: Sealed, name: str, current: LakeFile | None, stat: Stat | None) -> LakeFile | None:
        """Return the file of a sealed month; None if this lake never had it. Nobody can write it again."""
        if current is not None:
            return attrs.evolve(current, sealed=True)
        if stat is not None and self._target.sha256(f"{self._folder}/{name}") == sealed.sha256:
            revision = str(sealed.revision)
            return LakeFile(name, sealed.start, sealed.stop, sealed.rows, revision, sealed.sha256, stat, sealed=True)
        if stat is not None or sealed.place == self._target.address:
            what = "is not there" if stat is None else "is not what was sealed"
            raise SeriesError(
                f"the lake {self._shown}: {self._folder}/{name} {what}, and the database does not have its candles any"
                " more; put the file back from a copy, then sync again"
            )
        return None

    def _current(self, file: LakeFile, stat: Stat | None) -> LakeFile | None:
        """Return a file that is as the manifest says, with its present time; None if it is not."""
        if stat is None or stat.size != file.stat.size:
            return None
        if stat == file.stat:
            return file
        # Somebody has copied the lake, or a sync was killed before it wrote the manifest.
        same = self._target.sha256(f"{self._folder}/{file.name}") == file.sha256
        return attrs.evolve(file, stat=stat) if same else None

    async def _write(self, held: Held, span: Span) -> LakeFile | None:
        """Write one file, again if its candles change meanwhile, so that it is of one moment."""
        revision = await self._revision(held, span)
        for _ in range(TRIES):
            stopped = threading.Event()
            file = await in_thread(partial(write_file, self._target, held, span, revision, stopped), stopped.set)
            now = await self._revision(held, span)
            if now == revision:
                break
            revision = now
        return file

    async def _revision(self, held: Held, span: Span) -> str:
        return (await wanted_of(self._store, held.series)).get(span, UNKNOWN)

    def _listing(self) -> dict[str, Stat]:
        return self._target.listing(self._folder)

    def _note(self, manifest: Manifest) -> None:
        write_manifest(self._target, attrs.evolve(manifest, written=plain_moment(datetime.now(UTC))))

    def _tell(self, held: Held, manifest: Manifest, span: Span, done: tuple[int, int], stored: int) -> None:
        if self._progress is None:
            return
        elapsed, total = time.monotonic() - self._began, max(held.rows, manifest.rows)
        number, files = done
        progress = CollectionProgress(
            number, files, manifest.rows, elapsed / number * (files - number),
            (to_datetime(span[0]), to_datetime(span[1])), total, elapsed, stored_before=stored,
        )  # fmt: skip
        self._progress(self._series, progress)

    def _done(self, held: Held, manifest: Manifest) -> Synced:
        files = manifest.files.values()
        return Synced(
            self._series,
            None if held.span is None else to_datetime(held.span[0]),
            None if held.span is None else to_datetime(held.span[1]),
            manifest.rows,
            len(files),
            self._written,
            self._removed,
            sum(each.sealed for each in files),
            sum(each.stat.size for each in files),
        )

    @property
    def _shown(self) -> str:
        return self._target.shown

    @property
    def _called(self) -> str:
        return f"{self._series.symbol} {self._series.timeframe}"
