"""Optional dependencies: imported when they are used."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from rxcandles.errors import ExtraMissingError

__all__ = ["need"]


def need(module: str, extra: str) -> ModuleType:
    """Return the imported ``module``, or raise ``ExtraMissingError``, which names the extra to install."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or module.split(".")[0] != error.name.split(".")[0]:
            raise  # it is installed, and broken
        raise ExtraMissingError(f"this needs {error.name}: pip install 'rxcandles[{extra}]'") from error
