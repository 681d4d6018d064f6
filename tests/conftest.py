"""The fixture that the package ships, loaded here so that coverage sees its imports (see addopts)."""

pytest_plugins = ("rxcandles.simulator.fixture",)
