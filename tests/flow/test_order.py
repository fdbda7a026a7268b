"""Goal: whatever waits, however much of it and wherever it cannot go, what may go leaves next, in the order that is promised.

On the receivers and couriers of test_delivery.py.  Order is asserted, not time.
"""

import collections
import contextlib
import json
import re
import secrets
import signal
import threading
import time
import uuid

import psycopg2.extras
import pytest

import sealed
import stack
from sink import SINK
from stack import wait_for
from test_crash import Burst
from test_delivery import Site, all_day, arrivals, site, world  # noqa: F401: fixtures


def insert(cursor, table, columns, rows):
    psycopg2.extras.execute_values(cursor, "INSERT INTO sigsentry.%s (%s) VALUES %%s" % (table, columns), rows, page_size=1000)


class Dead:
    """Channels of one place to which nothing has gone for a while, and what waits for them, made in bulk."""

    def __init__(self, world, channels):  # noqa: F811
        self.place = Site()
        self.mark = "dead" + secrets.token_hex(8)
        world.sink.script(self.mark, 500)
        self.channels = [str(uuid.uuid4()) for _ in range(channels)]
        sealer, tenant = sealed.Sealer(), self.place.tenant
        url = "https://%s/%s" % (SINK, self.mark)
        with stack.database() as cursor:
            insert(cursor, "channel", "tenant_id, id, project_id, type, name, severity_threshold, destination", [
                (tenant, c, self.place.project, "webhook", "dead", 0, SINK) for c in self.channels])
            insert(cursor, "credential", "tenant_id, channel_id, field, sealed", [
                (tenant, c, "url", sealer.close(url, c, "webhook", "url")) for c in self.channels])
            insert(cursor, "lane", "tenant_id, channel_id, due_at, is_failing, failing_since", [
                (tenant, c, "infinity", True, "now") for c in self.channels])

    def wait(self, each, wake_at):
        """So many deliveries for each channel, as they stand in the queue with this wake_at."""
        event = stack.sql("SELECT id FROM sigsentry.publish(%s, %s)", self.place.project, json.dumps(
            {"event": "disk.full", "severity": "low", "summary": "s"}))[0]["id"]
        stack.sql("INSERT INTO sigsentry.queue (tenant_id, id, channel_id, event_id, severity, wake_at, tries, attempts)"
                  " SELECT %s, sigsentry.uuid_v7(), c, %s, 3, " + wake_at + ", 1, 1 FROM unnest(%s::uuid[]) c, generate_series(1, %s)",
                  self.place.tenant, event, self.channels, each)

    def tried(self, since, until):
        """How many attempts began between."""
        return stack.sql("SELECT count(*) AS n FROM sigsentry.attempt WHERE tenant_id = %s AND started_at > %s AND started_at < %s",
                         self.place.tenant, since, until)[0]["n"]

    def end(self):
        stack.sql("DELETE FROM sigsentry.queue WHERE tenant_id = %s", self.place.tenant)
        stack.ctl("tenant", "delete", self.place.tenant, "--yes")


@pytest.fixture
def dead(world):  # noqa: F811
    """dead(channels) makes some; they go with the test."""
    made = []

    def make(channels):
        made.append(Dead(world, channels))
        return made[-1]

    yield make
    world.end_couriers()
    for one in made:
        one.end()


# What is dead ----------------------------------------------------------------------------------------

FLIGHTS = 100


@pytest.mark.parametrize("channels, each, wake_at", [
    (1, 100000, "now() - interval '1 second'"), (10000, 10, "now() - interval '1 second'"), (10000, 10, "'-infinity'::timestamptz"),
], ids=["one", "many", "untried"])
def test_a_new_event_leaves_before_what_failed(world, site, dead, channels, each, wake_at):  # noqa: F811
    """A hundred thousand deliveries are due, and some are on their way, when an event comes for another channel."""
    ill = dead(channels)
    ill.wait(each, wake_at)
    channel, mark = site.channel("webhook")
    world.courier(max_flights=FLIGHTS, retry_schedule="3600 3600", lease_s=60, connect_timeout_s=10, total_timeout_s=20)
    for n in range(1, 6):
        seen = len(world.sink.got(ill.mark))
        assert wait_for(lambda: len(world.sink.got(ill.mark)) > seen + 5, 20), "nothing is retried"
        site.publish()
        told_at = stack.sql("SELECT clock_timestamp() AS at")[0]["at"]
        arrivals(world, mark, n, timeout=20)
        assert wait_for(lambda: len(site.deliveries(channel)) == n and site.deliveries(channel)[0]["status"] == "delivered", 10)
        left_at = site.delivery(channel, site.deliveries(channel)[0]["id"])["attemptList"][0]["startedAt"]
        # Half of the flights may be theirs: in the claim that was on its way, and in the one that took the event.
        assert ill.tried(told_at, left_at) <= FLIGHTS
    stack.sql("SELECT sigsentry.publish(%s, %s) FROM generate_series(1, 100)", site.project, json.dumps(
        {"event": "disk.full", "severity": "high", "summary": "s"}))
    assert len(arrivals(world, mark, 105, timeout=30)) == 105
    waiting = stack.sql("SELECT count(*) AS n FROM sigsentry.queue WHERE tenant_id = %s AND claim_id IS NULL AND (wake_at IS NULL OR wake_at <= now())", ill.place.tenant)
    assert waiting[0]["n"] > 1000, "they did not wait meanwhile"


def vanish(world, ill):  # noqa: F811
    world.sink.script(ill.mark, 410)
    stack.sql("UPDATE sigsentry.lane SET due_at = now() WHERE tenant_id = %s", ill.place.tenant)
    world.courier(lease_s=60)


def switch_off(world, ill):  # noqa: F811
    world.courier(lease_s=60)
    ill.place.call("PUT", stack.at(ill.channels[0]), body={"isActive": False})


def delete(world, ill):  # noqa: F811
    world.courier(lease_s=60)
    ill.place.call("DELETE", stack.at(ill.channels[0]))


def delete_project(world, ill):  # noqa: F811
    world.courier(lease_s=60)
    stack.ctl("project", "delete", ill.place.project, "--yes")


def forget(world, ill):  # noqa: F811
    """What a delete had to pass over is left to the minute's chores."""
    stack.sql("INSERT INTO sigsentry.gone_channel (tenant_id, channel_id) VALUES (%s, %s)", ill.place.tenant, ill.channels[0])
    stack.sql("DELETE FROM sigsentry.channel WHERE id = %s", ill.channels[0])
    world.courier(lease_s=60)


@pytest.mark.parametrize("end, kept", [(vanish, True), (switch_off, True), (delete, False), (delete_project, False), (forget, False)])
def test_the_end_of_a_channel_with_a_hundred_thousand(world, site, dead, end, kept):  # noqa: F811
    """It takes no longer than a request or a batch may, and nobody else's deliveries wait for it."""
    ill = dead(1)
    ill.wait(100000, "NULL::timestamptz")
    _, mark = site.channel("webhook")
    began = time.monotonic()
    end(world, ill)
    site.publish()
    arrivals(world, mark, timeout=15)
    left = "SELECT FROM sigsentry.queue WHERE tenant_id = %s LIMIT 1"
    assert wait_for(lambda: not stack.sql(left, ill.place.tenant), 15, 0.1), "it goes on waiting"
    assert time.monotonic() - began < 20
    ends = {r["status"]: r["n"] for r in stack.sql(
        "SELECT status, count(*) AS n FROM sigsentry.delivery WHERE tenant_id = %s GROUP BY 1", ill.place.tenant)}
    assert sum(ends.values()) == (100000 if kept else 0) and set(ends) <= {"cancelled", "failed"}
    assert ends.get("failed", 0) <= 8, "what was under way"


# Pace ------------------------------------------------------------------------------------------------


def test_a_critical_one_behind_five_hundred(world, site):  # noqa: F811
    """On a channel that bears one a second, and among which some have left: the critical one leaves next."""
    channel, mark = site.channel("slack")
    world.courier(lease_s=60, connect_timeout_s=10, total_timeout_s=20)
    low = json.dumps({"event": "disk.full", "severity": "low", "summary": "low"})
    stack.sql("SELECT sigsentry.publish(%s, %s) FROM generate_series(1, 500)", site.project, low)
    before = arrivals(world, mark, 2, timeout=10)
    told = site.publish(severity="critical", summary="grave")["id"]
    # where this took so long that the next one may have left meanwhile, that one is before it
    may_have_left = time.time() - before[-1].at > 0.8
    got = arrivals(world, mark, len(before) + 1 + may_have_left, timeout=10)
    order = ["grave" if told in r.body.decode() else "low" for r in got]
    assert "grave" in order[len(before):len(before) + 1 + may_have_left], order
    assert stack.sql("SELECT count(*) AS n FROM sigsentry.queue WHERE channel_id = %s", channel)[0]["n"] >= 490


# Statements ------------------------------------------------------------------------------------------


class Statements:
    """What couriers ask of the database, by its own log."""

    SUPERUSER = stack.env("SIGSENTRY_DSN").replace("sigsentry_owner", "postgres")

    def __init__(self):
        self.set("SET log_statement = 'all'")
        self.logs = stack.Logs()

    def set(self, what):
        with contextlib.closing(psycopg2.connect(self.SUPERUSER)) as link, link, link.cursor() as cursor:
            cursor.execute("ALTER ROLE sigsentry_courier " + what)

    def counted(self):
        """How often each was sent, by its name."""
        lines = self.logs.lines("sigsentry_courier@.* LOG:  (execute|statement|fastpath)", "postgresql.log")
        return collections.Counter(re.search(r"LOG:  (?:execute )?(\S+?):", line)[1] for line in lines)


@pytest.fixture
def statements():
    made = Statements()
    yield made
    made.set("RESET log_statement")


def test_statements(world, site, statements):  # noqa: F811
    """With full batches at most five a batch, and one for five deliveries (design section 8)."""
    flights, rounds = 400, 3
    gate = threading.Event()
    burst = Burst(world, site, flights // 8, lambda request: gate.wait(60) and 200)
    burst.publish(8 * rounds)
    courier = world.courier(max_flights=flights, lease_s=300, poll_ms=2000, connect_timeout_s=60, total_timeout_s=100)
    for n in range(1, rounds + 1):
        assert wait_for(lambda: sum(map(len, burst.requests().values())) == n * flights, 30), "they are not all under way"
        courier.signal(signal.SIGSTOP)  # so that the answers are there all at once
        gate.set()
        time.sleep(1)
        gate.clear()
        courier.signal(signal.SIGCONT)
    assert wait_for(lambda: burst.waiting() == 0, 30)
    asked = statements.counted()
    batches = asked["courier_record"]
    assert set(burst.check().values()) == {1} and batches >= rounds
    assert sum(asked.values()) <= 5 * batches and sum(asked.values()) <= 0.2 * burst.n, asked
