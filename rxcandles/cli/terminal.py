"""Tables and pictures on stdout or stderr, drawn by rich, with all text made safe to show."""

from __future__ import annotations

import sys
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from rxcandles.cli.text import printable

__all__ = ["Terminal"]

USUAL: Final = 80
"""Columns if the width is not known."""
NARROWEST: Final = 20
"""Fewest columns that are used, even on a narrower terminal: less can't be read."""


class Terminal(Console):
    """A console of rich, as wide as the terminal unless ``width`` is given; it has colours only on a terminal.

    A string is shown as it is: it is not markup, and control characters are written out.
    """

    def __init__(self, *, stderr: bool = False, no_color: bool = False, width: int | None = None) -> None:
        stream = sys.stderr if stderr else sys.stdout
        terminal = stream is not None and stream.isatty()
        super().__init__(
            stderr=stderr,
            width=width,
            no_color=no_color or None,
            force_terminal=terminal,
            highlight=False,
            markup=False,
            emoji=False,
        )
        if width is None and self.width < NARROWEST:  # COLUMNS=0 means that the width is not known
            self.width = NARROWEST if self.width > 0 else USUAL

    def render_str(self, text: str, **how: Any) -> Text:
        """Return a string as text that is safe to show; rich also calls this for the cells of tables."""
        return super().render_str(printable(text), **how)
