"""Goal: a channel's deliveries are shown, tested, tried again and cancelled as contract §5 says, to whom they belong.

The tests play the courier (courier.py); the history is what they had written.
"""

import uuid

import psycopg2
import pytest

import courier
import proxy
import stack
from stack import PATH, Client, channel, created, error, issues, ok
from test_pool import pools  # noqa: F401: a fixture

ALL = ("config:read", "config:write", "analysis:create")


@pytest.fixture(scope="module", autouse=True)
def quiet():
    with courier.alone():
        yield


@pytest.fixture(scope="module")
def shared():
    return stack.Place("enterprise", ALL)


@pytest.fixture(scope="module")
def sender():
    return courier.Courier()


class Channel:
    """A channel of its own project, and what a test asks of it."""

    def __init__(self, c, place, sender):
        self.c, self.sender, self.place = c, sender, place
        self.id = created(c.post(channel()))
        self.path = "%s/%s" % (PATH, self.id)

    def publish(self, n=1):
        """Deliveries to this channel, oldest first; others of the project get them, too."""
        out = []
        for _ in range(n):
            data = ok(self.c.post({"event": "x", "severity": "high", "summary": "s"}, path="/v1/events"), 202)
            shown = ok(self.c.send("GET", path="/v1/events/" + data["id"]), 200)["deliveries"]
            out += [d["id"] for d in shown if d["channelId"] == self.id]
        return out

    def ended(self, outcome="ok", **how):
        new, = self.publish()
        self.sender.end(new, outcome, **how)
        return new

    def list(self, query="", **options):
        return ok(self.c.send("GET", path=self.path + "/deliveries" + query, **options), 200)

    def ids(self, query=""):
        return [d["id"] for d in self.list(query)["items"]]

    def get(self, delivery):
        return ok(self.c.send("GET", path="%s/deliveries/%s" % (self.path, delivery)), 200)

    def test(self):
        data = ok(self.c.send("POST", path=self.path + "/test"), 202)
        assert set(data) == {"deliveryId"}
        return data["deliveryId"]

    def retry(self, delivery):
        return self.c.send("POST", path="%s/deliveries/%s/retry" % (self.path, delivery))

    def retry_many(self, **body):
        return self.c.send("POST", path=self.path + "/deliveries/retry", body=body)

    def put(self, **body):
        ok(self.c.send("PUT", path=self.path, body=body), 200)

    def show(self):
        return ok(self.c.send("GET", path=self.path), 200)


@pytest.fixture
def one(sender):
    place = stack.Place("enterprise", ALL)
    with Client(place.key) as c:
        yield Channel(c, place, sender)


# A test ---------------------------------------------------------------------------------------------


def test_a_test(one):
    one.put(severityThreshold="critical")
    new = one.test()
    shown = one.get(new)
    assert {k: shown[k] for k in ("id", "event", "severity", "status", "attempts", "test", "attemptList")} == {
        "id": new, "event": "sigsentry.test", "severity": "info", "status": "pending", "attempts": 0, "test": True,
        "attemptList": []}
    row = one.sender.end(new, code=200)
    assert row["is_test"] and row["channel_id"] == one.id and "severity" in row["payload"]
    assert one.get(new)["status"] == "delivered"
    assert ok(one.c.send("GET", path="/v1/events/" + shown["eventId"]), 200)["projectId"] == one.place.project


def test_a_test_of_an_inactive_channel(one):
    one.put(isActive=False)
    new = one.test()
    one.sender.end(new, "retry", code=500, error="no")
    shown = one.get(new)
    assert (shown["status"], shown["lastStatusCode"], shown["lastError"]) == ("failed", 500, "no")
    assert ok(one.retry(new), 202) == {"deliveryId": new}       # a test may go to an inactive one, again too
    one.sender.end(new)
    assert one.get(new)["status"] == "delivered"


def test_switching_off_leaves_a_test(one):
    new, = one.publish()
    test = one.test()
    one.put(isActive=False)
    assert (one.get(new)["status"], one.get(test)["status"]) == ("cancelled", "pending")


def test_a_test_of_a_tenant_wide_channel(one):
    stack.add_tenant_wide_channel(one.place.tenant)
    wide, = [x["id"] for x in ok(one.c.send("GET"), 200) if x["scope"] == "tenant"]
    error(one.c.send("POST", path="%s/%s/test" % (PATH, wide)), 403, "FORBIDDEN")
    with Client(one.place.org_key(ALL)) as org:
        new = ok(org.send("POST", path="%s/%s/test" % (PATH, wide)), 202)["deliveryId"]
        shown = ok(org.send("GET", path="%s/%s/deliveries/%s" % (PATH, wide, new)), 200)
        assert ok(org.send("GET", path="/v1/events/" + shown["eventId"]), 200)["deliveries"][0]["id"] == new
        one.sender.end(new)
        error(one.c.send("POST", path="%s/%s/deliveries/%s/retry" % (PATH, wide, new)), 403, "FORBIDDEN")
        error(one.c.send("POST", path="%s/%s/deliveries/retry" % (PATH, wide), body={"since": stack.rfc3339(-60)}), 403, "FORBIDDEN")
    assert len(ok(one.c.send("GET", path="%s/%s/deliveries" % (PATH, wide)), 200)["items"]) == 1    # reading it may


def test_of_a_tenant_wide_channel_a_project_sees_its_own(one):
    stack.add_tenant_wide_channel(one.place.tenant)
    wide, = [x["id"] for x in ok(one.c.send("GET"), 200) if x["scope"] == "tenant"][:1]
    path = "%s/%s/deliveries" % (PATH, wide)
    with Client(one.place.org_key(ALL)) as org:
        before = {d["id"] for d in ok(org.send("GET", path=path), 200)["items"]}
        one.publish()
        foreign = ok(org.send("GET", path=path), 200)["items"][0]["id"]
        stack.sql("UPDATE sigsentry.event SET project_id = gen_random_uuid() WHERE id = (SELECT event_id FROM sigsentry.delivery_all"
                  " WHERE id = %s)", foreign)
        one.publish()
        own = ok(org.send("GET", path=path), 200)["items"][0]["id"]
        assert not {own, foreign} & before and own != foreign
        assert ok(org.send("GET", path="%s/%s" % (path, foreign)), 200)["id"] == foreign
    assert foreign not in [d["id"] for d in ok(one.c.send("GET", path=path), 200)["items"]]
    assert own in [d["id"] for d in ok(one.c.send("GET", path=path), 200)["items"]]
    error(one.c.send("GET", path="%s/%s" % (path, foreign)), 404, "NOT_FOUND")
    assert ok(one.c.send("GET", path="%s/%s" % (path, own)), 200)["id"] == own


# The list -------------------------------------------------------------------------------------------


def test_empty(one):
    assert one.list() == {"items": [], "nextCursor": None}


def test_newest_first_page_by_page(one):
    ids = list(reversed(one.publish(25)))
    for i in (3, 9, 10, 24):                # some have ended: history and queue are one list
        one.sender.end(ids[i], "refused")
    assert one.ids("?limit=100") == ids
    assert one.ids() == ids[:20]
    for limit in (1, 7, 24, 25, 26):
        seen, cursor = [], None
        while True:
            page = one.list("?limit=%d%s" % (limit, "&cursor=" + cursor if cursor else ""))
            assert len(page["items"]) <= limit
            seen += [d["id"] for d in page["items"]]
            cursor = page["nextCursor"]
            if cursor is None:
                break
            assert cursor == seen[-1]
            one.publish() if limit == 7 and len(seen) == 7 else None    # one that comes in between moves nothing
        assert seen[-25:] == ids or limit == 7 and seen == ids
    assert one.list("?cursor=00000000-0000-0000-0000-000000000000") == {"items": [], "nextCursor": None}


def test_by_status(one):
    ids = one.publish(6)
    claimed = one.sender.take(*ids[2:])
    one.sender.record(claimed[1:2], "ok", code=204)
    one.sender.record(claimed[2:3], "refused", code=404)
    one.sender.record(claimed[3:], "retry", wait_ms=60000)
    assert one.ids("?status=sending") == [ids[2]]
    assert one.ids("?status=delivered") == [ids[3]]
    assert one.ids("?status=failed") == [ids[4]]
    assert one.ids("?status=pending") == [ids[5], ids[1], ids[0]]
    one.put(isActive=False)
    assert one.ids("?status=cancelled") == [ids[5], ids[1], ids[0]] and one.ids("?status=pending") == []
    assert one.list("?status=cancelled&limit=1")["nextCursor"] == ids[5]


@pytest.mark.parametrize("query,where", [
    ("limit=0", "limit"), ("limit=101", "limit"), ("limit=x", "limit"), ("limit=", "limit"), ("limit=-1", "limit"),
    ("cursor=x", "cursor"), ("cursor=", "cursor"), ("status=done", "status"), ("status=", "status"), ("status=Failed", "status")])
def test_bad_query(one, query, where):
    found = issues(one.c.send("GET", path=one.path + "/deliveries?" + query))
    assert [w for w, _ in found] == ["query." + where]


def test_unknown_parameters_are_ignored(one):
    assert one.list("?page=x&foo")["items"] == []


def test_a_channel_does_not_show_anothers(one):
    ids = one.publish()
    other = Channel(one.c, one.place, one.sender)
    assert one.ids() == ids and other.ids() == []
    error(one.c.send("GET", path="%s/deliveries/%s" % (other.path, ids[0])), 404, "NOT_FOUND")
    error(other.retry(ids[0]), 404, "NOT_FOUND")


# One ------------------------------------------------------------------------------------------------


def test_every_attempt(one):
    new, = one.publish()
    for n, (outcome, code, text, excerpt) in enumerate([
            ("retry", 503, "The destination answered 503.", "busy \u0001\"\\\u00e9"), ("local", None, "No relay.", None),
            ("retry", None, "No answer in time.", ""), ("ok", 204, None, None)]):
        row, = one.sender.take(new)
        assert row["attempts"] == [0, 1, 1, 2][n]
        one.sender.record([row], outcome, wait_ms=None if outcome == "ok" else 0, code=code, error=text, excerpt=excerpt)
        if n == 0:
            shown = one.get(new)
            assert (shown["status"], shown["attempts"], shown["lastStatusCode"], shown["lastError"]) == ("pending", 1, 503, text)
            assert "nextAttemptAt" in shown and "finishedAt" not in shown
    shown = one.get(new)
    assert (shown["status"], shown["attempts"], shown["lastStatusCode"]) == ("delivered", 3, 204)
    assert "finishedAt" in shown and not {"lastError", "nextAttemptAt"} & set(shown)
    assert [{k: v for k, v in a.items() if k != "startedAt"} for a in shown["attemptList"]] == [
        {"number": 1, "durationMs": 12, "outcome": "retry", "statusCode": 503, "error": "The destination answered 503.",
         "responseExcerpt": "busy \u0001\"\\\u00e9"},
        {"number": 2, "durationMs": 12, "outcome": "local", "error": "No relay."},
        {"number": 3, "durationMs": 12, "outcome": "retry", "error": "No answer in time.", "responseExcerpt": ""},
        {"number": 4, "durationMs": 12, "outcome": "ok", "statusCode": 204}]
    assert one.list()["items"] == [{k: v for k, v in shown.items() if k != "attemptList"}]


def test_a_channel_shows_how_it_goes(one):
    assert not {"lastDeliveredAt", "failingSince"} & set(one.show())
    one.ended("retry", error="no")
    first = one.show()
    assert "failingSince" in first and "lastDeliveredAt" not in first
    one.ended("refused", error="no")
    assert one.show()["failingSince"] == first["failingSince"]
    one.ended()
    shown = one.show()
    assert "lastDeliveredAt" in shown and "failingSince" not in shown
    assert shown in ok(one.c.send("GET"), 200)
    # what was shown may be sent back; what was not is refused
    one.put(**dict(shown, name="other"))
    assert issues(one.c.send("PUT", path=one.path, body={"name": "x", "lastDeliveredAt": stack.rfc3339(0), "failingSince": None})) == [
        ("lastDeliveredAt", "readonly"), ("failingSince", "readonly")]


# Again ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome,status", [("ok", "delivered"), ("refused", "failed"), ("retry", "failed")])
def test_retry(one, outcome, status):
    """The same id, its schedule anew; attempts go on being numbered."""
    new = one.ended(outcome, code=500)
    before = one.get(new)
    assert before["status"] == status
    assert ok(one.retry(new), 202) == {"deliveryId": new}
    shown = one.get(new)
    assert (shown["status"], shown["attempts"], shown["createdAt"]) == ("pending", 0, before["createdAt"])
    assert len(shown["attemptList"]) == 1 and "finishedAt" not in shown
    assert error(one.retry(new), 409, "NOT_FINISHED") == {}
    row = one.sender.end(new)
    assert row["attempts"] == 0
    shown = one.get(new)
    assert shown["status"] == "delivered" and [a["number"] for a in shown["attemptList"]] == [1, 2] and one.ids() == [new]


def test_retry_of_what_has_not_ended(one):
    new, = one.publish()
    error(one.retry(new), 409, "NOT_FINISHED")
    row, = one.sender.take(new)
    error(one.retry(new), 409, "NOT_FINISHED")
    one.sender.record([row], "retry", wait_ms=60000)
    error(one.retry(new), 409, "NOT_FINISHED")


def test_retry_at_an_inactive_channel(one):
    new = one.ended("refused")
    one.put(isActive=False)
    error(one.retry(new), 409, "CHANNEL_INACTIVE")
    error(one.retry_many(since=stack.rfc3339(-60)), 409, "CHANNEL_INACTIVE")
    one.put(isActive=True)
    ok(one.retry(new), 202)


def test_retry_of_one_16_times_at_once(one):
    new = one.ended("refused")
    with_clients = [Client(one.place.key) for _ in range(16)]
    path = "%s/deliveries/%s/retry" % (one.path, new)
    replies = stack.parallel([lambda c=c: c.send("POST", path=path) for c in with_clients], 16)
    for c in with_clients:
        c.close()
    assert sorted(r.status for r in replies) == [202] + [409] * 15
    assert one.ids() == [new]


def test_switching_off_cancels_what_waits(one):
    ids = one.publish(3)
    sending, waiting = one.sender.take(*ids[:2])
    one.sender.record([waiting], "retry", wait_ms=60000, error="busy")
    one.put(isActive=False)
    assert [one.get(i)["status"] for i in ids] == ["sending", "cancelled", "cancelled"]
    assert one.get(ids[1])["lastError"] == "busy" and "switched off" in one.get(ids[2])["lastError"]
    # what was under way ends with its attempt
    one.sender.record([sending], "retry", wait_ms=0)
    assert ids[0] not in [r["id"] for r in one.sender.claim()]
    assert stack.wait_for(lambda: one.sender.claim() is not None and one.get(ids[0])["status"] == "cancelled")
    one.put(isActive=True)
    assert ok(one.retry_many(since=stack.rfc3339(-60), status=["cancelled"]), 202) == {"queued": 3}
    for i in ids:
        one.sender.end(i)
    assert one.ids("?status=delivered") == list(reversed(ids))


def test_retry_many(one):
    ids = one.publish(6)
    rows = one.sender.take(*ids[:5])
    for row, outcome in zip(rows, ("ok", "refused", "retry", "ok", "refused")):
        one.sender.record([row], outcome)
    test = one.test()
    one.sender.end(test, "refused")
    assert ok(one.retry_many(since=stack.rfc3339(60)), 202) == {"queued": 0}
    assert ok(one.retry_many(since=stack.rfc3339(-120), until=stack.rfc3339(-60)), 202) == {"queued": 0}
    assert ok(one.retry_many(since=stack.rfc3339(-60)), 202) == {"queued": 3}           # failed alone; no test
    assert ok(one.retry_many(since=stack.rfc3339(-60)), 202) == {"queued": 0}
    assert sorted(one.ids("?status=pending")) == sorted([ids[1], ids[2], ids[4], ids[5]])
    assert ok(one.retry_many(since=stack.rfc3339(-60), status=["delivered", "failed", "delivered"]), 202) == {"queued": 2}
    assert one.ids("?status=failed") == [test]


def test_retry_many_within_times(one):
    """Both ends belong to it."""
    ids = [one.ended("refused") for _ in range(3)]
    at = [one.get(i)["createdAt"] for i in ids]
    stack.sql("UPDATE sigsentry.delivery SET created_at = date_trunc('milliseconds', created_at) WHERE channel_id = %s", one.id)
    assert ok(one.retry_many(since=at[1], until=at[1]), 202) == {"queued": 1}
    assert one.ids("?status=pending") == [ids[1]]
    assert ok(one.retry_many(since=at[0].replace("Z", "+00:00"), until=at[2]), 202) == {"queued": 2}


def test_retry_thousands(one):
    """In batches, each of them once; at the channel's pace, which is the queue's affair."""
    stack.sql("WITH e AS (INSERT INTO sigsentry.event (tenant_id, id, project_id, name, severity, payload, occurred_at, deliveries)"
              " VALUES (%s, sigsentry.uuid_v7(), %s, 'x', 1, '{}', now(), 3500) RETURNING id)"
              " INSERT INTO sigsentry.delivery (tenant_id, id, channel_id, event_id, status, is_test, attempts, created_at, finished_at)"
              " SELECT %s, sigsentry.uuid_v7(), %s, e.id, 'failed', false, 1, clock_timestamp(), now() FROM e, generate_series(1, 3500)",
              one.place.tenant, one.place.project, one.place.tenant, one.id)
    assert ok(one.retry_many(since=stack.rfc3339(-60)), 202) == {"queued": 3500}
    assert stack.sql("SELECT count(*) AS n FROM sigsentry.queue WHERE channel_id = %s", one.id)[0]["n"] == 3500


@pytest.fixture
def lossy(pools):  # noqa: F811
    """A pool of one worker whose database does what it is asked by the statement that is named, and loses the answer."""
    dsn = psycopg2.extensions.parse_dsn(stack.env("SIGSENTRY_DSN"))
    made = []

    def start(statement):
        between = proxy.LossyProxy(pools.folder, "%s/.s.PGSQL.%s" % (dsn["host"], dsn.get("port", 5432)), b"B" + statement)
        pool = pools("database=host=%s dbname=%s" % (pools.folder, dsn["dbname"]), workers=1)
        made.append((pool, between))
        return between, pool.ready(1)

    yield start
    for pool, between in made:
        stack.end_process(pool.process)     # the proxy waits for its clients
        between.close()


def test_a_retry_whose_answer_was_lost(one, lossy):
    """The worker calls again, and its answer is the one that was lost."""
    new = one.ended("refused")
    between, pool = lossy(b"api_delivery_retry")
    answer = pool.send("POST", "%s/deliveries/%s/retry" % (one.path, new), one.place.key)
    assert between.lose is None, "no answer was lost"
    assert (answer.status, answer.reply.json()["data"]) == (202, {"deliveryId": new})
    assert one.get(new)["status"] == "pending" and len(stack.audit_rows(new)) == 1


def test_a_retry_of_many_whose_answer_was_lost(one, lossy):
    ids = [one.ended("refused") for _ in range(3)]
    between, pool = lossy(b"api_deliveries_retry")
    answer = pool.send("POST", one.path + "/deliveries/retry", one.place.key, {"since": stack.rfc3339(-60)})
    assert between.lose is None, "no answer was lost"
    assert (answer.status, answer.reply.json()["data"]) == (202, {"queued": 3})
    assert sorted(one.ids("?status=pending")) == sorted(ids)


BODIES = [
    ({}, [("since", "required")]), ({"since": 1}, [("since", "type")]), ({"since": None}, [("since", "type")]),
    ({"since": "yesterday"}, [("since", "format")]), ({"since": "2026-02-30T00:00:00Z"}, [("since", "format")]),
    ({"since": "2026-01-01T00:00:00Z", "until": "x"}, [("until", "format")]),
    ({"since": "2026-01-01T00:00:00Z", "until": 1}, [("until", "type")]),
    ({"since": "2026-01-01T00:00:00Z", "status": "failed"}, [("status", "type")]),
    ({"since": "2026-01-01T00:00:00Z", "status": []}, [("status", "type")]),
    ({"since": "2026-01-01T00:00:00Z", "status": ["pending"]}, [("status", "enum")]),
    ({"since": "2026-01-01T00:00:00Z", "status": ["failed", 1]}, [("status", "enum")]),
    ({"since": "2026-01-01T00:00:00Z", "limit": 5}, [("limit", "unknown")]),
    ({"untill": "x", "since": "2026-01-01T00:00:00Z"}, [("untill", "unknown")]),
]


@pytest.mark.parametrize("body,want", BODIES, ids=repr)
def test_retry_many_bad_body(one, body, want):
    assert issues(one.retry_many(**body)) == want


@pytest.mark.parametrize("text", [b"", b"[]", b"null", b"{", b'{"since":"2026-01-01T00:00:00Z","since":"2026-01-01T00:00:00Z"}'], ids=repr)
def test_retry_many_not_json(one, text):
    assert len(issues(one.c.send("POST", path=one.path + "/deliveries/retry", body=text))) == 1


def test_retry_many_media_type(one):
    error(one.c.send("POST", path=one.path + "/deliveries/retry", body=b"{}", content_type="text/plain"), 415, "UNSUPPORTED_MEDIA_TYPE")


# Whose it is ----------------------------------------------------------------------------------------

ROUTES = [("POST", "/test", None), ("GET", "/deliveries", None), ("GET", "/deliveries/%s", None), ("POST", "/deliveries/%s/retry", None),
          ("POST", "/deliveries/retry", {"since": "2026-01-01T00:00:00Z"})]


def ask(c, of, delivery, route, **options):
    method, rest, body = route
    return c.send(method, path=of + (rest % delivery if "%s" in rest else rest), body=body, **options)


@pytest.mark.parametrize("route", ROUTES, ids=lambda r: r[0] + r[1])
def test_others(one, route):
    """Another tenant's channel, another project's and a deleted one are as none."""
    new = one.ended("refused")
    second = stack.new_project(one.place.tenant)
    with Client(stack.Place("enterprise", ALL).key) as stranger, Client(stack.new_key(project=second, permissions=ALL)["key"]) as sibling, \
            Client(one.place.org_key(ALL)) as org, Client(stack.new_key(project=one.place.project, permissions=("analysis:create",))["key"]) as less:
        texts = {error(ask(c, one.path, new, route), 404, "NOT_FOUND") == {} for c in (stranger, sibling)}
        error(ask(org, one.path, new, route, project=second), 404, "NOT_FOUND")
        need = "config:read" if route[0] == "GET" else "config:write"
        assert error(ask(less, one.path, new, route), 403, "FORBIDDEN") == {"required": need} and texts == {True}
        ok(ask(org, one.path, new, route), 200 if route[0] == "GET" else 202)
    none = "%s/%s" % (PATH, uuid.uuid4())
    error(ask(one.c, none, new, route), 404, "NOT_FOUND")
    assert issues(ask(one.c, PATH + "/x", new, route)) == [("path.id", "format")]
    ok(one.c.send("DELETE", path=one.path), 200)
    error(ask(one.c, one.path, new, route), 404, "NOT_FOUND")


def test_no_such_delivery(one):
    for method, rest in (("GET", ""), ("POST", "/retry")):
        error(one.c.send(method, path="%s/deliveries/%s%s" % (one.path, uuid.uuid4(), rest)), 404, "NOT_FOUND")
        assert issues(one.c.send(method, path="%s/deliveries/x%s" % (one.path, rest))) == [("path.deliveryId", "format")]


def test_read_key_writes_nothing(one):
    new = one.ended("refused")
    with Client(stack.new_key(project=one.place.project, permissions=("config:read",))["key"]) as c:
        for route in ROUTES:
            reply = ask(c, one.path, new, route)
            if route[0] == "GET":
                ok(reply, 200)
            else:
                assert error(reply, 403, "FORBIDDEN") == {"required": "config:write"}
    assert one.get(new)["status"] == "failed" and one.ids() == [new]


def test_deleted_while_under_way(one):
    """The outcome of the running attempt changes nothing any more."""
    new, = one.publish()
    row, = one.sender.take(new)
    ok(one.c.send("DELETE", path=one.path), 200)
    assert one.sender.record([row], "ok") == 0
    for table, column in (("queue", "channel_id"), ("delivery", "channel_id"), ("attempt", "delivery_id"), ("lane", "channel_id")):
        value = new if column == "delivery_id" else one.id
        assert stack.sql("SELECT count(*) AS n FROM sigsentry.%s WHERE %s = %%s" % (table, column), value) == [{"n": 0}], table


def test_canaries(one, logs):
    """An excerpt is shown to those who may read it, and is in no log; nor are texts of bodies and errors."""
    mark = stack.NAMED
    new = one.ended("refused", code=400, error="said " + mark, excerpt="x " + mark)
    assert mark in one.get(new)["attemptList"][0]["responseExcerpt"]
    issues(one.retry_many(since=mark, status=[mark], **{mark: 1}))
    issues(one.c.send("GET", path=one.path + "/deliveries?status=%s&cursor=%s" % (mark, mark)))
    assert logs.wait("ev=http.end.*route=delivery.list.*status=400")
    assert mark not in logs.text("api") and mark not in logs.text("postgresql")
