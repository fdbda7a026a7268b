"""Goal: every route lets in whom contract §2 lets in, and tells everybody else the same as every other route does.

One table of all routes by all kinds of keys by all kinds of X-Project-Id.  What each must answer is computed by
expected(), which is written from the contract's own table and order of checks (§§1, 2) and knows nothing of the code.
"""

import json
import secrets
import uuid

import pytest

import stack
from stack import PATH

SETTINGS = PATH + "/settings"

# name, method, path, permission, needs a project, status of success, body
ROUTES = [
    ("list", "GET", PATH, "config:read", True, 200, None),
    ("create", "POST", PATH, "config:write", True, 201, stack.channel("access")),
    ("get", "GET", PATH + "/{id}", "config:read", False, 200, None),
    ("put", "PUT", PATH + "/{id}", "config:write", False, 200, {"name": "access put"}),
    ("patch", "PATCH", PATH + "/{id}", "config:write", False, 200, {"name": "access patch"}),
    ("delete", "DELETE", PATH + "/{id}", "config:write", False, 200, None),
    ("settings get", "GET", SETTINGS, "config:read", False, 200, None),
    ("settings put", "PUT", SETTINGS, "config:write", False, 200, {"defaultSeverityThreshold": "low"}),
]
PERMISSIONS = ["analysis:create", "analysis:read", "config:read", "config:write", "config:read+config:write"]
# X-Project-Id: the key's own, another of the same tenant, another tenant's, nobody's
PROJECTS = ["none", "own", "other", "foreign", "nobody", "malformed", "empty", "repeated"]
KEYS = ["none", "malformed", "legacy", "unknown", "pub", "revoked", "expired", "org revoked", "org expired",
        "suspended", "org suspended", "pub revoked"]
KEYS += [kind + " " + p for kind in ("secret", "org") for p in PERMISSIONS]


def may(key, permission):
    """Does the key of this name carry the permission?  Those without one in their name carry all four."""
    words = key.split()[-1]
    return ":" not in words or permission in words.split("+")


def expected(route, key, project):
    """Status, code and details.required of contract §2, checked in the order of §1."""
    _, _, path, permission, needs_project, status, _ = route
    is_org = key.startswith("org")
    if key in ("none", "malformed", "unknown"):
        return 401, "UNAUTHORIZED"
    if key == "legacy":
        return 401, "KEY_FORMAT_DEPRECATED"
    if key.endswith("revoked"):
        return 401, "API_KEY_REVOKED"
    if key.endswith("expired"):
        return 401, "API_KEY_EXPIRED"
    if key == "pub":
        return 403, "SECRET_KEY_REQUIRED"
    if key.endswith("suspended"):
        return 403, "TENANT_SUSPENDED"
    if project in ("malformed", "empty"):
        return 400, "VALIDATION_ERROR", ("header.X-Project-Id", "format")
    if project == "repeated":
        return 400, "VALIDATION_ERROR", ("header.X-Project-Id", "duplicate")
    if is_org and project == "none" and needs_project:
        return 400, "MISSING_PROJECT_ID"
    if project in ("foreign", "nobody") or (not is_org and project == "other"):
        return 403, "WRONG_PROJECT"
    if not may(key, permission):
        return 403, "FORBIDDEN", permission
    if "{id}" in path and is_org and project == "other":
        return 404, "NOT_FOUND"  # X-Project-Id narrows what an org key reaches (§3)
    return status, None


class Cast:
    """All keys and projects; the channels that are asked for belong to the own project."""

    def __init__(self):
        self.place, self.foreign, self.suspended = stack.parallel([lambda: stack.Place("enterprise")] * 3)
        self.tenant, self.project = self.place.tenant, self.place.project
        full = PERMISSIONS[:4]
        jobs = {}
        for key in KEYS:
            where = self.suspended if key.endswith("suspended") else self.place
            kind = key.split()[0] if key.split()[0] in ("org", "pub") else "secret"
            whose = dict(tenant=where.tenant) if kind == "org" else dict(project=where.project)
            asked = full[:2] if kind == "pub" else [p for p in full if may(key, p)]
            if key not in ("none", "malformed", "legacy"):
                jobs[key] = lambda w=whose, k=kind, a=asked: stack.new_key(kind=k, permissions=a, **w)
        made = dict(zip(jobs, stack.parallel([lambda: stack.new_project(self.tenant)] + list(jobs.values()))[1:]))
        self.other = str(stack.sql("SELECT id FROM sigsentry.project WHERE tenant_id = %s AND id <> %s",
                                   self.tenant, self.project)[0]["id"])
        self.keys = {name: m["key"] for name, m in made.items()}
        good = made["unknown"]["key"]
        self.keys.update(none=None, malformed=good[:-1] + ("x" if good[-1] != "x" else "y"), legacy="ss_live_abc")
        ids = [[m["id"] for name, m in made.items() if name.endswith(ill)] for ill in ("unknown", "revoked", "expired")]
        stack.sql("DELETE FROM sigsentry.api_key WHERE id = ANY (%s::uuid[])", ids[0])
        stack.sql("UPDATE sigsentry.api_key SET revoked_at = now() WHERE id = ANY (%s::uuid[])", ids[1])
        stack.sql("UPDATE sigsentry.api_key SET expires_at = now() WHERE id = ANY (%s::uuid[])", ids[2])
        stack.ctl("tenant", "suspend", self.suspended.tenant)
        self.kept = self.add_channel()
        self.written = []  # one entry a request that wrote

    def add_channel(self):
        new = str(uuid.uuid4())
        stack.sql("INSERT INTO sigsentry.channel (tenant_id, id, project_id, type, name, severity_threshold, destination)"
                  " VALUES (%s, %s, %s, 'slack', %s, 1, 'hooks.slack.com')",
                  self.tenant, new, self.project, "access " + secrets.token_hex(4))
        return new

    def projects(self, word):
        """The headers for this kind of X-Project-Id."""
        values = {"none": [], "own": [self.project], "other": [self.other], "foreign": [self.foreign.project],
                  "nobody": [str(uuid.uuid4())], "malformed": ["p-1"], "empty": [""],
                  "repeated": [self.project] * 2}
        return [("X-Project-Id", v) for v in values[word]]


@pytest.fixture(scope="module")
def cast():
    return Cast()


def told(reply):
    """Status, code, and of a FORBIDDEN the permission, of a VALIDATION_ERROR the only issue."""
    if reply.status < 300:
        stack.ok(reply, reply.status)
        return reply.status, None
    code = reply.json()["error"]["code"]
    details = stack.error(reply, reply.status, code)
    if code == "FORBIDDEN":
        assert set(details) == {"required"}, details
        return reply.status, code, details["required"]
    if code == "VALIDATION_ERROR":
        return (reply.status, code) + tuple((i["path"], i["code"]) for i in details["issues"])
    assert not details, reply
    return reply.status, code


def ask(cast, client, route, key, project):
    """One combination; what is wrong with its answer, or None."""
    name, method, path, _, _, _, body = route
    want = expected(route, key, project)
    if name == "delete":
        path = path.replace("{id}", cast.add_channel() if want[0] == 200 else cast.kept)
    if body is not None and method != "POST":
        # differs each time, so that each one that is let in leaves an audit row
        turn = ["low", "critical"][len(cast.written) % 2]
        body = {k: v + secrets.token_hex(4) if k == "name" else turn for k, v in body.items()}
    reply = client.send(method, path.replace("{id}", cast.kept), body, key=cast.keys[key], headers=cast.projects(project))
    if want[1] is None and method != "GET":
        cast.written.append(name)
    have = told(reply)
    limits = [h for h in ("limit", "remaining", "reset") if reply.header("x-ratelimit-" + h) is not None]
    if have != want:
        return "X-Project-Id %s: %s, not %s" % (project, have, want)
    if len(limits) != (0 if want[0] == 401 else 3):
        return "X-Project-Id %s: rate-limit headers %s with %s" % (project, limits, json.dumps(have))
    return None


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("route", ROUTES, ids=[r[0] for r in ROUTES])
def test_who_may(cast, route, key):
    with stack.Client() as c:
        wrong = [w for w in (ask(cast, c, route, key, p) for p in PROJECTS) if w]
    assert not wrong, "\n".join(wrong)


def test_who_was_refused_wrote_nothing(cast):
    """After all of the above: an audit row for each request that was let in and wrote, and not one more."""
    assert cast.written, "run the whole file"
    rows = stack.sql("SELECT action, count(*) AS n FROM sigsentry.audit WHERE tenant_id = %s AND actor_kind = 'key'"
                     " GROUP BY 1", cast.tenant)
    written = {"channel.create": ["create"], "channel.update": ["put", "patch"], "channel.delete": ["delete"],
               "settings.update": ["settings put"]}
    assert {r["action"]: r["n"] for r in rows} == {
        action: sum(cast.written.count(n) for n in names) for action, names in written.items()}
    assert not stack.sql("SELECT 1 FROM sigsentry.audit WHERE tenant_id = ANY (%s::uuid[]) AND actor_kind = 'key'",
                         [cast.foreign.tenant, cast.suspended.tenant])


def test_head_is_let_in_as_get(cast):
    """The same status and headers, no body."""
    for name, method, path, _, _, _, _ in ROUTES:
        if method != "GET":
            continue
        for key in ("none", "pub", "secret config:read", "secret config:write", "org config:read", "org revoked"):
            with stack.Client() as c:
                answers = [c.send(m, path.replace("{id}", cast.kept), key=cast.keys[key]) for m in ("GET", "HEAD")]
            assert answers[0].status == answers[1].status, (name, key)
            assert answers[1].body == b""
            assert answers[0].header("content-length") == answers[1].header("content-length"), (name, key)
