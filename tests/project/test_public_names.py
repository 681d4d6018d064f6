"""What is public, and what it costs to import."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys

import pytest

import rxcandles

MODULES = [
    module.name
    for module in pkgutil.walk_packages(rxcandles.__path__, "rxcandles.")
    if module.name != "rxcandles.__main__"
]


def test_all_is_sorted_and_there() -> None:
    """Everything in ``__all__`` exists, once."""
    assert len(set(rxcandles.__all__)) == len(rxcandles.__all__)
    assert [name for name in rxcandles.__all__ if not hasattr(rxcandles, name)] == []


@pytest.mark.parametrize("name", MODULES)
def test_documented(name: str) -> None:
    """Every public name of every module has a docstring, and so has every public method."""
    module = importlib.import_module(name)
    assert module.__doc__
    undocumented = []
    for public in getattr(module, "__all__", []):
        thing = getattr(module, public)
        if not (inspect.isclass(thing) or inspect.isfunction(thing)):
            continue
        if not inspect.getdoc(thing):
            undocumented.append(public)
        if inspect.isclass(thing):
            undocumented += [
                f"{public}.{method}"
                for method, function in vars(thing).items()
                if not method.startswith("_") and inspect.isfunction(function) and not inspect.getdoc(function)
            ]
    assert undocumented == []


def test_import_is_light() -> None:
    """Importing does no work: no HTTP client, no command line, no thread, no output."""
    program = (
        "import sys, threading, rxcandles;"
        "heavy = ('aiohttp', 'click', 'rich', 'pandas', 'numpy', 'polars', 'pyarrow', 'dask', 'distributed');"
        "print([name for name in heavy if name in sys.modules], threading.active_count())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[] 1\n", "")


def test_a_command_loads_what_it_needs() -> None:
    """The command line alone loads no HTTP client and draws no tables; what needs them loads them."""
    program = (
        "import sys, rxcandles.cli;"
        "heavy = ('aiohttp', 'rich', 'pandas', 'numpy', 'polars', 'pyarrow', 'dask', 'distributed');"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")
