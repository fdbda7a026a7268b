"""Sessions for the tests of sql/.  SIGSENTRY_DSN names a database that has all of it, as its owner."""
import hashlib
import pathlib
import re
import threading
import time
import uuid

import psycopg2
import psycopg2.extras
import pytest

import runenv

psycopg2.extras.register_uuid()

SQL = pathlib.Path(__file__).parents[2] / "sql"


@pytest.fixture(scope="session")
def dsn():
    return runenv.ENV["SIGSENTRY_DSN"]


@pytest.fixture
def session(dsn):
    """session(user=None) opens one more session; all are closed at the end of the test."""
    opened = []

    def connect(user=None, autocommit=True):
        # as the programs' sessions are (src/adapters/db.c)
        conn = psycopg2.connect(dsn, options="-c jit=off -c plan_cache_mode=force_generic_plan", **({"user": user} if user else {}))
        conn.autocommit = autocommit
        opened.append(conn)
        return conn

    yield connect
    for conn in opened:
        conn.close()


class Database:
    """What a test asks the owner's session for; rows are dicts."""

    def __init__(self, conn):
        self.conn = conn

    def rows(self, sql, *args):
        with self.conn.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
            cursor.execute(sql, args or None)
            return [dict(row) for row in cursor.fetchall()] if cursor.description else []

    def row(self, sql, *args):
        rows = self.rows(sql, *args)
        assert len(rows) == 1, (sql, rows)
        return rows[0]

    def value(self, sql, *args):
        return next(iter(self.row(sql, *args).values()))

    def admin(self, function, *args):
        """Call an admin function that answers one row."""
        return self.row("SELECT * FROM admin.%s(%s)" % (function, ",".join(["%s"] * len(args))), *args)

    def tenant(self, plan="starter", name="A tenant"):
        row = self.admin("tenant_create", "tester", name, plan)
        assert row["status"] == "ok", row
        return row["id"]

    def project(self, tenant, slug=None):
        row = self.admin("project_create", "tester", tenant, "A project", slug or "p" + uuid.uuid4().hex)
        assert row["status"] == "ok", row
        return row["id"]

    def key(self, tenant, project=None, kind="secret", permissions=None):
        """Make a key; answers its digest and its id."""
        if permissions is None:
            permissions = ["analysis:read"] if kind == "pub" else ["config:read", "config:write"]
        digest = hashlib.sha256(uuid.uuid4().bytes).digest()
        row = self.row(
            "SELECT * FROM admin.apikey_create('tester',%s,%s,%s,%s::text[],'A key',%s,%s,NULL)",
            tenant, project, kind, permissions, digest, "ss_%s_abcd" % kind)
        assert row["status"] == "ok", row
        return digest, row["id"]


def query(name):
    """The text of sql/q/${name}.sql, as the programs send it, with the driver's marks for its parameters."""
    text = re.sub(r"^--.*\n", "", (SQL / "q" / (name + ".sql")).read_text(), flags=re.M)
    marks = re.findall(r"\$(\d+)", text)
    assert [int(n) for n in marks] == list(range(1, len(marks) + 1)), name
    return re.sub(r"\$\d+", "%s", text.replace("%", "%%"))


def call_id():
    """A version 7 UUID, as the worker makes one for each call: it becomes the audit row's, and those are in order by it."""
    return uuid.UUID(int=(time.time_ns() // 1000000 << 80) | (7 << 76) | (2 << 62) | uuid.uuid4().int & ((1 << 62) - 1))


def call(conn, name, *args):
    """Send sql/q/${name}.sql in the session ${conn}; answers its row as a dict."""
    return Database(conn).row(query(name), *args)


def admit(conn, digest, project=None, bad=False, permission="config:read", need=True, kind="read", take=False,
          channel=None):
    return call(conn, "api_admit", digest, project, bad, permission, need, kind, take, channel)


def create(conn, digest, project=None, channel=None, kind="slack", name="#alerts", threshold=1,
           destination="hooks.slack.com", fields=("webhookUrl",), sealed=(b"sealed bytes",),
           once=None, mac=b"m" * 32, answer=None, location=None):
    """api.channel_create; ${once} is the MAC of an Idempotency-Key."""
    channel = channel or uuid.uuid4()
    return call(conn, "api_channel_create", digest, project, channel, kind, name, threshold, destination,
                list(fields), list(sealed), once, once and mac, answer or '{"id":"%s"}' % channel,
                location or "/v1/config/notifications/%s" % channel)


def update(conn, digest, channel, project=None, call_as=None, name=None, threshold=None, active=None, destination=None,
           sealed=None, replace=False, overlap=86400):
    """api.channel_update; ${sealed} is a dict of credential fields, None: all stay."""
    fields, values = (None, None) if sealed is None else (list(sealed), list(sealed.values()))
    return call(conn, "api_channel_update", digest, project, channel, call_as or call_id(), name, threshold, active,
                destination, fields, values, replace, overlap)


def delete(conn, digest, channel, project=None, call_as=None):
    return call(conn, "api_channel_delete", digest, project, channel, call_as or call_id())


def get(conn, digest, channel, project=None):
    return call(conn, "api_channel_get", digest, project, channel)


def tenant_wide(db, tenant, channel=None):
    """Make a tenant-wide channel with a credential; answers its id."""
    channel = channel or uuid.uuid4()
    db.rows("""INSERT INTO sigsentry.channel (tenant_id, id, type, name, severity_threshold, destination)
               VALUES (%s, %s, 'slack', 'wide', 1, 'hooks.slack.com')""", tenant, channel)
    return channel


def audit_of(db, tenant, action):
    return db.rows("SELECT * FROM sigsentry.audit WHERE tenant_id = %s AND action = %s ORDER BY id", tenant, action)


def at_once(conns, act):
    """Run act(conn) in a thread for each of ${conns}, all let go together; answers what they returned."""
    answers, barrier = [None] * len(conns), threading.Barrier(len(conns))

    def run(n):
        barrier.wait()
        try:
            answers[n] = act(conns[n])
        except Exception as e:  # the assertions show it
            answers[n] = e

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(conns))]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    return answers


class Waiting:
    """act() begun in a thread of its own, and found waiting for a lock in the session ${conn}."""

    def __init__(self, db, conn, act):
        self.answers = []
        self.thread = threading.Thread(target=self.run, args=(act,))
        self.thread.start()
        until(lambda: db.value("SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = %s", conn.info.backend_pid) == 1)
        assert self.answers == []

    def run(self, act):
        try:
            self.answers.append(act())
        except psycopg2.Error as e:
            self.answers.append(e)

    def answer(self):
        self.thread.join(10)
        assert len(self.answers) == 1, "it still waits"
        return self.answers[0]


def until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def scans(db):
    return {row["relname"]: row["seq_scan"] for row in
            db.rows("SELECT relname, seq_scan FROM pg_stat_xact_user_tables WHERE schemaname = 'sigsentry'")}


# courier.housekeep's lock: who holds it keeps the stack's own courier away.
HOUSEKEEP = 8316291932236969064


@pytest.fixture
def small(session):
    """A transaction in which every table is a page long, so that the planner would rather read it whole."""
    work = Database(session(autocommit=False))
    work.rows("SELECT pg_advisory_xact_lock(%s)", HOUSEKEEP)
    work.rows("TRUNCATE sigsentry.tenant, sigsentry.audit, sigsentry.idempotency, sigsentry.permit, sigsentry.gauge CASCADE")
    yield work
    work.conn.rollback()


def analyze(work):
    for row in work.rows("""SELECT oid::regclass AS name FROM pg_class
                             WHERE relnamespace = 'sigsentry'::regnamespace AND relkind = 'r'"""):
        work.rows("ANALYZE %s" % row["name"])
    work.rows("DISCARD PLANS")  # those of foreign keys, which were made outside our functions


@pytest.fixture
def db(session):
    return Database(session())


@pytest.fixture
def api(session):
    """A session of the role that the API workers have."""
    return session("sigsentry_api")


@pytest.fixture
def still(session):
    """The stack's courier stands still."""
    with runenv.courier_at_rest(Database(session()).rows):
        yield


@pytest.fixture
def home(db):
    """A starter tenant with one project and a secret key."""

    class Home:
        tenant = db.tenant()
        project = db.project(tenant)
        digest, key = db.key(tenant, project)

    return Home


@pytest.fixture
def q(session, still):
    """One transaction with an empty queue."""
    from queueing import Queue  # which imports this

    q = Queue(session(autocommit=False))
    q.rows("DELETE FROM sigsentry.queue")
    q.rows("UPDATE sigsentry.lane SET due_at = 'infinity'")
    return q


@pytest.fixture
def live(session, still):
    """Committed at once; what is left in the queue of others goes first."""
    from queueing import Queue

    live = Queue(session())
    live.rows("DELETE FROM sigsentry.queue")
    yield live
    live.rows("DELETE FROM sigsentry.queue")
