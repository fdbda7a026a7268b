"""What the suites on a whole stack share: the running stack, ways to speak to it, and what every answer must be.

The tests run against a stack that dev/up made and described in run/env.  Every answer of the
service that a test looks at passes through ok() or error(), which hold it against the promises that
contract §1 makes for all of them; and every answer that came through nginx, looked at or not, is held against
doc/openapi.json (openapi.py).  All answers are kept, so that the canary test can look through them.
"""

import base64
import contextlib
import datetime
import http.client
import io
import json
import os
import pathlib
import re
import secrets
import shlex
import signal
import socket
import ssl
import subprocess
import threading
import time
import uuid

import psycopg2

import openapi

ROOT = pathlib.Path(__file__).resolve().parents[1]
PATH = "/v1/config/notifications"
WRITE = ("config:write",)
BOTH = ("config:read", "config:write")
ISSUE_CODES = {
    "required", "type", "enum", "length", "format", "host",
    "unknown", "readonly", "reserved", "duplicate", "json",
}

# In every secret that the tests make up: what bears it may be found nowhere.
CANARY = "cnry" + secrets.token_hex(8)
# In names of fields and the like: an answer may bear it, a log may not.
NAMED = "nmd" + secrets.token_hex(8)

# A client's own request id: never to be believed.
OWN_REQUEST_ID = secrets.token_hex(16)

# Status lines, headers and bodies of all answers, as (kind, bytes).
RECORD = []

# All API keys that the tests had made.
KEYS = []


def secret(label="x"):
    """A secret that the canary test looks for; differs every time."""
    return "%s-%s-%s" % (CANARY, label, secrets.token_hex(4))


# The stack -----------------------------------------------------------------------------------------


def read_env():
    """run/env as a dict; None where no stack is up."""
    path = pathlib.Path(os.environ.get("SIGSENTRY_ENV", ROOT / "run" / "env"))
    if not path.exists():
        return None
    env = {}
    for line in path.read_text().splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        words = shlex.split(line.removeprefix("export "))
        key, _, value = " ".join(words).partition("=")
        env[key] = value
    env.setdefault("RUN_DIR", str(path.resolve().parent))
    return env


ENV = read_env()


def required():
    """For a conftest: without a stack that answers the run ends.  A suite that silently does nothing would look like one that passed."""
    import pytest
    if ENV is None:
        pytest.exit("no running stack: run dev/up first, or set SIGSENTRY_ENV", returncode=4)
    try:
        socket.create_connection(("127.0.0.1", port()), timeout=5).close()
    except OSError as e:
        pytest.exit("the stack of run/env does not answer at %s (%s): run dev/up" % (env("SIGSENTRY_URL"), e), returncode=4)


def env(name):
    return ENV[name]


def clock_vars():
    """What programs that go by the stack's own clock have in their environment; {} where it goes by the machine's."""
    return dict(word.split("=", 1) for word in ENV.get("SIGSENTRY_CLOCK", "").split())


def port():
    return int(env("SIGSENTRY_URL").rsplit(":", 1)[1].rstrip("/"))


class CtlFailed(Exception):
    pass


def ctl(*words, stdin=None):
    """Run sigsentryctl --json with these words; the JSON that it prints, or CtlFailed."""
    argv = shlex.split(env("SIGSENTRY_CTL")) + ["--json"] + [str(w) for w in words]
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=30)
    if done.returncode != 0:
        raise CtlFailed("%s: %d: %s" % (" ".join(argv), done.returncode, done.stderr))
    return json.loads(done.stdout) if done.stdout.strip() else None


def parallel(jobs, threads=8):
    """Call all of the functions, several at a time; their results in order.  The first exception is raised."""
    results = [None] * len(jobs)
    faults = []
    todo = iter(enumerate(jobs))
    lock = threading.Lock()

    def work():
        while not faults:
            with lock:
                i, job = next(todo, (None, None))
            if job is None:
                return
            try:
                results[i] = job()
            except BaseException as e:  # noqa: B902: handed on below
                faults.append(e)

    pool = [threading.Thread(target=work) for _ in range(min(threads, len(jobs)))]
    for t in pool:
        t.start()
    for t in pool:
        t.join()
    if faults:
        raise faults[0]
    return results


def new_tenant(plan="business"):
    return ctl("tenant", "create", "--name", "flow " + secrets.token_hex(4), "--plan", plan)["id"]


def new_project(tenant):
    slug = "p" + secrets.token_hex(6)
    return ctl("project", "create", "--tenant", tenant, "--name", "Flow", "--slug", slug)["id"]


def new_key(*, project=None, tenant=None, kind="secret", permissions=WRITE, expires=None):
    """The answer of apikey create: a dict with `id` and `key`."""
    words = ["apikey", "create", "--kind", kind, "--name", "flow"]
    words += ["--project", project] if project else ["--tenant", tenant]
    for p in permissions:
        words += ["--permission", p]
    if expires:
        words += ["--expires", expires]
    made = ctl(*words)
    KEYS.append(made["key"])
    return made


class Place:
    """A tenant with one project and a secret key that may write its config."""

    def __init__(self, plan="business", permissions=WRITE):
        self.tenant = new_tenant(plan)
        self.project = new_project(self.tenant)
        made = new_key(project=self.project, permissions=permissions)
        self.key_id, self.key = made["id"], made["key"]

    def org_key(self, permissions=WRITE):
        return new_key(tenant=self.tenant, kind="org", permissions=permissions)["key"]


# The database --------------------------------------------------------------------------------------


@contextlib.contextmanager
def database():
    """A session as the owner; what it did is committed when the block ends well."""
    link = psycopg2.connect(env("SIGSENTRY_DSN"))
    try:
        with link, link.cursor() as cursor:
            yield cursor
    finally:
        link.close()


_own = threading.local()


def own_cursor(anew=False):
    """A cursor of this thread's kept session, in which each statement is a transaction."""
    if anew or getattr(_own, "link", None) is None:
        _own.link = psycopg2.connect(env("SIGSENTRY_DSN"))
        _own.link.autocommit = True
    return _own.link.cursor()


def sql(text, *params):
    """All rows that a statement gives, as a list of dicts ([] where it gives none)."""
    try:
        cursor = own_cursor()
        cursor.execute(text, params)
    except (psycopg2.OperationalError, psycopg2.InterfaceError):
        if not hasattr(_own, "link") or not _own.link.closed:
            raise
        cursor = own_cursor(anew=True)  # the database was started anew meanwhile
        cursor.execute(text, params)
    if cursor.description is None:
        return []
    names = [c.name for c in cursor.description]
    return [dict(zip(names, row)) for row in cursor.fetchall()]


def channel_row(channel):
    rows = sql("SELECT *, sigsentry.severity_word(severity_threshold) AS threshold"
               " FROM sigsentry.channel WHERE id = %s", channel)
    assert len(rows) == 1, "channel %s stands there %d times" % (channel, len(rows))
    return rows[0]


def sealed(channel):
    """The sealed values of a channel: {field: bytes}."""
    rows = sql("SELECT field, sealed FROM sigsentry.credential WHERE channel_id = %s", channel)
    return {r["field"]: bytes(r["sealed"]) for r in rows}


def channel_count(project):
    return sql("SELECT count(*) AS n FROM sigsentry.channel WHERE project_id = %s", project)[0]["n"]


def channel_ids(project):
    return [r["id"] for r in sql("SELECT id::text FROM sigsentry.channel WHERE project_id = %s", project)]


def audit_rows(object_id):
    return sql("SELECT *, tenant_id::text AS tenant FROM sigsentry.audit WHERE object_id = %s", str(object_id))


def add_tenant_wide_channel(tenant):
    """A channel of the whole tenant; its id."""
    made = str(uuid.uuid4())
    sql("INSERT INTO sigsentry.channel (tenant_id, id, project_id, type, name, severity_threshold, destination)"
        " VALUES (%s, %s, NULL, 'slack', 'tenant-wide', 1, 'hooks.slack.com')", tenant, made)
    return made


PROJECT_LOCK = "SELECT 1 FROM sigsentry.project WHERE id = %s FOR UPDATE"


# Answers -------------------------------------------------------------------------------------------


class Reply:
    """An answer as it came, from whatever spoke to the service."""

    def __init__(self, status, headers, body, version="1.1", method="POST"):
        self.status = status
        self.headers = [(k.lower(), v) for k, v in headers]
        self.body = body
        self.version = version
        self.method = method
        head = "%d %s" % (status, "".join("\n%s: %s" % h for h in self.headers))
        RECORD.append(("reply", head.encode("latin-1", "replace") + b"\n\n" + body))

    def all(self, name):
        return [v for k, v in self.headers if k == name.lower()]

    def header(self, name):
        values = self.all(name)
        assert len(values) <= 1, "%s stands there %d times: %r" % (name, len(values), self)
        return values[0] if values else None

    def json(self):
        return json.loads(self.body.decode("utf-8", "strict"), object_pairs_hook=unique_pairs)

    def __repr__(self):
        return "<%d %s %r>" % (self.status, self.headers, self.body[:600])


def unique_pairs(pairs):
    names = [k for k, _ in pairs]
    assert len(names) == len(set(names)), "a repeated key in an answer: %s" % names
    return dict(pairs)


def check_common(reply, status, sent_id=OWN_REQUEST_ID):
    """What contract §1 promises of every answer."""
    assert reply.status == status, reply
    assert reply.header("content-type") == "application/json", reply
    assert re.fullmatch("[0-9a-f]{32}", reply.header("x-request-id") or ""), reply
    assert reply.header("x-request-id") != sent_id, "the client's own request id was believed"
    assert reply.header("cache-control") == "no-store", reply
    assert reply.header("www-authenticate") == ("Bearer" if status == 401 else None), reply
    assert (reply.header("allow") is not None) == (status == 405), reply
    if status in (429, 503):
        assert re.fullmatch("[1-9][0-9]*", reply.header("retry-after") or ""), reply


def ok(reply, status=201):
    """The answer is a success of this status; gives its data."""
    check_common(reply, status)
    body = reply.json()
    assert set(body) == {"success", "data"} and body["success"] is True, reply
    return body["data"]


def check_details(details):
    assert isinstance(details, dict) and details, "empty details"


def check_issues(details):
    assert set(details) == {"issues"}, details
    assert isinstance(details["issues"], list) and details["issues"], details
    for issue in details["issues"]:
        assert set(issue) == {"path", "code", "message"}, issue
        assert isinstance(issue["path"], str), issue
        assert issue["code"] in ISSUE_CODES, issue
        assert isinstance(issue["message"], str) and issue["message"].strip(), issue


def error(reply, status, code):
    """The answer is this error; gives its details ({} where it has none)."""
    check_common(reply, status)
    body = reply.json()
    assert set(body) == {"success", "error"} and body["success"] is False, reply
    assert {"code", "message"} <= set(body["error"]) <= {"code", "message", "details"}, reply
    assert body["error"]["code"] == code, reply
    assert isinstance(body["error"]["message"], str) and len(body["error"]["message"]) > 5, reply
    details = body["error"].get("details", {})
    if "details" in body["error"]:
        check_details(details)
    if code == "VALIDATION_ERROR":
        check_issues(details)
    return details


def issues(reply):
    """The issues of a 400 VALIDATION_ERROR as (path, code) pairs, in their order."""
    return [(i["path"], i["code"]) for i in error(reply, 400, "VALIDATION_ERROR")["issues"]]


def created(reply):
    """The id of the channel that the answer says was made."""
    data = ok(reply, 201)
    assert set(data) == {"id"}, data
    assert reply.header("location") == "%s/%s" % (PATH, data["id"]), reply
    return data["id"]


# Clients -------------------------------------------------------------------------------------------


def tls_context(alpn=None):
    context = ssl.create_default_context(cafile=env("SIGSENTRY_CACERT"))
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


_contexts = {}


def shared_context():
    if "plain" not in _contexts:
        _contexts["plain"] = tls_context()
    return _contexts["plain"]


class Client:
    """One kept connection through nginx.  Not for two threads at once."""

    def __init__(self, key=None, timeout=20):
        self.key = key
        self.timeout = timeout
        self.link = None

    def send(self, method="POST", path=PATH, body=None, key=None, headers=(), project=None,
             content_type="application/json"):
        """One request.  ${body}: bytes as they are, anything else as JSON.  ${headers}: pairs, repeated ones too."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        pairs = [("X-Request-Id", OWN_REQUEST_ID)]
        key = self.key if key is None else key
        if key:
            pairs.append(("Authorization", "Bearer " + key))
        if project is not None:
            pairs.append(("X-Project-Id", project))
        if content_type and body is not None:
            pairs.append(("Content-Type", content_type))
        if body is not None:
            pairs.append(("Content-Length", str(len(body))))
        pairs += headers
        return self.exchange(method, path, pairs, body)

    def exchange(self, method, path, pairs, body):
        fresh = self.link is None
        try:
            return self.once(method, path, pairs, body)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            # nginx may close a kept connection (its limit of requests, a reload) between two requests
            self.close()
            if fresh:
                raise
        return self.once(method, path, pairs, body)

    def once(self, method, path, pairs, body):
        if self.link is None:
            self.link = http.client.HTTPSConnection("localhost", port(), timeout=self.timeout, context=shared_context())
        self.link.putrequest(method, path, skip_accept_encoding=True)
        for name, value in pairs:
            self.link.putheader(name, value)
        self.link.endheaders(body)
        answer = self.link.getresponse()
        reply = Reply(answer.status, answer.getheaders(), answer.read(), method=method)
        if answer.will_close:
            self.close()
        openapi.check(method, path, reply, body)
        return reply

    def post(self, body, **options):
        return self.send(body=body, **options)

    def close(self):
        if self.link is not None:
            self.link.close()
        self.link = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def channel(name="#engineering-alerts", **changes):
    """The body of a create that is right; ${changes} replace fields, None removes one."""
    body = {
        "type": "slack",
        "name": name,
        "credentials": {"webhookUrl": "https://hooks.slack.com/services/T1/B1/" + secret("url")},
        "severityThreshold": "high",
    }
    body.update(changes)
    return {k: v for k, v in body.items() if v is not None}


CREDENTIALS = {
    "slack": {"webhookUrl": "https://hooks.slack.com/services/T1/B1/%s"},
    "teams": {"webhookUrl": "https://contoso.webhook.office.com/webhookb2/%s"},
    "discord": {"webhookUrl": "https://discord.com/api/webhooks/1/%s"},
    "google_chat": {"webhookUrl": "https://chat.googleapis.com/v1/spaces/A/messages?key=%s"},
    "webhook": {"url": "https://example.com/%s", "authHeader": "Bearer %s", "hmacSecret": "%s"},
    "email": {"recipients": "%s@example.com, b%s@example.com"},
}
DESTINATIONS = {"slack": "hooks.slack.com", "teams": "contoso.webhook.office.com", "discord": "discord.com",
                "google_chat": "chat.googleapis.com", "webhook": "example.com", "email": "2 recipients"}


def credentials_of(kind):
    """Good credentials of a type: every field, a new secret in each."""
    return {field: form.replace("%s", secret(field[:4])) for field, form in CREDENTIALS[kind].items()}


def of_kind(kind, name="n", **changes):
    """The body of a create of this type, with every credential field."""
    return channel(name, **{"type": kind, "credentials": credentials_of(kind), **changes})


def at(channel_id):
    """The path of a channel."""
    return "%s/%s" % (PATH, channel_id)


def shown(client, channel_id, **options):
    """The channel as a GET shows it."""
    return ok(client.send("GET", at(channel_id), **options), 200)


class RawTls:
    """A TLS connection that sends just what it is told, bytes and all."""

    def __init__(self, context=None, proxy=None, to=None, timeout=15, plain=False):
        """${proxy}: a PROXY protocol line to send first, on the port that wants one."""
        if to is None:
            to = int(env("SIGSENTRY_PROXY_PORT")) if proxy else port()
        sock = socket.create_connection(("127.0.0.1", to), timeout=timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if proxy:
            sock.sendall(proxy)
        self.sock = sock if plain else (context or shared_context()).wrap_socket(sock, server_hostname="localhost")
        self.buffer = io.BytesIO()
        self.file = self.sock.makefile("rb")
        self.requests = openapi.Requests(is_lost=plain)

    def send(self, data):
        self.requests.add(data)
        self.sock.sendall(data)

    def reply(self, method="POST"):
        """The next answer; None where the server closed instead."""
        try:
            line = self.file.readline()
        except (ConnectionResetError, ssl.SSLError):
            return None
        if not line:
            return None
        words = line.decode("latin-1").split(None, 2)
        status = int(words[1])
        headers = [(k, v) for k, v in http.client.parse_headers(self.file).items()]
        names = {k.lower(): v for k, v in headers}
        if method == "HEAD" or status in (100, 204, 304):
            body = b""
        elif names.get("transfer-encoding", "") == "chunked":
            body = self.chunks()
        elif "content-length" in names:
            body = self.file.read(int(names["content-length"]))
        else:
            body = self.file.read()
        reply = Reply(status, headers, body, version=words[0][5:], method=method)
        if status >= 200:
            asked, path = self.requests.next()
            openapi.check(asked or method, path, reply)
        return reply

    def chunks(self):
        body = b""
        while True:
            n = int(self.file.readline().split(b";")[0], 16)
            body += self.file.read(n)
            self.file.readline()
            if n == 0:
                return body

    def at_end(self):
        """Did the server close (waits for it)?"""
        try:
            return self.file.read(1) == b""
        except (ConnectionResetError, ssl.SSLError):
            return True

    def close(self):
        with contextlib.suppress(OSError):
            self.file.close()
            self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def raw_request(key=None, body=b"", method="POST", path=PATH, headers=(), length=None, host="localhost",
                version="HTTP/1.1"):
    """The bytes of a request.  ${length}: another Content-Length than the body's; "" leaves it out."""
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    lines = ["%s %s %s" % (method, path, version)]
    if host is not None:
        lines.append("Host: " + host)
    lines.append("X-Request-Id: " + OWN_REQUEST_ID)
    if key:
        lines.append("Authorization: Bearer " + key)
    if body or length is not None:
        lines.append("Content-Type: application/json")
    if length != "" and (body or length is not None):
        lines.append("Content-Length: %d" % (len(body) if length is None else length))
    lines += ["%s: %s" % h for h in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


# Processes and logs --------------------------------------------------------------------------------


def pids_of(name="SIGSENTRY_API_PIDS"):
    return [int(w) for w in pathlib.Path(env(name)).read_text().split()]


def master_pid():
    return pids_of()[0]


def children(pid):
    """The running children of ${pid}, oldest first."""
    try:
        words = pathlib.Path("/proc/%d/task/%d/children" % (pid, pid)).read_text().split()
    except FileNotFoundError:
        return []
    return [int(w) for w in words if not is_zombie(int(w))]


def state_of(pid):
    """A process's letter of proc(5): T is stopped, Z a zombie; that too where there is none."""
    try:
        return pathlib.Path("/proc/%d/stat" % pid).read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "Z"


def is_zombie(pid):
    return state_of(pid) == "Z"


def workers():
    return children(master_pid())


def wait_for(question, timeout=5.0, step=0.02):
    """Ask until the answer is true; gives it, or the last false one when the time is over."""
    end = time.monotonic() + timeout
    while True:
        answer = question()
        if answer or time.monotonic() >= end:
            return answer
        time.sleep(step)


def settled_workers(n=4, timeout=10, without=()):
    """Wait until the pool has ${n} workers and none of ${without} any more; their pids, None where that does not come."""
    def look():
        now = workers()
        return now if len(now) == n and not set(now) & set(without) else None
    return wait_for(look, timeout)


def calm():
    """What other tests left in the queue does not turn /readyz red: nothing waits, and no fault of our own is remembered."""
    sql("DELETE FROM sigsentry.queue WHERE claim_id IS NULL")
    sql("UPDATE sigsentry.tally_attempt SET last_at = now() - interval '1 hour' WHERE outcome = 'local'")


@contextlib.contextmanager
def courier_stopped():
    """The stack's courier stands still, its heart as if it had beaten just now; afterwards it beats at once."""
    pid = pids_of("SIGSENTRY_COURIER_PIDS")[0]
    os.kill(pid, signal.SIGSTOP)
    try:
        calm()
        sql("UPDATE sigsentry.courier SET beat_at = now()")
        yield
    finally:
        calm()
        os.kill(pid, signal.SIGCONT)
        os.kill(pid, signal.SIGHUP)
        assert wait_for(lambda: sql("SELECT FROM sigsentry.courier WHERE beat_at > now() - interval '2 seconds'"), 10)


@contextlib.contextmanager
def pool_away(stale=False):
    """Nobody listens where nginx looks for the pool: the socket's file is gone, or ${stale}, left by a dead one."""
    path = pathlib.Path(env("SIGSENTRY_SOCKET"))
    kept = path.with_name("kept.sock")
    path.rename(kept)
    try:
        if stale:
            with socket.socket(socket.AF_UNIX) as sock:
                sock.bind(str(path))
        yield
    finally:
        kept.rename(path)


class Logs:
    """What was added to the files of the log folder since this was made."""

    def __init__(self):
        self.folder = pathlib.Path(env("SIGSENTRY_LOG"))
        self.start = {p: p.stat().st_size for p in self.files()}

    def files(self):
        return [p for p in self.folder.rglob("*") if p.is_file()]

    def text(self, only=None):
        """The new text of all files whose name has ${only} in it."""
        parts = []
        for path in self.files():
            if only and only not in path.name:
                continue
            with path.open("rb") as f:
                f.seek(self.start.get(path, 0))
                parts.append(f.read().decode("utf-8", "replace"))
        return "".join(parts)

    def lines(self, pattern, only=None):
        return [line for line in self.text(only).splitlines() if re.search(pattern, line)]

    def wait(self, pattern, timeout=3.0, only=None):
        return wait_for(lambda: self.lines(pattern, only), timeout)


def dev_pg(verb):
    """dev/pg stop, start, restart or kill the stack's PostgreSQL."""
    run = dict(os.environ, RUN_DIR=env("RUN_DIR"))
    done = subprocess.run([str(ROOT / "dev" / "pg"), verb], env=run, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, "dev/pg %s: %s%s" % (verb, done.stdout, done.stderr)


def rfc3339(seconds_from_now):
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds_from_now)
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def basic_auth(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


class Load:
    """Threads that create channels as fast as they are answered, until stop(); each name is used once."""

    def __init__(self, key, threads=4, project=None):
        self.key, self.project = key, project
        self.ending = threading.Event()
        self.statuses = []      # one entry a request
        self.acknowledged = []  # ids of 201s
        self.replies = []       # all but 201s
        self.faults = []        # exceptions of connections
        self.slowest = 0.0      # seconds
        self.pool = [threading.Thread(target=self.work, args=(i,)) for i in range(threads)]

    def work(self, number):
        client = Client(self.key)
        n = 0
        while not self.ending.is_set():
            n += 1
            began = time.monotonic()
            try:
                reply = client.post(channel("load-%d-%d" % (number, n)), project=self.project)
            except OSError as e:
                self.faults.append(repr(e))
                client.close()
                continue
            except http.client.HTTPException as e:
                self.faults.append(repr(e))
                client.close()
                continue
            self.slowest = max(self.slowest, time.monotonic() - began)
            self.statuses.append(reply.status)
            if reply.status == 201:
                self.acknowledged.append(created(reply))
            else:
                self.replies.append(reply)
                time.sleep(0.02)
        client.close()

    def wait_for_more(self, n=20, timeout=10):
        """Wait until ${n} more requests than now were acknowledged."""
        goal = len(self.acknowledged) + n
        assert wait_for(lambda: len(self.acknowledged) >= goal, timeout), "the load stands still: %s" % self.summary()

    def summary(self):
        return {"statuses": {s: self.statuses.count(s) for s in set(self.statuses)}, "faults": self.faults[:3]}

    def __enter__(self):
        for t in self.pool:
            t.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        for t in self.pool:
            t.join()


def end_process(process, timeout=5):
    """Stop a process that a test started."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
