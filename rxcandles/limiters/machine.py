"""One rate for all processes of a user on this machine: the state is in a file, and no server is needed."""

from __future__ import annotations

from pathlib import Path

from rxcandles.limiters.leasefile import LeaseFile
from rxcandles.limiters.sliding import SlidingWindowLimiter
from rxcandles.model.limit import Limit, limit_of, shared_key
from rxcandles.util.arguments import check_name, check_number

__all__ = ["MachineLimiter"]


class MachineLimiter(SlidingWindowLimiter):
    """Gives at most ``rate`` permits in any ``window`` seconds to all processes of this user on this machine together.

    It works as :class:`SlidingWindowLimiter`, first come, first served within a process. Each limiter keeps to its own
    ``rate``, ``window`` and ``guard`` among the permits of all. ``stats`` counts this process only, but shows the pause
    and the use of the window of all processes (it reads the file, a tenth of a millisecond). A file that is damaged, or
    from before the last boot, is begun anew. There is nothing to close. It needs a loop whose clock is
    ``time.monotonic``, as asyncio's and uvloop's are.

    The limiter goes on for its process alone, and logs a warning, if the system has no file locking (Windows), if the
    user has no folder of their own (no home), and while the file can't be read, written or locked. A lock is held for
    long only by a process that was stopped within a step: the limiter waits for it a quarter of a second, every five
    seconds.

    Limiters share a rate if they have the same ``key``, ``source`` and ``folder``:

    * ``key``: letters, digits, ``.``, ``_``, ``-``; the group of a ``Limit`` takes its place.
    * ``source``: the address of this machine that requests are sent from, if it is chosen.
    * ``folder``: by default ``rxcandles`` in a folder of the user's own (``XDG_RUNTIME_DIR``, else ``XDG_CACHE_HOME``
      or ``~/.cache``), made with mode 0700.

    Raises:

    * ``RequestError`` if an argument is invalid.
    * ``StoreError`` if the ``folder`` given or the file in it can't be used, or if another user could write there.

    >>> limiter = MachineLimiter(10, key="example", folder="limits")
    >>> _ = await limiter.acquire()
    >>> limiter.stats().permits
    1
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
