"""Goal: what doc/scale.md says of a database with a standby and of pgbouncer is so.

The standby is one of a copy of the stack's database, on sockets of its own: the stack's is not touched.
"""

import contextlib
import json
import os
import pathlib
import re
import secrets
import shlex
import shutil
import subprocess
import tempfile
import time

import psycopg2
import pytest

import stack
from stack import wait_for
from test_pool import pools  # noqa: F401: a fixture
from world import Courier

AS_SERVER = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
EVENT = {"event": "scale.test", "severity": "critical", "summary": "s"}
PAGE = (stack.ROOT / "doc" / "scale.md").read_text()


@pytest.fixture
def folder():
    """A short name, which the server's user can reach."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="sigsentry-scale-"))
    if AS_SERVER:
        shutil.chown(path, "postgres")
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def run(*words):
    done = subprocess.run([*AS_SERVER, *map(str, words)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60, cwd="/")
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture
def courier(tmp_path):
    """Starts a courier of the stack's config with more options; ends it afterwards."""
    made = []

    def make(*options):
        made.append(Courier(tmp_path, *(w for o in options for w in ("-o", o))))
        made[-1].wait("ev=courier.ready")
        return made[-1]

    yield make
    for one in made:
        stack.end_process(one.process, 30)


def rows(socket, text, *params):
    """As the owner, on one server."""
    link = psycopg2.connect("host=%s dbname=sigsentry user=sigsentry_owner" % socket)
    with contextlib.closing(link), link, link.cursor() as cursor:
        cursor.execute(text, params)
        return cursor.fetchall() if cursor.description else []


# A standby -------------------------------------------------------------------------------------------------


class Server:
    """A PostgreSQL that is a copy of another one."""

    def __init__(self, folder, name, source, *how):
        self.socket, self.data = folder / name, folder / name / "data"
        run("mkdir", self.socket)
        run(self.program("pg_basebackup"), "-d", "host=%s user=postgres" % source, "-D", self.data, "-c", "fast", *how)
        (self.data / "stack.conf").write_text(re.sub(
            "(?m)^unix_socket_directories.*", "unix_socket_directories = '%s'" % self.socket, (self.data / "stack.conf").read_text()))
        self.start()

    @staticmethod
    def program(name):
        pid = int((pathlib.Path(stack.env("SIGSENTRY_PG")) / "postmaster.pid").read_text().split()[0])
        return pathlib.Path("/proc/%d/exe" % pid).resolve().with_name(name)

    def ctl(self, *words):
        run(self.program("pg_ctl"), "-D", self.data, "-w", "-l", self.socket / "log", *words)

    def start(self):
        self.ctl("start")

    def stop(self):
        if (self.data / "postmaster.pid").exists():
            self.ctl("stop", "-m", "immediate")


@pytest.fixture
def pair(folder):
    """A primary and its standby, which has all that the primary has committed."""
    made = []
    try:
        made.append(Server(folder, "a", pathlib.Path(stack.env("SIGSENTRY_PG")).parent))
        # the couriers of the stack do not work here
        rows(made[0].socket, "DELETE FROM sigsentry.courier")
        rows(made[0].socket, "DELETE FROM sigsentry.queue")
        made.append(Server(folder, "b", made[0].socket, "-R"))
        yield made
    finally:
        for server in made:
            server.stop()


def test_failover(pair, pools, courier):  # noqa: F811
    """The primary dies and the standby is promoted: workers and courier, told of both, go on; nobody restarts them."""
    place = stack.Place("enterprise", stack.BOTH + ("analysis:create",))
    a, b = pair
    rows(a.socket, "SELECT 1")
    database = "database=host=%s,%s dbname=sigsentry" % (a.socket, b.socket)
    assert "host=a,b" in PAGE.replace("db1", "a").replace("db2", "b")
    copy_place(place, a.socket)
    assert wait_for(lambda: rows(b.socket, "SELECT 1 FROM sigsentry.project WHERE id = %s", place.project), 10)
    pool = pools(database, workers=2).ready()
    one = courier(database, "lease_s=3")
    settled(pool, place, a.socket)

    a.stop()
    answers = [pool.send("POST", "/v1/events", place.key, EVENT).status for _ in range(4)]
    assert set(answers) == {503}, "what is a standby cannot be written to"
    b.ctl("promote")
    began = time.monotonic()
    settled(pool, place, b.socket)
    assert time.monotonic() - began < 20
    assert one.runs() and len(pool.workers()) == 2


def copy_place(place, socket):
    """The tenant, its project and key, which the copy was made before."""
    for table in ("tenant", "project", "api_key"):
        column = "id" if table == "tenant" else "tenant_id"
        for (text,) in [(r["t"],) for r in stack.sql(
                "SELECT row_to_json(x)::text AS t FROM sigsentry.%s x WHERE %s = %%s" % (table, column), place.tenant)]:
            rows(socket, "INSERT INTO sigsentry.%s SELECT * FROM json_populate_record(NULL::sigsentry.%s, %%s)" % (table, table), text)


def settled(pool, place, socket):
    """A channel and an event are accepted, and the courier has tried to deliver it (to a host that there is not)."""
    def sent(path, body, status):
        return wait_for(lambda: pool.send("POST", path, place.key, body).status == status, 15, 0.2)

    name = "n" + secrets.token_hex(4)
    url = "https://%s.sigsentry.test/x" % name
    assert sent(stack.PATH, stack.channel(name, type="webhook", credentials={"url": url}), 201), pool.said()
    assert sent("/v1/events", dict(EVENT, mark=name), 202), pool.said()
    assert wait_for(lambda: rows(
        socket, "SELECT 1 FROM sigsentry.queue q JOIN sigsentry.channel c ON c.id = q.channel_id"
                " WHERE c.name = %s AND (q.attempts > 0 OR q.claim_id IS NOT NULL)", name), 20), "nobody delivers"


# pgbouncer -------------------------------------------------------------------------------------------------


class Pooler:
    """pgbouncer with the page's settings, in front of the stack's database."""

    def __init__(self, folder, mode):
        users = "".join('"%s" ""\n' % u for u in ("sigsentry_api", "sigsentry_courier", "sigsentry_owner"))
        self.folder, self.log = folder, folder / "log"
        [shown] = re.findall(r"(?m)^    \[pgbouncer\]\n((?:    .*\n)+)", PAGE)
        settings = dict(re.findall(r"(?m)^ *(\w+) = (.*)$", shown))
        settings.update({"listen_addr": "", "unix_socket_dir": folder, "auth_type": "trust", "auth_file": folder / "users",
                         "logfile": self.log, "pidfile": folder / "pid", "pool_mode": mode or settings["pool_mode"]})
        conf = "[databases]\nsigsentry = host=%s dbname=sigsentry\n[pgbouncer]\n" % pathlib.Path(stack.env("SIGSENTRY_PG")).parent
        for name, text in (("conf", conf + "".join("%s = %s\n" % s for s in settings.items())), ("users", users)):
            (folder / name).write_text(text)
        self.port = settings["listen_port"]
        self.process = subprocess.Popen([*AS_SERVER, "pgbouncer", "-q", str(folder / "conf")], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
        assert wait_for(lambda: (folder / (".s.PGSQL." + self.port)).exists(), 10), self.log.read_text()
        self.database = "host=%s port=%s dbname=sigsentry" % (folder, self.port)


@pytest.fixture
def pooler(folder):
    made = []

    def make(mode=None):
        made.append(Pooler(folder, mode))
        return made[-1]

    yield make
    for one in made:
        stack.end_process(one.process)


@pytest.fixture
def role_settings():
    """What the page has an admin set, since a pooler cannot pass it on; taken back afterwards."""
    lines = re.findall(r"(?m)^    (ALTER ROLE .*;)$", PAGE)
    assert len(lines) == 6
    link = psycopg2.connect(stack.env("SIGSENTRY_DSN"), user="postgres")
    link.autocommit = True
    with contextlib.closing(link), link.cursor() as cursor:
        for line in lines:
            cursor.execute(line)
        try:
            yield cursor.execute
        finally:
            for role in set(re.findall(r"ALTER ROLE (\w+)", " ".join(lines))):
                cursor.execute("ALTER ROLE %s RESET ALL" % role)
                cursor.execute("ALTER ROLE %s IN DATABASE sigsentry RESET ALL" % role)
                cursor.execute("ALTER ROLE %s IN DATABASE postgres RESET ALL" % role)


def test_pgbouncer_by_session(pooler, pools, courier, role_settings):  # noqa: F811
    place = stack.Place("enterprise", stack.BOTH + ("analysis:create",))
    p = pooler()
    pool, one = pools("database=" + p.database, workers=4).ready(4), courier("database=" + p.database)
    statuses = stack.parallel([lambda: pool.create(place.key).status] * 40)
    assert statuses == [201] * 40, pool.said()
    assert "ev=db.fail" not in pool.said() and not one.lines("ev=db.(fail|connect)")
    name = "n" + secrets.token_hex(4)
    made = pool.send("POST", stack.PATH, place.key, stack.channel(
        name, type="webhook", credentials={"url": "https://%s.sigsentry.test/x" % name}))
    assert made.status == 201
    # what every session of ours has without a pooler
    link = psycopg2.connect(p.database, user="sigsentry_api")
    with contextlib.closing(link), link.cursor() as cursor:
        for setting, value in (("jit", "off"), ("plan_cache_mode", "force_generic_plan"), ("lock_timeout", "2s")):
            cursor.execute("SHOW " + setting)
            assert cursor.fetchone() == (value,)


def checker(database):
    """What `sigsentryctl check` says of the roles, over and over."""
    words = [*shlex.split(stack.env("SIGSENTRY_CTL")), "--json", "check", "-o", "database=" + database]

    def roles():
        said = subprocess.run(words, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL).stdout
        return {p["name"]: p for p in json.loads(said)}["roles"]
    return roles


def test_the_check_sees_a_pooler_without_the_settings(pooler, request):
    """As the page says: behind a pooler the roles must have what our programs set for a session."""
    roles = checker(pooler().database)
    said = roles()
    assert not said["ok"] and "sigsentry_api has not the settings" in said["message"] and "sigsentry_courier has not" in said["message"]
    assert "plan_cache_mode" in said["cure"]
    request.getfixturevalue("role_settings")
    assert roles()["ok"]


@pytest.mark.parametrize("setting, other, value", [("lock_timeout", "'0'", "'500ms'"), ("jit", "on", "off"),
                                                   ("plan_cache_mode", "auto", "force_generic_plan")])
def test_the_check_looks_at_each_setting_for_this_database(pooler, role_settings, setting, other, value):
    """One that a role lacks, that says something else, or that is of another database, is as none at all."""
    roles = checker(pooler().database)
    role = "ALTER ROLE sigsentry_courier "
    assert roles()["ok"]
    for lacks in ("RESET %s" % setting, "SET %s = %s" % (setting, other)):
        role_settings(role + lacks)
        said = roles()
        assert not said["ok"] and "sigsentry_courier has not the settings" in said["message"] and "sigsentry_api" not in said["message"], lacks
    role_settings(role + "RESET " + setting)
    role_settings(role + "IN DATABASE postgres SET %s = %s" % (setting, value))
    assert not roles()["ok"]
    role_settings(role + "IN DATABASE sigsentry SET %s = %s" % (setting, value))
    assert roles()["ok"]


def test_pgbouncer_by_transaction(pooler, pools):  # noqa: F811
    """As the page warns: sessions are mixed up, and with them the statements prepared in them."""
    place = stack.Place("enterprise")
    pool = pools("database=" + pooler("transaction").database, workers=4).ready(4)
    statuses = stack.parallel([lambda: pool.create(place.key).status] * 40)
    assert 500 in statuses and "sqlstate=42P05" in pool.said()
    assert json.dumps(500) in PAGE and "42P05" in PAGE
