"""Goal: what is looked up in a long history, and in a long list of others', reads no more rows than it would of a short one.

Whether the session made its plans while there was next to nothing, as a worker that is as old as the database, or since.
"""

import json
import uuid

import pytest

from conftest import analyze, call, query, tenant_wide

LONG = 12000  # deliveries, one each 50 s: they lie in two weeks
AT = "now() - interval '50 seconds' * n"
ID = "(substr(sigsentry.uuid_v7_floor(%s)::text, 1, 24) || '%s' || lpad(to_hex(n), 11, '0'))::uuid"
MADE = ("SELECT n, %s AS at, %s AS event, %s AS id FROM generate_series(1, %d) n"
        % (AT, ID % (AT, "e"), ID % (AT, "d"), LONG)).replace("%", "%%")
LITTLE = 300  # rows


def rows_read(q, name, *args):
    """How many rows a statement reads, all that it calls included."""
    read = "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) AS n FROM pg_stat_xact_user_tables WHERE schemaname = 'sigsentry'"
    before = q.value(read)
    q.rows(query(name), *args)
    return q.value(read) - before


def data(q, name, *args):
    row = call(q.conn, name, *args)
    assert row["status"] == "ok", row
    return json.loads(row["data"])


class History:
    """A channel, and all that can be asked about its deliveries."""

    def __init__(self, q):
        self.q = q
        self.tenant, self.project, (self.channel,) = q.home()
        self.digest, _ = q.key(self.tenant, self.project)

    def fill(self, channel=None, project=None):
        """A long history; [(delivery, event)], newest first."""
        self.q.rows("INSERT INTO sigsentry.event (tenant_id, id, project_id, name, severity, payload, occurred_at, accepted_at, deliveries)"
                    " SELECT %s, event, %s, 'x.y', 1, '{}', at, at, 1 FROM (" + MADE + ") m", self.tenant, project or self.project)
        self.q.rows("INSERT INTO sigsentry.delivery (tenant_id, id, channel_id, event_id, status, is_test, attempts, created_at, finished_at)"
                    " SELECT %s, id, %s, event, CASE n %% 1000 WHEN 0 THEN 'failed' ELSE 'delivered' END, false, 1, at, at FROM (" + MADE + ") m",
                    self.tenant, channel or self.channel)
        self.q.rows("INSERT INTO sigsentry.attempt (tenant_id, delivery_id, number, started_at, duration_ms, outcome)"
                    " SELECT %s, id, 1, at, 5, 'ok' FROM (" + MADE + ") m", self.tenant)
        return [(str(r["id"]), str(r["event"])) for r in self.q.rows("SELECT id, event FROM (" + MADE + ") m ORDER BY id DESC")]

    def page(self, status=None, before=None, limit=20, channel=None):
        return ("api_delivery_list", self.digest, None, channel or self.channel, status, before, limit)

    def one(self, delivery):
        return ("api_delivery_get", self.digest, None, self.channel, delivery)

    def event(self, event):
        return ("api_event_get", self.digest, None, event)


@pytest.fixture(params=["young", "analyzed"])
def long(q, request):
    """The channel, and its history; the statements are planned, and each was asked before."""
    h = History(q)
    for ask in (h.page(), h.page("failed", uuid.uuid4()), h.one(uuid.uuid4()), h.event(uuid.uuid4())):
        call(q.conn, *ask)
    h.made = h.fill()
    if request.param == "analyzed":
        analyze(q)
        for ask in (h.page(), h.one(h.made[0][0]), h.event(h.made[0][1])):
            call(q.conn, *ask)
    return h


def test_a_page_of_a_long_history(long):
    q, made = long.q, [d for d, _ in long.made]
    for at in (0, 1, LONG // 2, LONG - 21):
        ask = long.page(before=made[at - 1] if at else None)
        got = data(q, *ask)
        assert [i["id"] for i in got["items"]] == made[at:at + 20] and got["nextCursor"] == made[at + 19]
        assert all(i["event"] == "x.y" and i["severity"] == "high" for i in got["items"])
        assert rows_read(q, *ask) < LITTLE, at
    last = data(q, *long.page(before=made[-6]))
    assert [i["id"] for i in last["items"]] == made[-5:] and last["nextCursor"] is None
    assert data(q, *long.page(before=made[-1])) == {"items": [], "nextCursor": None}


def test_what_did_not_arrive_is_found_among_all_that_did(long):
    q, failed = long.q, [d for d, _ in long.made[999::1000]]
    for ask, ids, cursor in ((long.page("failed"), failed, None), (long.page("failed", limit=3), failed[:3], failed[2]),
                             (long.page("failed", before=failed[-2]), failed[-1:], None), (long.page("cancelled"), [], None)):
        got = data(q, *ask)
        assert [i["id"] for i in got["items"]] == ids and got["nextCursor"] == cursor
        assert {i["status"] for i in got["items"]} <= {"failed"}
        assert rows_read(q, *ask) < LITTLE, ask
    delivered = data(q, *long.page("delivered", before=long.made[990][0]))
    assert [i["id"] for i in delivered["items"]] == [d for d, _ in long.made[991:1012] if d not in failed]


def test_what_waits_is_found_at_once(long):
    q = long.q
    assert data(q, *long.page("pending")) == {"items": [], "nextCursor": None}
    new = [str(long.q.delivery(long.project)) for _ in range(3)]
    for ask, ids in ((long.page("pending"), new[::-1]), (long.page("sending"), []), (long.page("pending", before=new[1]), new[:1]),
                     (long.page(limit=5), new[::-1] + [d for d, _ in long.made[:2]])):
        assert [i["id"] for i in data(q, *ask)["items"]] == ids
        assert rows_read(q, *ask) < LITTLE, ask
    assert {i["status"] for i in data(q, *long.page("pending"))["items"]} == {"pending"}


def test_one_of_a_long_history(long):
    q = long.q
    for at in (0, LONG // 2, LONG - 1):
        delivery, event = long.made[at]
        got = data(q, *long.one(delivery))
        assert (got["id"], got["eventId"], got["event"], [a["number"] for a in got["attemptList"]]) == (delivery, event, "x.y", [1])
        assert rows_read(q, *long.one(delivery)) < LITTLE, at
        assert [d["id"] for d in data(q, *long.event(event))["deliveries"]] == [delivery]
        assert rows_read(q, *long.event(event)) < LITTLE, at


def test_a_project_sees_its_own_of_a_tenant_wide_channel(q):
    h = History(q)
    other = q.project(h.tenant)
    wide = tenant_wide(q, h.tenant)
    theirs, _ = q.key(h.tenant, other)
    made = h.fill(wide)
    ask = h.page(channel=wide)
    assert [i["id"] for i in data(q, *ask)["items"]] == [d for d, _ in made[:20]]
    assert rows_read(q, *ask) < LITTLE
    h.digest = theirs
    # which is looked for among so many at a time
    assert data(q, *h.page(channel=wide)) == {"items": [], "nextCursor": made[9999][0]}
    assert rows_read(q, *h.page(channel=wide)) < 2 * 10000 + LITTLE
    assert data(q, *h.page(channel=wide, before=made[9999][0])) == {"items": [], "nextCursor": None}
    own = ("UPDATE sigsentry.event SET project_id = %s WHERE tenant_id = %s AND id = ANY (%s::uuid[])", other, h.tenant,
           [made[at][1] for at in (9, 500, 999, 11000)])
    q.rows(*own)
    first = data(q, *h.page(channel=wide, limit=2))
    assert [i["id"] for i in first["items"]] == [made[9][0], made[500][0]] and first["nextCursor"] == made[500][0]
    second = data(q, *h.page(channel=wide, limit=2, before=made[500][0]))
    assert [i["id"] for i in second["items"]] == [made[999][0]] and second["nextCursor"] == made[10500][0]
    third = data(q, *h.page(channel=wide, limit=2, before=made[10500][0]))
    assert [i["id"] for i in third["items"]] == [made[11000][0]] and third["nextCursor"] is None
    failed = data(q, *h.page("failed", channel=wide))
    assert [i["id"] for i in failed["items"]] == [made[999][0]] and failed["nextCursor"] == made[9999][0]
    h.channel = wide
    assert call(q.conn, *h.one(made[0][0]))["status"] == "no_delivery"
    assert call(q.conn, *h.event(made[0][1]))["status"] == "not_found"


def test_one_tenant_among_many(q):
    """An admin's lists of one tenant do not go through those of all others."""
    tenant, project, _ = q.home()
    q.key(tenant, project)
    q.rows("INSERT INTO sigsentry.tenant (id, name, plan) SELECT gen_random_uuid(), 'bulk', 'starter' FROM generate_series(1, 5000)")
    q.rows("INSERT INTO sigsentry.project (tenant_id, id, name, slug) SELECT t.id, gen_random_uuid(), 'p', 'p'"
           " FROM sigsentry.tenant t, generate_series(1, 1) WHERE t.name = 'bulk'")
    q.rows("INSERT INTO sigsentry.api_key (digest, id, tenant_id, project_id, kind, permissions, name, display_prefix)"
           " SELECT sha256(p.id::text::bytea), gen_random_uuid(), p.tenant_id, p.id, 'secret', '{config:read}', 'k', 'k'"
           "   FROM sigsentry.project p JOIN sigsentry.tenant t ON t.id = p.tenant_id AND t.name = 'bulk'")
    q.rows("INSERT INTO sigsentry.audit (id, tenant_id, actor_kind, actor, action, object_kind, object_id)"
           " SELECT sigsentry.uuid_v7(), t.id, 'system', 's', 'tenant.create', 'tenant', t.id::text"
           "   FROM sigsentry.tenant t, generate_series(1, 4) WHERE t.name = 'bulk'")
    analyze(q)
    for name, args in (("admin_audit_list", (tenant, None, None)), ("admin_apikey_list", (tenant, None)), ("admin_project_list", (tenant,))):
        rows = q.rows(query(name), *args)
        assert rows and {r["tenantId"] for r in rows} == {tenant}
        assert rows_read(q, name, *args) < LITTLE, name
    assert len(q.rows(query("admin_audit_list"), None, 1000, None)) == 1000
