"""Goal: with the database away, slow, restarting or locked, clients get clean answers and no write is lost or doubled.

201 means that it was written, exactly once.  503 SERVICE_UNAVAILABLE with Retry-After means that nothing was
written, or, where the connection was lost at COMMIT or the deadline passed, that it may have been, at most once: a
retry with the same Idempotency-Key is safe (contract §3, §4; design §3).  The workers live through all of it and need
no help.
"""

import threading
import time
import uuid

import psycopg2
import pytest

import stack
from stack import PATH, Client, Load, channel, created, error, issues, ok
from test_pool import pools  # noqa: F401: a fixture

NOBODY = str(uuid.uuid4())

# By what they need of the database.
ROUTES = {
    "read": [
        ("GET", PATH, None),
        ("GET", PATH + "/{id}", None),
        ("GET", PATH + "/settings", None),
    ],
    "channel": [
        ("PUT", PATH + "/{id}", {"name": "changed"}),
        ("PATCH", PATH + "/{id}", {"credentials": {"hmacSecret": "changed"}}),
        ("PUT", PATH + "/{id}", {"isActive": False}),
        ("DELETE", PATH + "/{id}", None),
    ],
    "tenant": [
        ("PUT", PATH + "/settings", {"defaultSeverityThreshold": "critical"}),
    ],
}

DEADLINE = 9  # seconds: the request deadline (8) and a little


@pytest.fixture(autouse=True)
def same_workers():
    """No case may cost a worker; and whatever happens the database runs again afterwards."""
    before = stack.settled_workers()
    yield
    try:
        stack.sql("SELECT 1")
    except psycopg2.OperationalError:
        stack.dev_pg("start")
    assert stack.workers() == before


def timed(call):
    began = time.monotonic()
    reply = call()
    return reply, time.monotonic() - began


def test_stopped_and_started(place, logs):
    mistyped = place.key[:-1] + ("a" if place.key[-1] != "a" else "b")
    clients = [Client(place.key) for _ in range(8)]
    for c in clients:
        created(c.post(channel("before")))
    stack.dev_pg("stop")
    try:
        replies = []

        def work(c):
            for body in (channel("while away"), {}, b"no json"):
                replies.append(timed(lambda b=body, k=c: k.post(b)))

        threads = [threading.Thread(target=work, args=(c,)) for c in clients]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        for reply, seconds in replies:
            error(reply, 503, "SERVICE_UNAVAILABLE")
            assert seconds < DEADLINE
        # what needs no database is answered as ever; a made-up key is refused without asking it
        c = clients[0]
        error(c.post(channel(), key=mistyped), 401, "UNAUTHORIZED")
        error(c.post(channel(), key="tb_x"), 401, "KEY_FORMAT_DEPRECATED")
        error(c.send("GET", path="/v1/nothing"), 404, "NOT_FOUND")
        error(c.send("DELETE"), 405, "METHOD_NOT_ALLOWED")
        for method, path, body in (row for rows in ROUTES.values() for row in rows):
            reply, seconds = timed(lambda m=method, p=path, b=body: c.send(m, p.replace("{id}", NOBODY), b))
            error(reply, 503, "SERVICE_UNAVAILABLE")
            assert seconds < DEADLINE
        assert logs.wait(replies[0][0].header("x-request-id"))
    finally:
        stack.dev_pg("start")
    for c in clients:
        created(c.post(channel("after")))
        c.close()
    names = [r["name"] for r in stack.sql("SELECT name FROM sigsentry.channel WHERE project_id = %s", place.project)]
    assert sorted(names) == ["after"] * 8 + ["before"] * 8


@pytest.mark.parametrize("verb", ["restart", "kill"])
def test_restart_under_load(verb):
    """`kill` ends the server at once, without its saying goodbye."""
    place = stack.Place("enterprise")
    with Load(place.key, threads=6) as load:
        load.wait_for_more(30)
        stack.dev_pg(verb)
        if verb == "kill":
            stack.wait_for(lambda: set(load.statuses) - {201}, 2)
            stack.dev_pg("start")
        load.wait_for_more(30)
    assert not load.faults, load.summary()
    assert set(load.statuses) <= {201, 503}, load.summary()
    for reply in load.replies:
        error(reply, 503, "SERVICE_UNAVAILABLE")
    assert load.slowest < DEADLINE
    rows = stack.sql("SELECT id::text, name,"
                     "       (SELECT count(*) FROM sigsentry.credential k WHERE k.channel_id = c.id) AS sealed"
                     "  FROM sigsentry.channel c WHERE project_id = %s", place.project)
    ids = [r["id"] for r in rows]
    assert len(set(ids)) == len(ids)
    assert set(load.acknowledged) <= set(ids), "an acknowledged channel is lost"
    assert len(set(load.acknowledged)) == len(load.acknowledged), "one id was given twice"
    names = [r["name"] for r in rows]
    assert len(set(names)) == len(names), "one request wrote twice"
    assert {r["sealed"] for r in rows} == {1}, "a channel without its credentials"
    audited = stack.sql("SELECT object_id FROM sigsentry.audit WHERE tenant_id = %s AND action = 'channel.create'",
                        place.tenant)
    assert sorted(a["object_id"] for a in audited) == sorted(ids)


def superuser(text):
    """One statement as the cluster's superuser, who may end other roles' sessions."""
    link = psycopg2.connect(stack.env("SIGSENTRY_DSN"), user="postgres")
    try:
        with link, link.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ WRITE")
            cursor.execute(text)
            return cursor.fetchall() if cursor.description else []
    finally:
        link.close()


def cluster_setting(text):
    """ALTER SYSTEM, for all sessions, which no transaction may hold; it holds from the next statement on."""
    link = psycopg2.connect(stack.env("SIGSENTRY_DSN"), user="postgres")
    link.autocommit = True
    try:
        with link.cursor() as cursor:
            cursor.execute(text)
            cursor.execute("SELECT pg_reload_conf()")
    finally:
        link.close()


def cancel_commits():
    """Cancel the sessions that wait for a standby; how many there were."""
    return len(superuser("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"))


def test_commit_in_doubt(place, logs):
    """A commit that no standby confirmed ends with WARNING 01000 and looks like success: the client gets a 503."""
    replies, c = [], Client(place.key)
    cluster_setting("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    try:
        waiting = threading.Thread(target=lambda: replies.append(timed(lambda: c.post(channel("doubt")))))
        waiting.start()
        assert stack.wait_for(lambda: cancel_commits() == 1, 5), "no commit waits for a standby"
        waiting.join()
    finally:
        cluster_setting("ALTER SYSTEM RESET synchronous_standby_names")
    (reply, seconds), = replies
    error(reply, 503, "SERVICE_UNAVAILABLE")
    assert seconds < 6, "it was the deadline that answered"
    assert logs.wait("ev=db.indoubt", only="api.log")
    assert stack.channel_count(place.project) == 1, "this server has it; the standby would not"
    with Client(place.key) as c:
        created(c.post(channel("sure")))


def test_commit_past_the_deadline(place):
    """A commit whose standby stays silent: 503 at the deadline, and it may have been written."""
    cluster_setting("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    try:
        reply, seconds = timed(lambda: Client(place.key).post(channel("late")))
    finally:
        cluster_setting("ALTER SYSTEM RESET synchronous_standby_names")
    error(reply, 503, "SERVICE_UNAVAILABLE")
    assert 7 < seconds < DEADLINE, seconds
    assert stack.wait_for(lambda: stack.channel_count(place.project) == 1, 5), "the commit did go on"
    with Client(place.key) as c:
        created(c.post(channel("sure")))


def cut_backends():
    """End the database sessions of all workers; how many there were."""
    return len(superuser("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'sigsentry_api'"))


def test_backends_terminated(place):
    """The connections of all workers are cut: the next requests are answered as if nothing had been."""
    with Client(place.key) as c:
        stack.parallel([lambda: Client(place.key).post(channel("warm"))] * 16)
        for kind in ("good", "bad", "good"):
            assert cut_backends() > 0
            for _ in range(12):
                if kind == "good":
                    created(c.post(channel("cut")))
                else:
                    issues(c.post({}))
    assert stack.channel_count(place.project) == 16 + 24


def test_backends_terminated_under_load():
    """Again and again, in the middle of requests: none fails, none is doubled."""
    place = stack.Place("enterprise")
    with Load(place.key, threads=6) as load:
        for _ in range(10):
            load.wait_for_more(8)
            cut_backends()
    assert not load.faults and set(load.statuses) <= {201, 503}, load.summary()
    assert load.statuses.count(503) <= len(load.statuses) // 20, load.summary()
    names = [r["name"] for r in stack.sql("SELECT name FROM sigsentry.channel WHERE project_id = %s", place.project)]
    assert len(names) == len(set(names))
    assert set(load.acknowledged) <= set(stack.channel_ids(place.project))


def test_locked_project():
    """Another session holds the project for longer than the lock timeout (2 s): 503, and nothing is written."""
    place = stack.Place("starter")
    holder = psycopg2.connect(stack.env("SIGSENTRY_DSN"))
    try:
        with holder.cursor() as cursor:
            cursor.execute(stack.PROJECT_LOCK, (place.project,))
        reply, seconds = timed(lambda: Client(place.key).post(channel("locked out")))
        error(reply, 503, "SERVICE_UNAVAILABLE")
        assert 1.8 <= seconds <= 3.2, seconds
        # those that queue behind one another wait for each other too, but not past the deadline
        queue = [lambda: timed(lambda: Client(place.key).post(channel("locked out")))] * 3
        for reply, seconds in stack.parallel(queue):
            error(reply, 503, "SERVICE_UNAVAILABLE")
            assert 1.8 <= seconds < DEADLINE, seconds
        # held for a shorter time: the request waits, then succeeds
        timer = threading.Timer(0.5, holder.rollback)
        timer.start()
        with Client(place.key) as c:
            reply, seconds = timed(lambda: c.post(channel("let in")))
        timer.join()
        created(reply)
        assert seconds < 2
    finally:
        holder.close()
    names = [r["name"] for r in stack.sql("SELECT name FROM sigsentry.channel WHERE project_id = %s", place.project)]
    assert names == ["let in"]
    assert stack.sql("SELECT count(*) AS n FROM sigsentry.credential WHERE tenant_id = %s", place.tenant)[0]["n"] == 1


def test_no_answer_in_time(pools):  # noqa: F811
    """A database that hangs costs the request its deadline, and the worker nothing: the next one gets a new session."""
    stuck, free = stack.parallel([lambda: stack.Place("starter"), lambda: stack.Place("enterprise")])
    pool = pools("request_deadline_ms=700", "lock_timeout_ms=60000", workers=1).ready(1)
    worker = pool.workers()
    holder = psycopg2.connect(stack.env("SIGSENTRY_DSN"))
    try:
        with holder.cursor() as cursor:
            cursor.execute(stack.PROJECT_LOCK, (stuck.project,))
        for _ in range(2):
            answer, seconds = timed(lambda: pool.create(stuck.key))
            assert answer.status == 503 and answer.reply.header("retry-after"), answer.data
            assert answer.reply.json()["error"]["code"] == "SERVICE_UNAVAILABLE"
            assert 0.6 <= seconds < 2, seconds
            assert pool.create(free.key).status == 201
    finally:
        holder.close()
    assert pool.workers() == worker


def test_a_locked_project_stops_no_other():
    """Three requests wait for a lock in three of the workers; the fourth serves the rest."""
    locked, free = stack.parallel([lambda: stack.Place("starter"), lambda: stack.Place("enterprise")])
    holder = psycopg2.connect(stack.env("SIGSENTRY_DSN"))
    try:
        with holder.cursor() as cursor:
            cursor.execute(stack.PROJECT_LOCK, (locked.project,))
        waiting = [threading.Thread(target=lambda: Client(locked.key).post(channel())) for _ in range(3)]
        for t in waiting:
            t.start()
        time.sleep(0.2)
        with Client(free.key) as c:
            for _ in range(5):
                reply, seconds = timed(lambda: c.post(channel()))
                created(reply)
                assert seconds < 1
        holder.rollback()
        for t in waiting:
            t.join()
    finally:
        holder.close()


class Rows:
    """A tenant with a channel, whose rows another session holds; what they are like."""

    LOCKS = {
        "channel": "SELECT 1 FROM sigsentry.channel WHERE tenant_id = %s AND id = %s FOR UPDATE",
        "tenant": "SELECT 1 FROM sigsentry.tenant WHERE id = %s OR id = %s FOR UPDATE",
    }

    def __init__(self):
        self.place = stack.Place("enterprise", ("config:read", "config:write"))
        with Client(self.place.key) as c:
            self.channel = created(c.post(channel(
                "kept", type="webhook", credentials={"url": "https://example.com/x", "hmacSecret": stack.secret()})))
        self.before = self.now()

    def now(self):
        tenant = self.place.tenant
        return [stack.sql("SELECT * FROM sigsentry.%s WHERE %s = %%s ORDER BY 1, 2, 3" % t, tenant)
                for t in (("channel", "tenant_id"), ("tenant", "id"), ("audit", "tenant_id"))] + [stack.sealed(self.channel)]

    def lock(self, *kinds):
        holder = psycopg2.connect(stack.env("SIGSENTRY_DSN"))
        with holder.cursor() as cursor:
            for kind in kinds:
                cursor.execute(self.LOCKS[kind], (self.place.tenant, self.channel))
        return holder

    def send(self, method, path, body):
        with Client(self.place.key) as c:
            return timed(lambda: c.send(method, path.replace("{id}", self.channel), body))


WRITES = ROUTES["channel"] + ROUTES["tenant"]


def test_locked_rows():
    """Each change of a row that another session holds: 503 after the lock timeout (2 s), and nothing is changed."""
    writes = WRITES[1:]  # as many as there are workers; each has rows of its own, or they would wait for each other too
    places = stack.parallel([Rows] * len(writes))
    holders = [rows.lock("channel", "tenant") for rows in places]
    try:
        for reply, seconds in stack.parallel([lambda r=r, w=w: r.send(*w) for r, w in zip(places, writes)]):
            error(reply, 503, "SERVICE_UNAVAILABLE")
            assert 1.8 <= seconds <= 3.2, seconds
        # nobody who only reads waits for them
        for read in ROUTES["read"]:
            reply, seconds = places[0].send(*read)
            ok(reply, 200)
            assert seconds < 1
    finally:
        for holder in holders:
            holder.close()
    for rows, write in zip(places, writes):
        assert rows.now() == rows.before
        ok(rows.send(*write)[0], 200)


@pytest.mark.parametrize("method,path,body", WRITES)
def test_rows_that_are_locked_for_a_moment(method, path, body):
    """The change waits, and is made."""
    rows = Rows()
    holder = rows.lock("channel", "tenant")
    timer = threading.Timer(0.3, holder.rollback)
    try:
        timer.start()
        reply, seconds = rows.send(method, path, body)
        timer.join()
    finally:
        holder.close()
    ok(reply, 200)
    assert 0.2 < seconds < 1.5
    assert len(rows.now()[2]) == len(rows.before[2]) + 1, "no audit row, or more than one"


def test_no_answer_in_time_for_a_change(pools):  # noqa: F811
    """Longer than the request may take: 503 at the deadline; the worker serves on, and no late change comes of it."""
    pool = pools("request_deadline_ms=400", "lock_timeout_ms=700", workers=1).ready(1)
    worker = pool.workers()
    rows = Rows()
    holder = rows.lock("channel", "tenant")
    try:
        for method, path, body in (WRITES[0], WRITES[3], WRITES[4]):
            answer, seconds = timed(lambda m=method, p=path, b=body: pool.send(
                m, p.replace("{id}", rows.channel), rows.place.key, b))
            assert answer.status == 503 and answer.reply.header("retry-after"), answer.data
            assert answer.reply.json()["error"]["code"] == "SERVICE_UNAVAILABLE"
            assert 0.3 <= seconds < 1.5, seconds
            assert pool.send("GET", PATH, rows.place.key).status == 200
        # what was sent goes on to wait in the server, until its own lock timeout
        assert stack.wait_for(lambda: not stack.sql(
            "SELECT 1 FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))", holder.info.backend_pid))
    finally:
        holder.close()
    assert rows.now() == rows.before
    assert pool.workers() == worker


def test_a_channel_that_is_deleted_meanwhile():
    """A change waits for a deletion, and then finds nothing to change."""
    rows = Rows()
    holder = psycopg2.connect(stack.env("SIGSENTRY_DSN"))
    replies = []
    try:
        with holder.cursor() as cursor:
            cursor.execute("DELETE FROM sigsentry.channel WHERE tenant_id = %s AND id = %s",
                           (rows.place.tenant, rows.channel))
        threads = [threading.Thread(target=lambda w=w: replies.append(rows.send(*w)[0])) for w in ROUTES["channel"]]
        for t in threads:
            t.start()
        time.sleep(0.4)
        assert not replies, "it does not wait"
        holder.commit()
        for t in threads:
            t.join()
    finally:
        holder.close()
    assert len(replies) == 4
    for reply in replies:
        error(reply, 404, "NOT_FOUND")


def test_read_only_database(place):
    """A standby, or an owner who has made it read-only for a while: 503, then again 201."""
    name = stack.sql("SELECT current_database() AS d")[0]["d"]
    try:
        superuser('ALTER DATABASE "%s" SET default_transaction_read_only = on' % name)
        cut_backends()
        with Client(place.key) as c:
            for _ in range(4):
                error(c.post(channel()), 503, "SERVICE_UNAVAILABLE")
                # nor is anything answered from what may be old: the key could have been revoked meanwhile
                error(c.post({}), 503, "SERVICE_UNAVAILABLE")
                for method, path, body in (row for rows in ROUTES.values() for row in rows):
                    error(c.send(method, path.replace("{id}", NOBODY), body), 503, "SERVICE_UNAVAILABLE")
    finally:
        superuser('ALTER DATABASE "%s" RESET default_transaction_read_only' % name)
    # the workers still hold their read-only sessions: they must get new ones by themselves
    with Client(place.key) as c:
        for _ in range(8):
            created(c.post(channel()))


def server_setting(text):
    """ALTER SYSTEM, which holds for the sessions that are there too."""
    link = psycopg2.connect(stack.env("SIGSENTRY_DSN"), user="postgres")
    link.autocommit = True
    try:
        with link.cursor() as cursor:
            cursor.execute("ALTER SYSTEM " + text)
            cursor.execute("SELECT pg_reload_conf()")
    finally:
        link.close()


def test_sessions_that_became_read_only(place):
    """The primary has moved: old sessions write no more, new ones do.  Nobody notices."""
    name = stack.sql("SELECT current_database() AS d")[0]["d"]
    stack.parallel([lambda: Client(place.key).post(channel("warm"))] * 16)
    try:
        superuser('ALTER DATABASE "%s" SET default_transaction_read_only = off' % name)
        server_setting("SET default_transaction_read_only = on")
        time.sleep(0.3)
        with Client(place.key) as c:
            for _ in range(12):
                created(c.post(channel("moved")))
    finally:
        server_setting("RESET default_transaction_read_only")
        superuser('ALTER DATABASE "%s" RESET default_transaction_read_only' % name)
    assert stack.channel_count(place.project) == 16 + 12


def test_a_commit_in_doubt(place):
    """No standby has confirmed it and the server gave up waiting: that is no 201 (and not lost on this server)."""
    replies = []
    poster = threading.Thread(target=lambda: replies.append(Client(place.key).post(channel("in doubt"))))
    cancel = ("SELECT pg_cancel_backend(pid) FROM pg_stat_activity"
              " WHERE usename = 'sigsentry_api' AND wait_event = 'SyncRep'")
    try:
        server_setting("SET synchronous_standby_names = 'nobody'")
        time.sleep(0.3)
        poster.start()
        assert stack.wait_for(lambda: superuser(cancel), 5), "it does not wait"
        poster.join()
    finally:
        server_setting("RESET synchronous_standby_names")
    error(replies[0], 503, "SERVICE_UNAVAILABLE")
    with Client(place.key) as c:
        created(c.post(channel("after")))


def test_a_project_that_is_deleted_meanwhile(place):
    """The key was good when the create began, and the project goes before it ends: the answer is as if it had gone before."""
    key, project = place.org_key(), stack.new_project(place.tenant)
    replies = []
    poster = threading.Thread(target=lambda: replies.append(Client(key).post(channel(), project=project)))
    holder = psycopg2.connect(stack.env("SIGSENTRY_DSN"))
    try:
        with holder.cursor() as cursor:
            cursor.execute("DELETE FROM sigsentry.project WHERE id = %s", (project,))
        poster.start()
        time.sleep(0.4)
        assert not replies, "it does not wait"
        holder.commit()
        poster.join()
    finally:
        holder.close()
    error(replies[0], 403, "WRONG_PROJECT")
