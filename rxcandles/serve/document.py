"""The page itself: one document without a candle in it, which then listens to the events."""

from __future__ import annotations

from html import escape

from rxcandles.charts.document import asset, document

__all__ = ["watch_page"]

_ROOM = "rxcandles.serve"


def watch_page(timeframe: str) -> tuple[str, str]:
    """Return the page and its policy, by which it can ask for nothing but the events of this server."""
    scripts = [asset(name, _ROOM) for name in ("parts.js", "card.js", "watch.js")]
    text, policy = document(
        asset("watch.html", _ROOM),
        scripts,
        style=asset("watch.css", _ROOM),
        absent_words="no trade",
        title=escape(f"rxcandles follow {timeframe}"),
    )
    return text, f"{policy}; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
