"""Packages that not everybody has."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rxcandles.errors import ExtraMissingError
from rxcandles.util.extras import need


def test_there() -> None:
    """A package that is there is returned, and so is a module of it."""
    assert need("json", "any").loads("1") == 1
    assert need("json.decoder", "any").__name__ == "json.decoder"


@pytest.mark.parametrize("module", ["no_such_package", "no_such_package.inner"])
def test_absent(module: str) -> None:
    """One that isn't is an ImportError of ours, which names the package and the extra."""
    with pytest.raises(
        ExtraMissingError, match=r"^this needs no_such_package: pip install 'rxcandles\[some\]'$"
    ) as caught:
        need(module, "some")
    assert isinstance(caught.value, ImportError)


def test_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is there and lacks another is not said to be absent."""
    (tmp_path / "broken_package.py").write_text("import no_such_package")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(ModuleNotFoundError, match="No module named 'no_such_package'"):
        need("broken_package", "some")
