"""Imports run one way."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import rxcandles

ROOT = Path(rxcandles.__file__).parent

LAYERS = (
    {"errors", "events", "version"},
    {"util"},
    {"model", "flow"},
    {"limiters", "ports", "simulator"},
    {"stores", "engine"},
    {"exchanges", "operators", "charts"},
    {"modes"},
    {"integrity"},
    {"interchange"},
    {"", "api"},
    {"cli"},
    {"__main__"},
)
"""Lowest first; a room imports from rooms below it, and from itself."""

ASIDE: set[tuple[str, str]] = {("", "api")}
"""Neighbours of one layer that may know each other are listed here; those above are always allowed."""

APART = {
    "exchanges": {"reactivex", "rxcandles.flow", "rxcandles.operators"},
    "stores": {"reactivex", "rxcandles.flow", "rxcandles.operators"},
    "limiters": {"reactivex", "rxcandles.flow", "rxcandles.operators"},
    "engine": {"reactivex", "rxcandles.operators"},
    "flow": {"rxcandles.model", "rxcandles.ports", "aiohttp", "aiosqlite"},
}
"""What a room must not know of."""


def level(room: str) -> int:
    return next(number for number, rooms in enumerate(LAYERS) if room in rooms)


def imports() -> list[tuple[str, str, bool]]:
    """Every import in the package: (room, imported module, whether for types only)."""
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        room = "" if parts == ("__init__",) else parts[0]
        tree = ast.parse(path.read_text(encoding="utf-8"))
        types_only = {
            id(inner)
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            for inner in ast.walk(node)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path} imports relatively"
                found.append((room, node.module or "", id(node) in types_only))
            elif isinstance(node, ast.Import):
                found += [(room, name.name, id(node) in types_only) for name in node.names]
    return found


def test_every_room_has_a_layer() -> None:
    """A new module is given its place in the list above."""
    rooms = {path.stem if path.suffix else path.name for path in ROOT.iterdir() if path.name != "__pycache__"}
    assert rooms - {"py", "__init__"} - {path.stem for path in ROOT.glob("py.typed")} == set().union(*LAYERS) - {""}


def test_imports_run_one_way() -> None:
    """No module imports one above it."""
    upward = []
    for room, module, types_only in imports():
        if types_only or not (module == "rxcandles" or module.startswith("rxcandles.")):
            continue
        other = module.removeprefix("rxcandles").lstrip(".").split(".")[0]
        if room != other and level(other) >= level(room) and (room, other) not in ASIDE:
            upward.append(f"{room} imports {module}")
    assert not upward, "\n".join(upward)


@pytest.mark.parametrize("room", sorted(APART))
def test_rooms_apart(room: str) -> None:
    """Exchanges and stores know nothing of Rx, flow nothing of candles."""
    known = {module for where, module, _ in imports() if where == room}
    assert not {
        module for module in known for other in APART[room] if module == other or module.startswith(other + ".")
    }
