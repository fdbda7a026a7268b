"""Goal: the queue keeps contract §5's promises whatever couriers do: nothing is lost, nothing leaves twice, the gravest goes first.

Most tests are one transaction that is never committed, with a queue that holds nothing else: no courier sees it.  Where sessions
must meet, the stack's courier stands still.
"""
import json
import threading
import time
import uuid

import psycopg2
import pytest
from psycopg2 import errors

from conftest import Database, Waiting, at_once, audit_of, call, call_id, delete, get, query, until, update

TYPES = ["slack", "teams", "discord", "google_chat", "webhook", "email"]
ALL = ["config:read", "config:write", "analysis:create"]


def event(**changes):
    body = {"event": "x.y", "severity": "high", "summary": "s"}
    body.update(changes)
    return json.dumps({k: v for k, v in body.items() if v is not None})


COURIER = uuid.uuid4()


class Queue(Database):
    """A session that plays producer, courier and admin."""

    def home(self, n=1, plan="enterprise", **columns):
        """A tenant, a project, and ${n} channels."""
        tenant = self.tenant(plan)
        project = self.project(tenant)
        return tenant, project, [self.channel(tenant, project, **columns) for _ in range(n)]

    def channel(self, tenant, project, kind="webhook", threshold=3):
        new = uuid.uuid4()
        self.rows("INSERT INTO sigsentry.channel (tenant_id, id, project_id, type, name, severity_threshold, destination)"
                  " VALUES (%s, %s, %s, %s, 'n', %s, 'd')", tenant, new, project, kind, threshold)
        return new

    def publish(self, project, **changes):
        row = self.row("SELECT * FROM sigsentry.publish(%s, %s::jsonb)", project, event(**changes))
        return row["id"], row["deliveries"]

    def of(self, event_id):
        """The event's deliveries."""
        return [r["id"] for r in self.rows("SELECT id FROM sigsentry.delivery_all WHERE event_id = %s ORDER BY id", event_id)]

    def delivery(self, project, **changes):
        found = self.of(self.publish(project, **changes)[0])
        assert len(found) == 1
        return found[0]

    def claim(self, free=100, failing=None, lease=60, flights=10, gap_ms=0, mail_cap=0):
        mine = uuid.uuid4()
        rows = self.rows(query("courier_claim"), mine, free, free if failing is None else failing, lease, TYPES,
                         [flights] * 6, [gap_ms] * 6, mail_cap)
        return [dict(r, claim=mine) for r in rows]

    def record(self, rows, outcome="ok", wait_ms=None, error="no", pause_ms=0, disable_s=432000, code=500, took_ms=5,
               progress=None, mails=0):
        n = len(rows)
        outcomes = outcome if isinstance(outcome, list) else [outcome] * n
        return self.value(
            query("courier_record"), [r["tenant_id"] for r in rows], [r["id"] for r in rows], [r["claim"] for r in rows], outcomes,
            [wait_ms] * n, [pause_ms] * n, [1764000000000] * n, [took_ms] * n, [code] * n, [error] * n, [None] * n,
            [progress] * n,
            [mails] * n, disable_s, COURIER)

    def status(self, delivery):
        return self.value("SELECT status FROM sigsentry.delivery_all WHERE id = %s", delivery)

    def lane(self, channel):
        return self.row("SELECT * FROM sigsentry.lane WHERE channel_id = %s", channel)

    def shift(self, seconds):
        """So much time goes by, for all that waits."""
        self.rows("UPDATE sigsentry.queue SET wake_at = wake_at - make_interval(secs => %s) WHERE wake_at > '-infinity'", seconds)
        self.rows("UPDATE sigsentry.lane SET due_at = due_at - make_interval(secs => %s) WHERE due_at < 'infinity'", seconds)
        self.rows("UPDATE sigsentry.lane SET pause_until = pause_until - make_interval(secs => %s) WHERE pause_until > '-infinity'", seconds)

    def notices(self, tenant):
        return [(r["name"], r["channel"], r["deliveries"]) for r in self.rows(
            "SELECT name, payload ->> 'channelId' AS channel, deliveries FROM sigsentry.event"
            " WHERE tenant_id = %s AND name LIKE 'channel.%%' ORDER BY id", tenant)]


@pytest.fixture
def q(session, still):
    """One transaction with an empty queue."""
    q = Queue(session(autocommit=False))
    q.rows("DELETE FROM sigsentry.queue")
    q.rows("UPDATE sigsentry.lane SET due_at = 'infinity'")
    return q


@pytest.fixture
def live(session, still):
    """Committed at once; what is left in the queue of others goes first."""
    live = Queue(session())
    live.rows("DELETE FROM sigsentry.queue")
    yield live
    live.rows("DELETE FROM sigsentry.queue")


# ---- publish -------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_in_the_producers_own_transaction(live, session, end):
    tenant, project, channels = live.home(3)
    producer = Queue(session(autocommit=False))
    new, n = producer.publish(project)
    assert n == 3 and live.of(new) == [] and live.claim() == []
    getattr(producer.conn, end)()
    assert len(live.of(new)) == len(live.claim()) == (3 if end == "commit" else 0)
    assert live.value("SELECT count(*) FROM sigsentry.event WHERE id = %s", new) == (1 if end == "commit" else 0)


def test_in_a_savepoint(q):
    tenant, project, _ = q.home()
    q.rows("SAVEPOINT s")
    lost, _ = q.publish(project)
    q.rows("ROLLBACK TO s")
    kept, _ = q.publish(project)
    assert (q.of(lost), len(q.of(kept))) == ([], 1)


@pytest.mark.parametrize("extra, says", [
    ('"%s"' % ("x" * (1 << 20)), "larger than 1 MiB"),
    ("[1e131071, 1e131071, 1e131071]", "digits"),
    ("[" * 16 + "]" * 16, "16 open"),
], ids=["large", "digits", "deep"])
def test_what_no_courier_could_send_is_refused(q, extra, says):
    _, project, _ = q.home()
    with pytest.raises(errors.InvalidParameterValue) as refused:
        q.rows("SELECT sigsentry.publish(%s, %s::jsonb)", project, event()[:-1] + ', "n": ' + extra + "}")
    assert says in refused.value.diag.message_detail


def test_the_deepest_that_can_be_sent(q):
    _, project, _ = q.home()
    assert q.publish(project, n=json.loads("[" * 15 + "]" * 15))[1] == 1


def test_prepared(live, session):
    """A producer may leave its transaction to a transaction manager: nothing in publish() forbids it."""
    tenant, project, _ = live.home()
    producer = Queue(session(autocommit=False))
    new, _ = producer.publish(project)
    name = "queue-test-%s" % new
    producer.rows("PREPARE TRANSACTION %s", name)
    producer.conn.rollback()
    try:
        assert live.of(new) == []
    finally:
        live.rows("COMMIT PREPARED %s", name)
    assert len(live.of(new)) == 1


def test_bad_payloads(q):
    tenant, project, _ = q.home()
    for payload, want in [("{}", {("event", "required"), ("severity", "required"), ("summary", "required")}), ("[]", {("", "json")}),
                          (None, {("", "json")}), (event(severity="no", tenantId=1), {("severity", "enum"), ("tenantId", "reserved")}),
                          (event(event="channel.failing"), {("event", "reserved")})]:
        q.rows("SAVEPOINT s")
        with pytest.raises(errors.InvalidParameterValue) as e:
            q.rows("SELECT * FROM sigsentry.publish(%s, %s::jsonb)", project, payload)
        assert e.value.pgcode == "22023"
        found = json.loads(e.value.diag.message_detail)["issues"]
        assert {(i["path"], i["code"]) for i in found} == want and all(i["message"] for i in found)
        q.rows("ROLLBACK TO s")
    with pytest.raises(errors.InvalidParameterValue) as e:
        q.publish(uuid.uuid4())
    assert json.loads(e.value.diag.message_detail)["issues"][0]["path"] == "project_id"


def test_a_producer_may_publish_and_nothing_else(q):
    tenant, project, _ = q.home()
    q.rows("SAVEPOINT s")
    may = [r["name"] for r in q.rows(
        "SELECT p.oid::regprocedure::text AS name FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
        " WHERE n.nspname IN ('sigsentry', 'api', 'admin', 'courier') AND has_function_privilege('sigsentry_producer', p.oid, 'EXECUTE')")]
    assert may == ["sigsentry.publish(uuid,jsonb)"]
    assert q.rows("SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                  " WHERE n.nspname IN ('sigsentry', 'api', 'admin', 'courier') AND c.relkind IN ('r', 'p', 'v', 'm')"
                  " AND has_table_privilege('sigsentry_producer', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')") == []
    assert [q.value("SELECT has_schema_privilege('sigsentry_producer', %s, 'USAGE')", s) for s in ("sigsentry", "api", "admin", "courier")] == [
        True, False, False, False]
    role = q.row("SELECT * FROM pg_roles WHERE rolname = 'sigsentry_producer'")
    assert not (role["rolcanlogin"] or role["rolsuper"] or role["rolcreaterole"] or role["rolcreatedb"] or role["rolbypassrls"])


def test_fan_out_is_one_statement(q):
    """Whatever the number of channels: one row of each written statement in pg_stat, no loop."""
    tenant, project, _ = q.home(200)
    before = q.row("SELECT n_tup_ins, idx_scan + seq_scan AS scans FROM pg_stat_xact_user_tables WHERE relname = 'queue'")
    read = "SELECT coalesce(idx_scan, 0) + seq_scan AS n FROM pg_stat_xact_user_tables WHERE relid = 'sigsentry.channel'::regclass"
    scans = q.value(read)
    assert q.publish(project)[1] == 200
    after = q.row("SELECT n_tup_ins, idx_scan + seq_scan AS scans FROM pg_stat_xact_user_tables WHERE relname = 'queue'")
    assert after["n_tup_ins"] - before["n_tup_ins"] == 200 and after["scans"] == before["scans"]
    assert q.value(read) - scans <= 2


# ---- claim ---------------------------------------------------------------------------------------


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


# ---- record --------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome,wait,status,attempts", [
    ("ok", None, "delivered", 1), ("retry", 1000, "pending", 1), ("retry", None, "failed", 1), ("refused", None, "failed", 1),
    ("gone", None, "failed", 1), ("local", 60000, "pending", 0)])
def test_outcomes(q, outcome, wait, status, attempts):
    tenant, project, (channel,) = q.home()
    new = q.delivery(project)
    rows = q.claim()
    assert q.record(rows, outcome, wait_ms=wait) == 1
    row = q.row("SELECT * FROM sigsentry.delivery_all WHERE id = %s", new)
    assert (row["status"], row["attempts"], row["last_status_code"]) == (status, attempts, 500)
    assert (row["next_at"] is not None, row["finished_at"] is not None) == (status == "pending", status != "pending")
    assert [(a["number"], a["outcome"]) for a in q.rows("SELECT * FROM sigsentry.attempt WHERE delivery_id = %s", new)] == [(1, outcome)]
    lane = q.lane(channel)
    assert (lane["failing_since"] is not None) == lane["is_failing"] == (outcome in ("retry", "refused", "gone"))
    assert (lane["last_delivered_at"] is not None) == (outcome == "ok")
    assert q.record(rows, outcome) == 0        # once
    if wait:
        assert q.claim() == []
        q.shift(wait / 1000)
        again, = q.claim()
        assert again["attempts"] == attempts
        q.record([again])
        assert [a["number"] for a in q.rows("SELECT number FROM sigsentry.attempt WHERE delivery_id = %s ORDER BY 1", new)] == [1, 2]


def test_gone_switches_off(q):
    tenant, project, (channel, other) = q.home(2)
    for _ in range(3):
        q.publish(project)
    rows = q.claim(flights=1)
    mine = [r for r in rows if r["channel_id"] == channel]
    q.record([r for r in rows if r["channel_id"] == other])
    q.record(mine, "gone", error="410")
    row = q.row("SELECT is_active, disabled_reason FROM sigsentry.channel WHERE id = %s", channel)
    assert not row["is_active"] and row["disabled_reason"]["code"] == "gone" and "410" in row["disabled_reason"]["message"]
    audit = q.row("SELECT * FROM sigsentry.audit WHERE object_id = %s", str(channel))
    assert (audit["actor_kind"], audit["action"], audit["after"]["isActive"]) == ("system", "channel.disable", False)
    counts = q.rows("SELECT status, count(*) AS n FROM sigsentry.delivery_all WHERE channel_id = %s GROUP BY 1 ORDER BY 1", channel)
    assert counts == [{"status": "cancelled", "n": 2}, {"status": "failed", "n": 1}]
    assert q.notices(tenant) == [("channel.disabled", str(channel), 1)]           # one piece of news: not that it fails, too
    assert q.rows("SELECT 1 FROM sigsentry.queue q JOIN sigsentry.event e ON e.id = q.event_id"
                  " WHERE e.name LIKE 'channel.%%' AND q.channel_id = %s", channel) == []


@pytest.mark.parametrize("disable_s,since_s,off", [(100, 99, False), (100, 101, True), (0, 10 ** 7, False)])
def test_failures_for_long_switch_off(q, disable_s, since_s, off):
    tenant, project, (channel,) = q.home()
    q.publish(project)
    q.record(q.claim(), "retry", wait_ms=0, disable_s=disable_s)
    q.rows("UPDATE sigsentry.lane SET failing_since = now() - make_interval(secs => %s) WHERE channel_id = %s", since_s, channel)
    q.record(q.claim(), "local", wait_ms=0, disable_s=disable_s)                 # our own faults do not
    assert q.value("SELECT is_active FROM sigsentry.channel WHERE id = %s", channel)
    q.record(q.claim(), "retry", wait_ms=0, disable_s=disable_s)
    row = q.row("SELECT is_active, disabled_reason FROM sigsentry.channel WHERE id = %s", channel)
    assert row["is_active"] != off and (not off or row["disabled_reason"]["code"] == "failing")
    if off:     # and a new start is one
        digest, _ = q.key(tenant, project)
        assert update(q.conn, digest, channel, active=True)["status"] == "ok"
        q.publish(project)
        q.record(q.claim(), "retry", wait_ms=0, disable_s=disable_s)
        row = q.row("SELECT is_active, disabled_reason FROM sigsentry.channel WHERE id = %s", channel)
        assert row == {"is_active": True, "disabled_reason": None}


def test_notices(q):
    """Once until the next success, once a day, never for a test or a notice, never to itself."""
    tenant, project, (ill, well) = q.home(2)

    def fail(n=1, **more):
        q.publish(project)
        rows = q.claim()
        q.record([r for r in rows if r["channel_id"] == well])
        q.record([r for r in rows if r["channel_id"] == ill], **dict({"outcome": "refused"}, **more))
        return q.notices(tenant)

    one = ("channel.failing", str(ill), 1)
    assert fail(outcome="retry", wait_ms=3600000) == []      # it has not ended
    assert fail() == [one]
    assert fail() == [one]
    fail(outcome="ok")
    assert fail() == [one]                                   # a day has not gone by
    q.rows("UPDATE sigsentry.lane SET told_failing_at = now() - interval '25 hours' WHERE channel_id = %s", ill)
    assert fail() == [one, one]
    # the notice fails itself: nobody is told
    rows = q.claim()
    q.rows("UPDATE sigsentry.lane SET told_failing_at = NULL, is_told = false WHERE tenant_id = %s", tenant)
    assert all(r["channel_id"] == well and r["event_name"].startswith("channel.") for r in rows)
    q.record(rows, "refused")
    assert q.notices(tenant) == [one, one]


def fail_all(q, project, channels, outcome="refused"):
    """An event, of which the deliveries to ${channels} end so, and those to others well."""
    q.publish(project)
    rows = q.claim(free=1000)
    q.record([r for r in rows if r["channel_id"] not in channels])
    q.record([r for r in rows if r["channel_id"] in channels], outcome)


@pytest.mark.parametrize("n", [2, 3, 19])
def test_of_a_few_failing_channels_all_others_hear(q, n):
    tenant, project, channels = q.home(n + 1)
    fail_all(q, project, channels[1:])
    assert sorted(q.notices(tenant)) == sorted(("channel.failing", str(c), n) for c in channels[1:])
    assert q.value("SELECT bool_or(payload ->> 'summary' LIKE '%%until the hour is over%%') FROM sigsentry.event"
                   " WHERE tenant_id = %s", tenant) is False


def rows_not_told(q, tenant):
    return [r["channel_id"] for r in q.rows(
        "SELECT channel_id FROM sigsentry.lane WHERE tenant_id = %s AND is_failing AND NOT is_told ORDER BY channel_id", tenant)]


@pytest.mark.parametrize("outcome,name", [("refused", "channel.failing"), ("gone", "channel.disabled")])
def test_many_failing_channels_make_no_storm(q, outcome, name):
    """Of the first 20 of an hour all others hear, and the 20th says that there may be more; the operator hears of all."""
    n = 300
    tenant, project, channels = q.home(n)
    well, wide = q.channel(tenant, project), q.channel(tenant, None)
    unrouted = q.value("SELECT count(*) FROM sigsentry.event WHERE deliveries = 0 AND severity < 4 AND name NOT LIKE 'channel.%%'")
    fail_all(q, project, channels, outcome)
    rows = q.rows("SELECT name, deliveries, payload ->> 'summary' AS summary FROM sigsentry.event"
                  " WHERE tenant_id = %s AND name LIKE 'channel.%%' ORDER BY id", tenant)
    assert [r["name"] for r in rows] == [name] * n
    assert all(r["deliveries"] >= 2 for r in rows[:20]) and [r["deliveries"] for r in rows[20:]] == [0] * (n - 20)
    assert [i for i, r in enumerate(rows) if "of others the channels are not told one by one until the hour is over" in r["summary"]] == [19]
    assert q.value("SELECT count(*) FROM sigsentry.operator_notice WHERE tenant_id = %s", tenant) == n
    q.rows("SELECT sigsentry.gauges_count()")
    assert q.value("SELECT value FROM sigsentry.gauge WHERE name = 'sigsentry_events_unrouted_total'") == unrouted
    waits = {c: q.value("SELECT count(*) FROM sigsentry.queue WHERE channel_id = %s", c) for c in (well, wide, channels[-1])}
    assert waits == {well: 20, wide: 20, channels[-1]: 20 if outcome == "refused" else waits[channels[-1]]}
    assert q.value("SELECT count(*) FROM sigsentry.queue WHERE tenant_id = %s", tenant) <= 20 * (n + 2)

    if outcome == "refused":  # one that was not told of, and still fails when the hour is over, is then
        untold = rows_not_told(q, tenant)
        assert len(untold) == n - 20
        q.rows("UPDATE sigsentry.lane SET told_failing_at = told_failing_at - interval '1 hour' WHERE tenant_id = %s", tenant)
        q.rows("DELETE FROM sigsentry.queue")
        fail_all(q, project, untold[:1], outcome)
        assert q.notices(tenant)[-1] == (name, str(untold[0]), n + 1)

    # the hour is over: of those that fail from then on, too
    q.rows("DELETE FROM sigsentry.queue")
    q.rows("UPDATE sigsentry.lane SET told_failing_at = told_failing_at - interval '1 hour', told_disabled_at = told_disabled_at"
           " - interval '1 hour' WHERE tenant_id = %s", tenant)
    fail_all(q, project, [wide], outcome)
    assert q.notices(tenant)[-1] == (name, str(wide), n + 1 if outcome == "refused" else 1)


def test_a_project_does_not_use_up_anothers_notices(q):
    tenant, project, channels = q.home(25)
    second = q.project(tenant)
    ill, well = q.channel(tenant, second), q.channel(tenant, second)
    fail_all(q, project, channels)
    fail_all(q, second, [ill])
    assert q.notices(tenant)[-1] == ("channel.failing", str(ill), 1)


def test_a_batch(q):
    """Any number of outcomes, of many tenants and kinds, in one call; what is not known is passed over."""
    homes = [q.home(5) for _ in range(5)]
    for _, project, _ in homes:
        for _ in range(8):
            q.publish(project)
    rows = q.claim(free=1000)
    assert len(rows) == 200
    kinds = [["ok", "retry", "refused", "local"][i % 4] for i in range(200)]
    strange = dict(rows[0], id=uuid.uuid4())
    assert q.record(rows + [strange], kinds + ["ok"]) == 200
    assert q.value("SELECT count(*) FROM sigsentry.delivery d WHERE d.tenant_id = ANY (%s)", [h[0] for h in homes]) == 200
    assert q.record([], []) == 0


def test_few_statements_a_batch():
    """A courier's turn is claim, record and renew; with a chore and a hand-back it is 5."""
    for name in ("courier_claim", "courier_record", "courier_renew", "courier_hand_back", "courier_housekeep"):
        assert query(name).count("courier.") == 1 and ";" not in query(name)


# ---- again ---------------------------------------------------------------------------------------


def failed(q, n):
    """A channel with ${n} deliveries that have failed, oldest first, and the digest of a key that may retry them."""
    tenant, project, (channel,) = q.home()
    ids = [q.delivery(project) for _ in range(n)]
    rows = q.claim(flights=n)
    q.record(rows, "refused")
    return tenant, channel, ids, q.key(tenant, project)[0]


def retry(q, digest, channel, delivery, call_as):
    return call(q.conn, "api_delivery_retry", digest, None, channel, delivery, call_as)["status"]


def retry_many(q, digest, channel, call_as, after=None, batch=2):
    times = q.row("SELECT now() - interval '1 hour' AS since, now() + interval '1 hour' AS until")
    row = call(q.conn, "api_deliveries_retry", digest, None, channel, times["since"], times["until"], ["failed"], after, batch, call_as)
    return row["status"], row["queued"], row["last"]


def test_a_retry_that_is_called_again(q):
    """Its answer was lost: the second call answers as the first, even where the delivery has ended once more since."""
    tenant, channel, (one,), digest = failed(q, 1)
    mine = call_id()
    assert retry(q, digest, channel, one, mine) == "ok"
    assert retry(q, digest, channel, one, mine) == "ok"
    assert retry(q, digest, channel, one, call_id()) == "not_finished"
    q.record(q.claim(), "refused")
    assert retry(q, digest, channel, one, mine) == "ok" and q.status(one) == "failed"
    assert retry(q, digest, channel, one, call_id()) == "ok" and q.status(one) == "pending"
    rows = audit_of(q, tenant, "delivery.retry")
    assert [(r["object_kind"], r["object_id"], r["before"]) for r in rows] == [("delivery", str(one), {"status": "failed"})] * 2
    assert mine in [r["id"] for r in rows]


def test_a_retry_of_many_that_is_called_again(q):
    tenant, channel, ids, digest = failed(q, 5)
    first, second, third = call_id(), call_id(), call_id()
    assert [retry_many(q, digest, channel, first) for _ in range(2)] == [("ok", 2, ids[1])] * 2
    assert [q.status(i) for i in ids] == ["pending"] * 2 + ["failed"] * 3
    assert [retry_many(q, digest, channel, second, ids[1]) for _ in range(2)] == [("ok", 2, ids[3])] * 2
    q.record(q.claim(), "refused")
    assert retry_many(q, digest, channel, second, ids[1]) == ("ok", 2, ids[3])
    assert [retry_many(q, digest, channel, third, ids[4]) for _ in range(2)] == [("ok", 0, None)] * 2
    assert [q.status(i) for i in ids] == ["failed"] * 5
    rows = audit_of(q, tenant, "channel.retry")        # nothing of the third
    assert {(r["id"], r["object_id"], r["after"]["queued"]) for r in rows} == {(first, str(channel), 2), (second, str(channel), 2)}


@pytest.mark.parametrize("many", [False, True])
def test_a_retry_whose_first_call_is_still_at_it(live, session, many):
    """The second call waits for the first, and answers as that."""
    _, channel, ids, digest = failed(live, 3)
    mine, first, second = call_id(), Queue(session(autocommit=False)), Queue(session())

    def act(q):
        return retry_many(q, digest, channel, mine) if many else retry(q, digest, channel, ids[0], mine)

    want = act(first)
    waiting = Waiting(live, second.conn, lambda: act(second))
    first.conn.commit()
    assert waiting.answer() == want == (("ok", 2, ids[1]) if many else "ok")
    assert live.value("SELECT count(*) FROM sigsentry.queue WHERE channel_id = %s", channel) == (2 if many else 1)


MARKS = "a%s:250,r%s:550,a%s:250" % ("0" * 16, "1" * 16, "2" * 16)


@pytest.mark.parametrize("end", ["failed", "cancelled", "cancelled by a claim", "delivered"])
def test_a_mail_that_is_sent_again(q, end):
    """It goes to those alone who have not got it, and to those who were refused; to all where all had got it."""
    tenant, project, (channel,) = q.home(kind="email")
    digest, _ = q.key(tenant, project)
    new = q.delivery(project)
    row, = q.claim()
    if end in ("failed", "delivered"):
        q.record([row], "ok" if end == "delivered" else "refused", progress=MARKS)
    elif end == "cancelled":
        q.record([row], "retry", wait_ms=60000, progress=MARKS)
        assert update(q.conn, digest, channel, active=False)["status"] == "ok"
    else:
        q.record([row], "retry", wait_ms=0, progress=MARKS)
        q.rows("UPDATE sigsentry.channel SET is_active = false WHERE id = %s", channel)
        assert q.claim() == []
    assert q.status(new) == end.split()[0]
    q.rows("UPDATE sigsentry.channel SET is_active = true WHERE id = %s", channel)
    assert retry(q, digest, channel, new, call_id()) == "ok"
    row, = q.claim()
    assert row["progress"] == (None if end == "delivered" else "a%s:250,a%s:250" % ("0" * 16, "2" * 16))


@pytest.mark.parametrize("progress", [None, "r%s:550" % ("1" * 16)])
def test_a_mail_that_nobody_got_is_sent_to_all_again(q, progress):
    tenant, project, (channel,) = q.home(kind="email")
    new = q.delivery(project)
    q.record(q.claim(), "refused", progress=progress)
    assert retry(q, q.key(tenant, project)[0], channel, new, call_id()) == "ok"
    assert [r["progress"] for r in q.claim()] == [None]


# ---- history -------------------------------------------------------------------------------------


def test_partitions_reach_far(q):
    for table in ("event", "delivery", "attempt"):
        names = sorted(r["name"] for r in q.rows(
            "SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = %s::regclass", "sigsentry." + table))
        last = q.value("SELECT to_date(%s, 'YYYYMMDD') + 7 >= (now() + interval '400 days')::date", names[-1][-8:])
        first = q.value("SELECT to_date(%s, 'YYYYMMDD') <= (now() - interval '7 days')::date", names[0][-8:])
        assert last and first
    assert q.value("SELECT sigsentry.partitions_make(400)") == 0
    assert q.value("SELECT sigsentry.partitions_make(420)") in (6, 9)


def test_ids_of_another_clock(q):
    """A week old, or more than a year ahead: they find their partition."""
    tenant, project, _ = q.home()
    for days in (-7, 0, 7, 399):
        new = q.value("SELECT (overlay(sigsentry.uuid_v7_floor(now() + make_interval(days => %s))::text placing '7' from 15 for 1))::uuid", days)
        assert q.value("SELECT sigsentry.event_add(%s, %s, %s, %s::jsonb, NULL)", tenant, project, new, event()) == 1
        q.record(q.claim())
        assert q.value("SELECT deliveries FROM sigsentry.event WHERE id = %s", new) == 1


def old_week(q, days):
    """Partitions of the week that was ${days} ago, with one row each; their names."""
    week = q.value("SELECT date_trunc('week', now() - make_interval(days => %s), 'UTC')", days)
    names = []
    for table in ("event", "delivery", "attempt"):
        name = "%s_%s" % (table, week.strftime("%Y%m%d"))
        q.rows("CREATE TABLE sigsentry.%s PARTITION OF sigsentry.%s FOR VALUES FROM ('%s') TO ('%s')" % (
            name, table, q.value("SELECT sigsentry.uuid_v7_floor(%s)", week),
            q.value("SELECT sigsentry.uuid_v7_floor(%s + interval '7 days')", week)))
        names.append(name)
    return names


def there(q, names):
    return [n for n in names if q.value("SELECT to_regclass(%s) IS NOT NULL", "sigsentry." + n)]


def test_old_weeks_are_dropped(q):
    old, young = old_week(q, 100), old_week(q, 40)
    assert q.value(query("courier_history_drop"), 0) == 0 and there(q, old) == old
    assert q.value(query("courier_history_drop"), 60 * 86400) == 3
    assert there(q, old) == [] and there(q, young) == young


def test_a_week_that_is_waited_for_stays(q):
    old = old_week(q, 100)
    tenant, project, _ = q.home()
    new = q.value("SELECT sigsentry.uuid_v7_floor(date_trunc('week', now() - interval '100 days', 'UTC') + interval '1 day')")
    q.value("SELECT sigsentry.event_add(%s, %s, %s, %s::jsonb, NULL)", tenant, project, new, event())
    assert q.value(query("courier_history_drop"), 60 * 86400) == 0 and there(q, old) == old
    q.record(q.claim())
    assert q.value(query("courier_history_drop"), 60 * 86400) == 3


def test_the_oldest_is_found_by_indexes(q):
    """Whatever the queue's length, since the history is locked meanwhile."""
    oldest = "SELECT sigsentry.queue_oldest()"
    assert q.value(oldest) == uuid.UUID("f" * 32)
    homes = [q.home() for _ in range(3)]
    for tenant, _, (channel,) in homes:
        q.rows("INSERT INTO sigsentry.queue (tenant_id, id, channel_id, event_id, severity)"
               " SELECT %s, sigsentry.uuid_v7(), %s, sigsentry.uuid_v7(), 1 FROM generate_series(1, 3000)", tenant, channel)
    read = "SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) AS n FROM pg_stat_xact_user_tables WHERE relid = 'sigsentry.queue'::regclass"
    before = q.value(read)
    found = q.value(oldest)
    assert q.value(read) - before <= 10
    assert found == q.value("SELECT min(least(id, event_id)::text)::uuid FROM sigsentry.queue")
    # a delivery's, then an event's, of any tenant
    for column in ("id", "event_id"):
        old = q.value("SELECT sigsentry.uuid_v7_floor(now() - interval '1 hour' * %s)", 1 if column == "id" else 2)
        q.rows("UPDATE sigsentry.queue SET " + column + " = %s WHERE ctid = (SELECT ctid FROM sigsentry.queue WHERE tenant_id = %s"
               " ORDER BY id DESC LIMIT 1)", old, max(h[0] for h in homes))
        assert q.value(oldest) == old


def test_a_week_in_use_is_left(q, session):
    """It waits 50 ms, and for a producer no longer than that."""
    q.conn.rollback()
    q.conn.autocommit = True
    old = old_week(q, 100)
    try:
        user = Queue(session(autocommit=False))
        user.rows("SELECT count(*) FROM sigsentry.event")
        began = time.monotonic()
        assert q.value(query("courier_history_drop"), 60 * 86400) <= 2
        assert time.monotonic() - began < 1 and old[0] in there(q, old)
        user.conn.rollback()
        until(lambda: q.value(query("courier_history_drop"), 60 * 86400) >= 0 and there(q, old) == [])
    finally:
        for name in there(q, old):
            q.rows("DROP TABLE sigsentry." + name)


def rows_of(q, tenant):
    """Tables in which a row of the tenant stands."""
    tables = [r["t"] for r in q.rows("SELECT c.oid::regclass::text AS t FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
                                     " WHERE a.attname = 'tenant_id' AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
                                     " AND c.relnamespace = 'sigsentry'::regnamespace")]
    return {t for t in tables if q.value("SELECT EXISTS (SELECT 1 FROM %s WHERE tenant_id = %%s)" % t, tenant)}


def test_a_tenants_end_leaves_nothing(q):
    tenant, project, channels = q.home(3)
    for _ in range(3):
        q.publish(project)
    rows = q.claim()
    q.record(rows[:4], ["ok", "refused", "ok", "refused"])
    assert {"sigsentry." + t for t in ("queue", "event", "delivery", "attempt", "lane")} <= rows_of(q, tenant)
    assert q.admin("tenant_delete", "tester", tenant)["status"] == "ok"
    assert rows_of(q, tenant) == set()
    assert q.record(rows[4:]) == 0 and rows_of(q, tenant) == set()


def test_a_projects_end(q):
    tenant, project, (channel,) = q.home()
    for _ in range(3):
        q.publish(project)
    q.record(q.claim(free=1))
    assert q.admin("project_delete", "tester", tenant, project)["status"] == "ok"
    q.rows("DELETE FROM sigsentry.gone_channel WHERE tenant_id <> %s", tenant)
    assert q.value("SELECT sigsentry.history_forget(100)") is False
    assert rows_of(q, tenant) == {"sigsentry.event", "sigsentry.audit", "sigsentry.gone_channel"}


def test_a_channels_end_leaves_nothing(q):
    """Its history goes in batches."""
    tenant, project, (channel, other) = q.home(2)
    digest, _ = q.key(tenant, project)
    for _ in range(6):
        q.publish(project)
    rows = q.claim()
    mine = [r for r in rows if r["channel_id"] == channel]
    q.record(mine[:5])
    q.record(mine[5:], "retry", wait_ms=60000)  # it waits, and has an attempt behind it
    q.record([r for r in rows if r["channel_id"] == other])
    q.rows("DELETE FROM sigsentry.gone_channel")
    assert delete(q.conn, digest, channel)["status"] == "ok"
    count = "SELECT (SELECT count(*) FROM sigsentry.queue WHERE channel_id = %s) AS queue, (SELECT count(*) FROM sigsentry.delivery WHERE channel_id = %s) AS delivery"
    assert q.row(count, channel, channel) == {"queue": 0, "delivery": 5}
    assert [q.value("SELECT sigsentry.history_forget(2)") for _ in range(3)] == [True, True, False]
    assert q.row(count, channel, channel) == {"queue": 0, "delivery": 0}
    assert q.value("SELECT count(*) FROM sigsentry.attempt a WHERE a.tenant_id = %s", tenant) == 6      # the other's
    q.rows("UPDATE sigsentry.gone_channel SET gone_at = now() - interval '1 day'")
    assert q.value("SELECT sigsentry.history_forget(2)") is False and q.rows("SELECT 1 FROM sigsentry.gone_channel") == []


def test_what_no_delete_has_seen_goes_with_its_attempts(q):
    """A row of the queue without a channel is dropped when it is looked at."""
    tenant, project, (channel,) = q.home()
    q.publish(project)
    q.record(q.claim(), "retry", wait_ms=1000)
    q.rows("DELETE FROM sigsentry.channel WHERE id = %s", channel)
    q.rows("UPDATE sigsentry.queue SET wake_at = now()")
    assert q.claim() == []
    assert not rows_of(q, tenant) & {"sigsentry.queue", "sigsentry.attempt"}


def test_a_channel_that_goes_while_its_first_delivery_wakes_up(live, session):
    """The claim waits for the DELETE, which passes over what the claim has in hand: that is dropped."""
    tenant, project, (channel, other) = live.home(2)
    live.publish(project)
    deleting, beside = Queue(session(autocommit=False)), Queue(session())
    deleting.rows("DELETE FROM sigsentry.channel WHERE id = %s", channel)
    waiting = Waiting(live, beside.conn, beside.claim)
    deleting.rows("SELECT sigsentry.queue_drop(%s, %s, true)", tenant, channel)
    deleting.conn.commit()
    assert [r["channel_id"] for r in waiting.answer()] == [other]
    assert live.value("SELECT count(*) FROM sigsentry.queue WHERE tenant_id = %s AND channel_id = %s", tenant, channel) == 0


def test_outcomes_of_rows_that_were_waited_for(live, session):
    """What another session was just writing, and has written, is not passed over: no outcome is lost for it."""
    tenant, project, _ = live.home(20)
    live.publish(project)
    rows = live.claim()
    assert len(rows) == 20
    keys = ([r["tenant_id"] for r in rows], [r["id"] for r in rows], [r["claim"] for r in rows])
    renewing, beside = Queue(session(autocommit=False)), Queue(session())
    for act, answer in ((lambda: beside.record(rows[:10]), 10), (lambda: beside.rows(
            query("courier_hand_back"), *(k[10:] for k in keys), [None] * 10, [0] * 10) and True, True)):
        renewing.rows(query("courier_renew"), uuid.uuid4(), "c", "1", ["k"], 20, *keys, 60)
        waiting = Waiting(live, beside.conn, act)
        renewing.conn.commit()
        assert waiting.answer() == answer
    assert live.value("SELECT count(*) FROM sigsentry.delivery WHERE tenant_id = %s", tenant) == 10
    assert live.value("SELECT count(*) FROM sigsentry.queue WHERE tenant_id = %s AND claim_id IS NULL", tenant) == 10


def test_mails_of_a_batch_that_comes_twice_count_once(q):
    tenant, project, _ = q.home(1, kind="email")
    q.publish(project)
    rows = q.claim()
    for written in (1, 0):
        assert q.record(rows, mails=3) == written
    assert q.value("SELECT sent FROM sigsentry.mail_day WHERE tenant_id = %s", tenant) == 3


def test_what_was_on_its_way_to_a_deleted_channel_goes(live, session):
    tenant, project, (channel, other) = live.home(2)
    digest, _ = live.key(tenant, project)
    producer = Queue(session(autocommit=False))
    assert producer.publish(project)[1] == 2
    assert delete(live.conn, digest, channel)["status"] == "ok"
    producer.conn.commit()
    assert [r["channel_id"] for r in live.claim()] == [other]
    assert live.rows("SELECT 1 FROM sigsentry.queue WHERE channel_id = %s", channel) == []


def test_couriers_and_deletes_never_deadlock(live, session):
    """Outcomes that switch channels off, deletes, updates and publishers at once: nobody is told 40P01."""
    tenant, project, channels = live.home(60)
    digest, _ = live.key(tenant, project)
    for _ in range(6):
        live.publish(project)
    work = [Queue(session()) for _ in range(6)]

    def act(conn):
        n = work.index(conn)
        if n < 3:
            empty = 0
            while empty < 20:
                rows = conn.claim(free=40)
                empty = 0 if rows else empty + 1
                conn.record(rows[::-1] if n else rows, ["gone" if i % 3 == n else "refused" for i in range(len(rows))])
                time.sleep(0.005)
            return True
        for channel in channels[n - 3::3]:
            if n == 5:
                conn.publish(project)
            elif n == 4:
                update(conn.conn, digest, channel, active=False)
            else:
                delete(conn.conn, digest, channel)
        return True

    assert at_once(work, act) == [True] * 6
    live.record(live.claim(free=1000), "ok")
    left = "SELECT c.is_active, q.wake_at, q.claim_id, l.due_at FROM sigsentry.queue q LEFT JOIN sigsentry.channel c ON c.id = q.channel_id" \
           " LEFT JOIN sigsentry.lane l ON l.channel_id = q.channel_id WHERE q.tenant_id = %s"
    while live.value("SELECT sigsentry.history_forget(100000)"):
        pass
    assert live.rows(left, tenant) == []
    assert live.value("SELECT count(*) FROM sigsentry.queue WHERE tenant_id = %s", tenant) == 0


# ---- gauges --------------------------------------------------------------------------------------


def test_gauges(q):
    def gauges():
        q.rows("SELECT sigsentry.gauges_count()")
        return {(r["name"], r["label"]): r["value"] for r in q.rows("SELECT * FROM api.metrics()")}

    before = gauges()
    assert before["sigsentry_deliveries_due", ""] == 0 and before["sigsentry_oldest_due_seconds", ""] == 0
    tenant, project, (channel,) = q.home(threshold=1)
    q.publish(project, severity="info")
    q.publish(project, severity="low")
    old, young = q.delivery(project), q.delivery(project)
    q.rows("UPDATE sigsentry.queue SET created_at = now() - interval '100 seconds' WHERE id = %s", old)
    q.rows(query("courier_renew"), uuid.uuid4(), "c", "1", ["k"], 1, [], [], [], 60)
    after = gauges()
    changed = {n: after[n] - before[n] for n in after if after[n] != before.get(n) and n[0] != "sigsentry_channels"}
    assert changed == {("sigsentry_deliveries_due", ""): 2, ("sigsentry_oldest_due_seconds", ""): pytest.approx(100, abs=1),
                       ("sigsentry_couriers_alive", ""): 1, ("sigsentry_events_unrouted_total", ""): 1}
    q.record(q.claim(), ["ok", "refused"])
    last = gauges()
    assert {n: last[n] - after[n] for n in last if n[0] == "sigsentry_attempts_total" and last[n] != after[n]} == {
        ("sigsentry_attempts_total", 'type="webhook",outcome="ok"'): 1, ("sigsentry_attempts_total", 'type="webhook",outcome="refused"'): 1}
    assert last["sigsentry_deliveries_due", ""] == 0
    assert len([n for n in last if n[0] == "sigsentry_attempts_total"]) == 30


# ---- counters ------------------------------------------------------------------------------------

NIL = uuid.UUID(int=0)


def tallies(q):
    """The counters of /metrics, and whose rows there are."""
    sums = {(r["name"], r["suffix"], r["label"]): r["value"] for r in q.rows("SELECT * FROM api.metrics()")
            if r["name"] in ("sigsentry_attempts_total", "sigsentry_delivery_seconds")}
    return sums, {r["id"] for r in q.rows("SELECT courier_id AS id FROM sigsentry.tally_attempt UNION SELECT courier_id FROM sigsentry.tally_delivery")}


def beat(q, courier):
    q.rows(query("courier_renew"), courier, "c", "1", ["k"], 0, [], [], [], 60)


def test_counts_of_couriers_that_nobody_knows_are_added_up(q):
    """Not at once: it may be one whose first beat is on its way."""
    tenant, project, _ = q.home(2)
    q.rows("DELETE FROM sigsentry.courier")
    q.publish(project)
    q.record(q.claim(), ["ok", "refused"])
    other = uuid.uuid4()
    q.rows("INSERT INTO sigsentry.tally_delivery VALUES (%s, 5, 3, 10)", other)
    before, whose = tallies(q)
    assert {COURIER, other} <= whose
    beat(q, uuid.uuid4())
    assert tallies(q) == (before, whose - {other} | {NIL})
    q.rows("UPDATE sigsentry.tally_attempt SET last_at = now() - interval '25 hours' WHERE courier_id = %s", COURIER)
    beat(q, COURIER)                                        # now it is known
    assert tallies(q) == (before, whose - {other} | {NIL})
    q.rows("DELETE FROM sigsentry.courier WHERE id = %s", COURIER)
    beat(q, uuid.uuid4())
    after, whose = tallies(q)
    assert COURIER not in whose and after == {k: pytest.approx(v) for k, v in before.items()}


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


# ---- how much is read ----------------------------------------------------------------------------


def read_by(live, name, *args):
    """How many blocks a statement of a courier reads, all that it calls included."""
    plan = live.value("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + query(name), *args)[0]["Plan"]
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]


def test_a_queue_that_has_grown(live):
    """A courier's session that has planned for an empty queue: no batch goes through all that waits by now."""
    tenant, project, _ = live.home(20)
    live.rows("VACUUM ANALYZE sigsentry.queue")

    def keys(rows):
        return [r["tenant_id"] for r in rows], [r["id"] for r in rows], [r["claim"] for r in rows]

    def recorded(rows, outcome, wait_ms):
        n = len(rows)
        return (*keys(rows), [outcome] * n, [wait_ms] * n, [0] * n, [1764000000000] * n, [5] * n, [500] * n, ["no"] * n, [None] * n,
                [None] * n, [0] * n, 432000, COURIER)

    def back(rows):
        return (*keys(rows), [None] * len(rows), [0] * len(rows))

    def beat(rows):
        return (COURIER, "host:1", "1", [], len(rows), *keys(rows), 60)

    for _ in range(8):
        for statement, args in (("renew", beat([])), ("hand_back", back([])), ("record", recorded([], "ok", None))):
            live.rows(query("courier_" + statement), *args)
    _, other, _ = live.home(1)
    event_id, _ = live.publish(other)
    live.rows("INSERT INTO sigsentry.queue (tenant_id, id, channel_id, event_id, severity, wake_at)"
              " SELECT q.tenant_id, sigsentry.uuid_v7(), q.channel_id, q.event_id, 1, now() + interval '1 hour'"
              "   FROM sigsentry.queue q, generate_series(1, 50000) WHERE q.event_id = %s", event_id)
    live.rows("DELETE FROM sigsentry.queue WHERE event_id = %s AND wake_at <= now()", event_id)
    for _ in range(5):
        live.publish(project)
    rows = live.claim()
    assert len(rows) == 100
    assert read_by(live, "courier_renew", *beat(rows)) < 12000
    assert read_by(live, "courier_hand_back", *back(rows)) < 12000
    rows = live.claim()
    assert read_by(live, "courier_record", *recorded(rows[:50], "retry", 3600000)) < 12000
    assert read_by(live, "courier_record", *recorded(rows[50:], "ok", None)) < 12000
    assert live.value("SELECT count(*) FROM sigsentry.delivery WHERE tenant_id = %s AND status = 'delivered'", tenant) >= 50
