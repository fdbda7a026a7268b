"""Goal: the tenant's settings of notifications: one default threshold, read and set by who may (contract §3).

It is offered for new channels and never changes one that exists; every change leaves its audit row.
"""

import re
import threading
import uuid

import pytest

import stack
from stack import BOTH, PATH, Client, channel, created, error, issues, ok, secret

SETTINGS = PATH + "/settings"
FIELD = "defaultSeverityThreshold"
WORDS = ["critical", "high", "medium", "low"]
NO_JSON = b"this is no JSON"


class Scene(stack.Place):
    def __init__(self):
        super().__init__("enterprise", BOTH)
        jobs = [
            lambda: stack.new_key(tenant=self.tenant, kind="org", permissions=BOTH),
            lambda: stack.new_key(project=self.project, permissions=("config:read",))["key"],
            lambda: stack.new_key(project=self.project, permissions=("config:write",))["key"],
            lambda: stack.new_key(project=self.project, kind="pub", permissions=("analysis:read",))["key"],
            lambda: stack.new_project(self.tenant),
            lambda: stack.Place("enterprise", BOTH),
        ]
        made, self.reader, self.writer, self.pub, self.other_project, self.stranger = stack.parallel(jobs)
        self.org_id, self.org = made["id"], made["key"]
        self.unknown = str(uuid.uuid4())


@pytest.fixture(scope="module")
def scene():
    return Scene()


@pytest.fixture
def client(scene):
    with Client(scene.key) as c:
        yield c


def get(client, **options):
    data = ok(client.send("GET", SETTINGS, **options), 200)
    assert set(data) == {FIELD}, data
    return data[FIELD]


def put(client, body, **options):
    return client.send("PUT", SETTINGS, body, **options)


def set_to(client, word, **options):
    reply = put(client, {FIELD: word}, **options)
    assert ok(reply, 200) == {"updated": True}, reply


def audits(tenant):
    rows = stack.sql("SELECT * FROM sigsentry.audit WHERE tenant_id = %s AND object_kind = 'settings' ORDER BY id", tenant)
    assert all(r["action"] == "settings.update" for r in rows)
    return rows


def test_of_a_new_tenant(place):
    """high, with no audit row."""
    org = place.org_key(BOTH)
    with Client(org) as c:
        reply = c.send("GET", SETTINGS)
        assert reply.json() == {"success": True, "data": {FIELD: "high"}}
        assert get(c) == "high"
    assert not audits(place.tenant)


@pytest.mark.parametrize("word", WORDS)
def test_set(scene, client, word):
    """Every key of the tenant sees it from then on, and no other tenant."""
    foreign = get(client, key=scene.stranger.key)
    set_to(client, word)
    assert put(client, {FIELD: word}).json() == {"success": True, "data": {"updated": True}}
    for options in (dict(), dict(project=scene.project), dict(key=scene.reader), dict(key=scene.org),
                    dict(key=scene.org, project=scene.other_project)):
        assert get(client, **options) == word
    assert get(client, key=scene.stranger.key) == foreign


def test_every_worker_sees_it(scene):
    """On whichever connection, from the next request on."""
    clients = [Client(scene.org) for _ in range(8)]
    for i in range(8):
        set_to(clients[i], WORDS[i % 4])
        assert {get(c) for c in clients} == {WORDS[i % 4]}
    for c in clients:
        c.close()


def test_channels_stay_as_they_are(scene, client):
    """Neither is one changed that is there, nor is the field of a create optional now."""
    set_to(client, "high")
    made = [created(client.post(channel(severityThreshold=w))) for w in WORDS]
    wide = stack.add_tenant_wide_channel(scene.tenant)
    rows = "SELECT c::text AS t FROM sigsentry.channel c WHERE tenant_id = %s ORDER BY id"
    before = stack.sql(rows, scene.tenant)
    for word in WORDS:
        set_to(client, word)
    assert stack.sql(rows, scene.tenant) == before and len(made + [wide]) == 5
    assert issues(client.post(channel(severityThreshold=None))) == [("severityThreshold", "required")]


def test_audit(place):
    """One row a change: who, from what, to what.  None where nothing changes."""
    made = stack.new_key(tenant=place.tenant, kind="org", permissions=BOTH)
    with Client() as c:
        set_to(c, "low", key=place.key)
        set_to(c, "low", key=place.key)
        set_to(c, "critical", key=made["key"])
        assert issues(put(c, {FIELD: "x"}, key=place.key))
    rows = audits(place.tenant)
    assert [(r["actor_kind"], r["actor"], r["object_id"], r["before"], r["after"]) for r in rows] == [
        ("key", place.key_id, place.tenant, {FIELD: "high"}, {FIELD: "low"}),
        ("key", made["id"], place.tenant, {FIELD: "low"}, {FIELD: "critical"})]


def test_sent_back(scene, client):
    """What a GET showed."""
    set_to(client, "medium")
    n = len(audits(scene.tenant))
    data = ok(client.send("GET", SETTINGS), 200)
    assert ok(put(client, data), 200) == {"updated": True} and len(audits(scene.tenant)) == n


# Bodies that are refused ----------------------------------------------------------------------------

BODIES = [
    ("empty object", {}, [(FIELD, "required")]),
    ("null", {FIELD: None}, [(FIELD, "type")]),
    ("number", {FIELD: 1}, [(FIELD, "type")]),
    ("true", {FIELD: True}, [(FIELD, "type")]),
    ("array", {FIELD: ["high"]}, [(FIELD, "type")]),
    ("object", {FIELD: {}}, [(FIELD, "type")]),
    ("empty", {FIELD: ""}, [(FIELD, "enum")]),
    ("info", {FIELD: "info"}, [(FIELD, "enum")]),
    ("upper case", {FIELD: "High"}, [(FIELD, "enum")]),
    ("blank", {FIELD: "high "}, [(FIELD, "enum")]),
    ("unknown field", {FIELD: "high", "x": 1}, [("x", "unknown")]),
    ("another name", {"severityThreshold": "high"}, [("severityThreshold", "unknown"), (FIELD, "required")]),
    ("two faults", {"x": 1, FIELD: "x"}, [("x", "unknown"), (FIELD, "enum")]),
    ("in body order", {FIELD: 1, "y": 1, "x": 1}, [(FIELD, "type"), ("y", "unknown"), ("x", "unknown")]),
    ("not an object", [], [("", "json")]),
    ("a string", b'"high"', [("", "json")]),
    ("JSON null", b"null", [("", "json")]),
    ("twice", b'{"%s":"high","%s":"high"}' % ((FIELD.encode(),) * 2), [(FIELD, "duplicate")]),
]


@pytest.mark.parametrize("body,found", [r[1:] for r in BODIES], ids=[r[0] for r in BODIES])
def test_refused(scene, client, body, found):
    before, n = get(client), len(audits(scene.tenant))
    assert issues(put(client, body)) == found
    assert get(client) == before and len(audits(scene.tenant)) == n


@pytest.mark.parametrize("text", [b"", b" ", b"{", b"high", NO_JSON, b'{"%s":"\xff"}' % FIELD.encode(),
                                  b"[" * 17 + b"]" * 17])
def test_not_json(client, text):
    (_, code), = issues(put(client, text))
    assert code == "json"


@pytest.mark.parametrize("sent", ["defaultseveritythreshold", "defaultSeverity", "defaultSeverityTreshold"])
def test_nearest_name(client, sent):
    reply = put(client, {sent: "high"})
    assert (sent, "unknown") in issues(reply)
    message, = [i["message"] for i in reply.json()["error"]["details"]["issues"] if i["path"] == sent]
    assert FIELD in message


def test_messages_quote_no_value(client):
    mark = secret("settings")
    for body in ({FIELD: mark}, {FIELD: [mark]}, {"x": mark, FIELD: "high"}, [mark], b'{"%s' % mark.encode()):
        reply = put(client, body)
        assert issues(reply) and stack.CANARY.encode() not in reply.body


# Who may ---------------------------------------------------------------------------------------------

WHO = [
    # key, X-Project-Id, of GET, of PUT
    ("key", None, None, None), ("key", "project", None, None), ("org", None, None, None), ("org", "project", None, None),
    ("org", "other_project", None, None), ("reader", None, None, (403, "FORBIDDEN")),
    ("writer", None, (403, "FORBIDDEN"), None),
    ("pub", None, (403, "SECRET_KEY_REQUIRED"), (403, "SECRET_KEY_REQUIRED")),
    ("none", None, (401, "UNAUTHORIZED"), (401, "UNAUTHORIZED")),
    ("key", "other_project", (403, "WRONG_PROJECT"), (403, "WRONG_PROJECT")),
    ("org", "unknown", (403, "WRONG_PROJECT"), (403, "WRONG_PROJECT")),
]


@pytest.mark.parametrize("who,project,of_get,of_put", WHO)
def test_who(scene, who, project, of_get, of_put):
    options = dict(key=getattr(scene, who, None), project=project and getattr(scene, project))
    with Client() as c:
        if of_get is None:
            assert get(c, **options) in WORDS
        else:
            error(c.send("GET", SETTINGS, **options), *of_get)
        if of_put is None:
            set_to(c, "low", **options)
        else:
            error(put(c, {FIELD: "low"}, **options), *of_put)
            error(put(c, NO_JSON, **options), *of_put)


def test_required_permission(scene, client):
    assert error(put(client, {FIELD: "low"}, key=scene.reader), 403, "FORBIDDEN") == {"required": "config:write"}
    assert error(client.send("GET", SETTINGS, key=scene.writer), 403, "FORBIDDEN") == {"required": "config:read"}


@pytest.mark.parametrize("value,code", [("x", "format"), ("twice", "duplicate")])
def test_bad_project(scene, client, value, code):
    headers = [("X-Project-Id", scene.project)] * 2 if value == "twice" else [("X-Project-Id", value)]
    for key in (scene.key, scene.org):
        assert issues(client.send("GET", SETTINGS, key=key, headers=headers)) == [("header.X-Project-Id", code)]
        assert issues(put(client, NO_JSON, key=key, headers=headers)) == [("header.X-Project-Id", code)]


def test_order_of_checks(scene, client):
    """Permission, media type and size, body."""
    large = b"{" + b" " * 65536 + b"}"
    error(put(client, NO_JSON, key=scene.reader, content_type="text/plain"), 403, "FORBIDDEN")
    error(put(client, NO_JSON, content_type="text/plain"), 415, "UNSUPPORTED_MEDIA_TYPE")
    error(put(client, None), 415, "UNSUPPORTED_MEDIA_TYPE")
    error(put(client, large), 413, "PAYLOAD_TOO_LARGE")


def test_suspended(place):
    stack.ctl("tenant", "suspend", place.tenant)
    with Client(place.org_key(BOTH)) as c:
        error(c.send("GET", SETTINGS), 403, "TENANT_SUSPENDED")
        error(put(c, {FIELD: "low"}), 403, "TENANT_SUSPENDED")


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_methods(client, method):
    reply = client.send(method, SETTINGS, {FIELD: "high"})
    error(reply, 405, "METHOD_NOT_ALLOWED")
    assert set(re.split(", *", reply.header("allow"))) == {"GET", "HEAD", "PUT"}


def test_query_is_ignored(client):
    set_to(client, "low")
    assert ok(client.send("GET", SETTINGS + "?page=0&limit=x&" + FIELD + "=high"), 200) == {FIELD: "low"}
    assert ok(client.send("PUT", SETTINGS + "?" + FIELD + "=high", {FIELD: "medium"}), 200) == {"updated": True}
    assert get(client) == "medium"


# All at the same moment -------------------------------------------------------------------------------


def test_changes_at_once(place):
    """The audit rows make one chain from the first value to the last, each from what the one before left."""
    org = place.org_key(BOTH)
    gate = threading.Barrier(12)

    def work(n):
        with Client(org) as c:
            gate.wait(20)
            for k in range(5):
                set_to(c, WORDS[(n + k) % 4])
    stack.parallel([lambda n=n: work(n) for n in range(12)], threads=12)
    with Client(org) as c:
        last = get(c)
    # in and out of each value as often, but for the first and the last
    left = {w: 0 for w in WORDS}
    for row in audits(place.tenant):
        assert row["before"] != row["after"]
        left[row["before"][FIELD]] += 1
        left[row["after"][FIELD]] -= 1
    left["high"] -= 1
    left[last] += 1
    assert set(left.values()) == {0}
