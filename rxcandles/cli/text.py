"""Text that is safe to show."""

from __future__ import annotations

__all__ = ["counted", "printable"]


def printable(text: str) -> str:
    """Return ``text`` with everything written out (``\\x1b``) that a terminal would act on instead of showing it."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def counted(number: int, what: str) -> str:
    """Return so many of something as people write it: ``1 request``, ``1,440 requests``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
