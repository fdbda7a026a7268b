"""The stack's own clock, and the world that goes by it: PostgreSQL, the API and the couriers see a leap at their next look.

Tests and receivers themselves live by the machine's clock, and what they wait for is bounded by it.
"""

import datetime
import json
import pathlib
import sys
import time

import runenv
import stack
import world
from stack import wait_for

MINUTE, HOUR, DAY = 60, 3600, 86400
NS_PER_S = 10**9

# The stack's certificates are good for 825 days, and so is its clock.
AHEAD_MAX_S = 800 * DAY

# A third of lease_s and a little more, and less than what couriers give any statement.
BEAT_S, HARMLESS_S = 21, 8

# For what takes milliseconds, on a machine that has other things to do.
SOON_S = 20


class Clock:
    """How far the stack is ahead of the machine.  It goes on by itself, and by leaps; never back."""

    def __init__(self):
        programs = pathlib.Path(stack.clock_vars()["LEAP_CLOCK"])
        self.paths = [programs, programs.with_name("clock.database")]
        self.ahead_s = max(int.from_bytes(p.read_bytes()[:8], sys.byteorder) for p in self.paths) / NS_PER_S

    def now(self):
        """In seconds since 1970."""
        return time.time() + self.ahead_s

    def leap(self, seconds, between=lambda: None):
        """Let so many seconds pass at once, for the programs, and for the database, with something to be done between."""
        self.ahead_s += max(seconds, 0)
        assert self.ahead_s < AHEAD_MAX_S, "this stack is too old: dev/down --purge, then FAKE_CLOCK=yes dev/up"
        for path, then in zip(self.paths, (between, lambda: None)):
            with path.open("r+b", buffering=0) as f:  # in place and in one piece: it is mapped
                f.write(int(self.ahead_s * NS_PER_S).to_bytes(8, sys.byteorder))
            then()


def seconds(text):
    """A time of the API in seconds since 1970."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def starts(delivery):
    return [seconds(a["startedAt"]) for a in delivery["attemptList"]]


def publish(site, n=1, **changes):
    """Events of the site's project, in one transaction of a producer."""
    event = {"event": "disk.full", "severity": "high", "summary": "The disk is full", **changes}
    stack.sql("SELECT sigsentry.publish(%s, %s) FROM generate_series(1, %s)", site.project, json.dumps(event), n)


class World(world.World):
    """Couriers have the settings that are shipped: what they wait for passes by leaps."""

    settings = {}

    def __init__(self, clock):
        super().__init__(days=820)
        self.clock = clock
        self.pilot = None

    def rest(self, flights_too=True):
        """Wait until no courier asks anything, and, ${flights_too}, nothing is under way and nothing could go."""
        question = runenv.WORKING
        if flights_too:
            question += (" UNION ALL SELECT 1 FROM sigsentry.queue q WHERE q.claim_id IS NOT NULL OR q.wake_at <= now()"
                         " UNION ALL SELECT 1 FROM sigsentry.lane l WHERE l.due_at <= now()")
        assert wait_for(lambda: not stack.sql(question), SOON_S), "couriers find no rest"

    def awake(self):
        """The couriers that run and are not stopped."""
        return [c for c in self.couriers if c.runs() and stack.state_of(c.process.pid) != "T"]

    def wait_for_beats(self, since):
        """Wait until each courier's heart has beaten since that time of the database's."""
        for c in self.awake():
            assert wait_for(lambda: not c.runs() or stack.sql(
                "SELECT FROM sigsentry.courier WHERE name LIKE %s AND beat_at > %s", "%%:%d" % c.process.pid, since), SOON_S), "no heart beats"

    def leap(self, seconds, rest=True):
        """Let time pass when nothing is under way, or, without ${rest}, in the middle of it.

        A statement that a leap comes into takes too long for its courier, and what it claims would be lost to a lease.  So
        the database leaps last, when a heart that beats by the leap of the programs shows that the statements before it are
        over: nothing was due for these.
        """
        if seconds > BEAT_S:
            self.rest(rest)
            since = stack.sql("SELECT clock_timestamp() AS at")[0]["at"]
            self.clock.leap(seconds, lambda: self.wait_for_beats(since))
            return
        while seconds > 0:
            self.rest(rest)
            self.clock.leap(min(seconds, HARMLESS_S))
            seconds -= HARMLESS_S

    def leap_to(self, at):
        self.rest()
        self.leap(at - self.clock.now())

    def look(self):
        """Wait until a courier has looked at the queue: what is published now has gone through it."""
        if self.pilot is None:
            self.pilot = world.Site()
            _, self.pilot.mark = self.pilot.channel("webhook")
        before = len(self.sink.got(self.pilot.mark))
        self.pilot.publish()
        world.arrivals(self, self.pilot.mark, before + 1, SOON_S)
