"""The findings of ``rxcandles verify --json``, read back for ``rxcandles repair --from``."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, cast

from rxcandles.arguments import check_path, refusal
from rxcandles.cli.timewords import time_said
from rxcandles.errors import RequestError
from rxcandles.findings import KINDS, Finding, Kind

__all__ = ["read_findings"]

LARGEST: Final = 100_000_000
"""Bytes of a report; a larger one is something else."""


def read_findings(path: str) -> tuple[list[Finding], int]:
    """Return the findings of a report, and how many more it counts; ``-`` is stdin.

    ``RequestError`` says what can't be meant, and where.
    """
    if path != "-":
        check_path("--from", path)
    try:
        report = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise RequestError(f"{path!r} is no report of `rxcandles verify --json`: {error}") from None
    found = report.get("findings") if isinstance(report, dict) else None
    if not isinstance(found, list):
        raise RequestError(f"{path!r} is no report of `rxcandles verify --json`: it has no list of findings")
    findings = [_finding(f"{path}: findings[{number}]", each) for number, each in enumerate(found)]
    counts = report.get("counts", {})
    counted = sum(each for each in counts.values() if type(each) is int) if isinstance(counts, dict) else 0
    return findings, max(0, counted - len(findings))


def _text(path: str) -> bytes:
    if path == "-":
        return sys.stdin.buffer.read(LARGEST + 1)[:LARGEST]
    if not Path(path).is_file():
        raise RequestError(f"there is no file {path!r}; make one with `rxcandles verify --against-exchange 50 --json`")
    with open(path, "rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise RequestError(f"{path!r} is no report of `rxcandles verify --json`: it is longer than {LARGEST:,} bytes")
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
        raise refusal(f"{where}.{name}", word, "give it in quotes")
    return word
