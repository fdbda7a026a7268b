"""Goal: whatever dies, is refused or runs out under load, nothing is lost: not one of ten thousand deliveries.

On the receivers and couriers of test_delivery.py.  What has arrived is known by the sink's own ledger, what was to arrive by
the database.
"""

import collections
import contextlib
import json
import os
import pathlib
import re
import resource
import signal
import socket
import threading
import time
import uuid

import psycopg2
import pytest

import stack
from sink import SINK
from stack import wait_for
from test_delivery import all_day, arrivals, go_now, none_left, outcomes, own_names, site, v1, world  # noqa: F401: fixtures

EVENT = {"event": "disk.full", "severity": "high", "summary": "The disk is full"}
PATIENCE = {"connect_timeout_s": 10, "total_timeout_s": 20}  # a slow machine is no failure of anybody's


class Burst:
    """Many events at once for channels at the sink, and what has become of them."""

    def __init__(self, world, site, channels, seconds, url=None, **credentials):
        self.world, self.site = world, site
        self.marks = {}  # by channel
        for _ in range(channels):
            channel, mark = site.channel("webhook", url, **credentials)
            world.sink.script(mark, seconds)
            self.marks[channel] = mark
        self.n = 0

    def publish(self, events):
        rows = stack.sql("SELECT (sigsentry.publish(%s, %s)).deliveries AS n FROM generate_series(1, %s)", self.site.project,
                         json.dumps(EVENT), events)
        assert [r["n"] for r in rows] == [len(self.marks)] * events
        self.n += events * len(self.marks)

    def waiting(self):
        return stack.sql("SELECT count(*) AS n FROM sigsentry.queue WHERE tenant_id = %s", self.site.tenant)[0]["n"]

    def requests(self):
        """By channel, what has reached the sink."""
        found = {channel: [] for channel in self.marks}
        by_mark = {mark: found[channel] for channel, mark in self.marks.items()}
        for request in list(self.world.sink.requests):
            mark = request.path.lstrip("/")
            if mark in by_mark:
                by_mark[mark].append(request)
        return found

    def check(self):
        """All have arrived, at their own channels, and the history says so; how often each delivery's id came."""
        assert self.waiting() == 0
        made = {r["id"]: r for r in stack.sql(
            "SELECT d.id::text, d.channel_id::text AS channel, d.status, d.attempts, count(a.*) AS tries,"
            "       count(a.*) FILTER (WHERE a.outcome = 'ok') AS well"
            "  FROM sigsentry.delivery d JOIN sigsentry.attempt a ON a.tenant_id = d.tenant_id AND a.delivery_id = d.id"
            " WHERE d.tenant_id = %s GROUP BY 1, 2, 3, 4", self.site.tenant)}
        assert len(made) == self.n, "%d of %d deliveries are in the history" % (len(made), self.n)
        assert {(r["status"], r["well"], r["attempts"] - r["tries"]) for r in made.values()} == {("delivered", 1, 0)}
        seen = collections.Counter()
        for channel, requests in self.requests().items():
            for r in requests:
                seen[r.header("webhook-id")] += 1
                assert made[r.header("webhook-id")]["channel"] == channel, "at another channel, or nobody's"
        assert set(seen) == set(made), "%d never came" % len(set(made) - set(seen))
        return seen


def test_one_of_two_is_killed_every_second(world, site):  # noqa: F811
    """kill -9, a dozen times at most: all arrive, and duplicates bear ids that were seen before."""
    burst = Burst(world, site, 40, 0.2, hmacSecret="s")
    couriers = [world.courier(**PATIENCE) for _ in range(2)]
    burst.publish(250)
    kills, waiting, end = 0, burst.waiting(), time.monotonic() + 120
    while waiting > 0 and time.monotonic() < end:
        time.sleep(1)
        before, waiting = waiting, burst.waiting()
        if 0 < waiting < before and kills < 12:  # there is work, and it goes on
            couriers[kills % 2].process.kill()
            couriers[kills % 2] = world.courier(**PATIENCE)
            kills += 1
    assert kills >= 5, "it was over too soon"
    seen = burst.check()
    # each kill took some along that had arrived and were not written down: their leases ended
    assert sum(n > 1 for n in seen.values()) >= kills
    assert all(r.header("webhook-signature") == v1(b"s", r) for found in burst.requests().values() for r in found)


def test_reloads_under_load(world, site):  # noqa: F811
    """SIGHUP, again and again until all have gone: all arrive, and each once."""
    burst = Burst(world, site, 8, 0.02)
    courier = world.courier(**PATIENCE)
    burst.publish(100)
    reloads = 0
    while burst.waiting() > 0 and reloads < 100:
        courier.signal(signal.SIGHUP)
        reloads += 1
        courier.wait(r"level=info .*ev=courier\.reload", reloads)
    assert wait_for(lambda: burst.waiting() == 0, 30) and reloads >= 3
    assert set(burst.check().values()) == {1}


# The database ----------------------------------------------------------------------------------------


@contextlib.contextmanager
def refusing(delivery):
    """The database refuses whatever is written of this delivery's attempts."""
    stack.sql("CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS"
              " $$BEGIN RAISE 'not this one'; END$$")
    try:
        stack.sql("CREATE TRIGGER refuse BEFORE INSERT ON sigsentry.attempt FOR EACH ROW"
                  " WHEN (NEW.delivery_id = '%s') EXECUTE FUNCTION public.refuse()" % uuid.UUID(delivery))
        yield
    finally:
        stack.sql("DROP FUNCTION public.refuse() CASCADE")


def test_one_outcome_of_many_is_refused(world, site):  # noqa: F811
    """All others of its batch are written down, the log says which was not; it goes once more when its lease has ended."""
    burst = Burst(world, site, 5, 1.0)
    courier = world.courier(**PATIENCE, lease_s=60)
    burst.publish(8)
    assert wait_for(lambda: sum(map(len, burst.requests().values())) == burst.n, 10)
    ill = stack.sql("SELECT id::text FROM sigsentry.queue WHERE tenant_id = %s ORDER BY id OFFSET 17 LIMIT 1", site.tenant)[0]["id"]
    with refusing(ill):
        courier.signal(signal.SIGSTOP)  # so that all answers are there at once: a large batch
        time.sleep(1.5)
        courier.signal(signal.SIGCONT)
        courier.wait("ev=outbox.refused ")
        assert wait_for(lambda: burst.waiting() == 1, 10)
        time.sleep(0.2)
        refused, = courier.lines("ev=outbox.refused ")
        assert re.search("level=error .*id=%s .*error=" % ill, refused)
        # in halves: not each by itself
        assert 3 <= len(courier.lines("ev=db.fail .*query=courier_record")) < burst.n
        assert stack.sql("SELECT id::text FROM sigsentry.queue WHERE tenant_id = %s", site.tenant) == [{"id": ill}]
    stack.sql("UPDATE sigsentry.queue SET wake_at = now() WHERE id = %s", ill)
    assert wait_for(lambda: burst.waiting() == 0, 10)
    assert burst.check() == {i: 2 if i == ill else 1 for i in burst.check()} and courier.runs()


def all_answered(burst, seconds=15):
    """All of the burst is at the sink, and answered but for what a turn takes."""
    assert wait_for(lambda: sum(map(len, burst.requests().values())) == burst.n, seconds)


def test_a_row_that_somebody_holds(world, site):  # noqa: F811
    """For many leases: all others of its batch are written down meanwhile, and nothing is sent twice."""
    burst = Burst(world, site, 6, 1.0)
    courier = world.courier(**PATIENCE, lease_s=1, lock_timeout_ms=200)
    burst.publish(4)
    all_answered(burst)
    channel = next(iter(burst.marks))
    with contextlib.closing(psycopg2.connect(stack.env("SIGSENTRY_DSN"))) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT FROM sigsentry.lane WHERE channel_id = %s FOR UPDATE", [channel])
        assert cursor.rowcount == 1
        assert wait_for(lambda: burst.waiting() == 4, 20), burst.waiting()
        time.sleep(4)
        assert burst.waiting() == 4 and courier.lines("ev=db.fail .*query=courier_record .*sqlstate=55P03")
        holder.rollback()
    assert wait_for(lambda: burst.waiting() == 0, 20)
    assert set(burst.check().values()) == {1} and courier.runs() and not courier.lines("ev=outbox.refused ")


@contextlib.contextmanager
def taking_no_outcome():
    function = stack.sql("SELECT 'courier.record'::regproc::oid::regprocedure::text AS f")[0]["f"]
    stack.sql("REVOKE EXECUTE ON FUNCTION %s FROM sigsentry_courier" % function)
    try:
        yield
    finally:
        stack.sql("GRANT EXECUTE ON FUNCTION %s TO sigsentry_courier" % function)


def test_no_outcome_is_taken(world, site):  # noqa: F811
    """The fault is the database's and lasts for many leases: all outcomes are kept, and nothing is sent twice."""
    burst = Burst(world, site, 5, 1.0)
    courier = world.courier(**PATIENCE, lease_s=1)
    with taking_no_outcome():
        burst.publish(3)
        all_answered(burst)
        time.sleep(6)
        assert burst.waiting() == burst.n == sum(map(len, burst.requests().values()))
        refusals = courier.lines("ev=db.fail .*query=courier_record .*sqlstate=42501")
        assert 3 <= len(refusals) < 20  # a pause between them
    assert wait_for(lambda: burst.waiting() == 0, 20)
    assert set(burst.check().values()) == {1} and courier.runs() and not courier.lines("ev=outbox.refused ")


def test_so_many_outcomes_are_kept_and_no_more(world, site):  # noqa: F811
    """Who cannot write down 2,000 of them claims nothing more, and goes on when it can."""
    burst = Burst(world, site, 270, 0.01)  # of which each has eight under way at the most
    courier = world.courier(**PATIENCE, max_flights=100, lease_s=60)
    with taking_no_outcome():
        burst.publish(9)
        assert wait_for(lambda: courier.lines("level=warn .*ev=outbox.full .*outcomes=2000"), 60)
        time.sleep(1)
        assert 2000 <= sum(map(len, burst.requests().values())) <= 2100 < burst.n
    assert wait_for(lambda: burst.waiting() == 0, 60)
    assert set(burst.check().values()) == {1} and len(courier.lines("ev=outbox.full")) < 5


class Door:
    """The database's Unix socket as a port of the loopback, on one address."""

    def __init__(self, address="127.0.0.1"):
        self.to = re.search(r"host=(\S+)", stack.env("SIGSENTRY_DSN"))[1] + "/.s.PGSQL.5432"
        self.socket = socket.create_server((address, 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                outside, _ = self.socket.accept()
                inside = socket.socket(socket.AF_UNIX)
                inside.connect(self.to)
                for pair in ((outside, inside), (inside, outside)):
                    threading.Thread(target=self._carry, args=pair, daemon=True).start()

    @staticmethod
    def _carry(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


@pytest.fixture
def door():
    made = Door()
    yield made
    made.close()


def test_a_list_of_hosts_of_which_the_first_refuses(world, site, door):  # noqa: F811
    channel, mark = site.channel("webhook")
    courier = world.courier(database="host=127.0.0.9,127.0.0.1 port=%d dbname=sigsentry" % door.port)
    site.publish()
    arrivals(world, mark)
    assert outcomes(site.one(channel)) == ["ok"]
    assert courier.lines(r"level=error .*ev=db\.connect .*127\.0\.0\.9") and courier.lines(r"ev=db\.open .*host=127\.0\.0\.1")


@contextlib.contextmanager
def hesitating(address, port):
    """An address that lets connections wait, and refuses them at the end of the block."""
    with socket.create_server((address, port), backlog=0):
        waiting = [socket.socket() for _ in range(8)]
        for s in waiting:
            s.setblocking(False)
            s.connect_ex((address, port))
        yield
    for s in waiting:
        s.close()


def test_a_host_of_which_the_first_address_refuses(world, site, own_names):  # noqa: F811
    """libpq goes on to the next address by itself, on a socket that may have the number of the one before."""
    if not own_names:
        pytest.skip("no mount namespaces here")
    own_names("127.0.0.1 db.example.com\n127.0.0.9 db.example.com")  # the nearest comes first, however they stand
    channel, mark = site.channel("webhook")
    with contextlib.closing(Door("127.0.0.9")) as door:
        with hesitating("127.0.0.1", door.port):
            courier = world.courier(database="host=db.example.com port=%d dbname=sigsentry" % door.port)
            time.sleep(0.3)
        site.publish()
        arrivals(world, mark, timeout=10)
        assert outcomes(site.one(channel)) == ["ok"]
    assert courier.lines(r"ev=db\.open .*host=db\.example\.com")
    assert not courier.lines(r"ev=db\.connect .*too long"), "it slept while the second address answered"


# Descriptors -----------------------------------------------------------------------------------------


def tries(site):  # noqa: F811
    """How the attempts of the site's deliveries ended, and how often."""
    rows = stack.sql("SELECT outcome, count(*) AS n FROM sigsentry.attempt WHERE tenant_id = %s GROUP BY 1", site.tenant)
    return {r["outcome"]: r["n"] for r in rows}


@pytest.mark.parametrize("is_pinned", [True, False], ids=["pinned", "resolved"])
def test_no_descriptors(world, site, own_names, is_pinned):  # noqa: F811
    """Our own fault: no attempt is used up and no channel fails; with descriptors again all of them go."""
    settings, url = PATIENCE, None
    if not is_pinned:
        if not own_names:
            pytest.skip("no mount namespaces here")
        own_names("127.0.0.1 %s." % SINK)
        settings, url = {**PATIENCE, "egress_connect_to": None, "egress_allow": "127.0.0.1"}, "https://%s:%d/%%s" % (SINK, world.sink.port)
    burst = Burst(world, site, 6, 0.2, url)
    courier = world.courier(**settings)
    pid = courier.process.pid
    assert wait_for(lambda: courier.lines(r"ev=db\.open"), 5)
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    last = max(int(n) for n in os.listdir("/proc/%d/fd" % pid))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (last + 3, limits[1]))
    burst.publish(8)
    assert wait_for(lambda: tries(site).get("local", 0) >= 40, 10), tries(site)
    assert set(tries(site)) <= {"local", "ok"} and courier.lines(r"level=error .*ev=post\.fault .*way=self .*LimitNOFILE")
    rows = stack.sql("SELECT DISTINCT attempts, wake_at > now() AS waits FROM sigsentry.queue WHERE tenant_id = %s", site.tenant)
    assert rows == [{"attempts": 0, "waits": True}]
    assert stack.sql("SELECT DISTINCT is_failing, failing_since FROM sigsentry.lane WHERE tenant_id = %s", site.tenant) == [
        {"is_failing": False, "failing_since": None}]
    resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    assert wait_for(lambda: go_now() or burst.waiting() == 0, 20, 0.2)
    assert {r["status"] for channel in burst.marks for r in site.deliveries(channel)} == {"delivered"}
    assert courier.runs()
