"""The state of a limiter as a value: what a file keeps of it."""

from __future__ import annotations

import math

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from rxcandles.limiters.state import Blocks, LimiterState

TIMES = st.floats(-1e9, 1e9) | st.just(-math.inf)
AMOUNTS = st.floats(0, 1e9)
STATES = st.builds(
    LimiterState,
    log=st.lists(st.tuples(st.floats(0, 1e9), AMOUNTS), max_size=20).map(sorted),
    kept=AMOUNTS, spent=AMOUNTS, full_at=TIMES, ahead_least=TIMES, ahead_most=st.floats(-1e9, 1e9) | st.just(math.inf),
    others=AMOUNTS, others_until=TIMES, paused_until=TIMES, calm_at=TIMES, streak=st.integers(0, 100),
    blocks=st.builds(Blocks, TIMES, TIMES, st.integers(0, 100)), written=TIMES,
    seats=st.dictionaries(st.integers(1, 2**64 - 1), st.floats(0, 1e9), max_size=16),
)  # fmt: skip


@settings(max_examples=40)
@given(state=STATES, rest=st.binary(max_size=40))
def test_packed(state: LimiterState, rest: bytes) -> None:
    """A file holds all of it; what an older, longer state has left behind it is of no matter."""
    assert LimiterState.unpack(state.pack() + rest) == state


@settings(max_examples=40)
@given(state=STATES, at=st.integers(0), bit=st.integers(0, 7))
def test_damaged(state: LimiterState, at: int, bit: int) -> None:
    """A flipped bit anywhere, and a cut, are noticed."""
    packed = bytearray(state.pack())
    at %= len(packed)
    assert LimiterState.unpack(bytes(packed[:at])) is None
    packed[at] ^= 1 << bit
    assert LimiterState.unpack(bytes(packed)) is None


def test_every_field_is_kept() -> None:
    """No field is forgotten: each changes the file, but for when it was written, which is no change."""
    plain = LimiterState()
    others = {"log": [(1.0, 2.0)], "seats": {7: 1.0}, "blocks": Blocks(5.0)}
    same = []
    for field in attrs.fields(LimiterState):
        other = attrs.evolve(plain, **{field.name: others.get(field.name, 3)})
        if not LimiterState.differs(other.pack(), plain.pack()):
            same.append(field.name)
    assert same == ["written"]


@settings(max_examples=60)
@given(
    steps=st.lists(st.tuples(st.floats(0, 0.4), st.integers(1, 3)), max_size=60), part=st.sampled_from([0.0, 0.1, 1.0])
)
def test_log(steps: list[tuple[float, int]], part: float) -> None:
    """However much of it is kept as one, the log never says that less was given in a window than was."""
    state, now, given_then = LimiterState(kept=2.0), 0.0, []
    for pause, cost in steps:
        now += pause
        state.trim(now)
        state.add(now, cost, part)
        given_then.append((now, cost))
        wanted = sum(cost for given_at, cost in given_then if given_at + 2.0 > now)
        assert sum(cost for _, cost in state.log) >= wanted
        times = [given_at for given_at, _ in state.log]
        assert times == sorted(times)
        if part:
            assert len(state.log) <= 2.0 / part + 2
        else:
            assert sum(cost for _, cost in state.log) == wanted
    assert state.spent == sum(cost for _, cost in steps)
