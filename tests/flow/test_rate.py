"""Goal: a key makes as many requests in a clock minute as its plan allows, no more and hardly fewer (contract §6).

Whatever workers and hosts serve it.  Every answer to a good key says how many are left.  Minutes are not waited for:
a key's row in sigsentry.permit is moved by SQL, which all workers believe as long as they hold nothing, as with limits
below 200.
"""

import os
import signal
import threading
import time
import uuid

import pytest

import stack
from stack import PATH, Client, channel, created, error, issues, ok
from test_pool import pools  # noqa: F401: a fixture

SETTINGS = PATH + "/settings"
BOTH = ("config:read", "config:write")
LOW, HIGH = {"defaultSeverityThreshold": "low"}, {"defaultSeverityThreshold": "high"}
READ, WRITE = ("GET", SETTINGS, None), ("PUT", SETTINGS, LOW)


def limits(reply):
    """The three headers as numbers or words; None where there is none.  All or none of them."""
    values = [reply.header("x-ratelimit-" + n) for n in ("limit", "remaining", "reset")]
    if values == [None] * 3:
        return None
    assert None not in values, reply
    return tuple(int(v) if v != "unlimited" else v for v in values)


def limited(reply):
    """A whole 429: when to come again, and that it is true."""
    assert error(reply, 429, "RATE_LIMITED") == {}
    now = time.time()
    limit, remaining, reset = limits(reply)
    assert remaining == 0 and limit > 0
    assert 1 <= int(reply.header("retry-after")) <= 60
    assert abs(now + int(reply.header("retry-after")) - reset) < 2
    return reply


def room(seconds=6):
    """Let the minute have so many seconds left; with 61, begin a new one."""
    left = 60 - time.time() % 60
    if left < seconds:
        time.sleep(left + 0.1)


def use_up(key_id, kind="write", taken=60):
    """As if the key had taken ${taken} permits in this minute."""
    stack.sql("INSERT INTO sigsentry.permit AS p (tenant_id, key_id, kind, minute, taken, granted)"
              " SELECT tenant_id, id, %s, date_trunc('minute', clock_timestamp(), 'UTC'), %s, 0"
              "   FROM sigsentry.api_key WHERE id = %s"
              " ON CONFLICT ON CONSTRAINT permit_pkey DO UPDATE SET minute = excluded.minute, taken = excluded.taken",
              kind, taken, key_id)


def taken(key_id, kind="write"):
    rows = stack.sql("SELECT taken FROM sigsentry.permit WHERE key_id = %s AND kind = %s"
                     " AND minute = date_trunc('minute', clock_timestamp(), 'UTC')", key_id, kind)
    return rows[0]["taken"] if rows else 0


def new_plan(writes, reads=100, channels="unlimited"):
    name = "rate" + stack.secret()[-8:]
    set_plan(name, writes, reads, channels)
    return name


def set_plan(name, writes, reads=100, channels="unlimited"):
    stack.ctl("plan", "set", name, "--channels", channels, "--reads-per-minute", reads, "--writes-per-minute", writes)


def crowd(key, n, each, request=WRITE):
    """${n} clients send ${each} requests, all at the same time; the answers."""
    gate = threading.Barrier(n)
    replies = []

    def work():
        with Client(key) as c:
            c.send("GET", path="/healthz", key="")
            gate.wait(20)
            replies.extend([c.send(*request) for _ in range(each)])

    threads = [threading.Thread(target=work) for _ in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return replies


def passed(replies):
    """How many got through; the others are whole 429s."""
    for r in replies:
        if r.status != 200:
            limited(r)
    return sum(r.status == 200 for r in replies)


@pytest.fixture
def starter():
    """60 writes and 120 reads a minute, handed out one by one."""
    room()
    return stack.Place("starter", BOTH)


# The headers ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cast():
    class Cast(stack.Place):
        def __init__(self):
            super().__init__("enterprise", BOTH)
            self.keys = {"key": self.key}
            jobs = {
                "org": lambda: stack.new_key(tenant=self.tenant, kind="org", permissions=BOTH)["key"],
                "pub": lambda: stack.new_key(project=self.project, kind="pub", permissions=("analysis:read",))["key"],
                "reader": lambda: stack.new_key(project=self.project, permissions=("config:read",))["key"],
                "suspended": lambda: stack.Place(permissions=BOTH),
                "full": lambda: stack.Place(new_plan(100, channels=0)),
                "revoked": lambda: stack.new_key(project=self.project, permissions=BOTH),
                "expired": lambda: stack.new_key(project=self.project, permissions=BOTH),
            }
            made = dict(zip(jobs, stack.parallel(list(jobs.values()))))
            stack.ctl("tenant", "suspend", made["suspended"].tenant)
            stack.ctl("apikey", "revoke", made["revoked"]["id"])
            stack.sql("UPDATE sigsentry.api_key SET expires_at = now() WHERE id = %s", made["expired"]["id"])
            for name, m in made.items():
                self.keys[name] = m if isinstance(m, str) else m["key"] if isinstance(m, dict) else m.key
            self.keys.update({"none": "", "bad": self.key[:-1] + ("x" if self.key[-1] != "x" else "y"),
                              "legacy": "tb_x", "unknown": self.deleted()})
            with Client(self.key) as c:
                self.channel = created(c.post(channel()))
                self.once = ("Idempotency-Key", stack.secret())
                created(c.post(channel(), headers=[self.once]))

        def deleted(self):
            made = stack.new_key(project=self.project)
            stack.sql("DELETE FROM sigsentry.api_key WHERE id = %s", made["id"])
            return made["key"]

    return Cast()


NOBODY = str(uuid.uuid4())

# what, key, method, path, body, options, status, kind of limit (None: no headers)
ANSWERS = [
    ("list", "key", "GET", PATH, None, {}, 200, "read"),
    ("head", "key", "HEAD", PATH, None, {}, 200, "read"),
    ("get", "key", "GET", PATH + "/{id}", None, {}, 200, "read"),
    ("settings", "key", "GET", SETTINGS, None, {}, 200, "read"),
    ("create", "key", "POST", PATH, "channel", {}, 201, "write"),
    ("put", "key", "PUT", PATH + "/{id}", {"name": "x"}, {}, 200, "write"),
    ("patch", "key", "PATCH", PATH + "/{id}", {"name": "y"}, {}, 200, "write"),
    ("settings put", "key", "PUT", SETTINGS, LOW, {}, 200, "write"),
    ("bad query", "key", "GET", PATH + "?limit=0", None, {}, 400, "read"),
    ("bad body", "key", "POST", PATH, b"{", {}, 400, "write"),
    ("bad settings", "key", "PUT", SETTINGS, {}, {}, 400, "write"),
    ("bad update", "key", "PUT", PATH + "/{id}", {}, {}, 400, "write"),
    ("bad id", "key", "GET", PATH + "/x", None, {}, 400, "read"),
    ("bad id of a put", "key", "PUT", PATH + "/x", {"name": "x"}, {}, 400, "write"),
    ("bad project", "key", "GET", PATH, None, {"project": "x"}, 400, "read"),
    ("no project", "org", "GET", PATH, None, {}, 400, "read"),
    ("bad key of idempotency", "key", "POST", PATH, "channel", {"headers": [("Idempotency-Key", "a b")]}, 400, "write"),
    ("wrong project", "key", "GET", PATH, None, {"project": NOBODY}, 403, "read"),
    ("forbidden", "reader", "POST", PATH, "channel", {}, 403, "write"),
    ("public key", "pub", "GET", PATH, None, {}, 403, "read"),
    ("suspended", "suspended", "POST", PATH, "channel", {}, 403, "write"),
    ("quota", "full", "POST", PATH, "channel", {}, 403, "write"),
    ("no channel", "key", "GET", PATH + "/" + NOBODY, None, {}, 404, "read"),
    ("no channel to put", "key", "PUT", PATH + "/" + NOBODY, {"name": "x"}, {}, 404, "write"),
    ("no channel to delete", "key", "DELETE", PATH + "/" + NOBODY, None, {}, 404, "write"),
    ("conflict", "key", "POST", PATH, "channel", {"headers": "once"}, 409, "write"),
    ("media type", "key", "POST", PATH, b"x", {"content_type": "text/plain"}, 415, "write"),
    ("no key", "none", "GET", PATH, None, {}, 401, None),
    ("mistyped", "bad", "GET", PATH, None, {}, 401, None),
    ("legacy", "legacy", "GET", PATH, None, {}, 401, None),
    ("unknown", "unknown", "GET", PATH, None, {}, 401, None),
    ("revoked", "revoked", "GET", PATH, None, {}, 401, None),
    ("revoked, bad body", "revoked", "POST", PATH, b"{", {}, 401, None),
    ("expired", "expired", "POST", PATH, "channel", {}, 401, None),
    ("no route", "key", "GET", "/v1/nothing", None, {}, 404, None),
    ("no method", "key", "DELETE", PATH, None, {}, 405, None),
    ("no method of an id", "key", "POST", PATH + "/{id}", {}, {}, 405, None),
    ("health", "key", "GET", "/healthz", None, {}, 200, None),
]


@pytest.mark.parametrize("key,method,path,body,options,status,kind", [a[1:] for a in ANSWERS], ids=[a[0] for a in ANSWERS])
def test_headers(cast, key, method, path, body, options, status, kind):
    """On each answer to a key that is one, and on none else."""
    options = dict(options)
    if options.get("headers") == "once":
        options["headers"] = [cast.once]
    with Client(cast.keys[key]) as c:
        reply = c.send(method, path.replace("{id}", cast.channel), channel() if body == "channel" else body, **options)
    assert reply.status == status, reply
    if kind is None:
        assert limits(reply) is None
        return
    limit, remaining, reset = limits(reply)
    plan = {"full": (100, 100), "suspended": (6000, 3000)}.get(key, (60000, 30000))
    assert limit == plan[kind == "write"]
    assert 0 <= remaining <= limit
    assert reset % 60 == 0 and -1 <= reset - time.time() <= 61


LIMITS = [("starter", 120, 60), ("pro", 600, 300), ("business", 6000, 3000), ("enterprise", 60000, 30000)]


@pytest.mark.parametrize("plan,reads,writes", LIMITS)
def test_limits_of_the_plans(plan, reads, writes):
    """The first answer of each kind says what is left after it; the two do not mix.  HEAD reads."""
    room(3)
    place = stack.Place(plan, BOTH)
    with Client(place.key) as c:
        assert limits(c.send(*READ))[:2] == (reads, reads - 1)
        assert limits(c.send(*WRITE))[:2] == (writes, writes - 1)
    if plan == "starter":  # permits one by one: nobody holds any that others do not see
        with Client(place.key) as c:
            assert limits(c.send("HEAD", PATH))[:2] == (120, 118)
            assert limits(c.send("DELETE", PATH + "/" + NOBODY))[:2] == (60, 58)
            assert limits(c.post({}))[:2] == (60, 57)
            assert limits(c.send(*READ))[:2] == (120, 117)


def test_reset_is_the_end_of_the_minute(starter):
    with Client(starter.key) as c:
        for request in (READ, WRITE):
            before = time.time()
            reset = limits(c.send(*request))[2]
            assert reset in {(int(t) // 60 + 1) * 60 for t in (before, time.time())}


# The limit ------------------------------------------------------------------------------------------------


def test_sixteen_clients(starter):
    """Four workers, sixteen clients, 96 writes in one minute: 60 pass."""
    room(10)
    replies = crowd(starter.key, 16, 6)
    assert len({limits(r)[2] for r in replies}) == 1, "not in one minute"
    assert passed(replies) == 60
    left = sorted(limits(r)[1] for r in replies if r.status == 200)
    assert left == list(range(60)), "each number once"
    # neither other kinds of request nor other keys are touched
    second = stack.new_key(project=starter.project, permissions=BOTH)["key"]
    with Client(starter.key) as c:
        ok(c.send(*READ), 200)
        limited(c.send(*WRITE))
        ok(c.send(*WRITE, key=second), 200)


def test_reads_of_sixteen_clients(starter):
    room(10)
    use_up(starter.key_id, "read", 90)
    replies = crowd(starter.key, 16, 4, READ)
    assert passed(replies) == 30
    with Client(starter.key) as c:
        head = c.send("HEAD", PATH)
        assert (head.status, head.body) == (429, b"") and limits(head)[:2] == (120, 0)
        ok(c.send(*WRITE), 200)


def test_blocks_of_permits():
    """With blocks of 4 in 4 workers: never more than the limit, and up to a block each may go unused."""
    room(10)
    place = stack.Place(new_plan(400), BOTH)
    use_up(place.key_id, taken=340)
    n = passed(crowd(place.key, 16, 6))
    assert 60 - 4 * 3 <= n <= 60


def test_two_hosts_share_it(starter, pools):  # noqa: F811
    """Another pool on the same database counts the same minute."""
    use_up(starter.key_id, taken=56)
    pool = pools(workers=1).ready(1)
    statuses = []
    with Client(starter.key) as c:
        for _ in range(3):
            statuses += [c.send(*WRITE).status, pool.send(*WRITE[:2], starter.key, WRITE[2]).status]
    assert statuses == [200] * 4 + [429] * 2


@pytest.mark.parametrize("kind,request_", [("read", READ), ("write", WRITE)])
def test_a_new_minute(starter, kind, request_):
    """All of the limit again; nothing is carried over."""
    limit = {"read": 120, "write": 60}[kind]
    use_up(starter.key_id, kind, limit)
    with Client(starter.key) as c:
        for _ in range(4):
            limited(c.send(*request_))
        stack.sql("UPDATE sigsentry.permit SET minute = minute - interval '1 minute' WHERE key_id = %s", starter.key_id)
        for n in range(1, 9):
            reply = c.send(*request_)
            ok(reply, 200)
            assert limits(reply)[:2] == (limit, limit - n)


# Its place in the order of checks (§1) -----------------------------------------------------------------------

# With a key that has used up its writes: what is wrong with the request, and its answer
ORDER = [
    ("nothing", {}, 429),
    ("media type", dict(content_type="text/plain"), 429),
    ("no JSON", dict(body=b"{"), 429),
    ("invalid", dict(body={}), 429),
    ("idempotency key", dict(headers=[("Idempotency-Key", "a b")]), 429),
    ("repeated idempotency key", dict(headers=[("Idempotency-Key", "a")] * 2), 429),
    ("bad id", dict(method="PUT", path=PATH + "/x", body={"name": "x"}), 429),
    ("unknown channel", dict(method="PATCH", path=PATH + "/" + NOBODY, body={"name": "x"}), 429),
    ("unknown channel to delete", dict(method="DELETE", path=PATH + "/" + NOBODY, body=None), 429),
    ("wrong project", dict(project=NOBODY), (403, "WRONG_PROJECT")),
    ("malformed project", dict(project="x"), (400, "VALIDATION_ERROR")),
    ("no permission", dict(key="reader"), (403, "FORBIDDEN")),
    ("org without project", dict(key="org"), (400, "MISSING_PROJECT_ID")),
    ("public key", dict(key="pub"), (403, "SECRET_KEY_REQUIRED")),
    ("no such method", dict(method="DELETE"), (405, "METHOD_NOT_ALLOWED")),
    ("no such path", dict(path="/v1/nothing"), (404, "NOT_FOUND")),
]


def test_order(starter):
    made = {
        "reader": stack.new_key(project=starter.project, permissions=("config:read",)),
        "org": stack.new_key(tenant=starter.tenant, kind="org", permissions=BOTH),
        "pub": stack.new_key(project=starter.project, kind="pub", permissions=("analysis:read",)),
    }
    room(8)
    for key_id in [starter.key_id] + [m["id"] for m in made.values()]:
        use_up(key_id)
    keys = {name: m["key"] for name, m in made.items()}
    with Client() as c:
        for name, options, want in ORDER:
            options = dict({"body": channel()}, **options)
            reply = c.send(**dict(options, key=keys.get(options.get("key"), starter.key)))
            if want == 429:
                limited(reply)
            else:
                error(reply, *want)
        # and after the limit comes the quota
        use_up(starter.key_id, taken=0)
        for status in (201, 201, 403):
            assert c.post(channel(), key=starter.key).status == status
        use_up(starter.key_id)
        limited(c.post(channel(), key=starter.key))


def test_replays_count_as_any_request(starter):
    once = [("Idempotency-Key", stack.secret())]
    body = channel()
    with Client(starter.key) as c:
        created(c.post(body, headers=once))
        use_up(starter.key_id)
        limited(c.post(body, headers=once))
        use_up(starter.key_id, taken=0)
        assert c.post(body, headers=once).header("idempotency-replayed") == "true"


def test_what_is_refused_before_uses_up_nothing(starter):
    """401, 400 and 403 of key, project and permission; all later refusals do use one up."""
    reader = stack.new_key(project=starter.project, permissions=("config:read",))
    with Client(starter.key) as c:
        assert limits(c.send(*WRITE))[1] == 59
        for _ in range(5):
            error(c.send(*WRITE, project=NOBODY), 403, "WRONG_PROJECT")
            assert issues(c.send(*WRITE, project="x")) == [("header.X-Project-Id", "format")]
            error(c.send(*WRITE, key=reader["key"]), 403, "FORBIDDEN")
            error(c.send(*WRITE, key=starter.key[:-1]), 401, "UNAUTHORIZED")
        assert (taken(starter.key_id), taken(reader["id"])) == (1, 0)
        uses = [dict(body=b"{"), dict(body={}), dict(content_type="text/plain", body=channel()),
                dict(method="PUT", path=PATH + "/x", body={"name": "x"}),
                dict(method="DELETE", path=PATH + "/" + NOBODY),
                dict(method="PUT", path=PATH + "/" + NOBODY, body={"name": "x"})]
        for n, options in enumerate(uses):
            assert limits(c.send(**options))[1] == 58 - n, options


def test_what_is_refused_gives_its_permit_back(pools):  # noqa: F811
    """One worker that holds permits, so that it asks for none."""
    place = stack.Place("business", BOTH)
    pool = pools(workers=1).ready(1)
    room()
    wrong = [("X-Project-Id", NOBODY)]
    assert limits(pool.send(*WRITE[:2], place.key, WRITE[2]).reply)[1] == 2999
    for _ in range(40):  # more than a block
        assert pool.send(*WRITE[:2], place.key, WRITE[2], wrong).status == 403
    assert limits(pool.send(*WRITE[:2], place.key, WRITE[2]).reply)[1] == 2998
    assert taken(place.key_id) == 30
    # pretending to be nobody costs a good key nothing, and the other way round
    stack.sql("UPDATE sigsentry.api_key SET permissions = '{config:read}' WHERE id = %s", place.key_id)
    for _ in range(40):
        assert pool.send(*WRITE[:2], place.key, WRITE[2]).status == 403
    assert taken(place.key_id) == 30


# Permits that a worker holds -----------------------------------------------------------------------------------


ILL = [("revoked", 401, "API_KEY_REVOKED"), ("expired", 401, "API_KEY_EXPIRED"), ("suspended", 403, "TENANT_SUSPENDED"),
       ("deleted", 401, "UNAUTHORIZED"), ("reader", 403, "FORBIDDEN")]


@pytest.mark.parametrize("ill,status,code", ILL)
def test_held_permits_let_nobody_in(ill, status, code):
    """What an admin does to a key or tenant holds from the next request on, though all workers hold permits for it."""
    room(3)
    place = stack.Place("enterprise", BOTH)
    with Client(place.key) as c:
        kept = created(c.post(channel()))
        for _ in range(8):  # most workers hold 600 and 300 by now
            ok(c.send(*READ), 200)
            ok(c.send(*WRITE), 200)
        if ill == "revoked":
            stack.ctl("apikey", "revoke", place.key_id)
        elif ill == "suspended":
            stack.ctl("tenant", "suspend", place.tenant)
        else:
            stack.sql("%s WHERE id = %%s" % {
                "expired": "UPDATE sigsentry.api_key SET expires_at = now()",
                "deleted": "DELETE FROM sigsentry.api_key",
                "reader": "UPDATE sigsentry.api_key SET permissions = '{analysis:read}'"}[ill], place.key_id)
        for method, path, body in (READ, WRITE, ("GET", PATH, None), ("GET", PATH + "/" + kept, None),
                                   ("POST", PATH, channel()), ("POST", PATH, {}),
                                   ("PUT", PATH + "/" + kept, {"name": "x"}), ("PATCH", PATH + "/" + kept, b"{"),
                                   ("DELETE", PATH + "/" + kept, None)) * 2:
            error(c.send(method, path, body), status, code)
    if ill != "deleted":
        assert stack.channel_row(kept)["name"] == "#engineering-alerts"


def test_another_plan(starter):
    """Up and down within the minute; a smaller plan's limit counts what was made before."""
    use_up(starter.key_id)
    with Client(starter.key) as c:
        limited(c.send(*WRITE))
        stack.ctl("tenant", "set-plan", starter.tenant, "--plan", "pro")
        assert limits(c.send(*WRITE))[:2] == (300, 239)
        stack.ctl("tenant", "set-plan", starter.tenant, "--plan", "starter")
        # each worker may hold what is left of a block of 3
        replies = [c.send(*WRITE) for _ in range(12)]
        assert passed(replies) <= 4 * 2
        limited([r for r in replies if r.status != 200][-1])


def test_a_plan_that_is_changed():
    room()
    plan = new_plan(50)
    place = stack.Place(plan, BOTH)
    with Client(place.key) as c:
        assert limits(c.send(*WRITE))[:2] == (50, 49)
        set_plan(plan, 2)
        assert limits(c.send(*WRITE))[:2] == (2, 0)
        limited(c.send(*WRITE))
        set_plan(plan, 3)
        assert limits(c.send(*WRITE))[:2] == (3, 0)


def test_a_plan_that_is_limited_anew():
    """Permits without a limit that were taken already hold until their minute ends, as sigsentryctl(8) says; not longer."""
    plan = new_plan("unlimited")
    place = stack.Place(plan, BOTH)
    with Client(place.key) as c:
        for _ in range(16):             # so that each worker holds some
            ok(c.send(*WRITE), 200)
        set_plan(plan, 2)
        room(61)
        assert passed(crowd(place.key, 4, 4)) == 2


def test_unlimited():
    place = stack.Place(new_plan("unlimited", "unlimited"), BOTH)
    with Client(place.key) as c:
        for request in (READ, WRITE) * 3:
            reply = c.send(*request)
            ok(reply, 200)
            limit, remaining, reset = limits(reply)
            assert (limit, remaining) == ("unlimited",) * 2
            assert reset % 60 == 0
    assert passed(crowd(place.key, 8, 20)) == 160
    assert taken(place.key_id) == 0


# What outlives a worker ----------------------------------------------------------------------------------------


def test_reload_and_killed_worker(pools):  # noqa: F811
    """Neither gives a key new permits, nor takes any away where they are handed out one by one."""
    place = stack.Place("starter", BOTH)
    pool = pools(workers=4).ready(4)
    room(8)
    use_up(place.key_id, taken=56)
    write = WRITE[:2] + (place.key, WRITE[2])
    for left, what in ((3, signal.SIGHUP), (1, signal.SIGKILL)):
        before = pool.workers()
        assert limits(pool.send(*write).reply)[1] == left
        os.kill(pool.process.pid if what == signal.SIGHUP else before[0], what)
        gone = before if what == signal.SIGHUP else before[:1]
        assert stack.wait_for(lambda g=gone: len(pool.workers()) == 4 and not set(g) & set(pool.workers()))
        assert limits(pool.send(*write).reply)[1] == left - 1
    assert [pool.send(*write).status for _ in range(4)] == [429] * 4 and taken(place.key_id) == 60


def test_a_killed_worker_loses_a_block(pools):  # noqa: F811
    """At the most, and its successor takes a new one."""
    room()
    place = stack.Place("pro", BOTH)  # blocks of 3
    pool = pools(workers=1).ready(1)
    use_up(place.key_id, taken=290)

    def write():
        answer = pool.send(*WRITE[:2], place.key, WRITE[2])
        return answer.status if answer.status == 429 else limits(answer.reply)[1]

    assert [write(), write()] == [9, 8]
    pid, = pool.workers()
    os.kill(pid, signal.SIGKILL)
    assert stack.wait_for(lambda: len(pool.workers()) == 1 and pool.workers() != [pid], 5)
    assert [write() for _ in range(8)] == [6, 5, 4, 3, 2, 1, 0, 429]
