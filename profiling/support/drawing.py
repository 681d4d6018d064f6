"""Drawing lines into an SVG file; matplotlib is loaded only here."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence

__all__ = ["draw"]


def draw(path: str, x: str, y: str, lines: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> None:
    """Write a small SVG with one line for each name; the y axis begins at 0."""
    try:
        matplotlib = importlib.import_module("matplotlib")
        matplotlib.use("svg")
        matplotlib.rcParams["svg.fonttype"] = "none"  # text as text: a third of the size
        pyplot = importlib.import_module("matplotlib.pyplot")
    except ImportError as error:
        raise SystemExit(f"--plot needs matplotlib ({error}): pip install 'rxcandles[profiling]'") from error
    figure, axes = pyplot.subplots(figsize=(7, 3))
    for name, (across, up) in lines.items():
        axes.plot(across, up, label=name, linewidth=1.2)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_ylim(0, 1.1 * max(value for _, up in lines.values() for value in up))
    axes.legend(loc="lower right", fontsize="small")
    figure.tight_layout()
    figure.savefig(path, format="svg")
