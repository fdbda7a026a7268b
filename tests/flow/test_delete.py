"""Goal: DELETE removes one channel with all that belongs to it, for good, once, and only for who may (contract §3).
"""

import json
import threading
import uuid

import pytest

import stack
from stack import BOTH, PATH, Client, at, channel, created, error, issues, of_kind, ok, secret

KINDS = list(stack.CREDENTIALS)


@pytest.fixture(scope="module")
def shared():
    return stack.Place("enterprise", BOTH)


def delete(client, channel_id, **options):
    return client.send("DELETE", at(channel_id), **options)


def deleted(reply):
    assert ok(reply, 200) == {"deleted": True}, reply


def rows_of(channel_id):
    """How many rows there are of it: of the channel, of its credentials."""
    row, = stack.sql("SELECT (SELECT count(*) FROM sigsentry.channel WHERE id = %s) AS channels,"
                     " (SELECT count(*) FROM sigsentry.credential WHERE channel_id = %s) AS credentials",
                     channel_id, channel_id)
    return row["channels"], row["credentials"]


@pytest.mark.parametrize("kind", KINDS)
def test_delete(shared, client, kind):
    """It is in no answer and no table any more, but for the audit trail, which has no secret."""
    new, other = (created(client.post(of_kind(kind, "gone", severityThreshold="low"))) for _ in range(2))
    reply = delete(client, new)
    assert reply.json() == {"success": True, "data": {"deleted": True}}
    deleted(reply)
    assert rows_of(new) == (0, 0) and rows_of(other) == (1, len(stack.CREDENTIALS[kind]))
    error(client.send("GET", at(new)), 404, "NOT_FOUND")
    listed = [c["id"] for c in ok(client.send("GET", PATH + "?includeInactive=true"), 200)]
    assert new not in listed and other in listed
    first, last = sorted(stack.audit_rows(new), key=lambda r: r["id"])
    assert (last["tenant"], last["actor_kind"], last["actor"]) == (shared.tenant, "key", shared.key_id)
    assert (first["action"], last["action"], last["object_kind"]) == ("channel.create", "channel.delete", "channel")
    before = {"type": kind, "name": "gone", "severityThreshold": "low", "destination": stack.DESTINATIONS[kind],
              "isActive": True}
    assert (last["before"], last["after"]) == (before, None) and stack.CANARY not in str(last)


def test_once(client):
    """The second time there is nothing, as for an id that never was."""
    new = created(client.post(of_kind("slack")))
    deleted(delete(client, new))
    again, unknown = delete(client, new), delete(client, uuid.uuid4())
    for reply in (again, unknown):
        error(reply, 404, "NOT_FOUND")
    assert again.body == unknown.body and len(stack.audit_rows(new)) == 2
    for method, body in (("PUT", {"name": "x"}), ("PATCH", {"isActive": True}), ("GET", None), ("PUT", {})):
        error(client.send(method, at(new), body), 404, "NOT_FOUND")


def test_inactive(client):
    """A switched-off one can be deleted, and the audit row has why it was off."""
    new = created(client.post(of_kind("slack")))
    reason = {"code": "gone", "message": "410", "at": "2026-01-02T03:04:05.678Z"}
    stack.sql("UPDATE sigsentry.channel SET is_active = false, disabled_reason = %s WHERE id = %s",
              json.dumps(reason), new)
    deleted(delete(client, new))
    last = max(stack.audit_rows(new), key=lambda r: r["id"])
    assert (last["before"]["isActive"], last["before"]["disabledReason"]) == (False, reason)


def test_overlapping_secret_goes_too(client):
    new = created(client.post(of_kind("webhook")))
    ok(client.send("PATCH", at(new), {"credentials": {"hmacSecret": secret()}}), 200)
    deleted(delete(client, new))
    assert rows_of(new) == (0, 0)


def test_id_in_upper_case(client):
    new = created(client.post(of_kind("slack")))
    deleted(delete(client, new.upper()))
    assert rows_of(new) == (0, 0)


@pytest.mark.parametrize("body,media", [(None, None), (b"", "application/json"), (b"no JSON", "text/plain"),
                                        (b"{}", "application/json"), (b'{"id":"x"}', "")])
def test_a_body_does_not_matter(client, body, media):
    new = created(client.post(of_kind("slack")))
    deleted(delete(client, new, body=body, content_type=media))


def test_query_is_ignored(client):
    new, other = (created(client.post(of_kind("slack"))) for _ in range(2))
    deleted(client.send("DELETE", at(new) + "?id=" + other + "&limit=0"))
    assert (rows_of(new), rows_of(other)) == ((0, 0), (1, 1))


def test_repeated_headers(shared, client):
    new = created(client.post(of_kind("slack")))
    for name, value in (("X-Project-Id", shared.project), ("Idempotency-Key", "a")):
        assert issues(delete(client, new, headers=[(name, value)] * 2)) == [("header." + name, "duplicate")]
    assert rows_of(new) == (1, 1)


def test_room_in_the_quota():
    """What is deleted counts no more; a tenant-wide one never did."""
    place = stack.Place("starter")
    wide = stack.add_tenant_wide_channel(place.tenant)
    org = place.org_key()
    with Client(place.key) as c:
        first = created(c.post(channel()))
        created(c.post(channel()))
        error(c.post(channel()), 403, "QUOTA_EXCEEDED")
        deleted(delete(c, wide, key=org))
        error(c.post(channel()), 403, "QUOTA_EXCEEDED")
        deleted(delete(c, first))
        created(c.post(channel()))
        error(c.post(channel()), 403, "QUOTA_EXCEEDED")
    assert stack.channel_count(place.project) == 2


# Who may ---------------------------------------------------------------------------------------------


class Scene(stack.Place):
    def __init__(self):
        super().__init__("enterprise", BOTH)
        jobs = [
            lambda: stack.new_key(tenant=self.tenant, kind="org"),
            lambda: stack.new_key(project=self.project, permissions=("config:read", "analysis:create"))["key"],
            lambda: stack.new_key(project=self.project, kind="pub", permissions=("analysis:read",))["key"],
            lambda: stack.new_project(self.tenant),
            lambda: stack.Place("enterprise", BOTH),
        ]
        made, self.reader, self.pub, self.other_project, self.stranger = stack.parallel(jobs)
        self.org_id, self.org = made["id"], made["key"]
        self.unknown = str(uuid.uuid4())

    def make(self, what):
        """A new channel of this kind; its id."""
        if what == "wide":
            return stack.add_tenant_wide_channel(self.tenant)
        with Client() as c:
            return created({
                "own": lambda: c.post(channel(), key=self.key),
                "other": lambda: c.post(channel(), key=self.org, project=self.other_project),
                "strange": lambda: c.post(channel(), key=self.stranger.key),
            }[what]())


@pytest.fixture(scope="module")
def scene():
    return Scene()


WHO = [
    # key, X-Project-Id, channel, status, code
    ("key", None, "own", 200, None), ("key", "project", "own", 200, None), ("org", None, "own", 200, None),
    ("org", "project", "own", 200, None), ("org", None, "other", 200, None), ("org", "other_project", "other", 200, None),
    ("org", None, "wide", 200, None), ("org", "project", "wide", 200, None),
    ("key", None, "wide", 403, "FORBIDDEN"), ("key", "project", "wide", 403, "FORBIDDEN"),
    ("reader", None, "own", 403, "FORBIDDEN"), ("pub", None, "own", 403, "SECRET_KEY_REQUIRED"),
    ("none", None, "own", 401, "UNAUTHORIZED"),
    ("key", None, "other", 404, "NOT_FOUND"), ("org", "project", "other", 404, "NOT_FOUND"),
    ("org", "other_project", "own", 404, "NOT_FOUND"), ("key", None, "strange", 404, "NOT_FOUND"),
    ("org", None, "strange", 404, "NOT_FOUND"), ("org", "project", "strange", 404, "NOT_FOUND"),
    ("key", "other_project", "own", 403, "WRONG_PROJECT"), ("org", "unknown", "own", 403, "WRONG_PROJECT"),
]


@pytest.mark.parametrize("who,project,what,status,code", WHO)
def test_who(scene, who, project, what, status, code):
    target = scene.make(what)
    with Client() as c:
        reply = delete(c, target, key=getattr(scene, who, None), project=project and getattr(scene, project))
    if status == 200:
        deleted(reply)
    else:
        error(reply, status, code)
    assert rows_of(target)[0] == (0 if status == 200 else 1)


def test_required_permission(scene, client):
    assert error(delete(client, scene.unknown, key=scene.reader), 403, "FORBIDDEN") == {"required": "config:write"}


def test_audit_names_the_org_key(scene, client):
    wide = scene.make("wide")
    deleted(delete(client, wide, key=scene.org))
    row, = stack.audit_rows(wide)
    assert (row["tenant"], row["actor"], row["action"]) == (scene.tenant, scene.org_id, "channel.delete")


ORDER = [
    ("no key, bad id", "none", "x", None, 401, "UNAUTHORIZED"),
    ("public key, bad id", "pub", "x", None, 403, "SECRET_KEY_REQUIRED"),
    ("no permission, bad id", "reader", "x", None, 403, "FORBIDDEN"),
    ("no permission, unknown id", "reader", "unknown", None, 403, "FORBIDDEN"),
    ("foreign project, bad id", "key", "x", "other_project", 403, "WRONG_PROJECT"),
    ("foreign project, unknown id", "key", "unknown", "other_project", 403, "WRONG_PROJECT"),
    ("malformed project, bad id", "key", "x", "x", 400, "header.X-Project-Id"),
    ("bad id", "key", "x", None, 400, "path.id"),
    ("unknown id", "key", "unknown", None, 404, "NOT_FOUND"),
]


@pytest.mark.parametrize("who,what,project,status,code", [r[1:] for r in ORDER], ids=[r[0] for r in ORDER])
def test_order_of_checks(scene, who, what, project, status, code):
    with Client() as c:
        reply = delete(c, getattr(scene, what, what), key=getattr(scene, who, None),
                       project=project and getattr(scene, project, project))
    if status == 400:
        assert issues(reply) == [(code, "format")]
    else:
        error(reply, status, code)


@pytest.mark.parametrize("path", [PATH, PATH + "/settings"])
def test_nothing_else_is_deleted(scene, client, path):
    error(client.send("DELETE", path, key=scene.key), 405, "METHOD_NOT_ALLOWED")


# All at the same moment -------------------------------------------------------------------------------


def at_once(key, jobs):
    gate = threading.Barrier(len(jobs))

    def run(job):
        with Client(key) as c:
            c.send("GET", "/v1/nothing")
            gate.wait(20)
            return job(c)
    return stack.parallel([lambda j=j: run(j) for j in jobs], threads=len(jobs))


def test_many_delete_one(shared, client):
    """One of 16 deletes it; the others find nothing; there is one audit row."""
    for _ in range(3):
        new = created(client.post(of_kind("webhook")))
        replies = at_once(shared.key, [lambda c: delete(c, new)] * 16)
        assert sorted(r.status for r in replies) == [200] + [404] * 15
        assert rows_of(new) == (0, 0)
        assert [r["action"] for r in stack.audit_rows(new)].count("channel.delete") == 1


def test_changes_and_a_deletion(shared, client):
    """Whatever comes first, nothing is left and nothing comes back."""
    for _ in range(4):
        new = created(client.post(of_kind("webhook")))
        body = {"name": "late", "credentials": stack.credentials_of("webhook")}
        jobs = [lambda c: delete(c, new)] + [lambda c: c.send("PUT", at(new), body)] * 7
        replies = at_once(shared.key, jobs)
        deleted(replies[0])
        for reply in replies[1:]:
            assert reply.status in (200, 404), reply
        assert rows_of(new) == (0, 0)
        rows = stack.audit_rows(new)
        assert len(rows) == 2 + sum(r.status == 200 for r in replies[1:])


def test_quota_under_creates_and_deletes():
    """A starter's project never has more than two, however they come and go, and every answer is one of three."""
    place = stack.Place("starter", BOTH)
    keys = [place.key] + stack.parallel([lambda: stack.new_key(project=place.project)["key"]] * 3)
    ending, seen = threading.Event(), set()

    def work(key):
        with Client(key) as c:
            for _ in range(10):
                reply = c.post(channel())
                if reply.status == 201:
                    deleted(delete(c, created(reply)))
                else:
                    error(reply, 403, "QUOTA_EXCEEDED")

    def watch():
        while not ending.is_set():
            seen.add(stack.channel_count(place.project))
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        stack.parallel([lambda k=k: work(k) for k in keys], threads=4)
    finally:
        ending.set()
        watcher.join()
    assert max(seen) <= 2 and stack.channel_count(place.project) == 0
