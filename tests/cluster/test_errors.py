"""Errors of workers come whole."""

from __future__ import annotations

import pickle

import pytest
import tblib.pickling_support

from rxcandles import RequestError
from rxcandles.cluster.dask import own_errors
from rxcandles.cluster.messages import Done
from rxcandles.errors import dumped


def test_errors_come_whole() -> None:
    """An error whose cause can't be pickled comes with its text, although Dask has tblib pickle all errors."""
    tblib.pickling_support.install(RequestError)
    try:
        error = RequestError("of the worker")
        error.__cause__ = ValueError(lambda: None)
        with pytest.raises((AttributeError, pickle.PicklingError)):
            pickle.dumps(error)
        found = Done("a", "10.0.0.7", failure=dumped(error)).error
        assert (type(found), str(found)) == (RequestError, "of the worker")
        assert str(found.__cause__).startswith("ValueError: <function")
    finally:
        own_errors(RequestError)
