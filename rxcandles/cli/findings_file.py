"""Findings for ``rxcandles repair``: from the output of ``verify --json``, or from the file beside the database."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from binascii import crc32
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final, cast

import attrs

from rxcandles.cli.time_options import time_said
from rxcandles.errors import RequestError
from rxcandles.integrity.findings import EXCHANGE_KINDS, KINDS, Finding, Kind
from rxcandles.model.which import Which
from rxcandles.stores.postgres.address import Address
from rxcandles.util.arguments import check_path, plain, refusal
from rxcandles.util.files import replacing
from rxcandles.util.ownfolder import own_folders

__all__ = ["forget_findings", "note_findings", "noted_findings", "read_findings"]

LARGEST: Final = 100_000_000
"""Most bytes of a report; a larger file is refused."""


def read_findings(path: str) -> tuple[list[Finding], int]:
    """Return the findings in a report, and how many more it counts but does not list; ``-`` is stdin.

    Raises:
        RequestError: the file is missing, or is not a valid report; the text names the invalid value and its place.
    """
    if path != "-":
        check_path("--from", path)
    try:
        report = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise RequestError(f"{path!r} is not a report of `rxcandles verify --json`: {error}") from None
    found = report.get("findings") if isinstance(report, dict) else None
    if not isinstance(found, list):
        raise RequestError(f"{path!r} is not a report of `rxcandles verify --json`: it has no list of findings")
    findings = [_finding(f"{path}: findings[{number}]", each) for number, each in enumerate(found)]
    counts = report.get("counts", {})
    counted = sum(each for each in counts.values() if type(each) is int) if isinstance(counts, dict) else 0
    return findings, max(0, counted - len(findings))


def note_findings(db: str, findings: Iterable[Finding]) -> bool:
    """Add findings that only the exchange can show to the file beside the database; return whether that worked."""
    return _note(db, [*noted_findings(db), *(each for each in findings if each.kind in EXCHANGE_KINDS)])


def _note(db: str, findings: Iterable[Finding]) -> bool:
    plain = [
        attrs.asdict(each)
        | {"start": each.start and each.start.isoformat(), "stop": each.stop and each.stop.isoformat()}
        for each in dict.fromkeys(findings)
    ]
    try:
        with replacing(_note_of(db), force=True) as path:
            path.write_text(json.dumps({"path": db, "findings": plain}), encoding="utf-8")
    except OSError:  # such as a folder that may only be read
        return False
    return True


def noted_findings(db: str) -> list[Finding]:
    """Return the findings in the file beside a database; none if it can't be read."""
    try:
        return read_findings(_note_of(db))[0]
    except (RequestError, OSError):
        return []


def forget_findings(db: str, exchange: str, which: Which) -> None:
    """Remove the findings of repaired series from the file beside a database; delete the file with the last one."""
    noted = noted_findings(db)
    left = [each for each in noted if each.exchange != exchange or not which.fits(plain(each.symbol), each.timeframe)]
    if left and left != noted:
        _note(db, left)
    elif not left:
        with suppress(OSError):
            Path(_note_of(db)).unlink(missing_ok=True)


def _note_of(db: str) -> str:
    if not isinstance(db, Address):
        return f"{db}.found.json"
    # Beside a server there is no place: a folder of this user's has it, under the database's name.
    folder = next(own_folders(), Path(tempfile.gettempdir(), f"rxcandles-{os.getuid()}"))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return str(folder / f"{crc32(db.encode()):08x}.found.json")


def _text(path: str) -> bytes:
    if path == "-":
        return sys.stdin.buffer.read(LARGEST + 1)[:LARGEST]
    if not Path(path).is_file():
        raise RequestError(f"there is no file {path!r}; make one with `rxcandles verify --against-exchange 50 --json`")
    with open(path, "rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise RequestError(
            f"{path!r} is not a report of `rxcandles verify --json`: it is larger than {LARGEST:,} bytes"
        )
    return content


def _finding(where: str, value: Any) -> Finding:
    if not isinstance(value, dict):
        raise refusal(where, value, "give an object, as `rxcandles verify --json` prints it")
    kind = value.get("kind")
    if kind not in KINDS:
        raise refusal(f"{where}.kind", kind, f"take one of {', '.join(KINDS)}")
    return Finding(
        cast(Kind, kind),
        _word(where, value, "exchange"),
        _word(where, value, "symbol"),
        _word(where, value, "timeframe"),
        start=_moment(where, value, "start"),
        stop=_moment(where, value, "stop"),
        detail=str(value.get("detail", "")),
    )


def _moment(where: str, value: Mapping[str, Any], name: str) -> datetime | None:
    if value.get(name) is None:
        return None
    try:
        return time_said(_word(where, value, name))
    except RequestError as error:
        raise RequestError(f"{where}.{name}: {error}") from None


def _word(where: str, value: Mapping[str, Any], name: str) -> str:
    word = value.get(name)
    if not isinstance(word, str):
        raise refusal(f"{where}.{name}", word, "give a text in quotes")
    return word
