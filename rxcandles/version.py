"""The version of this library, where all of it can read it."""

from __future__ import annotations

__all__ = ["VERSION"]

VERSION = "0.1.0"
