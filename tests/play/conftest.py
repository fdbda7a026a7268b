"""Fixtures of the play: a clock that leaps, and a world that goes by it."""

import pytest

import stack
import world as worlds
from clock import Clock, World

if stack.ENV is None or not stack.clock_vars():
    # a suite that silently does nothing would look like one that passed
    pytest.exit("no stack with a clock of its own: FAKE_CLOCK=yes dev/up, or set SIGSENTRY_ENV", returncode=4)


@pytest.fixture(scope="session")
def clock():
    """It moves the database's time, or nothing here means anything."""
    made = Clock()
    made.leap(1000)
    ahead = stack.sql("SELECT date_part('epoch', clock_timestamp()) AS at")[0]["at"] - made.now()
    assert abs(ahead) < 100, "PostgreSQL does not go by the stack's clock"
    return made


@pytest.fixture(scope="session")
def all_days(clock):
    """The world, while the stack's courier rests."""
    worlds.dev("courier_stop")
    try:
        made = World(clock)
        yield made
        made.close()
    finally:
        worlds.dev("courier_start")


@pytest.fixture
def world(all_days, clock):
    """The world, with nothing under way in it before and after, and its couriers dead for so long that nobody counts on them."""
    stack.sql("DELETE FROM sigsentry.queue")
    yield all_days
    all_days.end_couriers()
    clock.leap(600)


@pytest.fixture
def site():
    return worlds.Site()
