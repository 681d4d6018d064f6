"""One rate for all processes of a user on this machine: the limiter's state lies in a file, and no server is needed."""

from __future__ import annotations

from pathlib import Path

from rxcandles.limiters.leasefile import LeaseFile
from rxcandles.limiters.sliding import SlidingWindowLimiter
from rxcandles.model.limit import Limit, limit_of, shared_key
from rxcandles.util.arguments import check_name, check_number

__all__ = ["MachineLimiter"]


class MachineLimiter(SlidingWindowLimiter):
    """Gives at most ``rate`` permits in any ``window`` seconds to all processes of this user on this machine together.

    Those share that use the same ``key`` (letters, digits, ``.``, ``_``, ``-``; the group of a ``Limit`` takes its
    place), the same ``source`` (the address of this machine that requests are sent from, where it is chosen) and the
    same ``folder``; by default ``rxcandles`` in a folder of the user's own (``XDG_RUNTIME_DIR``, else
    ``XDG_CACHE_HOME`` or ``~/.cache``), made with mode 0700. Each keeps to its own ``rate``, ``window`` and ``guard``
    among the permits of all. Else it is as :class:`SlidingWindowLimiter`, first come, first served within a process;
    ``stats`` counts this process only, but shows everybody's pause and use of the window (it reads the file, a tenth of
    a millisecond). A file that is damaged, or from before the last boot, is begun anew. There is nothing to close.
    Needs a loop whose clock is ``time.monotonic``, as asyncio's and uvloop's are.

    Where there is no file locking (Windows) or no folder of the user's own (no home), and while the file can't be read,
    written or locked (a process that was stopped in the middle of a step holds it: a quarter of a second is waited,
    every five) later on, the limiter goes on for its process alone and logs a warning. Raises ``RequestError`` for a
    rate, window, guard, key or source that can't be meant, and ``StoreError`` where the ``folder`` given or the file in
    it can't be used, or another user could write there.
    """

    def __init__(
        self,
        rate: float | Limit | None,
        *,
        key: str = "upbit",
        source: str | None = None,
        folder: str | Path | None = None,
        window: float = 1.0,
        guard: float = 0.03,
    ) -> None:
        limit_of(rate, window)
        check_number("guard", guard, 0, 86_400)
        group = family = check_name("key", key)
        if isinstance(rate, Limit) and rate.group:
            group, family = rate.group, rate.family
        keeper = LeaseFile(shared_key(group, source), folder, shared_key(family, source))
        super().__init__(rate, window=window, guard=guard, keeper=keeper)
