"""Tables and pictures on stdout or stderr: what is drawn by rich, with nothing obeyed that stands in a name."""

from __future__ import annotations

import sys
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from rxcandles.cli.text import printable

__all__ = ["Terminal"]

USUAL: Final = 80
"""Columns where nobody says how many there are."""
NARROWEST: Final = 20
"""Columns that are written where there are fewer: in less room nothing could be read."""


class Terminal(Console):
    """A console of rich's: as wide as the terminal, with colours there only; up to ``width`` columns elsewhere.

    Text that is given as a string is shown as it is: it is no markup, and what a terminal would act on is written out.
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
        if width is None and self.width < NARROWEST:  # COLUMNS=0 says nothing
            self.width = NARROWEST if self.width > 0 else USUAL

    def render_str(self, text: str, **how: Any) -> Text:
        """Return a string as it is drawn, also one that is in a cell of a table."""
        return super().render_str(printable(text), **how)
