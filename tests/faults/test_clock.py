"""Goal: with the time of day set by an hour, forth or back, under the running service, the ledger of load.py holds.

What passes meanwhile is another clock's matter (tests/play): here CLOCK_REALTIME alone is set, as an admin or a bad time
server does it.
"""

import pathlib
import sys
import time

import pytest

import stack
from stack import wait_for
from world import Site, arrivals

HOUR_NS = 3600 * 10**9


class Day:
    """The time of day of the stack, in the second word of its clock's files (tests/play/leap.c)."""

    def __init__(self):
        programs = pathlib.Path(stack.clock_vars()["LEAP_CLOCK"])
        self.paths = [programs, programs.with_name("clock.database")]

    def set(self, by_ns, *paths):
        for path in paths or self.paths:
            with path.open("r+b", buffering=0) as f:
                f.seek(8)
                f.write(by_ns.to_bytes(8, sys.byteorder, signed=True))


@pytest.fixture
def day():
    if not stack.clock_vars():
        pytest.skip("this stack goes by the machine's clock: FAKE_CLOCK=yes dev/up")
    made = Day()
    yield made
    made.set(0)


def ahead(home):
    return home.sql("SELECT date_part('epoch', clock_timestamp()) AS at")[0]["at"] - time.time()


def stamped(load):
    """How far ahead the courier was as it sent the last delivery, in seconds."""
    last = max((load.sink.got(mark)[-1] for mark in load.marks.values()), key=lambda r: r.at)
    return int(last.header("webhook-timestamp")) - last.at


@pytest.mark.parametrize("where", ["everywhere", "database", "programs"])
@pytest.mark.parametrize("by", [1, -1], ids=["forth", "back"])
def test_the_clock_is_set(world, load, judged, span, day, by, where):
    """By an hour, at once; and the other way again.  Where the database has a machine of its own the two differ meanwhile."""
    courier = world.courier()
    before, was = stack.settled_workers(), ahead(load.home)
    paths = {"everywhere": day.paths, "programs": day.paths[:1], "database": day.paths[1:]}[where]
    with load:
        day.set(by * HOUR_NS, *paths)
        moved = by * 3600 if where != "programs" else 0
        assert abs(ahead(load.home) - was - moved) < 60, "PostgreSQL does not go by this clock"
        load.mended()
        moved = by * 3600 if where != "database" else 0
        assert wait_for(lambda: abs(stamped(load) - moved) < 60, 5), "the courier does not go by this clock"
        time.sleep(span if where == "everywhere" else span / 3)
        day.set(0)
        load.mended()
    assert stack.workers() == before and courier.runs()
    judged(load)


def set_back(day):
    """By an hour, once the couriers' hearts have beaten: they say what time it was."""
    stack.sql("UPDATE sigsentry.courier SET beat_at = clock_timestamp() WHERE beat_at > now() - interval '10 seconds'")
    day.set(-HOUR_NS)


@pytest.mark.parametrize("kind", ["slack", "teams", "discord", "google_chat"])
def test_a_paced_channel_when_the_clock_is_set_back(world, day, kind):
    """It waits for its pace, and not for an hour: a courier's heart notices."""
    site = Site()
    _, mark = site.channel(kind)
    world.courier()
    site.publish()
    arrivals(world, mark)
    set_back(day)
    site.publish()
    arrivals(world, mark, 2, timeout=10)


def test_a_courier_that_dies_before_the_clock_is_set_back(world, day):
    """What it had under way goes again when its lease would have ended, and so does what waited for its next attempt."""
    site = Site()
    marks = [site.channel("webhook")[1] for _ in range(2)]
    world.sink.script(marks[0], "hang", 200)
    world.sink.script(marks[1], 503, 200)
    courier = world.courier(retry_schedule="5 5")
    site.publish()
    for mark in marks:
        arrivals(world, mark)
    waits = "SELECT FROM sigsentry.queue WHERE tenant_id = %s AND claim_id IS NULL AND wake_at > now()"
    assert wait_for(lambda: stack.sql(waits, site.tenant), 5), "no attempt is put off"
    courier.process.kill()
    set_back(day)
    world.courier()
    for mark in marks:
        arrivals(world, mark, 2, timeout=15)
