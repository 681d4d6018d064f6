"""A server that is faulty by chance: seven kinds of fault, each as often as the others."""

from __future__ import annotations

import random
from collections import Counter

from rxcandles.simulator import faults
from rxcandles.simulator.answers import Answer, Asked
from rxcandles.simulator.faults import Fault

__all__ = ["KINDS", "Unlucky"]

KINDS: dict[str, Fault] = {
    "500": faults.status(500, "oops"),
    "502 in HTML": faults.status(502, "<html><h1>Bad Gateway</h1></html>", content_type="text/html"),
    "429": faults.limited(),
    "reset": faults.drop("before"),
    "cut short": faults.drop("body"),
    "half a body": faults.truncated(),
    "empty body": faults.status(200, ""),
}


class Unlucky:
    """A fault that is one of ``KINDS``, by chance, for ``share`` of the requests each; counts what it was."""

    def __init__(self, share: float, seed: int) -> None:
        self.struck: Counter[str] = Counter()
        self._share = share
        self._luck = random.Random(seed)

    def __call__(self, asked: Asked, answer: Answer) -> Answer:
        """Return the answer, or a faulty one."""
        drawn = self._luck.random() / self._share if self._share else len(KINDS)
        if drawn >= len(KINDS):
            return answer
        kind = list(KINDS)[int(drawn)]
        self.struck[kind] += 1
        return KINDS[kind](asked, answer)
