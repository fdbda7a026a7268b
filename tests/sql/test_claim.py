"""Goal: What a courier may take: the gravest first, at a channel's pace, nothing twice, nobody held up by another (contract §5)."""

import json
import threading
import time
import uuid

import pytest

from conftest import Waiting, at_once, call, delete, query
from queueing import ALL, Queue, event


def test_what_a_claim_tells(q):
    tenant, project, (channel,) = q.home()
    q.rows("INSERT INTO sigsentry.credential (tenant_id, channel_id, field, sealed, previous_sealed, previous_until)"
           " VALUES (%s, %s, 'url', '\\x01', NULL, NULL), (%s, %s, 'hmacSecret', '\\x02', '\\x03', now() + interval '1 hour')",
           tenant, channel, tenant, channel)
    new, _ = q.publish(project, n=1, createdAt="2026-01-02T03:04:05.678Z")
    row, = q.claim()
    assert (row["tenant_id"], [row["id"]], row["channel_id"], row["type"], row["attempts"], row["is_test"], row["event_id"],
            row["project_id"], row["event_name"], row["severity"]) == (
        tenant, q.of(new), channel, "webhook", 0, False, new, project, "x.y", 1)
    assert json.loads(row["payload"])["n"] == 1 and row["occurred_at"] == 1767323045678
    assert sorted(row["credentials"].split(",")) == ["hmacSecret:02:03", "url:01:"]
    assert q.claim() == [] and q.status(row["id"]) == "sending"


def test_the_gravest_first_then_the_oldest(q):
    tenant, project, _ = q.home()
    ids = {s: [q.delivery(project, severity=s) for _ in range(2)] for s in ("low", "critical", "medium", "high")}
    got = []
    for _ in range(8):
        row, = q.claim(free=1)
        got.append(row["id"])
    assert got == [i for s in ("critical", "high", "medium", "low") for i in ids[s]]


def test_in_flight_limit_of_a_channel(q):
    tenant, project, _ = q.home()
    for _ in range(5):
        q.publish(project)
    first = q.claim(flights=2)
    assert len(first) == 2 and q.claim(flights=2) == []
    q.record(first[:1])
    assert len(q.claim(flights=2)) == 1 and q.claim(flights=2) == []
    q.record(first[1:], "retry", wait_ms=60000)
    assert len(q.claim(flights=2)) == 1


def test_gap_between_two(q):
    tenant, project, _ = q.home()
    for _ in range(3):
        q.publish(project)
    rows = q.claim(gap_ms=1000)
    assert len(rows) == 1 and q.claim(gap_ms=1000) == []
    q.record(rows)
    assert q.claim(gap_ms=1000) == []       # an outcome does not shorten it
    q.shift(1)
    assert len(q.claim(gap_ms=1000)) == 1


def test_a_pause_that_was_asked_for(q):
    tenant, project, _ = q.home()
    for _ in range(3):
        q.publish(project)
    rows = q.claim(flights=1)
    q.record(rows, "retry", wait_ms=30000, pause_ms=30000)
    q.publish(project, severity="critical")
    assert q.claim() == []
    q.shift(30)
    assert len(q.claim()) == 4


def test_no_lane_sleeps_for_want_of_flights(q):
    """Many channels, few free flights: each claim takes up where the last one ended."""
    tenant, project, channels = q.home(20)
    assert q.publish(project)[1] == 20
    got = [r["id"] for _ in range(10) for r in q.claim(free=2)]
    assert len(got) == len(set(got)) == 20


def test_failing_channels_have_their_share(q):
    tenant, project, channels = q.home(4)
    q.publish(project)
    rows = q.claim()
    q.record([r for r in rows if r["channel_id"] in channels[:2]], "retry", wait_ms=0)
    q.record([r for r in rows if r["channel_id"] in channels[2:]])
    for _ in range(10):
        q.publish(project)
    ill = [r for r in q.claim(free=100, failing=3) if r["channel_id"] in channels[:2]]
    assert len(ill) == 3
    assert [r for r in q.claim(free=100, failing=0) if r["channel_id"] in channels[:2]] == []
    rest = q.claim(free=100, failing=100)
    assert len([r for r in rest if r["channel_id"] in channels[:2]]) == 17      # 2 x 10 in flight at the most


@pytest.mark.parametrize("outcome,took_ms,is_slow", [("ok", 2999, False), ("ok", 3000, True), ("local", 9000, False)])
def test_slow_channels_are_among_them(q, outcome, took_ms, is_slow):
    """One that takes long holds flights as one that fails does, though it fails at nothing; a quick answer ends that."""
    tenant, project, (channel,) = q.home()
    q.publish(project)
    q.record(q.claim(), outcome, wait_ms=60000 if outcome == "local" else None, took_ms=took_ms)
    lane = q.lane(channel)
    assert (lane["is_failing"], lane["failing_since"]) == (is_slow, None)
    q.publish(project)
    assert len(q.claim(failing=0)) == (0 if is_slow else 1)
    if is_slow:
        q.record(q.claim())
        assert not q.lane(channel)["is_failing"]


@pytest.mark.parametrize("kind,is_slow", [("email", False), ("slack", True)])
def test_an_email_takes_as_long_as_its_recipients(q, kind, is_slow):
    """Of one batch, so that each is judged by its own channel's type."""
    tenant, project, (webhook,) = q.home()
    channel = q.channel(tenant, project, kind)
    q.publish(project)
    q.record(q.claim(), took_ms=9000)
    assert (q.lane(webhook)["is_failing"], q.lane(channel)["is_failing"]) == (True, is_slow)


def test_a_claim_is_bounded_in_bytes(q):
    """2 MiB of payloads, or one larger; what is over goes with the next, the gravest of a channel first all the same."""
    tenant, project, channels = q.home(2)
    for severity in ("low", "critical", "medium", "high"):
        q.publish(project, severity=severity, pad="x" * 1000)
    sizes = {r["size"] for r in q.rows("SELECT size FROM sigsentry.queue WHERE tenant_id = %s", tenant)}
    assert 1000 < min(sizes) <= max(sizes) < 1100
    q.rows("UPDATE sigsentry.queue SET size = 2000000 WHERE tenant_id = %s", tenant)
    taken = []
    for n in (2, 2, 2, 2, 0):
        rows = q.claim()
        assert len(rows) == n
        taken += rows
    for channel in channels:
        order = [r["severity"] for r in taken if r["channel_id"] == channel]
        assert order == sorted(order) and len(order) == 4
    q.publish(project)
    q.rows("UPDATE sigsentry.queue SET size = 9000000 WHERE claim_id IS NULL")
    assert [len(q.claim()) for _ in range(3)] == [1, 1, 0]


def test_failing_channels_take_no_bytes_from_others(q):
    """Many megabytes of theirs are due before a healthy one's: it goes with the first of them."""
    tenant, project, (*ill, well) = q.home(5)
    q.publish(project)
    q.record([r for r in q.claim() if r["channel_id"] != well], "refused")
    q.rows("DELETE FROM sigsentry.queue")
    for _ in range(8):
        q.publish(project)
    q.rows("UPDATE sigsentry.queue SET size = 1000000 WHERE tenant_id = %s", tenant)
    q.claim(free=0)  # wakes them all
    q.rows("UPDATE sigsentry.lane SET due_at = now() - interval '1 minute' WHERE channel_id = ANY (%s)", ill)
    rows = q.claim(failing=50)
    assert sorted((r["channel_id"] == well) for r in rows) == [False] * 3 + [True] * 3


def test_one_sent_again_keeps_its_size(q):
    tenant, project, _ = q.home()
    new = q.delivery(project, pad="x" * 5000)
    size = q.value("SELECT size FROM sigsentry.queue WHERE id = %s", new)
    q.record(q.claim(), "refused")
    assert q.value("SELECT sigsentry.queue_again(%s, %s)", tenant, [new]) == 1
    assert q.value("SELECT size FROM sigsentry.queue WHERE id = %s", new) == size > 5000


def test_suspended_tenants_rest(q):
    tenant, project, _ = q.home()
    q.publish(project)
    q.rows("UPDATE sigsentry.tenant SET suspended_at = now() WHERE id = %s", tenant)
    assert q.claim() == []
    q.rows("UPDATE sigsentry.tenant SET suspended_at = NULL WHERE id = %s", tenant)
    assert q.claim() == []
    q.shift(61)
    assert len(q.claim()) == 1


def test_an_inactive_channel_gets_tests_alone(q):
    """What comes for it all the same (published while it was switched off) ends as cancelled."""
    tenant, project, (channel,) = q.home()
    digest, _ = q.key(tenant, project, permissions=ALL)
    late = q.delivery(project)
    q.rows("UPDATE sigsentry.channel SET is_active = false WHERE id = %s", channel)
    test = q.value("SELECT sigsentry.uuid_v7()")
    assert call(q.conn, "api_channel_test", digest, None, channel, test)["status"] == "ok"
    assert [r["id"] for r in q.claim()] == [test]
    assert q.status(late) == "cancelled"
    assert q.publish(project)[1] == 0


def test_leases(q):
    """They expire, are claimed again, and can be renewed; a stale claim changes nothing."""
    tenant, project, (channel,) = q.home()
    new = q.delivery(project)
    old, = q.claim(lease=60)
    q.shift(59)
    q.rows(query("courier_renew"), uuid.uuid4(), "c", "1", ["k"], 1, [old["tenant_id"]], [old["id"]], [old["claim"]], 60)
    q.shift(59)
    assert q.claim() == []
    q.shift(2)
    again, = q.claim()
    assert again["id"] == new and again["claim"] != old["claim"]
    q.rows(query("courier_renew"), uuid.uuid4(), "c", "1", ["k"], 1, [old["tenant_id"]], [old["id"]], [old["claim"]], 3600)
    for outcome in ("ok", "retry", "refused", "gone", "local"):
        assert q.record([old], outcome) == 0
    assert q.status(new) == "sending" and q.value("SELECT is_active FROM sigsentry.channel WHERE id = %s", channel)
    assert q.rows("SELECT 1 FROM sigsentry.attempt WHERE delivery_id = %s", new) == []
    q.shift(61)
    assert len(q.claim()) == 1


def test_eight_couriers_never_take_one_twice(live, session):
    tenant, project, channels = live.home(40)
    for _ in range(100):
        live.publish(project)
    conns = [Queue(session("sigsentry_courier")) for _ in range(8)]

    def work(conn):
        got, empty = [], 0
        while empty < 30:
            rows = conn.claim(free=50)
            got += [r["id"] for r in rows]
            empty = 0 if rows else empty + 1
            if rows:
                assert conn.record(rows, ["ok" if i % 7 else "refused" for i in range(len(rows))]) == len(rows)
            else:
                time.sleep(0.01)
        return got

    answers = at_once(conns, work)
    assert all(isinstance(a, list) for a in answers), [a for a in answers if not isinstance(a, list)]
    got = [i for a in answers for i in a]
    # the failures have made notices, too
    first = {r["id"] for r in live.rows("SELECT d.id FROM sigsentry.delivery d JOIN sigsentry.event e ON e.id = d.event_id"
                                        " WHERE d.tenant_id = %s AND e.name = 'x.y'", tenant)}
    assert len(got) == len(set(got)) and len(first) == 4000 and first <= set(got)
    assert live.value("SELECT count(*) FROM sigsentry.queue WHERE tenant_id = %s", tenant) == 0
    assert live.value("SELECT count(*) FROM sigsentry.attempt WHERE tenant_id = %s", tenant) == len(got)


def test_new_channels_under_eight_couriers(live, session):
    """Each first delivery of a channel makes its lane, while others make and lock lanes: none waits for another in a circle."""
    tenant, project, _ = live.home(0)
    is_over = threading.Event()

    def feed():
        for _ in range(60):
            for _ in range(3):
                live.channel(tenant, project)
            live.publish(project)
        is_over.set()

    def work(conn):
        while not is_over.is_set():
            rows = conn.claim(free=7)
            assert conn.record(rows) == len(rows)

    feeder = threading.Thread(target=feed)
    feeder.start()
    answers = at_once([Queue(session("sigsentry_courier")) for _ in range(8)], work)
    feeder.join(60)
    assert answers == [None] * 8


# ---- what a claim reads ----------------------------------------------------------------------------


class Reads:
    """A courier's session: what its claims read, by table, its partitions together."""

    def __init__(self, conn):
        self.db = Queue(conn)

    def count(self, table):
        """How many rows of ${table} this session has fetched; what went to the statistics of all is no longer counted."""
        return self.db.value("SELECT coalesce(sum(idx_tup_fetch + seq_tup_read), 0)::int FROM pg_stat_xact_all_tables"
                             " WHERE schemaname = 'sigsentry' AND relname ~ %s", "^%s(_[0-9]+)?$" % table)

    def of(self, table, **how):
        """Claim in a transaction that is rolled back; how many rows of ${table} were fetched, and what was claimed."""
        self.db.rows("BEGIN")
        before = self.count(table)
        got = self.db.claim(**how)
        n = self.count(table) - before
        self.db.rows("ROLLBACK")
        return n, got

    def settle_plans(self):
        """A session that has asked so often keeps its plans."""
        for _ in range(8):
            self.of("queue")


def test_a_claim_reads_its_own_events_alone(live, session):
    """A channel that has waited long and one whose event is new go in one batch, with many events between."""
    tenant, project, (channel,) = live.home()
    courier = Reads(session("sigsentry_courier"))
    for _ in range(2):
        live.publish(project)
    courier.settle_plans()
    live.rows("INSERT INTO sigsentry.event (tenant_id, id, project_id, name, severity, payload, occurred_at, deliveries)"
               " SELECT %s, sigsentry.uuid_v7(), %s, 'x.y', 1, '{}', now(), 1 FROM generate_series(1, 5000)", tenant, project)
    live.publish(project)
    n, got = courier.of("event")
    assert len(got) == 3
    assert n == 3


def test_an_event_is_read_once_for_all_of_its_deliveries(live, session):
    """And each of them has the type and the state of its own channel."""
    tenant, project, (webhook,) = live.home()
    others = {live.channel(tenant, project, kind): kind for kind in ("slack", "teams", "email")}
    told = {new: n for n in (1, 2) for new in [live.publish(project, n=n)[0]]}
    live.rows("INSERT INTO sigsentry.lane (tenant_id, channel_id, due_at, is_failing) VALUES (%s, %s, now(), true)", tenant, webhook)
    courier = Reads(session("sigsentry_courier"))
    courier.settle_plans()
    n, got = courier.of("event")
    types = {**others, webhook: "webhook"}
    assert sorted((r["channel_id"], r["event_id"]) for r in got) == sorted((c, e) for c in types for e in told)
    assert {(r["channel_id"], r["type"], r["is_failing"]) for r in got} == {(c, t, c == webhook) for c, t in types.items()}
    assert [json.loads(r["payload"])["n"] for r in got] == [told[r["event_id"]] for r in got]
    assert n == 2


def test_a_courier_that_was_idle_for_long_does_not_read_all_that_waits(live, session):
    """Its plans were made while next to nothing waited, and another index happened to be smaller than that of what is due."""
    tenant, project, (channel,) = live.home()
    wait = ("INSERT INTO sigsentry.queue (tenant_id, id, channel_id, event_id, severity, wake_at, tries)"
            " SELECT %s, sigsentry.uuid_v7(), %s, %s, 1, now() + interval '1 hour' + make_interval(secs => i), 1 FROM generate_series(1, 5000) i")
    live.rows(wait, tenant, channel, uuid.uuid4())
    live.rows("DELETE FROM sigsentry.queue WHERE id NOT IN (SELECT id FROM sigsentry.queue ORDER BY ctid LIMIT 2)")
    live.rows("VACUUM sigsentry.queue")
    live.rows("REINDEX INDEX sigsentry.queue_channel_idx")
    live.rows("ANALYZE sigsentry.queue")
    courier = Reads(session("sigsentry_courier"))
    courier.settle_plans()
    live.rows(wait, tenant, channel, uuid.uuid4())
    n, got = courier.of("queue")
    assert (n, got) == (0, [])


@pytest.mark.parametrize("what", ["channel", "project"])
def test_a_delete_that_takes_its_time(live, session, what):
    """What waits for a channel is a million, say, and going: nobody else's deliveries wait for that, nor those still coming for it."""
    tenant, project, (channel,) = live.home()
    digest, _ = live.key(tenant, project)
    live.delivery(project)
    live.record(live.claim(), "retry", wait_ms=3600000)
    holder, deleter, courier = Queue(session(autocommit=False)), Queue(session()), Queue(session())
    # so that the delete stops on its way
    holder.rows("SELECT FROM sigsentry.attempt WHERE tenant_id = %s FOR UPDATE", tenant)

    def act():
        if what == "channel":
            return delete(deleter.conn, digest, channel)["status"]
        return deleter.admin("project_delete", "tester", tenant, project)["status"]
    waiting = Waiting(live, deleter.conn, act)
    live.publish(project)
    _, beside, _ = live.home()
    other = live.delivery(beside)
    courier.rows("SET lock_timeout = '300ms'")
    try:
        assert other in [r["id"] for r in courier.claim()]
    finally:
        holder.conn.commit()
    assert waiting.answer() == "ok"
