"""Goal: those who run the service can ask it how it is, and what it says is so (contract §7).

/healthz: this worker lives.  /readyz: and it can reach a writable database with the right schema; where not, a person
reads why.  /metrics: counts of all workers that survive any of them, in the text that Prometheus reads, and that cost
no look at a table which grows.
"""

import json
import os
import pathlib
import re
import signal
import subprocess
import threading
import time
import uuid

import psycopg2
import pytest
from prometheus_client.parser import text_string_to_metric_families

import stack
from stack import PATH, Client, RawTls, channel, created, error, ok, raw_request
from test_database import cut_backends, superuser
from test_pool import pools  # noqa: F401: a fixture

OPS = ["/healthz", "/readyz", "/metrics"]
ELSEWHERE = b"PROXY TCP4 11.22.33.44 127.0.0.1 40000 443\r\n"
COUNTED = "sigsentry_http_requests_total"


def ask(path, method="GET", **options):
    with Client() as c:
        return c.send(method, path, **options)


def scrape(text=None):
    """The samples as {(name, labels as a sorted tuple): value}; what Prometheus would refuse fails here."""
    if text is None:
        reply = ask("/metrics")
        assert reply.status == 200, reply
        assert reply.header("content-type") == "text/plain; version=0.0.4; charset=utf-8"
        assert reply.header("cache-control") == "no-store"
        text = reply.body.decode("utf-8", "strict")
    assert text.endswith("\n")
    samples, families = {}, set()
    for family in text_string_to_metric_families(text):
        assert family.name not in families, "the family %s stands there twice" % family.name
        families.add(family.name)
        assert family.type in ("counter", "gauge", "histogram"), family
        for s in family.samples:
            at = (s.name, tuple(sorted(s.labels.items())))
            assert at not in samples, "%s stands there twice" % (at,)
            samples[at] = s.value
    assert samples
    return samples


def requests(samples):
    """{(route, method, status): count}"""
    return {tuple(dict(labels)[n] for n in ("route", "method", "status")): value
            for (name, labels), value in samples.items() if name == COUNTED}


def grown(before, after):
    return {k: v - before.get(k, 0) for k, v in after.items() if v != before.get(k, 0)}


def gauges(samples, name, label):
    return {dict(labels)[label]: value for (n, labels), value in samples.items() if n == name}


@pytest.fixture(autouse=True)
def calm():
    stack.calm()


# Alive and ready -----------------------------------------------------------------------------------------


def test_well():
    assert ok(ask("/healthz"), 200) == {"status": "ok"}
    version = stack.sql("SELECT max(version) AS v FROM sigsentry.migration")[0]["v"]
    assert ok(ask("/readyz"), 200) == {"status": "ready", "schemaVersion": version}


@pytest.mark.parametrize("path", OPS)
def test_no_key_is_looked_at(path):
    """Neither asked for, nor refused; and nothing of the rate is told."""
    for key in ("", "tb_x", "ss_secret_x", stack.Place().key):
        reply = ask(path, key=key, headers=[("X-Project-Id", "x"), ("Idempotency-Key", "")])
        assert reply.status == 200
        assert not [h for h, _ in reply.headers if h.startswith("x-ratelimit")]


@pytest.mark.parametrize("path", OPS)
def test_head(path):
    one, two = ask(path), ask(path, "HEAD")
    assert (two.status, two.body) == (200, b"")
    assert two.header("content-type") == one.header("content-type")


@pytest.mark.parametrize("path", OPS)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_other_methods(path, method):
    reply = ask(path, method, body={})
    error(reply, 405, "METHOD_NOT_ALLOWED")
    assert reply.header("allow") == "GET, HEAD"


@pytest.mark.parametrize("path", ["/readyz", "/metrics"])
@pytest.mark.parametrize("address", ["11.22.33.44", "10.0.0.1", "192.168.1.1"])
def test_the_inside_is_for_the_machine_alone(shared, path, address):
    """Not even for a good key, nor for one who says that he comes from here."""
    with RawTls(proxy=ELSEWHERE.replace(b"11.22.33.44", address.encode())) as t:
        for key, headers in ((None, ()), (shared.key, ()), (None, [("X-Forwarded-For", "127.0.0.1")])):
            t.send(raw_request(key, method="GET", path=path, headers=headers))
            error(t.reply(), 403, "FORBIDDEN")
        t.send(raw_request(None, method="HEAD", path=path))
        assert t.reply("HEAD").status == 403


def test_health_is_for_everybody():
    with RawTls(proxy=ELSEWHERE) as t:
        t.send(raw_request(None, method="GET", path="/healthz"))
        assert ok(t.reply(), 200) == {"status": "ok"}


# Ill ---------------------------------------------------------------------------------------------------------


def told(*words):
    """/readyz says no, to several askers, with all of these words for a person; the worker lives all the same."""
    for _ in range(3):
        reply = ask("/readyz")
        assert error(reply, 503, "SERVICE_UNAVAILABLE") == {}
        message = reply.json()["error"]["message"]
        assert all(w in message for w in words), message
        assert ok(ask("/healthz"), 200) == {"status": "ok"}


def test_database_stopped():
    """And what this host has counted can be read just then."""
    before = requests(scrape())
    stack.dev_pg("stop")
    try:
        told("cannot be reached")
        samples = scrape()
        assert samples[("sigsentry_database_up", ())] == 0
        assert ("sigsentry_schema_version", ()) not in samples
        assert grown(before, requests(samples)) == {("readyz", "GET", "503"): 3, ("healthz", "GET", "200"): 3,
                                                    ("metrics", "GET", "200"): 1}
    finally:
        stack.dev_pg("start")
    assert ask("/readyz").status == 200
    assert scrape()[("sigsentry_database_up", ())] == 1


def test_schema_too_old():
    """A new program before the migration; one that is newer than the program is none (functions that it calls stay a release)."""
    newest = stack.sql("SELECT * FROM sigsentry.migration ORDER BY version DESC LIMIT 1")[0]
    version = newest["version"]
    try:
        stack.sql("DELETE FROM sigsentry.migration WHERE version = %s", version)
        told("version %d" % (version - 1), "needs %d" % version, "sigsentryctl migrate")
    finally:
        stack.sql("INSERT INTO sigsentry.migration (%s) VALUES (%s) ON CONFLICT DO NOTHING" % (
            ", ".join(newest), ", ".join(["%s"] * len(newest))), *newest.values())
    assert ask("/readyz").status == 200
    try:
        stack.sql("INSERT INTO sigsentry.migration SELECT %s, 'later', sha256, now(), '9' FROM sigsentry.migration"
                  " WHERE version = %s", version + 1, version)
        assert ok(ask("/readyz"), 200) == {"status": "ready", "schemaVersion": version + 1}
    finally:
        stack.sql("DELETE FROM sigsentry.migration WHERE version = %s", version + 1)


def test_schema_of_the_release_before():
    """Its function tells less; what is said is that the schema is too old."""
    version = stack.sql("SELECT max(version) AS v FROM sigsentry.migration")[0]["v"]
    grant = "GRANT EXECUTE ON FUNCTION api.ready() TO sigsentry_api"
    try:
        stack.sql("DROP FUNCTION api.ready()")
        stack.sql("CREATE FUNCTION api.ready(OUT version integer, OUT writable boolean) LANGUAGE sql SECURITY DEFINER"
                  " AS 'SELECT 2, true'")
        stack.sql(grant)
        told("version 2", "needs %d" % version, "sigsentryctl migrate")
    finally:
        stack.sql("DROP FUNCTION IF EXISTS api.ready()")
        stack.sql((stack.ROOT / "sql" / "fn" / "api_ready.sql").read_text())
        stack.sql(grant)
    assert ask("/readyz").status == 200


def test_read_only():
    """A standby, or an owner who has closed it for a while."""
    name = stack.sql("SELECT current_database() AS d")[0]["d"]
    try:
        superuser('ALTER DATABASE "%s" SET default_transaction_read_only = on' % name)
        cut_backends()
        told("read-only")
    finally:
        superuser('ALTER DATABASE "%s" RESET default_transaction_read_only' % name)
    # workers that keep their sessions find a new one by themselves
    for _ in range(8):
        assert ask("/readyz").status == 200


NIL = "00000000-0000-0000-0000-000000000000"


def beaten(seconds):
    """Every courier's heart has beaten so long ago; each has a lease of 60 s."""
    stack.sql("UPDATE sigsentry.courier SET lease_s = 60, beat_at = now() - make_interval(secs => %s)", seconds)


def test_no_courier_alive():
    """Accepting what nobody delivers is not being well.  Three leases of grace, so that a restart is no alarm."""
    with stack.courier_stopped():
        beaten(170)
        assert ask("/readyz").status == 200
        beaten(181)
        told("No courier is alive", "heard of 18", "Start sigsentry-courier")
        stack.sql("DELETE FROM sigsentry.courier")
        told("No courier works on this database", "Start sigsentry-courier")
    assert ask("/readyz").status == 200


@pytest.fixture
def waiting():
    """A courier that stands still, and a delivery that nobody takes: what says which it is in SQL."""
    place = stack.Place("enterprise")
    with stack.courier_stopped():
        with Client(place.key) as c:
            created(c.post(channel(type="webhook", credentials={"url": "https://example.com/x"})))
        stack.sql("SELECT sigsentry.publish(%s, %s)", place.project,
                  json.dumps({"event": "ops.test", "severity": "critical", "summary": "s"}))
        yield "tenant_id = '%s'" % place.tenant
    stack.ctl("tenant", "delete", place.tenant, "--yes")


def test_overdue(waiting):
    """By the clock of whatever could go: new ones, those whose pause or lease is over, and those whose lane is free."""
    def put(columns):
        stack.sql("UPDATE sigsentry.queue SET " + columns + " WHERE " + waiting)

    assert ask("/readyz").status == 200
    put("created_at = now() - interval '305 seconds'")
    told("has waited for 30", "the 300 s of ready_oldest_due_s", "sigsentryctl status")
    put("wake_at = now() + interval '1 hour'")
    assert ask("/readyz").status == 200  # its pause is not over
    put("wake_at = now() - interval '400 seconds'")
    told("has waited for 40")
    put("claim_id = sigsentry.uuid_v7()")
    told("has waited for 40")  # its courier has lost it
    put("wake_at = NULL, claim_id = NULL")
    for failing in (False, True):
        stack.sql("INSERT INTO sigsentry.lane (tenant_id, channel_id, due_at, is_failing) SELECT tenant_id, channel_id,"
                  " now() - interval '500 seconds', %s FROM sigsentry.queue WHERE " + waiting +
                  " ON CONFLICT ON CONSTRAINT lane_pkey DO UPDATE SET due_at = excluded.due_at, is_failing = excluded.is_failing",
                  failing)
        told("has waited for 50")
    for later in ("now() + interval '1 second'", "'infinity'"):  # its pace, or as many as may are under way
        stack.sql("UPDATE sigsentry.lane SET due_at = " + later + " WHERE " + waiting)
        assert ask("/readyz").status == 200


def test_the_limit_of_overdue(waiting, pools):  # noqa: F811
    stack.sql("UPDATE sigsentry.queue SET created_at = now() - interval '1 hour' WHERE " + waiting)
    for limit, status in ((0, 200), (3500, 503), (4000, 200)):
        pool = pools("ready_oldest_due_s=%d" % limit, workers=1).ready(1)
        assert pool.send("GET", "/readyz", None).status == status
        stack.end_process(pool.process)


def test_a_held_queue(client, shared):
    """What is accepted waits for an admin: red, with the cure; requests are answered as ever."""
    try:
        stack.ctl("queue", "hold", "--reason", "because of the test")
        told("queue is held since 2", "because of the test", "queue release", "queue discard")
        text = client.send("GET", "/metrics").body.decode()
        assert "\nsigsentry_queue_held 1\n" in text and "# TYPE sigsentry_queue_held gauge\n" in text
        stack.created(client.post(stack.channel()))
        assert stack.sql("SELECT * FROM sigsentry.publish(%s, %s)", shared.project,
                         '{"event": "disk.full", "severity": "high", "summary": "s"}')[0]["deliveries"] >= 1
    finally:
        stack.ctl("queue", "release")
    assert client.send("GET", "/readyz").status == 200
    assert b"\nsigsentry_queue_held 0\n" in client.send("GET", "/metrics").body


def test_a_fault_of_our_own():
    """A relay that is down uses up no attempt, and so must be seen here (contract §5)."""
    put = "INSERT INTO sigsentry.tally_attempt VALUES (%s, 'email', 'local', 1, now() - make_interval(secs => %s))"
    mine = str(uuid.uuid4())
    try:
        stack.sql(put, mine, 80)
        told("type email", "a fault on our side", "delivery list")
        stack.sql("DELETE FROM sigsentry.tally_attempt WHERE courier_id = %s", mine)
        stack.sql(put, mine, 91)
        assert ask("/readyz").status == 200
    finally:
        stack.sql("DELETE FROM sigsentry.tally_attempt WHERE courier_id = %s", mine)


def test_database_hangs(pools):  # noqa: F811
    """It is there and does not answer: red within the deadline, and the worker serves on."""
    pool = pools("request_deadline_ms=700", "lock_timeout_ms=60000", workers=1).ready(1)
    holder = psycopg2.connect(stack.env("SIGSENTRY_DSN"))
    try:
        with holder.cursor() as cursor:
            cursor.execute("LOCK TABLE sigsentry.migration IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        answer = pool.send("GET", "/readyz", None)
        assert answer.status == 503 and "in time" in answer.reply.json()["error"]["message"], answer.data
        assert answer.reply.header("retry-after")
        assert 0.6 <= time.monotonic() - began < 2
        assert pool.send("GET", "/healthz", None).status == 200
        metrics = pool.send("GET", "/metrics", None)
        assert metrics.status == 200 and b"\nsigsentry_database_up 0\n" in metrics.reply.body
    finally:
        holder.close()
    assert pool.send("GET", "/readyz", None).status == 200


# Counts of requests ----------------------------------------------------------------------------------------


def test_metrics_text():
    samples = scrape()
    assert samples[("sigsentry_database_up", ())] == 1
    build = [dict(labels) for (name, labels), v in samples.items() if name == "sigsentry_build_info" and v == 1]
    assert len(build) == 1 and set(build[0]) == {"version"} and build[0]["version"]
    assert samples[("sigsentry_schema_version", ())] >= 2
    # labels that take few values: no id, no key, no path
    for name, labels in samples:
        assert name.startswith("sigsentry_"), name
        assert set(dict(labels)) <= {"route", "method", "status", "type", "kind", "worker", "version", "outcome", "le"}


def test_what_is_asked_is_counted():
    """Each answer once, under its route and not its path."""
    place = stack.Place("starter", ("config:read", "config:write"))
    before = requests(scrape())
    with Client(place.key) as c:
        ids = [created(c.post(channel())) for _ in range(2)]
        one = PATH + "/" + ids[0]
        for _ in range(3):
            error(c.post(channel()), 403, "QUOTA_EXCEEDED")
        c.post(b"{")
        c.post(b"{}", content_type="text/plain")
        for path in (PATH, PATH + "?includeInactive=true", PATH + "?limit=1", one, PATH + "/" + ids[1], PATH + "/x"):
            c.send("GET", path)
        c.send("HEAD", PATH)
        for method in ("PUT", "PATCH"):
            c.send(method, one, {"name": "counted"})
        for _ in range(2):
            c.send("DELETE", one)
        c.send("GET", PATH, key=place.key + "x")
        c.send("PUT", PATH)
        for n in range(4):
            c.send("GET", "/v1/nothing%d" % n)
    list_, get = ("channel.list", "GET"), ("channel.get", "GET")
    assert grown(before, requests(scrape())) == {
        ("channel.create", "POST", "201"): 2, ("channel.create", "POST", "403"): 3,
        ("channel.create", "POST", "400"): 1, ("channel.create", "POST", "415"): 1,
        list_ + ("200",): 4, list_ + ("401",): 1, get + ("200",): 2, get + ("400",): 1,
        ("channel.put", "PUT", "200"): 1, ("channel.patch", "PATCH", "200"): 1,
        ("channel.delete", "DELETE", "200"): 1, ("channel.delete", "DELETE", "404"): 1,
        ("none", "any", "405"): 1, ("none", "any", "404"): 4, ("metrics", "GET", "200"): 1,
    }


def test_limits_are_counted():
    name = "ops" + stack.secret()[-8:]
    stack.ctl("plan", "set", name, "--channels", "9", "--reads-per-minute", "3", "--writes-per-minute", "3")
    place = stack.Place(name, ("config:read",))
    if time.time() % 60 > 59:
        time.sleep(1.1)
    before = requests(scrape())
    with Client(place.key) as c:
        statuses = [c.send("GET", PATH).status for _ in range(5)]
    assert statuses == [200] * 3 + [429] * 2
    counts = grown(before, requests(scrape()))
    assert (counts[("channel.list", "GET", "200")], counts[("channel.list", "GET", "429")]) == (3, 2)


def test_all_workers_are_summed_up():
    """Many clients at once: not one answer is missed, whichever worker is scraped."""
    before = requests(scrape())
    threads = [threading.Thread(target=lambda: [ask("/healthz") for _ in range(25)]) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    samples = [scrape() for _ in range(8)]
    for n, s in enumerate(samples):
        assert grown(before, requests(s)) == {("healthz", "GET", "200"): 200, ("metrics", "GET", "200"): n + 1}
        assert sum(gauges(s, "sigsentry_worker_requests_total", "worker").values()) == sum(requests(s).values())
    assert len(gauges(samples[0], "sigsentry_worker_requests_total", "worker")) == 4


@pytest.mark.parametrize("what", ["reload", "kill"])
def test_counts_outlive_workers(pools, what):  # noqa: F811
    def count():
        return requests(scrape(pool.send("GET", "/metrics", None).reply.body.decode()))

    pool = pools().ready()
    pids = pool.workers()
    for _ in range(8):
        assert pool.send("GET", "/healthz", None).status == 200
    assert count() == {("healthz", "GET", "200"): 8}
    gone = pids if what == "reload" else pids[:1]
    os.kill(pool.process.pid if what == "reload" else pids[0], signal.SIGHUP if what == "reload" else signal.SIGKILL)
    assert stack.wait_for(lambda: len(pool.workers()) == 2 and not set(gone) & set(pool.workers()))
    for _ in range(4):
        assert pool.send("GET", "/healthz", None).status == 200
    assert count() == {("healthz", "GET", "200"): 12, ("metrics", "GET", "200"): 1}


def test_a_new_pool_begins_at_nought(pools):  # noqa: F811
    """As Prometheus expects of counters; one pool knows nothing of another on the same machine."""
    pool = pools().ready()
    first = scrape(pool.send("GET", "/metrics", None).reply.body.decode())
    assert requests(first) == {}
    pool.send("GET", "/healthz", None)
    assert requests(scrape(pool.send("GET", "/metrics", None).reply.body.decode())) == {
        ("healthz", "GET", "200"): 1, ("metrics", "GET", "200"): 1}


# Counts of what is there --------------------------------------------------------------------------------------


BODIES = {
    "slack": {"webhookUrl": "https://hooks.slack.com/services/T/B/x"},
    "teams": {"webhookUrl": "https://outlook.office.com/webhook/x"},
    "discord": {"webhookUrl": "https://discord.com/api/webhooks/1/x"},
    "google_chat": {"webhookUrl": "https://chat.googleapis.com/v1/spaces/A/messages?key=x&token=x"},
    "webhook": {"url": "https://example.com/x"},
    "email": {"recipients": "a@example.com"},
}


def courier_round():
    """What a courier does once a minute; waits for one that is at it."""
    def look():
        row = stack.sql("SELECT * FROM courier.housekeep(1000)")[0]
        return row["done"] and not row["more"]
    assert stack.wait_for(look)


def test_channels_by_type():
    """As the database has them after a courier's round; types without any are 0, not absent."""
    before = stack.sql("SELECT type, count(*) AS n FROM sigsentry.channel GROUP BY 1")
    before = dict({t: 0 for t in BODIES}, **{r["type"]: r["n"] for r in before})
    place = stack.Place()
    with Client(place.key) as c:
        for n, (kind, credentials) in enumerate(sorted(BODIES.items())):
            for _ in range(n + 1):
                created(c.post(channel(type=kind, credentials=credentials)))
    courier_round()
    now = gauges(scrape(), "sigsentry_channels", "type")
    assert now == {kind: before[kind] + n + 1 for n, kind in enumerate(sorted(BODIES))}
    stack.ctl("tenant", "delete", place.tenant, "--yes")
    courier_round()
    samples = scrape()
    assert gauges(samples, "sigsentry_channels", "type") == before
    assert abs(samples[("sigsentry_counted_timestamp_seconds", ())] - time.time()) < 5


def record(outcome, wait_ms=None, courier=None, stale=False, times=1):
    """What a courier does with what waits: claims it, and writes down how it ended."""
    claim = str(uuid.uuid4())
    rows = stack.sql("SELECT * FROM courier.claim(%s, 100, 100, 60, '{webhook,slack}', '{8,8}', '{0,0}', 0)", claim)
    assert rows
    for _ in range(times):
        for r in rows:
            stack.sql("SELECT courier.record(ARRAY[%s::uuid], ARRAY[%s::uuid], ARRAY[%s::uuid], ARRAY[%s], ARRAY[%s::bigint],"
                      " '{0}', '{0}', '{5}', '{200}', '{null}', '{null}', '{null}', '{0}', 0, %s)", r["tenant_id"], r["id"],
                      str(uuid.uuid4()) if stale else claim, outcome, wait_ms, courier or NIL)


def attempts(samples):
    return {(dict(labels)["type"], dict(labels)["outcome"]): v for (name, labels), v in samples.items()
            if name == "sigsentry_attempts_total"}


def histogram(samples):
    """The buckets as {bound: count}, how many, and how long."""
    buckets = {float(dict(labels)["le"]): v for (name, labels), v in samples.items() if name == "sigsentry_delivery_seconds_bucket"}
    assert list(buckets) == sorted(buckets) and list(buckets.values()) == sorted(buckets.values())
    count, total = (samples[("sigsentry_delivery_seconds_" + n, ())] for n in ("count", "sum"))
    assert buckets[float("inf")] == count
    return buckets, count, total


def test_attempts_and_how_long_deliveries_took(waiting):
    """Each attempt once, of whichever courier; a repeated record, or one with a stale claim, is none."""
    before = scrape()
    assert len(attempts(before)) == 6 * 5  # none is absent
    mine = str(uuid.uuid4())
    record("retry", 0, mine)
    record("ok", stale=True, courier=mine)
    assert grown(attempts(before), attempts(scrape())) == {("webhook", "retry"): 1}
    assert histogram(scrape()) == histogram(before)
    stack.sql("UPDATE sigsentry.queue SET claim_id = NULL, wake_at = now(), created_at = now() - interval '3 seconds' WHERE " + waiting)
    record("ok", courier=mine, times=2)
    samples = scrape()
    assert grown(attempts(before), attempts(samples)) == {("webhook", "retry"): 1, ("webhook", "ok"): 1}
    (b0, n0, s0), (b1, n1, s1) = histogram(before), histogram(samples)
    assert n1 == n0 + 1 and 3 <= s1 - s0 < 5 and set(grown(b0, b1)) == {b for b in b1 if b >= 5}
    # a courier that is gone leaves its counts behind
    stack.sql("INSERT INTO sigsentry.courier VALUES (%s, 'gone', '0', '{}', now(), now() - interval '25 hours', 60, 0)", mine)
    stack.sql("SELECT sigsentry.tally_fold(interval '1 day')")
    assert not stack.sql("SELECT FROM sigsentry.tally_attempt WHERE courier_id = %s", mine)
    assert not stack.sql("SELECT FROM sigsentry.tally_delivery WHERE courier_id = %s", mine)
    after = scrape()
    assert attempts(after) == attempts(samples) and histogram(after)[:2] == histogram(samples)[:2]


def test_each_family_has_its_help():
    reply = ask("/metrics").body.decode()
    assert set(re.findall(r"(?m)^# HELP (\S+)", reply)) == set(re.findall(r"(?m)^# TYPE (\S+)", reply))


def test_a_courier_counts_when_it_starts(tmp_path):
    """Counts that are old, or wrong, are right as soon as there is a courier."""
    program = pathlib.Path(stack.env("SIGSENTRY_BUILD")) / "src" / "sigsentry-courier"
    stack.sql("UPDATE sigsentry.gauge SET value = 0 WHERE name IN ('sigsentry_channels', 'sigsentry_counted_timestamp_seconds')")
    with (tmp_path / "log").open("wb") as log:
        courier = subprocess.Popen([str(program), "-c", stack.env("SIGSENTRY_CONF")], stdout=log, stderr=log)
    try:
        assert stack.wait_for(lambda: scrape()[("sigsentry_counted_timestamp_seconds", ())] > time.time() - 10)
    finally:
        stack.end_process(courier)
    assert courier.returncode == 0, (tmp_path / "log").read_text()
    there = stack.sql("SELECT type, count(*) AS n FROM sigsentry.channel GROUP BY 1")
    assert {k: v for k, v in gauges(scrape(), "sigsentry_channels", "type").items() if v} == {
        r["type"]: r["n"] for r in there}


def test_a_scrape_touches_no_table_that_grows():
    """So that it costs the same with a million channels: with all of these locked it is answered at once."""
    tables = "channel, credential, api_key, tenant, project, audit, idempotency, permit, plan"
    holder = psycopg2.connect(stack.env("SIGSENTRY_DSN"))
    try:
        with holder.cursor() as cursor:
            cursor.execute("LOCK TABLE %s IN ACCESS EXCLUSIVE MODE" % ", ".join("sigsentry." + t for t in tables.split(", ")))
            for _ in range(8):
                began = time.monotonic()
                samples = scrape()
                assert samples[("sigsentry_database_up", ())] == 1
                assert set(gauges(samples, "sigsentry_channels", "type")) == set(BODIES)
                assert ask("/readyz").status == 200
                assert time.monotonic() - began < 1
            cursor.execute("SELECT count(*) FROM sigsentry.gauge")
            assert cursor.fetchone()[0] < 100
    finally:
        holder.close()


# What the alerts for Prometheus ask for -------------------------------------------------------------------------

RULES = (stack.ROOT / "monitoring" / "sigsentry.rules.yml").read_text()


def test_alerts_ask_for_what_there_is():
    """A metric, a label or a word of one that is renamed would silence its alert for ever."""
    ask("/readyz")
    samples = scrape()
    names = {name for name, _ in samples}
    asked = set(re.findall(r"\bsigsentry_[a-z_]+", RULES))
    assert len(asked) >= 10 and asked <= names, asked - names
    for name, inside in re.findall(r"(sigsentry_[a-z_]+)\{([^}]*)\}", RULES):
        for label, words in re.findall(r'(\w+)!?=~?"([^"]*)"', inside):
            there = {dict(labels).get(label, "") for n, labels in samples if n == name}
            assert "" not in there, "%s has no label %s" % (name, label)
            assert label == "status" or set(words.split("|")) <= there, (name, label, words, there)
