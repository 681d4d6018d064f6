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
    {"live", "cluster"},
    {"modes"},
    {"integrity", "serve"},
    {"interchange"},
    {"lake"},
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

ROOMS_WITHIN: dict[str, tuple[set[str], ...]] = {
    "interchange": (
        {"columns", "vocabulary"},
        {"cache", "filling"},
        {"frames", "output"},
        {"tools"},
        {"reading", "writing", "copying"},
        {""},
        {"ohlcv"},
    ),
}
"""The same within a room, where it has rooms of its own; ``""`` is the room's ``__init__``."""


def level(room: str) -> int:
    return next(number for number, rooms in enumerate(LAYERS) if room in rooms)


def imports_of(path: Path) -> list[tuple[str, tuple[str, ...], bool]]:
    """Every import of a file: (module, names imported from it, whether for types only)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    types_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found: list[tuple[str, tuple[str, ...], bool]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            found.append((node.module or "", tuple(each.name for each in node.names), id(node) in types_only))
        elif isinstance(node, ast.Import):
            found += [(name.name, (), id(node) in types_only) for name in node.names]
    return found


def imports() -> list[tuple[str, str, bool]]:
    """Every import in the package: (room, imported module, whether for types only)."""
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        room = "" if parts == ("__init__",) else parts[0]
        found += [(room, module, types_only) for module, _, types_only in imports_of(path)]
    return found


def test_every_room_has_a_layer() -> None:
    """A new module is given its place in the list above."""
    rooms = {path.stem for path in ROOT.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert rooms - {"__init__"} == set().union(*LAYERS) - {""}


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


def within(room: str) -> set[tuple[str, str]]:
    """Every import inside of a room, but for types: (part, imported part)."""
    found = set()
    for path in (ROOT / room).rglob("*.py"):
        parts = path.relative_to(ROOT / room).with_suffix("").parts
        part = "" if parts == ("__init__",) else parts[0]
        for module, names, types_only in imports_of(path):
            if not types_only and (module + ".").startswith(f"rxcandles.{room}."):
                inner = module.split(".")[2:]
                others = inner[:1] or [_part(room, name) for name in names]
                found |= {(part, other) for other in others if other != part}
    return found


def _part(room: str, name: str) -> str:
    """The part that a name imported from a room itself is: a module of it, or what its ``__init__`` has."""
    return name if (ROOT / room / name).is_dir() or (ROOT / room / f"{name}.py").is_file() else ""


@pytest.mark.parametrize("room", sorted(ROOMS_WITHIN))
def test_rooms_within(room: str) -> None:
    """Within a room imports run one way, too, and neighbours know nothing of each other."""
    levels = {part: number for number, parts in enumerate(ROOMS_WITHIN[room]) for part in parts}
    there = {path.stem for path in (ROOT / room).iterdir() if path.is_dir() or path.suffix == ".py"}
    assert there - {"__pycache__", "__init__"} == set(levels) - {""}
    assert {(part, other) for part, other in within(room) if levels[other] >= levels[part]} == set()
