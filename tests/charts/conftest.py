"""A browser, where there is one."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.support.browser import chromium, find_chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[str]:
    """The address of a headless Chromium's DevTools."""
    executable = find_chromium()
    if executable is None:
        if os.environ.get("CI"):
            pytest.fail("there is no Chromium, in which CI opens the charts: apt-get install chromium")
        pytest.skip("there is no Chromium, in which the charts are opened: apt-get install chromium")
    with chromium(executable) as devtools:
        yield devtools
