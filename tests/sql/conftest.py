"""Sessions for the tests of sql/.  SIGSENTRY_DSN names a database that has all of it, as its owner."""
import hashlib
import uuid

import psycopg2
import psycopg2.extras
import pytest

import runenv

psycopg2.extras.register_uuid()


@pytest.fixture(scope="session")
def dsn():
    return runenv.ENV["SIGSENTRY_DSN"]


@pytest.fixture
def session(dsn):
    """session(user=None) opens one more session; all are closed at the end of the test."""
    opened = []

    def connect(user=None, autocommit=True):
        conn = psycopg2.connect(dsn, **({"user": user} if user else {}))
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


CREATE = """SELECT status, key_id, tenant_id, project_id, plan, channel_limit, used
              FROM api.channel_create(%s::bytea, %s::uuid, %s::uuid, %s, %s, %s::smallint, %s, %s::text[], %s::bytea[])"""


def create(conn, digest, project=None, channel=None, kind="slack", name="#alerts", threshold=1,
           destination="hooks.slack.com", fields=("webhookUrl",), sealed=(b"sealed bytes",)):
    """api.channel_create in the session ${conn}; answers its row as a dict."""
    return Database(conn).row(CREATE, digest, project, channel or uuid.uuid4(), kind, name, threshold, destination,
                              list(fields), list(sealed))


@pytest.fixture
def db(session):
    return Database(session())


@pytest.fixture
def api(session):
    """A session of the role that the API workers have."""
    return session("sigsentry_api")


@pytest.fixture
def home(db):
    """A starter tenant with one project and a secret key."""

    class Home:
        tenant = db.tenant()
        project = db.project(tenant)
        digest, key = db.key(tenant, project)

    return Home
