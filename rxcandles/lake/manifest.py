"""The manifest of a series in a lake: its files, and what they prove. One JSON file in the folder of the series.

A file is written first and the manifest after it, so the manifest may be older than a file. A file is what the manifest
says only if its size and its time are, or its SHA-256.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import attrs

from rxcandles.errors import LakeError
from rxcandles.lake.names import MANIFEST, folder_of, is_file_name
from rxcandles.lake.target import Stat, Target
from rxcandles.model.absent import AbsentSlot
from rxcandles.model.claims import Claim
from rxcandles.model.spans import Span, SpanSet
from rxcandles.model.timeframe import from_datetime, time_text
from rxcandles.ports import Impossible, Series

__all__ = ["SCHEMA", "Evidence", "LakeFile", "Manifest", "SeriesError", "read_manifest", "write_manifest"]

SCHEMA: Final = "rxcandles/lake/1"
"""What a manifest is, and its version: another one if a name is removed or gets another meaning."""


class SeriesError(LakeError):
    """One series of a lake can't be used; others can."""


@attrs.frozen
class LakeFile:
    """One Parquet file: candles that open in ``[start, stop)``, UTC seconds."""

    name: str
    start: int
    stop: int
    rows: int
    revision: str
    """Changes whenever a candle of the file's span does, in the store."""
    sha256: str
    stat: Stat
    sealed: bool = False
    """Whether its candles have left the store, so that this file is all there is of them."""

    @property
    def span(self) -> Span:
        """Its start and stop."""
        return self.start, self.stop


@attrs.frozen
class Evidence:
    """What the files of a series prove: the covered spans, what is doubtful in them, and what an empty slot means."""

    covered: SpanSet = attrs.field(factory=SpanSet)
    absent_slot: AbsentSlot = "no_trade"
    claims: Sequence[Claim] = ()
    impossible: Sequence[Impossible] = ()

    def within(self, other: Evidence) -> Evidence:
        """Return what holds while some files are as this says, and others still as ``other`` says."""
        return attrs.evolve(self, covered=self.covered.intersect(other.covered))


@attrs.frozen
class Manifest:
    """What a lake says of one series."""

    series: Series
    source: str
    """A number of the database that its files come from."""
    columns: Sequence[str] = ()
    evidence: Evidence = attrs.field(factory=Evidence)
    files: Mapping[str, LakeFile] = attrs.field(factory=dict)
    """The files by their names."""
    written: str = ""
    """When it was written."""

    @property
    def rows(self) -> int:
        """Candles in all files."""
        return sum(each.rows for each in self.files.values())


def read_manifest(target: Target, series: Series) -> Manifest | None:
    """Return the manifest of a series; None if there is none. Raise ``SeriesError`` if it is none of this version."""
    name = f"{folder_of(series)}/{MANIFEST}"
    text = target.read(name)
    if text is None:
        return None
    try:
        found = json.loads(text)
        schema = str(found["schema"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _unreadable(target, name, "it is no manifest") from error
    if schema != SCHEMA:
        raise _unreadable(target, name, f"it is {schema[:40]}, and this version reads {SCHEMA}")
    try:
        return _manifest(found)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _unreadable(target, name, "a value in it is missing or invalid") from error


def _unreadable(target: Target, name: str, why: str) -> SeriesError:
    return SeriesError(
        f"the lake {target.shown}: {name} can't be read: {why}; put it back, or delete the folder and sync again"
    )


def write_manifest(target: Target, manifest: Manifest) -> None:
    """Write the manifest of a series, in place of the one before."""
    text = json.dumps(_plain(manifest), indent=1, ensure_ascii=False)
    with target.writing(f"{folder_of(manifest.series)}/{MANIFEST}") as path:
        path.write_text(text + "\n", encoding="utf-8")


def _plain(manifest: Manifest) -> dict[str, Any]:
    evidence = manifest.evidence
    return {
        "schema": SCHEMA,
        **manifest.series._asdict(),
        "source": manifest.source,
        "written": manifest.written,
        "columns": list(manifest.columns),
        "rows": manifest.rows,
        "coverage": [_ends(*span) for span in evidence.covered],
        "absent_slot": evidence.absent_slot,
        "provisional": [
            {"kind": each.kind, **_ends(*each.span), **_times(each, "first_heard", "last_heard", "due", "final"),
             "times": each.times, "said": None if each.said is None else time_text(each.said)}
            for each in evidence.claims
        ],
        "impossible": [
            {**_times(each, "open_time", "first_heard", "last_heard"), "fault": each.fault, "times": each.times}
            for each in evidence.impossible
        ],
        "files": [
            {"name": each.name, **_ends(*each.span), "rows": each.rows, "revision": each.revision,
             "sha256": each.sha256, "size": each.stat.size, "modified": str(each.stat.modified), "sealed": each.sealed}
            for each in sorted(manifest.files.values(), key=lambda file: file.start)
        ],
    }  # fmt: skip


def _manifest(found: Mapping[str, Any]) -> Manifest:
    evidence = Evidence(
        SpanSet(tuple((_seconds(each["start"]), _seconds(each["stop"])) for each in found["coverage"])),
        found["absent_slot"],
        tuple(
            Claim(
                each["kind"], _seconds(each["start"]), _seconds(each["stop"]), _seconds(each["first_heard"]),
                _seconds(each["last_heard"]), int(each["times"]), _seconds(each["due"]), _seconds(each["final"]),
                None if each["said"] is None else _seconds(each["said"]),
            )
            for each in found["provisional"]
        ),
        tuple(
            Impossible(
                _seconds(each["open_time"]), str(each["fault"]), _seconds(each["first_heard"]),
                _seconds(each["last_heard"]), int(each["times"]),
            )
            for each in found["impossible"]
        ),
    )  # fmt: skip
    files = [
        LakeFile(
            _file_name(each["name"]), _seconds(each["start"]), _seconds(each["stop"]), int(each["rows"]),
            str(each["revision"]), str(each["sha256"]), Stat(int(each["size"]), int(each["modified"])),
            bool(each["sealed"]),
        )
        for each in found["files"]
    ]  # fmt: skip
    series = Series(str(found["exchange"]), str(found["symbol"]), str(found["timeframe"]))
    columns = tuple(map(str, found["columns"]))
    return Manifest(
        series, str(found["source"]), columns, evidence, {each.name: each for each in files}, str(found["written"])
    )


def _file_name(name: Any) -> str:
    if not is_file_name(name):
        raise ValueError(name)
    return str(name)


def _ends(start: int, stop: int) -> dict[str, str]:
    return {"start": time_text(start), "stop": time_text(stop)}


def _times(thing: Claim | Impossible, *names: str) -> dict[str, str]:
    return {name: time_text(getattr(thing, name)) for name in names}


def _seconds(text: str) -> int:
    return int(from_datetime(datetime.fromisoformat(text)))
