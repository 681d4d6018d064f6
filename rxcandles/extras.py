"""Packages that only some of this library needs: imported where they are, and asked for by name where not."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from rxcandles.errors import ExtraMissingError

__all__ = ["need"]


def need(module: str, extra: str) -> ModuleType:
    """Return the imported ``module``, or raise ``ExtraMissingError`` that says which extra to install."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if (error.name or "").partition(".")[0] != package:
            raise
        raise ExtraMissingError(f"this needs {package}: pip install 'rxcandles[{extra}]'") from error
