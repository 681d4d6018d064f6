"""HTML pages that contain everything they need: the chart library, our scripts and our style."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from datetime import tzinfo
from hashlib import sha256
from html import escape
from importlib.resources import files
from string import Template
from typing import Final
from zoneinfo import ZoneInfo

from rxcandles.model.moments import KST

__all__ = ["asset", "browsers_zone", "document"]

_DRAWING: Final = ("lightweight-charts.js", "clock.js", "series.js", "strip.js", "chart.js")
"""The scripts that draw a chart."""


def document(
    page: str, scripts: Sequence[str], *, absent_words: str, style: str = "", **values: str
) -> tuple[str, str]:
    """Return the template ``page`` with ``values``, and its policy, which allows its scripts and nothing from outside.

    All scripts are in one, after those that draw a chart; ``style`` is added to that of a chart.
    """
    script = "\n".join([*map(asset, _DRAWING), *scripts])
    script_hash = "sha256-" + b64encode(sha256(script.encode()).digest()).decode("ascii")
    policy = f"default-src 'none'; script-src '{script_hash}'; style-src 'unsafe-inline'"
    text = Template(page).substitute(
        policy=policy,
        style=asset("page.css") + style,
        legend=Template(asset("legend.html")).substitute(absent_words=absent_words).strip(),
        notice=escape(" ".join(asset("lightweight-charts.NOTICE").partition("https:")[0].split())),
        script=script,
        **values,
    )
    return text, policy


def browsers_zone(tz: tzinfo) -> str | None:
    """Return a browser's name of a zone; None for a zone that only Python knows, and for UTC, which is shown anyway."""
    if tz is KST:
        return "Asia/Seoul"
    return tz.key if isinstance(tz, ZoneInfo) else None


def asset(name: str, room: str = "rxcandles.charts") -> str:
    """Return the text of a file in the folder ``assets`` of a package."""
    return files(room).joinpath("assets", name).read_text(encoding="utf-8")
