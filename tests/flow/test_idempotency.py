"""Goal: a create that is sent again with its Idempotency-Key is answered as the first time, and done once (contract §4).

Whatever happens in between: refusals, many clients at once, a worker that dies, a day that passes.  And what is
remembered tells nothing about what was sent.
"""

import base64
import glob
import hashlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import threading
import time

import psycopg2
import pytest

import stack
from stack import PATH, Client, channel, created, error, issues, ok
from test_pool import pools  # noqa: F401: a fixture

ISSUE = "header.Idempotency-Key"


def new():
    return "key-" + stack.secret("once")


def body(name="once", **changes):
    return json.dumps(channel(name, **changes)).encode()


def post(client, data, once, **options):
    return client.post(data, headers=[("Idempotency-Key", once)], **options)


def first(reply):
    """The id of a channel that was made just now."""
    assert reply.header("idempotency-replayed") is None, reply
    return created(reply)


def check_replay(reply, of):
    """The same answer once more, byte for byte, and marked as such."""
    created(reply)
    assert reply.header("idempotency-replayed") == "true", reply
    assert (reply.status, reply.body, reply.header("location")) == (of.status, of.body, of.header("location"))


def rows(key_id):
    return stack.sql("SELECT * FROM sigsentry.idempotency WHERE key_id = %s", key_id)


@pytest.fixture
def c(place):
    with Client(place.key) as client:
        yield client


# The same again ----------------------------------------------------------------------------------------


def test_replay(place, c):
    """On the same connection and on others, again and again."""
    data, once = body(), new()
    answer = post(c, data, once)
    new_id = first(answer)
    for _ in range(6):
        check_replay(post(c, data, once), answer)
        with Client(place.key) as other:
            check_replay(post(other, data, once), answer)
    assert stack.channel_ids(place.project) == [new_id]
    assert len(stack.audit_rows(new_id)) == 1


def test_without_a_key_nothing_is_remembered(place, c):
    data = body()
    assert first(c.post(data)) != first(c.post(data))
    assert rows(place.key_id) == []


def test_what_else_differs_does_not_count(place, c):
    """It is the body that counts: not another spelling of its media type, a query, or the project's name for a key
    that has only one."""
    data, once = body(), new()
    answer = post(c, data, once)
    first(answer)
    check_replay(post(c, data, once, content_type="application/json; charset=utf-8"), answer)
    check_replay(post(c, data, once, project=place.project), answer)
    check_replay(post(c, data, once, path=PATH + "?x=1"), answer)


TEXT = '{"type":"slack","name":"n","credentials":{"webhookUrl":"https://hooks.slack.com/services/T/B/%s"},' \
       '"severityThreshold":"high"}'
OTHER_BODIES = [
    ("another value", lambda t: t.replace('"high"', '"low"')),
    ("another credential", lambda t: t.replace("/T/B/", "/T/C/")),
    ("whitespace inside", lambda t: t.replace(',"', ', "')),
    ("a line behind", lambda t: t + "\n"),
    ("a blank before", lambda t: " " + t),
    ("an escape", lambda t: t.replace('"n"', '"\\u006e"')),
    ("another order", lambda t: '{"severityThreshold":"high",' + t[1:].replace(',"severityThreshold":"high"', "")),
]


def test_another_body(place, c):
    """409, which changes nothing about what is remembered."""
    text, once = TEXT % stack.secret("url"), new()
    answer = post(c, text.encode(), once)
    first(answer)
    for name, change in OTHER_BODIES:
        assert change(text) != text and json.loads(change(text)), name
        assert error(post(c, change(text).encode(), once), 409, "IDEMPOTENCY_KEY_CONFLICT") == {}, name
    check_replay(post(c, text.encode(), once), answer)
    assert stack.channel_count(place.project) == 1


def test_another_project(place):
    """An org key's second request is for another project: that is another request."""
    second = stack.new_project(place.tenant)
    data, once = body(), new()
    with Client(place.org_key()) as c:
        answer = post(c, data, once, project=place.project)
        first(answer)
        error(post(c, data, once, project=second), 409, "IDEMPOTENCY_KEY_CONFLICT")
        check_replay(post(c, data, once, project=place.project), answer)
        first(post(c, data, new(), project=second))
    assert (stack.channel_count(place.project), stack.channel_count(second)) == (1, 1)


def test_private_to_the_key(place):
    """Other keys of the project, the tenant and another tenant use the same Idempotency-Key for themselves."""
    stranger = stack.Place()
    keys = [place.key, stack.new_key(project=place.project)["key"], place.org_key(), stranger.key]
    data, once = body(), new()
    answers = []
    for key in keys:
        with Client(key) as c:
            answers.append(post(c, data, once, project=place.project if key == keys[2] else None))
    assert len({first(a) for a in answers}) == 4
    for key, answer in zip(keys, answers):
        with Client(key) as c:
            check_replay(post(c, data, once, project=place.project if key == keys[2] else None), answer)
            error(post(c, body(), once, project=place.project if key == keys[2] else None),
                  409, "IDEMPOTENCY_KEY_CONFLICT")


def test_keys_differ_in_every_byte(c):
    once = new()
    data = body()
    ids = [first(post(c, data, k)) for k in (once, once + "x", once[:-1], once.upper(), "x" + once)]
    assert len(set(ids)) == 5


def test_a_channel_that_is_gone(place, c):
    """The first answer, though the channel it speaks of was deleted since; it does not come back."""
    data, once = body(), new()
    answer = post(c, data, once)
    assert ok(c.send("DELETE", PATH + "/" + first(answer)), 200) == {"deleted": True}
    check_replay(post(c, data, once), answer)
    assert stack.channel_count(place.project) == 0


@pytest.mark.parametrize("ill,status,code", [("revoked", 401, "API_KEY_REVOKED"), ("suspended", 403, "TENANT_SUSPENDED"),
                                             ("reader", 403, "FORBIDDEN")])
def test_a_replay_needs_a_good_key(place, c, ill, status, code):
    data, once = body(), new()
    first(post(c, data, once))
    if ill == "suspended":
        stack.ctl("tenant", "suspend", place.tenant)
    elif ill == "revoked":
        stack.ctl("apikey", "revoke", place.key_id)
    else:
        stack.sql("UPDATE sigsentry.api_key SET permissions = '{config:read}' WHERE id = %s", place.key_id)
    error(post(c, data, once), status, code)


# The header ----------------------------------------------------------------------------------------------

LONGEST = "k" * 235  # and 20 characters that differ each time

FORMS = [
    ("one character", "!", None),
    ("all visible characters", "".join(map(chr, range(0x21, 0x7f))), None),
    ("a list without blanks", "a,b", None),
    ("255", LONGEST + "{20}", None),
    ("blanks around, which HTTP drops", "  {20}  ", None),
    ("empty", "", "length"),
    ("only blanks", "   ", "length"),
    ("256", LONGEST + "x{20}", "length"),
    ("4000", "x" * 4000, "length"),
    ("a blank", "a b", "format"),
    ("a tab", "a\tb", "format"),
    ("not ASCII", "caf\xe9", "format"),
    ("UTF-8", "k\xc3\xa9y", "format"),
    ("DEL", "a\x7fb", "format"),
    ("a control character", "a\x01b", "format"),
]


@pytest.mark.parametrize("value,code", [f[1:] for f in FORMS], ids=[f[0] for f in FORMS])
def test_header_forms(place, c, value, code):
    value = value.replace("{20}", stack.secret()[-20:])
    data = body()
    if code is not None:
        assert issues(post(c, data, value)) == [(ISSUE, code)]
        assert stack.channel_count(place.project) == 0
    else:
        answer = post(c, data, value)
        first(answer)
        check_replay(post(c, data, value.strip()), answer)


@pytest.mark.parametrize("second", ["same", "other"])
def test_repeated_header(place, c, second):
    once = new()
    headers = [("Idempotency-Key", once), ("Idempotency-Key", once if second == "same" else new())]
    assert issues(c.post(body(), headers=headers)) == [(ISSUE, "duplicate")]
    # in one field, as newer web servers hand a repeated one over (RFC 9110 §5.3)
    assert issues(post(c, body(), ", ".join(v for _, v in headers))) == [(ISSUE, "duplicate")]
    assert stack.channel_count(place.project) == 0
    first(post(c, body(), once))


def test_all_faults_at_once(c):
    """The header's stands before the body's."""
    reply = post(c, body(name="", severityThreshold="x"), "a b")
    assert issues(reply) == [(ISSUE, "format"), ("name", "length"), ("severityThreshold", "enum")]


@pytest.fixture(scope="module")
def reader():
    place = stack.Place("enterprise", ("config:read", "config:write"))
    with Client(place.key) as c:
        place.channels = [created(c.post(channel())) for _ in range(3)]
    return place


# Routes that do not heed the header: their bodies differ each time.
OTHER_ROUTES = [
    ("list", "GET", PATH, None),
    ("get", "GET", PATH + "/{id}", None),
    ("head", "HEAD", PATH, None),
    ("put", "PUT", PATH + "/{id}", {"name": "%s"}),
    ("patch", "PATCH", PATH + "/{id}", {"name": "%s"}),
    ("settings get", "GET", PATH + "/settings", None),
    ("settings put", "PUT", PATH + "/settings", {"defaultSeverityThreshold": "low"}),
    ("delete", "DELETE", PATH + "/{id}", None),
]


@pytest.mark.parametrize("method,path,data", [r[1:] for r in OTHER_ROUTES], ids=[r[0] for r in OTHER_ROUTES])
def test_routes_that_do_not_heed_it(reader, method, path, data):
    """Whatever it holds is ignored there, but for a repeated one, of which nobody could say what it means."""
    once = new()
    path = path.replace("{id}", reader.channels[0])
    with Client(reader.key) as c:
        for values in ([once, once], [once, new()], [once + ", " + once]):
            data_now = data and {k: v.replace("%s", stack.secret()[-8:]) for k, v in data.items()}
            reply = c.send(method, path, data_now, headers=[("Idempotency-Key", v) for v in values])
            if method == "HEAD":
                assert reply.status == 400
            else:
                assert issues(reply) == [(ISSUE, "duplicate")]
        for n, value in enumerate([once, once, "", "x" * 256, "a b", "\xe9"]):
            if method == "DELETE" and n > 0:
                path = PATH + "/" + reader.channels[n] if n < 3 else path
                if n >= 3:
                    break
            data_now = data and {k: v.replace("%s", stack.secret()[-8:]) for k, v in data.items()}
            reply = c.send(method, path, data_now, headers=[("Idempotency-Key", value)])
            assert reply.status == 200, reply
            assert reply.header("idempotency-replayed") is None
    assert rows(reader.key_id) == []


# What is not remembered ------------------------------------------------------------------------------------


def test_refused_requests_are_forgotten(place, c):
    """After each refusal the same Idempotency-Key does for any request, and its first answer is no replay."""
    once, data = new(), body()
    foreign = stack.Place()
    reader_key = stack.new_key(project=place.project, permissions=("config:read",))["key"]
    assert issues(post(c, b"{", once)) == [("", "json")]
    assert issues(post(c, body(name=""), once)) == [("name", "length")]
    error(post(c, data, once, content_type="text/plain"), 415, "UNSUPPORTED_MEDIA_TYPE")
    error(post(c, data, once, project=foreign.project), 403, "WRONG_PROJECT")
    error(post(c, data, once, key=reader_key), 403, "FORBIDDEN")
    error(post(c, data, once, key=place.key + "x"), 401, "UNAUTHORIZED")
    assert rows(place.key_id) == []
    answer = post(c, data, once)
    first(answer)
    # nor does a refusal take away what is remembered
    assert issues(post(c, b"{", once)) == [("", "json")]
    error(post(c, data, once, content_type="text/plain"), 415, "UNSUPPORTED_MEDIA_TYPE")
    check_replay(post(c, data, once), answer)


def test_quota():
    """Refused for the quota is not remembered; replays use up none of it, nor are they refused for it."""
    place = stack.Place("starter")
    with Client(place.key) as c:
        sent = [(body(), new()) for _ in range(2)]
        answers = [post(c, *s) for s in sent]
        ids = [first(a) for a in answers]
        third, once = body(), new()
        for _ in range(2):
            assert error(post(c, third, once), 403, "QUOTA_EXCEEDED") == {"limit": 2, "used": 2, "plan": "starter"}
        assert len(rows(place.key_id)) == 2
        for s, a in zip(sent * 2, answers * 2):
            check_replay(post(c, *s), a)
        error(post(c, third, sent[0][1]), 409, "IDEMPOTENCY_KEY_CONFLICT")  # before the quota (§1)
        ok(c.send("DELETE", PATH + "/" + ids[0]), 200)
        answer = post(c, third, once)
        third_id = first(answer)
        check_replay(post(c, third, once), answer)
    assert sorted(stack.channel_ids(place.project)) == sorted([ids[1], third_id])
    audited = stack.sql("SELECT object_id FROM sigsentry.audit WHERE tenant_id = %s AND action = 'channel.create'",
                        place.tenant)
    assert sorted(a["object_id"] for a in audited) == sorted(ids + [third_id])


# At the same moment ----------------------------------------------------------------------------------------


def all_at_once(n, call):
    """call(i) in n threads, at the same moment; the answers."""
    gate = threading.Barrier(n)
    replies = [None] * n

    def work(i):
        with Client() as c:
            c.send("GET", path="/healthz")  # connected
            gate.wait(20)
            replies[i] = call(c, i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return replies


@pytest.mark.parametrize("plan", ["starter", "enterprise"])
def test_sixteen_at_once(plan):
    """One makes the channel, fifteen are told of it; with and without the lock of the project."""
    place = stack.Place(plan)
    for _ in range(2):
        before = set(stack.channel_ids(place.project))
        data, once = body(), new()
        replies = all_at_once(16, lambda c, i, d=data, o=once: post(c, d, o, key=place.key))
        one = [r for r in replies if r.header("idempotency-replayed") is None]
        assert len(one) == 1
        made = first(one[0])
        for r in replies:
            if r is not one[0]:
                check_replay(r, one[0])
        assert set(stack.channel_ids(place.project)) - before == {made}


def test_sixteen_different_bodies_at_once(place):
    """One wins; to all others it is a conflict."""
    once = new()
    bodies = [body("n%d" % i) for i in range(16)]
    replies = all_at_once(16, lambda c, i: post(c, bodies[i], once, key=place.key))
    made = [created(r) for r in replies if r.status == 201]
    assert len(made) == 1 and stack.channel_ids(place.project) == made
    for r in replies:
        if r.status != 201:
            error(r, 409, "IDEMPOTENCY_KEY_CONFLICT")


class Held:
    """A create of a pool of our own that stands still in its transaction: it waits for the project's row."""

    def __init__(self, make, place, data, once):
        self.pool = make("lock_timeout_ms=60000", "request_deadline_ms=30000", workers=1).ready(1)
        self.place, self.data, self.once = place, data, once
        self.answers = []
        self.holder = psycopg2.connect(stack.env("SIGSENTRY_DSN"))
        with self.holder.cursor() as cursor:
            cursor.execute(stack.PROJECT_LOCK, (place.project,))
        self.thread = threading.Thread(target=self.work)
        self.thread.start()
        assert stack.wait_for(self.waits), "it does not wait"

    def work(self):
        self.answers.append(self.pool.send("POST", PATH, self.place.key, self.data, [("Idempotency-Key", self.once)]))

    def waits(self):
        return stack.sql("SELECT 1 FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))",
                         self.holder.info.backend_pid)

    def let_go(self):
        self.holder.rollback()
        self.thread.join()
        return self.answers[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.holder.close()
        self.thread.join()


def test_the_second_waits_two_seconds(pools, c):  # noqa: F811
    """Then it is told to come again, and when it does it gets the first one's answer."""
    place = stack.Place("starter")
    data, once = body(), new()
    with Held(pools, place, data, once) as held:
        began = time.monotonic()
        error(post(c, data, once, key=place.key), 503, "SERVICE_UNAVAILABLE")
        assert 1.8 <= time.monotonic() - began <= 3.2
        assert not held.answers
        answer = held.let_go().reply
    assert answer.status == 201 and answer.header("idempotency-replayed") is None
    again = post(c, data, once, key=place.key)
    created(again)
    assert again.header("idempotency-replayed") == "true"
    assert (again.body, again.header("location")) == (answer.body, answer.header("location"))
    assert stack.channel_count(place.project) == 1


def test_the_second_need_not_wait_long(pools, c):  # noqa: F811
    """The first is done meanwhile: the second has its answer at once.  And one that fails leaves the key free."""
    place = stack.Place("starter")
    data, once = body(), new()
    with Held(pools, place, data, once) as held:
        timer = threading.Timer(0.4, held.holder.rollback)
        timer.start()
        again = post(c, data, once, key=place.key)
        timer.join()
        answer = held.let_go().reply
    assert answer.status == 201 and again.header("idempotency-replayed") == "true" and again.body == answer.body
    assert stack.channel_count(place.project) == 1


@pytest.mark.parametrize("after", ["before the lock is free", "after it"])
def test_killed_worker(pools, c, after):  # noqa: F811
    """kill -9 in the middle of the create: nobody knows whether it was written.  Sent again there is one channel."""
    place = stack.Place("starter")
    data, once = body(), new()
    with Held(pools, place, data, once) as held:
        pid, = held.pool.workers()
        os.kill(pid, signal.SIGKILL)
        held.thread.join(5)
        assert held.answers[0].reply is None, "a dead worker answered"
        timer = threading.Timer(0.4 if after == "before the lock is free" else 0, held.holder.rollback)
        timer.start()
        if after == "after it":
            timer.join()
        reply = post(c, data, once, key=place.key)
        timer.join()
    made = created(reply)
    assert stack.channel_ids(place.project) == [made]
    check_replay(post(c, data, once, key=place.key), reply)
    assert len(stack.audit_rows(made)) == 1


# For a day -----------------------------------------------------------------------------------------------


def grow_older(key_id, interval):
    stack.sql("UPDATE sigsentry.idempotency SET created_at = now() - %s::interval WHERE key_id = %s", interval, key_id)


def test_remembered_for_a_day(place, c):
    data, once = body(), new()
    answer = post(c, data, once)
    old = first(answer)
    grow_older(place.key_id, "23:59:30")
    check_replay(post(c, data, once), answer)
    grow_older(place.key_id, "24:00:01")
    answer = post(c, data, once)
    assert first(answer) != old
    check_replay(post(c, data, once), answer)
    grow_older(place.key_id, "24:00:01")
    other = body("of another day")
    answer = post(c, other, once)
    first(answer)
    check_replay(post(c, other, once), answer)
    error(post(c, data, once), 409, "IDEMPOTENCY_KEY_CONFLICT")
    assert stack.channel_count(place.project) == 3


def test_forgotten_after_a_day(place, c):
    """By the courier's round; younger ones stay."""
    def round_of_the_courier():
        done = stack.sql("SELECT * FROM courier.housekeep(1000)")[0]
        return done["done"] and not done["more"]

    data, once = body(), new()
    first(post(c, data, once))
    grow_older(place.key_id, "24:00:01")
    answer = post(c, data, new())
    first(answer)
    assert len(rows(place.key_id)) == 2
    assert stack.wait_for(round_of_the_courier)
    left = rows(place.key_id)
    assert len(left) == 1 and left[0]["location"] == answer.header("location")


def test_sixteen_at_the_end_of_the_day(place, c):
    """An entry that counts no more is written over by one of them."""
    data, once = body(), new()
    old = first(post(c, data, once))
    grow_older(place.key_id, "24:00:01")
    replies = all_at_once(16, lambda k, i: post(k, data, once, key=place.key))
    made = {created(r) for r in replies}
    assert len(made) == 1 and old not in made
    assert [r.header("idempotency-replayed") for r in replies].count(None) == 1


# What the database knows ------------------------------------------------------------------------------------


def dump():
    program = shutil.which("pg_dump") or sorted(glob.glob("/usr/lib/postgresql/*/bin/pg_dump"))[-1]
    done = subprocess.run([program, "--dbname", stack.env("SIGSENTRY_DSN")], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode("latin-1").lower()


def forms(data):
    """How bytes could stand in a dump, themselves or an unkeyed digest of them."""
    found = []
    for b in [data] + [hashlib.new(n, data).digest() for n in ("md5", "sha1", "sha256", "sha512")]:
        found += [b.decode("latin-1"), b.hex(), base64.b64encode(b).decode().rstrip("=")]
    return [f.lower() for f in found]


def test_nothing_in_the_clear(place, c):
    """A dump holds neither the Idempotency-Key nor, beside the channel itself, anything of the body; no plain digest
    of either, which could be guessed at."""
    once, name, url = new(), "name" + secrets.token_hex(8), "https://hooks.slack.com/services/T/B/" + stack.secret()
    data = body(name, credentials={"webhookUrl": url})
    new_id = first(post(c, data, once))
    error(post(c, body("other" + name), once), 409, "IDEMPOTENCY_KEY_CONFLICT")
    text = dump()
    assert new_id in text
    for what in (once.encode(), data, url.encode(), url[-20:].encode(), ("other" + name).encode()):
        assert not [f for f in forms(what) if f in text], what
    kept, = rows(place.key_id)
    assert len(kept["key_mac"]) == len(kept["request_mac"]) == 32
    assert kept["answer"] == json.dumps({"id": new_id}, separators=(",", ":"))
    # the channel's name stands where the channel and its audit row do, and not in what is remembered
    assert not any(f in str(kept).lower() for f in forms(name.encode()))


def test_same_request_looks_different_for_each_key(place, c):
    """Not even that two keys sent the same can be told."""
    second = stack.new_key(project=place.project)
    data, once = body(), new()
    first(post(c, data, once))
    first(post(c, data, once, key=second["key"]))
    (one,), (two,) = rows(place.key_id), rows(second["id"])
    assert bytes(one["key_mac"]) != bytes(two["key_mac"]) and bytes(one["request_mac"]) != bytes(two["request_mac"])


def test_the_logs_do_not_know_it(c, logs):
    once = new()
    first(post(c, body(), once))
    reply = post(c, body(), once + " ")
    error(post(c, body(), once), 409, "IDEMPOTENCY_KEY_CONFLICT")
    assert logs.wait(reply.header("x-request-id"))
    assert once not in logs.text()


def test_a_deleted_tenant_is_forgotten(place, c):
    first(post(c, body(), new()))
    stack.ctl("tenant", "delete", place.tenant, "--yes")
    assert rows(place.key_id) == []
