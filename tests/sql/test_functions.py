"""Goal: the functions keep the rules of the contract: who may, how many, all or nothing, and what is on record after it."""
import hashlib
import itertools
import json
import operator
import re
import threading
import time
import uuid

import psycopg2
import pytest
from psycopg2 import errors

from conftest import SQL, Database, admit, analyze, at_once, audit_of, create, scans, tenant_wide, until

RELEASES = SQL.parent / "tests" / "upgrade"
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

# ---- helper functions ----------------------------------------------------------------------------


def test_uuid_v7_is_one(db):
    before = int(time.time() * 1000)
    ids = [row["id"] for row in db.rows("SELECT sigsentry.uuid_v7() AS id FROM generate_series(1, 5000)")]
    after = int(time.time() * 1000)
    assert len(set(ids)) == len(ids)
    for i in ids:
        assert i.version == 7 and i.variant == uuid.RFC_4122
        assert before - 1 <= i.int >> 80 <= after + 1
    assert len({i.int & (1 << 62) - 1 for i in ids}) == len(ids)


def test_uuid_v7_ascends_within_a_millisecond(db):
    """So that order by id is order in time: the 12 bits behind the version are the millisecond's fraction."""
    rows = db.rows("SELECT sigsentry.uuid_v7() AS id, pg_sleep(0.0005) FROM generate_series(1, 50)")
    ids = [row["id"] for row in rows]
    assert ids == sorted(ids)


@pytest.mark.parametrize("given,text", [
    ("2024-02-29 23:59:59.9996+00", "2024-02-29T23:59:59.999Z"),
    ("2024-03-01 01:00:00+02", "2024-02-29T23:00:00.000Z"),
    ("1970-01-01 00:00:00.001Z", "1970-01-01T00:00:00.001Z"),
    (None, None),
])
def test_rfc3339_in_any_session(db, given, text):
    for zone, style in (("UTC", "ISO"), ("America/St_Johns", "SQL, DMY"), ("Asia/Tokyo", "German")):
        db.rows("SELECT set_config('TimeZone', %s, false), set_config('DateStyle', %s, false)", zone, style)
        assert db.value("SELECT sigsentry.rfc3339(%s::timestamptz)", given) == text


def test_severity_words(db):
    for number, word in enumerate(("critical", "high", "medium", "low")):
        assert db.value("SELECT sigsentry.severity_word(%s::smallint)", number) == word
        assert db.value("SELECT sigsentry.severity_parse(%s)", word) == number
    assert db.value("SELECT sigsentry.severity_word(4::smallint)") is None
    for word in ("info", "High", "", None):
        assert db.value("SELECT sigsentry.severity_parse(%s)", word) is None


# ---- the key -------------------------------------------------------------------------------------

FAULTS = ["key_revoked", "key_expired", "secret_key_required", "tenant_suspended", "bad_project", "missing_project",
          "wrong_project", "forbidden"]


def key_with(db, kind, faults):
    """Make a tenant and a key of ${kind} that has all of ${faults}; answers the arguments of the check."""
    tenant = db.tenant("business")
    project = db.project(tenant)
    digest, key = db.key(tenant, None if kind == "org" else project, kind)
    if "forbidden" in faults:
        db.rows("UPDATE sigsentry.api_key SET permissions = '{analysis:read}' WHERE id = %s", key)
    if "key_revoked" in faults:
        db.admin("apikey_revoke", "tester", key)
    if "key_expired" in faults:
        db.rows("UPDATE sigsentry.api_key SET expires_at = now() WHERE id = %s", key)
    if "tenant_suspended" in faults:
        db.admin("tenant_suspend", "tester", tenant)
    header = project
    if "wrong_project" in faults:
        header = db.project(db.tenant()) if kind == "org" else db.project(tenant)
    if {"bad_project", "missing_project"} & set(faults):
        header = None
    return digest, header, "bad_project" in faults, "config:write", tenant, project, key


def key_check(db, digest, header, bad, permission, need):
    return db.row("SELECT * FROM sigsentry.key_check(%s::bytea, %s::uuid, %s, %s, %s)", digest, header, bad, permission, need)


WHO = operator.itemgetter("status", "key_id", "tenant_id", "project_id")


def possible(kind, faults):
    faults = set(faults)
    if (kind == "pub") != ("secret_key_required" in faults):
        return False
    if "missing_project" in faults and kind != "org":
        return False
    if "wrong_project" in faults and {"bad_project", "missing_project"} & faults:
        return False            # the header cannot be two things at once
    return True


CASES = [(kind, faults)
         for kind in ("secret", "org", "pub")
         for n in (0, 1, 2, 3)
         for faults in itertools.combinations(FAULTS, n) if possible(kind, faults)]


def test_each_fault_has_cases_alone_and_in_pairs():
    assert {faults[0] for kind, faults in CASES if len(faults) == 1} == set(FAULTS)
    assert sum(len(faults) == 2 for kind, faults in CASES) > 25


@pytest.mark.parametrize("kind,faults", CASES, ids=lambda x: x if isinstance(x, str) else "+".join(x) or "sound")
def test_the_first_fault_answers(db, api, kind, faults):
    """The order of contract §1: key, kind of key, tenant, project, permission."""
    expected = next((f for f in FAULTS if f in faults), "ok")
    digest, header, bad, permission, tenant, project, key = key_with(db, kind, faults)
    inner = key_check(db, digest, header, bad, permission, True)
    assert inner["status"] == expected
    assert (inner["key_id"], inner["tenant_id"], inner["kind"], inner["plan"]) == (key, tenant, kind, "business")
    assert WHO(admit(api, digest, header, bad, permission)) == WHO(inner)
    if not bad:
        made = create(api, digest, header)
        assert made["status"] == expected
        assert made["project_id"] == inner["project_id"]
        count = db.value("SELECT count(*) FROM sigsentry.channel WHERE tenant_id = %s", tenant)
        assert count == (expected == "ok")
    if expected == "ok":
        assert inner["project_id"] == project


@pytest.mark.parametrize("kind,faults", CASES, ids=lambda x: x if isinstance(x, str) else "+".join(x) or "sound")
def test_where_no_project_is_needed_its_absence_is_no_fault(db, api, kind, faults):
    """The settings, and the routes of one channel: an org key may leave the header out, and is then the whole tenant's."""
    expected = next((f for f in FAULTS if f in faults and f != "missing_project"), "ok")
    digest, header, bad, permission, tenant, project, key = key_with(db, kind, faults)
    inner = key_check(db, digest, header, bad, permission, False)
    assert (inner["status"], inner["key_id"], inner["tenant_id"], inner["kind"]) == (expected, key, tenant, kind)
    assert WHO(admit(api, digest, header, bad, permission, False)) == WHO(inner)
    if expected == "ok":
        assert inner["project_id"] == (None if "missing_project" in faults else project)


def test_an_unknown_key_learns_nothing(db, api, home):
    channel = uuid.uuid4()
    create(api, home.digest, channel=channel)
    for digest in (hashlib.sha256(b"unknown").digest(), b"", home.digest[:31], None):
        for bad in (False, True):
            row = admit(api, digest, home.project, bad, "config:write", take=True, channel=channel)
            assert row.pop("status") == "unauthorized" and set(row.values()) == {None}


def test_a_secret_key_may_name_its_own_project(api, home):
    assert create(api, home.digest, home.project)["status"] == "ok"


def test_an_org_key_reaches_each_project_of_its_tenant(db, api, home):
    digest, key = db.key(home.tenant, kind="org")
    second = db.project(home.tenant)
    for project in (home.project, second):
        row = create(api, digest, project)
        assert (row["status"], row["key_id"], row["project_id"]) == ("ok", key, project)
    foreign = db.project(db.tenant())
    assert create(api, digest, foreign)["project_id"] is None
    assert create(api, digest, uuid.uuid4())["status"] == "wrong_project"


def test_expiry_is_at_the_moment(session, home):
    """The moment itself is too late; in a transaction now() stands still, so that it can be met."""
    conn = session(autocommit=False)
    for offset, status in (("1 microsecond", "ok"), ("0", "key_expired"), ("-1 microsecond", "key_expired")):
        Database(conn).rows("UPDATE sigsentry.api_key SET expires_at = now() + %s::interval WHERE id = %s", offset, home.key)
        assert create(conn, home.digest)["status"] == status, offset


def test_a_revocation_holds_from_the_next_request_on(db, api, home):
    for _ in range(8):          # long enough for plans to be cached
        assert admit(api, home.digest, permission="config:write")["status"] == "ok"
    db.admin("apikey_revoke", "tester", home.key)
    assert create(api, home.digest)["status"] == "key_revoked"


def test_each_permission_is_its_own(db, api, home):
    words = ["analysis:create", "analysis:read", "config:read", "config:write"]
    for has in words:
        digest, _ = db.key(home.tenant, home.project, permissions=[has])
        for asks in words + ["config", "", None]:
            row = admit(api, digest, permission=asks)
            assert row["status"] == ("ok" if has == asks else "forbidden"), (has, asks)


def test_create_needs_config_write(db, api, home):
    digest, _ = db.key(home.tenant, home.project, permissions=["analysis:create", "analysis:read", "config:read"])
    assert create(api, digest)["status"] == "forbidden"
    digest, _ = db.key(home.tenant, home.project, permissions=["config:write"])
    assert create(api, digest)["status"] == "ok"


# ---- create --------------------------------------------------------------------------------------


def test_a_channel_is_made_whole(db, api, home):
    channel = uuid.uuid4()
    row = create(api, home.digest, channel=channel, kind="webhook", name="Näme ✓", threshold=3,
                 destination="example.com", fields=("url", "authHeader", "hmacSecret"), sealed=(b"\0a", b"\xffb", b"c"))
    assert row == {"status": "ok", "key_id": home.key, "tenant_id": home.tenant, "project_id": home.project,
                   "plan": "starter", "channel_limit": 2, "used": 1, "answer": None, "location": None}
    stored = db.row("SELECT * FROM sigsentry.channel WHERE tenant_id = %s", home.tenant)
    assert stored.pop("created_at") == stored.pop("updated_at")
    assert stored == {"tenant_id": home.tenant, "id": channel, "project_id": home.project, "type": "webhook",
                      "name": "Näme ✓", "severity_threshold": 3, "is_active": True, "disabled_reason": None,
                      "destination": "example.com"}
    kept = db.rows("""SELECT channel_id, field, sealed, previous_sealed, previous_until FROM sigsentry.credential
                       WHERE tenant_id = %s ORDER BY field""", home.tenant)
    assert [(r["channel_id"], r["field"], bytes(r["sealed"]), r["previous_sealed"], r["previous_until"]) for r in kept] == [
        (channel, "authHeader", b"\xffb", None, None), (channel, "hmacSecret", b"c", None, None),
        (channel, "url", b"\0a", None, None)]


@pytest.mark.parametrize("kind", ["slack", "teams", "discord", "google_chat", "webhook", "email"])
@pytest.mark.parametrize("threshold", [0, 1, 2, 3])
def test_every_type_and_threshold(db, api, kind, threshold):
    tenant = db.tenant("business")
    digest, _ = db.key(tenant, db.project(tenant))
    assert create(api, digest, kind=kind, threshold=threshold)["status"] == "ok"
    (row,) = db.rows("SELECT * FROM admin.channel_list(%s, NULL)", tenant)
    assert row["type"] == kind
    assert row["severityThreshold"] == ("critical", "high", "medium", "low")[threshold]


@pytest.mark.parametrize("wrong", [
    dict(kind="pigeon"), dict(kind=None), dict(threshold=4), dict(threshold=-1), dict(threshold=None), dict(name=""),
    dict(name="x" * 256), dict(name=None), dict(destination=None), dict(fields=("url", "hmacSecret"), sealed=(b"x",)),
    dict(fields=("url",), sealed=(b"x", b"y")), dict(fields=("url", "url"), sealed=(b"x", b"y")),
], ids=lambda d: ",".join("%s=%.12r" % kv for kv in d.items()))
def test_what_the_worker_must_never_send_writes_nothing(db, api, home, wrong):
    with pytest.raises(psycopg2.IntegrityError):
        create(api, home.digest, **wrong)
    for table in ("channel", "credential"):
        assert db.value("SELECT count(*) FROM sigsentry.%s WHERE tenant_id = %%s" % table, home.tenant) == 0
    assert audit_of(db, home.tenant, "channel.create") == []


def test_names_of_255_code_points(api, home):
    assert create(api, home.digest, name="\U0001f600" * 255)["status"] == "ok"


def test_audit_is_in_the_same_transaction(db, session, home):
    conn = session("sigsentry_api", autocommit=False)
    assert create(conn, home.digest)["status"] == "ok"
    conn.rollback()
    assert audit_of(db, home.tenant, "channel.create") == []
    assert db.value("SELECT count(*) FROM sigsentry.channel WHERE tenant_id = %s", home.tenant) == 0

    channel = uuid.uuid4()
    assert create(conn, home.digest, channel=channel)["status"] == "ok"
    conn.commit()
    (row,) = audit_of(db, home.tenant, "channel.create")
    assert (row["actor_kind"], row["actor"], row["object_kind"], row["object_id"]) == (
        "key", str(home.key), "channel", str(channel))
    assert row["before"] is None
    assert row["after"] == {"type": "slack", "name": "#alerts", "severityThreshold": "high",
                            "destination": "hooks.slack.com"}
    # xmin is the transaction that wrote a row.
    assert db.value("""SELECT a.xmin = c.xmin FROM sigsentry.audit a JOIN sigsentry.channel c ON c.tenant_id = a.tenant_id
                        WHERE a.tenant_id = %s AND a.action = 'channel.create'""", home.tenant)


def test_audit_has_no_sealed_bytes(db, api, home):
    canary = b"canary-" + uuid.uuid4().hex.encode()
    assert create(api, home.digest, sealed=(canary,))["status"] == "ok"
    assert db.value("SELECT count(*) FROM sigsentry.credential WHERE sealed = %s", canary) == 1
    for form in (canary.decode(), canary.hex()):
        assert db.value("SELECT count(*) FROM sigsentry.audit a WHERE strpos(a::text, %s) > 0", form) == 0
        assert db.value("SELECT count(*) FROM sigsentry.channel c WHERE strpos(c::text, %s) > 0", form) == 0


def test_a_refused_create_leaves_no_audit(db, api, home):
    for _ in range(4):
        create(api, home.digest)
    create(api, b"x" * 32)
    assert len(audit_of(db, home.tenant, "channel.create")) == 2


# ---- retry, conflict -----------------------------------------------------------------------------


@pytest.mark.parametrize("plan", ["starter", "business"])
def test_a_retry_answers_as_the_first(db, api, plan):
    """A worker that lost its connection at COMMIT calls again with the same id, at the limit as well."""
    tenant = db.tenant(plan)
    project = db.project(tenant)
    digest, _ = db.key(tenant, project)
    ids = [uuid.uuid4(), uuid.uuid4()]
    first = [create(api, digest, channel=i, sealed=(b"first",)) for i in ids]
    again = [create(api, digest, channel=i, sealed=(b"again",)) for i in ids]
    assert [r["status"] for r in first + again] == ["ok"] * 4
    assert again[1] == first[1]
    assert db.value("SELECT count(*) FROM sigsentry.channel WHERE tenant_id = %s", tenant) == 2
    assert len(audit_of(db, tenant, "channel.create")) == 2
    kept = db.rows("SELECT sealed FROM sigsentry.credential WHERE tenant_id = %s", tenant)
    assert [bytes(r["sealed"]) for r in kept] == [b"first", b"first"]


@pytest.mark.parametrize("plan", ["starter", "business"])
def test_two_at_once_with_one_id_make_one(db, session, plan):
    tenant = db.tenant(plan)
    digest, _ = db.key(tenant, db.project(tenant))
    channel = uuid.uuid4()
    answers = at_once([session("sigsentry_api") for _ in range(8)], lambda conn: create(conn, digest, channel=channel))
    assert [a["status"] for a in answers] == ["ok"] * 8
    assert db.value("SELECT count(*) FROM sigsentry.channel WHERE tenant_id = %s", tenant) == 1
    assert db.value("SELECT count(*) FROM sigsentry.credential WHERE tenant_id = %s", tenant) == 1
    assert len(audit_of(db, tenant, "channel.create")) == 1


@pytest.mark.parametrize("plan", ["pro", "business"])
def test_an_id_of_another_project_is_a_conflict(db, api, plan):
    tenant = db.tenant(plan)
    mine, other = db.project(tenant), db.project(tenant)
    digest, _ = db.key(tenant, mine)
    foreign, _ = db.key(tenant, other)
    channel, wide = uuid.uuid4(), uuid.uuid4()
    assert create(api, foreign, channel=channel, name="theirs", sealed=(b"theirs",))["status"] == "ok"
    tenant_wide(db, tenant, wide)
    for i in (channel, wide):
        assert create(api, digest, channel=i, name="mine", sealed=(b"mine",))["status"] == "conflict"
    rows = db.rows("SELECT name, project_id FROM sigsentry.channel WHERE tenant_id = %s ORDER BY name", tenant)
    assert rows == [{"name": "theirs", "project_id": other}, {"name": "wide", "project_id": None}]
    kept = db.rows("SELECT sealed FROM sigsentry.credential WHERE tenant_id = %s", tenant)
    assert [bytes(r["sealed"]) for r in kept] == [b"theirs"]
    assert len(audit_of(db, tenant, "channel.create")) == 1


@pytest.mark.parametrize("plan", ["starter", "business"])
def test_an_id_of_another_tenant_is_no_ones_business(db, api, plan):
    """Ids are a tenant's own: the answer is the same as for an id that nobody has, and the other's row stays as it is."""
    tenants, channel = [], uuid.uuid4()
    for name in ("one", "two"):
        tenant = db.tenant(plan)
        digest, _ = db.key(tenant, db.project(tenant))
        assert create(api, digest, channel=channel, name=name, sealed=(name.encode(),))["status"] == "ok"
        tenants.append(tenant)
    for tenant, name in zip(tenants, ("one", "two")):
        assert db.value("SELECT name FROM sigsentry.channel WHERE tenant_id = %s", tenant) == name
        assert bytes(db.value("SELECT sealed FROM sigsentry.credential WHERE tenant_id = %s", tenant)) == name.encode()


# ---- quota ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("plan,limit", [("starter", 2), ("pro", 10)])
def test_quota_one_by_one(db, api, plan, limit):
    tenant = db.tenant(plan)
    digest, _ = db.key(tenant, db.project(tenant))
    for used in range(1, limit + 1):
        row = create(api, digest)
        assert (row["status"], row["channel_limit"], row["used"]) == ("ok", limit, used)
    row = create(api, digest)
    assert (row["status"], row["plan"], row["channel_limit"], row["used"]) == ("quota", plan, limit, limit)
    assert db.value("SELECT count(*) FROM sigsentry.credential WHERE tenant_id = %s", tenant) == limit


@pytest.mark.parametrize("plan", ["business", "enterprise"])
def test_no_limit(db, api, plan):
    tenant = db.tenant(plan)
    digest, _ = db.key(tenant, db.project(tenant))
    for _ in range(15):
        row = create(api, digest)
        assert (row["status"], row["plan"], row["channel_limit"], row["used"]) == ("ok", plan, None, None)


def test_only_the_projects_own_channels_count(db, api, home):
    other, _ = db.key(home.tenant, db.project(home.tenant))
    for _ in range(3):
        tenant_wide(db, home.tenant)
    assert [create(api, other)["status"] for _ in range(3)] == ["ok", "ok", "quota"]
    assert [create(api, home.digest)["status"] for _ in range(3)] == ["ok", "ok", "quota"]


def test_inactive_channels_count(db, api, home):
    assert [create(api, home.digest)["status"] for _ in range(2)] == ["ok", "ok"]
    db.rows("UPDATE sigsentry.channel SET is_active = false WHERE tenant_id = %s", home.tenant)
    assert create(api, home.digest)["status"] == "quota"


def test_a_plan_of_no_channels(db, api):
    name = "none-" + uuid.uuid4().hex
    assert db.admin("plan_set", "tester", name, 0, 10, 10)["status"] == "ok"
    tenant = db.tenant(name)
    digest, _ = db.key(tenant, db.project(tenant))
    row = create(api, digest)
    assert (row["status"], row["channel_limit"], row["used"], row["plan"]) == ("quota", 0, 0, name)


def test_after_a_downgrade_channels_stay_and_new_ones_are_refused(db, api):
    tenant = db.tenant("pro")
    digest, _ = db.key(tenant, db.project(tenant))
    ids = [uuid.uuid4() for _ in range(5)]
    assert all(create(api, digest, channel=i)["status"] == "ok" for i in ids)
    assert db.admin("tenant_set_plan", "tester", tenant, "starter")["status"] == "ok"
    row = create(api, digest)
    assert (row["status"], row["channel_limit"], row["used"], row["plan"]) == ("quota", 2, 5, "starter")
    assert create(api, digest, channel=ids[4])["status"] == "ok"        # a retry is still answered
    assert db.value("SELECT count(*) FROM sigsentry.channel WHERE tenant_id = %s AND is_active", tenant) == 5
    assert db.admin("tenant_set_plan", "tester", tenant, "business")["status"] == "ok"
    assert create(api, digest)["status"] == "ok"


def test_the_race_for_the_last_place(db, session):
    """16 sessions, several rounds: exactly as many as the limit get in, each with a number of its own."""
    conns = [session("sigsentry_api") for _ in range(16)]
    for _ in range(5):
        tenant = db.tenant("starter")
        digest, _ = db.key(tenant, db.project(tenant))
        answers = at_once(conns, lambda conn: [create(conn, digest) for _ in range(3)])
        flat = [row for answer in answers for row in answer]
        assert sorted(r["status"] for r in flat) == ["ok"] * 2 + ["quota"] * 46
        assert sorted(r["used"] for r in flat if r["status"] == "ok") == [1, 2]
        assert {r["used"] for r in flat if r["status"] == "quota"} == {2}
        for table in ("channel", "credential"):
            assert db.value("SELECT count(*) FROM sigsentry.%s WHERE tenant_id = %%s" % table, tenant) == 2
        assert len(audit_of(db, tenant, "channel.create")) == 2


def test_the_count_is_newer_than_the_lock(db, session, home):
    """The second session waits while the first has not committed, and then sees what it wrote."""
    first, second = session("sigsentry_api", autocommit=False), session("sigsentry_api")
    assert [create(first, home.digest)["status"] for _ in range(2)] == ["ok", "ok"]
    answers = []
    waiter = threading.Thread(target=lambda: answers.append(create(second, home.digest)))
    waiter.start()
    until(lambda: db.value("SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = %s", second.info.backend_pid) == 1)
    assert answers == []
    first.commit()
    waiter.join(10)
    assert [a["status"] for a in answers] == ["quota"]


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_an_old_snapshot_is_refused(session, home, level):
    """Under these levels the count could be older than the lock."""
    conn = session("sigsentry_api", autocommit=False)
    with conn.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL " + level)
    with pytest.raises(errors.InvalidTransactionState):
        create(conn, home.digest)


def test_projects_without_a_limit_do_not_wait_for_each_other(db, session):
    tenant = db.tenant("business")
    digest, _ = db.key(tenant, db.project(tenant))
    first, second = session("sigsentry_api", autocommit=False), session("sigsentry_api")
    assert create(first, digest)["status"] == "ok"
    with second.cursor() as cursor:
        cursor.execute("SET lock_timeout = '1s'")
    assert create(second, digest)["status"] == "ok"
    first.commit()


def test_two_projects_of_a_tenant_do_not_wait_for_each_other(db, session, home):
    other, _ = db.key(home.tenant, db.project(home.tenant))
    first, second = session("sigsentry_api", autocommit=False), session("sigsentry_api")
    assert create(first, home.digest)["status"] == "ok"
    with second.cursor() as cursor:
        cursor.execute("SET lock_timeout = '1s'")
    assert create(second, other)["status"] == "ok"
    first.commit()


@pytest.mark.parametrize("plan", ["starter", "business"])
@pytest.mark.parametrize("once", [None, b"k" * 32], ids=["plain", "once"])
def test_a_create_reads_no_table_from_end_to_end(small, plan, once):
    """Not even where the planner saw a table of one page: the plan outlives it."""
    tenant = small.tenant(plan)
    digest, _ = small.key(tenant, small.project(tenant))
    analyze(small)
    before = scans(small)
    assert [create(small.conn, digest, once=once)["status"] for _ in range(7)][0] == "ok"       # the sixth plan stays
    assert scans(small) == before


# ---- admin ---------------------------------------------------------------------------------------


def last_audit(db, object_id):
    rows = db.rows("SELECT * FROM sigsentry.audit WHERE object_id = %s ORDER BY id", str(object_id))
    return rows[-1] if rows else None


def test_tenants(db):
    made = db.admin("tenant_create", "ann", "Acme", "pro")
    tenant = made["id"]
    assert list(made) == ["status", "id", "name", "plan", "createdAt", "suspendedAt"]
    assert (made["status"], made["name"], made["plan"], made["suspendedAt"]) == ("ok", "Acme", "pro", None)
    assert RFC3339.fullmatch(made["createdAt"])
    a = last_audit(db, tenant)
    assert (a["actor_kind"], a["actor"], a["action"], a["object_kind"], a["tenant_id"]) == (
        "user", "ann", "tenant.create", "tenant", tenant)
    assert (a["before"], a["after"]) == (None, {"name": "Acme", "plan": "pro"})
    assert db.value("SELECT default_severity FROM sigsentry.tenant WHERE id = %s", tenant) == 1

    row = db.admin("tenant_set_plan", "ann", tenant, "starter")
    assert (row["status"], row["plan"]) == ("ok", "starter")
    a = last_audit(db, tenant)
    assert (a["action"], a["before"], a["after"]) == ("tenant.set_plan", {"plan": "pro"}, {"plan": "starter"})

    row = db.admin("tenant_rename", "ann", tenant, "Ajax")
    assert (row["status"], row["name"]) == ("ok", "Ajax")
    a = last_audit(db, tenant)
    assert (a["action"], a["before"], a["after"]) == ("tenant.rename", {"name": "Acme"}, {"name": "Ajax"})

    row = db.admin("tenant_suspend", "ann", tenant)
    assert row["status"] == "ok" and RFC3339.fullmatch(row["suspendedAt"])
    since = row["suspendedAt"]
    a = last_audit(db, tenant)
    assert (a["action"], a["before"], a["after"]) == (
        "tenant.suspend", {"suspendedAt": None}, {"suspendedAt": since})
    assert [t for t in db.rows("SELECT * FROM admin.tenant_list()") if t["id"] == tenant] == [
        {k: v for k, v in row.items() if k != "status"}]

    row = db.admin("tenant_resume", "ann", tenant)
    assert (row["status"], row["suspendedAt"]) == ("ok", None)
    a = last_audit(db, tenant)
    assert (a["action"], a["before"], a["after"]) == ("tenant.resume", {"suspendedAt": since}, {"suspendedAt": None})


def test_suspended_and_back(db, api, home):
    db.admin("tenant_suspend", "ann", home.tenant)
    assert create(api, home.digest)["status"] == "tenant_suspended"
    db.admin("tenant_resume", "ann", home.tenant)
    assert create(api, home.digest)["status"] == "ok"


def test_no_change_no_audit(db, home):
    db.admin("tenant_suspend", "ann", home.tenant)
    db.admin("apikey_revoke", "ann", home.key)
    plan = "same-" + uuid.uuid4().hex
    db.admin("plan_set", "ann", plan, None, 5, None)
    actor = "idle-" + uuid.uuid4().hex
    first = db.row("SELECT revoked_at FROM sigsentry.api_key WHERE id = %s", home.key)
    for function, *args in (("tenant_suspend", home.tenant), ("tenant_set_plan", home.tenant, "starter"),
                            ("tenant_rename", home.tenant, "A tenant"), ("apikey_revoke", home.key),
                            ("project_rename", None, home.project, "A project"), ("plan_set", plan, None, 5, None)):
        assert db.admin(function, actor, *args)["status"] == "ok", function
    assert db.rows("SELECT * FROM sigsentry.audit WHERE actor = %s", actor) == []
    assert db.row("SELECT revoked_at FROM sigsentry.api_key WHERE id = %s", home.key) == first


NOBODY = uuid.UUID(int=1)
BAD_NAMES = [None, "", "x" * 256, "a\nb", "a\x01", "\x7f", "a\x80b", "\x9f"]


@pytest.mark.parametrize("name", BAD_NAMES, ids=repr)
def test_bad_names(db, home, name):
    for function, *args in (("tenant_create", name, "pro"), ("tenant_rename", home.tenant, name),
                            ("project_create", home.tenant, name, "slug"), ("project_rename", None, home.project, name),
                            ("plan_set", name, 1, 1, 1)):
        row = db.admin(function, "ann", *args)
        assert row.pop("status") == "bad_name" and not any(row.values()), function
    row = key_create(db, tenant=home.tenant, name=name)
    assert row["status"] == "bad_name"


@pytest.mark.parametrize("name", ["x", "x" * 255, "\U0001f600" * 255, "a b", "~", "\xa0", "ß#"], ids=repr)
def test_good_names(db, home, name):
    assert db.admin("tenant_rename", "ann", home.tenant, name)["name"] == name


def test_who_is_not_there(db, home):
    for expected, function, *args in (
            ("no_plan", "tenant_create", "x", "platinum"), ("no_plan", "tenant_create", "x", None),
            ("no_plan", "tenant_set_plan", home.tenant, "platinum"), ("no_tenant", "tenant_set_plan", NOBODY, "pro"),
            ("no_tenant", "tenant_rename", NOBODY, "x"), ("no_tenant", "tenant_suspend", NOBODY),
            ("no_tenant", "tenant_resume", NOBODY), ("no_tenant", "tenant_delete", NOBODY),
            ("no_tenant", "tenant_delete", None), ("no_tenant", "project_create", NOBODY, "x", "x"),
            ("no_project", "project_rename", None, NOBODY, "x"), ("no_project", "project_rename", NOBODY, home.project, "x"),
            ("no_project", "project_delete", None, NOBODY), ("no_project", "project_delete", NOBODY, home.project),
            ("no_key", "apikey_revoke", NOBODY), ("no_key", "apikey_revoke", None)):
        row = db.admin(function, "ann", *args)
        assert row.pop("status") == expected and not any(row.values()), (expected, function)


def test_projects(db, home):
    made = db.admin("project_create", "ann", home.tenant, "Shop", "shop")
    assert list(made) == ["status", "id", "tenantId", "name", "slug", "createdAt"]
    assert (made["status"], made["tenantId"], made["name"], made["slug"]) == ("ok", home.tenant, "Shop", "shop")
    a = last_audit(db, made["id"])
    assert (a["action"], a["tenant_id"], a["before"], a["after"]) == (
        "project.create", home.tenant, None, {"name": "Shop", "slug": "shop"})
    assert db.admin("project_create", "ann", home.tenant, "Other", "shop")["status"] == "slug_taken"
    assert db.admin("project_create", "ann", db.tenant(), "Other", "shop")["status"] == "ok"
    row = db.admin("project_rename", "ann", None, made["id"], "Store")
    assert (row["status"], row["name"], row["slug"]) == ("ok", "Store", "shop")
    a = last_audit(db, made["id"])
    assert (a["action"], a["before"], a["after"]) == ("project.rename", {"name": "Shop"}, {"name": "Store"})
    listed = db.rows("SELECT * FROM admin.project_list(%s)", home.tenant)
    assert [p["id"] for p in listed] == [home.project, made["id"]]
    assert listed[1] == {k: v for k, v in row.items() if k != "status"}
    assert len(db.rows("SELECT * FROM admin.project_list(NULL)")) > len(listed)


@pytest.mark.parametrize("slug,good", [
    ("a", True), ("0", True), ("a-b", True), ("a" * 63, True), ("a" * 64, False), ("", False), (None, False), ("-a", False),
    ("a-", False), ("A", False), ("a_b", False), ("a\n", False), ("é", False), ("a b", False)], ids=repr)
def test_slugs(db, home, slug, good):
    assert db.admin("project_create", "ann", home.tenant, "x", slug)["status"] == ("ok" if good else "bad_slug")


def test_project_delete(db, api, home):
    create(api, home.digest)
    stays = db.project(home.tenant)
    row = db.admin("project_delete", "ann", None, home.project)
    assert row == {"status": "ok", "id": home.project, "tenantId": home.tenant}
    assert create(api, home.digest)["status"] == "unauthorized"
    for table in ("api_key", "channel", "credential"):
        assert db.value("SELECT count(*) FROM sigsentry.%s WHERE tenant_id = %%s" % table, home.tenant) == 0
    assert [p["id"] for p in db.rows("SELECT * FROM admin.project_list(%s)", home.tenant)] == [stays]
    a = last_audit(db, home.project)
    assert (a["action"], a["tenant_id"], a["after"]) == ("project.delete", home.tenant, None)
    assert (a["before"]["channels"], a["before"]["apikeys"]) == (1, 1)


def key_create(db, tenant=None, project=None, kind="org", permissions=("config:read",), name="k", digest=None,
               expires=None):
    return db.row("SELECT * FROM admin.apikey_create('ann', %s, %s, %s, %s::text[], %s, %s, 'ss_x_ab', %s::timestamptz)",
                  tenant, project, kind, None if permissions is None else list(permissions), name,
                  digest if digest is not None else uuid.uuid4().bytes * 2, expires)


def test_keys(db, home):
    digest = hashlib.sha256(b"canary" + uuid.uuid4().bytes).digest()
    made = key_create(db, project=home.project, kind="secret", permissions=["config:write", "config:read", "config:write"],
                      name="CI", digest=digest, expires="2199-01-01T00:00:00Z")
    assert list(made) == ["status", "id", "tenantId", "projectId", "kind", "name", "displayPrefix", "permissions",
                          "createdAt", "expiresAt", "revokedAt"]
    created = made.pop("createdAt")
    assert RFC3339.fullmatch(created)
    assert made == {"status": "ok", "id": made["id"], "tenantId": home.tenant, "projectId": home.project, "kind": "secret",
                    "name": "CI", "displayPrefix": "ss_x_ab", "permissions": ["config:read", "config:write"],
                    "expiresAt": "2199-01-01T00:00:00.000Z", "revokedAt": None}
    a = last_audit(db, made["id"])
    assert (a["action"], a["object_kind"], a["tenant_id"], a["before"]) == ("apikey.create", "apikey", home.tenant, None)
    assert digest.hex() not in json.dumps(a["after"])
    org = key_create(db, tenant=home.tenant)
    assert (org["status"], org["projectId"]) == ("ok", None)

    listed = db.rows("SELECT * FROM admin.apikey_list(%s, NULL)", home.tenant)
    assert [k["id"] for k in listed] == [home.key, made["id"], org["id"]]
    assert "digest" not in listed[0]
    assert [k["id"] for k in db.rows("SELECT * FROM admin.apikey_list(%s, %s)", home.tenant, home.project)] == [
        home.key, made["id"]]
    row = db.admin("apikey_revoke", "ann", made["id"])
    assert row["status"] == "ok" and RFC3339.fullmatch(row["revokedAt"])
    a = last_audit(db, made["id"])
    assert (a["action"], a["after"]) == ("apikey.revoke", {"revokedAt": row["revokedAt"]})


@pytest.mark.parametrize("expected,change", [
    ("bad_kind", dict(kind="root")), ("bad_kind", dict(kind=None)),
    ("bad_permission", dict(permissions=[])), ("bad_permission", dict(permissions=None)),
    ("bad_permission", dict(permissions=["config:read", None])), ("bad_permission", dict(permissions=["config:*"])),
    ("bad_permission", dict(kind="pub", permissions=["config:read"])),
    ("bad_permission", dict(kind="pub", permissions=["analysis:read", "config:write"])),
    ("bad_expiry", dict(expires="2001-01-01T00:00:00Z")),
    ("bad_digest", dict(digest=b"short")), ("bad_digest", dict(digest=b"x" * 33)),
    ("no_project", dict(kind="secret")), ("no_project", dict(kind="pub", permissions=["analysis:read"])),
    ("no_project", dict(kind="secret", project=NOBODY)), ("no_tenant", dict(tenant=None)),
    ("no_tenant", dict(tenant=NOBODY))], ids=str)
def test_keys_that_are_refused(db, home, expected, change):
    args = {"tenant": home.tenant, **change}
    row = key_create(db, **args)
    assert row.pop("status") == expected and not any(row.values())
    assert len(db.rows("SELECT * FROM admin.apikey_list(%s, NULL)", home.tenant)) == 1


def test_keys_more_refusals(db, home):
    assert key_create(db, tenant=home.tenant, project=home.project, kind="org")["status"] == "bad_project"
    assert key_create(db, tenant=db.tenant(), project=home.project, kind="secret")["status"] == "no_project"
    assert key_create(db, tenant=home.tenant, digest=home.digest)["status"] == "bad_digest"
    good = key_create(db, tenant=home.tenant, project=home.project, kind="pub",
                      permissions=["analysis:read", "analysis:create"])
    assert good["status"] == "ok"


@pytest.mark.parametrize("column,value", [
    ("permissions", "{config:read}"), ("permissions", "{}"), ("permissions", "{analysis:read,NULL}"), ("kind", "org"),
    ("kind", "x"), ("project_id", None), ("digest", b"x")], ids=str)
def test_the_key_table_itself_refuses(db, home, column, value):
    _, key = db.key(home.tenant, home.project, "pub")
    with pytest.raises(errors.CheckViolation):
        db.rows("UPDATE sigsentry.api_key SET %s = %%s WHERE id = %%s" % column, value, key)


def test_plans(db):
    names = [p["name"] for p in db.rows("SELECT * FROM admin.plan_list()")]
    assert [n for n in names if n in ("starter", "pro", "business", "enterprise")] == [
        "starter", "pro", "business", "enterprise"]
    plans = {p.pop("name"): p for p in db.rows("SELECT * FROM admin.plan_list()")}
    assert [tuple(plans[n].values()) for n in ("starter", "pro", "business", "enterprise")] == [
        (2, 120, 60), (10, 600, 300), (None, 6000, 3000), (None, 60000, 30000)]
    assert list(plans["pro"]) == ["channelLimit", "readsPerMinute", "writesPerMinute"]
    name = "team-" + uuid.uuid4().hex
    row = db.admin("plan_set", "ann", name, 5, None, 100)
    assert row == {"status": "ok", "name": name, "channelLimit": 5, "readsPerMinute": None, "writesPerMinute": 100}
    a = last_audit(db, name)
    assert (a["action"], a["object_kind"], a["tenant_id"], a["before"]) == ("plan.set", "plan", None, None)
    row = db.admin("plan_set", "ann", name, None, 1, 1)
    assert row["channelLimit"] is None
    a = last_audit(db, name)
    assert (a["before"]["channelLimit"], a["after"]["channelLimit"]) == (5, None)
    assert db.row("SELECT * FROM sigsentry.plan WHERE name = %s", name) == {
        "name": name, "channel_limit": None, "reads_per_minute": 1, "writes_per_minute": 1}
    for limits in ((-1, 1, 1), (1, 0, 1), (1, 1, 0), (None, -1, None)):
        assert db.admin("plan_set", "ann", name, *limits)["status"] == "bad_limit", limits


def test_channel_list(db, api, home):
    other_project = db.project(home.tenant)
    other, _ = db.key(home.tenant, other_project)
    first, second, third, wide = (uuid.uuid4() for _ in range(4))
    create(api, home.digest, channel=first, sealed=(b"canary",))
    create(api, home.digest, channel=second)
    create(api, other, channel=third)
    tenant_wide(db, home.tenant, wide)
    db.rows("""UPDATE sigsentry.channel SET is_active = false, disabled_reason = '{"code":"gone"}'
                WHERE tenant_id = %s AND id = %s""", home.tenant, second)
    rows = db.rows("SELECT * FROM admin.channel_list(%s, NULL)", home.tenant)
    assert [r["id"] for r in rows] == [wide, third, first, second]
    assert list(rows[0]) == ["id", "type", "name", "severityThreshold", "isActive", "disabledReason", "scope",
                             "projectId", "destination", "createdAt", "updatedAt"]
    assert (rows[0]["scope"], rows[0]["projectId"]) == ("tenant", None)
    assert (rows[2]["scope"], rows[2]["projectId"], rows[2]["isActive"]) == ("project", home.project, True)
    assert rows[3]["disabledReason"] == {"code": "gone"} and RFC3339.fullmatch(rows[3]["createdAt"])
    assert "canary" not in str(rows)
    rows = db.rows("SELECT * FROM admin.channel_list(%s, %s)", home.tenant, home.project)
    assert [r["id"] for r in rows] == [wide, first, second]
    assert db.rows("SELECT * FROM admin.channel_list(%s, %s)", db.tenant(), home.project) == []


def wide_create(conn, tenant, channel, name="Wide", threshold=1, fields=("url", "hmacSecret"), sealed=(b"\0a", b"b")):
    return conn.row("SELECT * FROM admin.channel_create('ann', %s, %s, 'webhook', %s, %s::smallint, 'example.com', %s, %s::bytea[])",
                    tenant, channel, name, threshold, list(fields), list(sealed))


def test_channel_create(db, home):
    channel = uuid.uuid4()
    row = wide_create(db, home.tenant, channel)
    assert row.pop("status") == "ok"
    assert [row] == db.rows("SELECT * FROM admin.channel_list(%s, NULL)", home.tenant)
    assert list(row) == list(db.row("SELECT * FROM admin.channel_list(%s, NULL)", home.tenant))
    assert (row["id"], row["scope"], row["projectId"], row["isActive"]) == (channel, "tenant", None, True)
    kept = db.rows("SELECT field, sealed FROM sigsentry.credential WHERE tenant_id = %s AND channel_id = %s ORDER BY 1",
                   home.tenant, channel)
    assert [(r["field"], bytes(r["sealed"])) for r in kept] == [("hmacSecret", b"b"), ("url", b"\0a")]
    a = last_audit(db, channel)
    assert (a["action"], a["actor_kind"], a["actor"], a["tenant_id"], a["before"]) == (
        "channel.create", "user", "ann", home.tenant, None)
    assert a["after"] == {"type": "webhook", "name": "Wide", "destination": "example.com", "severityThreshold": "high"}
    assert db.admin("tenant_delete", "ann", home.tenant)["status"] == "ok"
    assert wide_create(db, home.tenant, uuid.uuid4()) == {**dict.fromkeys(["status", *row]), "status": "no_tenant"}


def test_channel_create_again_writes_nothing(db, session, home):
    channel = uuid.uuid4()
    rows = at_once([type(db)(session()) for _ in range(4)], lambda conn: wide_create(conn, home.tenant, channel))
    rows.append(wide_create(db, home.tenant, channel, name="Other", fields=("url",), sealed=(b"c",)))
    assert rows == [rows[0]] * 5 and rows[0]["status"] == "ok" and rows[0]["name"] == "Wide"
    assert db.value("SELECT count(*) FROM sigsentry.credential WHERE channel_id = %s", channel) == 2
    assert db.value("SELECT count(*) FROM sigsentry.audit WHERE object_id = %s", str(channel)) == 1


def test_channel_create_refusals(db, api, home):
    channel = uuid.uuid4()
    create(api, home.digest, channel=channel)
    assert wide_create(db, home.tenant, channel)["status"] == "bad_id"
    for name in ("", "a\nb", "x" * 256, None):
        assert wide_create(db, home.tenant, uuid.uuid4(), name=name)["status"] == "bad_name"
    assert [r["scope"] for r in db.rows("SELECT * FROM admin.channel_list(%s, NULL)", home.tenant)] == ["project"]
    # No quota: starter has two channels for a project, and these are none of its.
    assert [wide_create(db, home.tenant, uuid.uuid4())["status"] for _ in range(3)] == ["ok"] * 3
    assert create(api, home.digest)["status"] == "ok"


def test_audit_list(db, api, home):
    create(api, home.digest)
    rows = db.rows("SELECT * FROM admin.audit_list(%s, NULL, NULL)", home.tenant)
    assert [r["action"] for r in rows] == ["channel.create", "apikey.create", "project.create", "tenant.create"]
    assert list(rows[0]) == ["id", "at", "tenantId", "actorKind", "actor", "action", "objectKind", "objectId", "before",
                             "after"]
    assert [r["action"] for r in db.rows("SELECT * FROM admin.audit_list(%s, 2, NULL)", home.tenant)] == [
        "channel.create", "apikey.create"]
    assert db.rows("SELECT * FROM admin.audit_list(%s, NULL, now() + interval '1 hour')", home.tenant) == []
    assert len(db.rows("SELECT * FROM admin.audit_list(%s, NULL, now() - interval '1 hour')", home.tenant)) == 4
    db.rows("UPDATE sigsentry.audit SET at = now() - interval '2 hours' WHERE tenant_id = %s AND action = 'tenant.create'",
            home.tenant)
    assert len(db.rows("SELECT * FROM admin.audit_list(%s, NULL, now() - interval '1 hour')", home.tenant)) == 3
    assert db.rows("SELECT * FROM admin.audit_list(NULL, 1, NULL)")[0]["tenantId"] == home.tenant


def test_an_admin_change_and_its_audit_are_one(session, db):
    conn = session(autocommit=False)
    row = Database(conn).admin("tenant_create", "ann", "Gone", "pro")
    conn.rollback()
    assert last_audit(db, row["id"]) is None
    assert db.rows("SELECT 1 FROM sigsentry.tenant WHERE id = %s", row["id"]) == []


# ---- the end of a tenant -------------------------------------------------------------------------


def tenant_tables(db):
    rows = db.rows("""SELECT c.oid::regclass::text AS name
                        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
                       WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
                         AND n.nspname IN ('sigsentry', 'api', 'admin', 'courier')""")
    return [row["name"] for row in rows]


def deliveries_of(db, tenant, project):
    """A row of every table that a delivery leaves one in, and one each of what comes later in its life."""
    event = {"event": "custom", "severity": "critical", "summary": "s"}
    row = db.row("SELECT * FROM sigsentry.publish(%s, %s::jsonb)", project, json.dumps(event))
    assert row["deliveries"] > 0
    db.rows("INSERT INTO sigsentry.delivery (tenant_id, id, channel_id, event_id, status, is_test, attempts, created_at, finished_at)"
            " SELECT tenant_id, sigsentry.uuid_v7(), channel_id, event_id, 'failed', false, 1, now(), now() FROM sigsentry.queue"
            " WHERE event_id = %s", row["id"])
    db.rows("INSERT INTO sigsentry.attempt (tenant_id, delivery_id, number, started_at, duration_ms, outcome)"
            " SELECT tenant_id, id, 1, now(), 5, 'refused' FROM sigsentry.delivery WHERE event_id = %s", row["id"])
    db.rows("INSERT INTO sigsentry.lane (tenant_id, channel_id, due_at)"
            " SELECT tenant_id, id, 'infinity' FROM sigsentry.channel WHERE tenant_id = %s LIMIT 1 ON CONFLICT DO NOTHING", tenant)
    db.rows("INSERT INTO sigsentry.gone_channel (tenant_id, channel_id) VALUES (%s, %s)", tenant, uuid.uuid4())
    db.rows("INSERT INTO sigsentry.operator_notice (tenant_id, event_id) VALUES (%s, %s)", tenant, row["id"])
    db.rows("INSERT INTO sigsentry.mail_day (tenant_id, day, sent) VALUES (%s, current_date, 1)", tenant)


def test_deleting_a_tenant_leaves_no_row(db, api, home, still):
    db.key(home.tenant, kind="org")
    tenant_wide(db, home.tenant)
    other = db.tenant()
    digest, _ = db.key(other, db.project(other))
    for d in (home.digest, digest):
        create(api, d, once=b"k" * 32)
        assert admit(api, d, take=True)["granted"] == 1
    for tenant in (home.tenant, other):
        deliveries_of(db, tenant, db.value("SELECT id FROM sigsentry.project WHERE tenant_id = %s", tenant))

    def count(tenant):
        return {name: db.value("SELECT count(*) FROM %s WHERE tenant_id = %%s" % name, tenant) for name in tenant_tables(db)}

    others = count(other)
    for name, n in count(home.tenant).items():
        assert n > 0, "%s has no row of the tenant: make one here" % name
    assert db.admin("tenant_delete", "ann", home.tenant) == {"status": "ok", "id": home.tenant}
    assert set(count(home.tenant).values()) == {0}, count(home.tenant)
    assert count(other) == others
    assert db.rows("SELECT 1 FROM sigsentry.tenant WHERE id = %s", home.tenant) == []
    a = last_audit(db, home.tenant)
    assert (a["action"], a["actor"], a["tenant_id"], a["after"]) == ("tenant.delete", "ann", None, None)
    assert a["before"] == {"projects": 1, "channels": 2, "apikeys": 2}
    assert create(api, home.digest)["status"] == "unauthorized"
    assert db.admin("tenant_delete", "ann", home.tenant)["status"] == "no_tenant"


@pytest.mark.parametrize("act", ["create", "rename", "revoke"])
@pytest.mark.parametrize("plan", ["starter", "business"])
def test_a_change_under_way_leaves_no_row_either(db, session, plan, act):
    """The delete waits for it, and takes the audit row that it could not see at its own beginning."""
    tenant = db.tenant(plan)
    project = db.project(tenant)
    digest, key = db.key(tenant, project)
    conn, owner = session(autocommit=False), session()
    row = {"create": lambda: create(conn, digest),
           "rename": lambda: Database(conn).admin("project_rename", "ann", tenant, project, "New"),
           "revoke": lambda: Database(conn).admin("apikey_revoke", "ann", key)}[act]()
    assert row["status"] == "ok"
    answers = []
    deleter = threading.Thread(target=lambda: answers.append(Database(owner).admin("tenant_delete", "ann", tenant)))
    deleter.start()
    until(lambda: db.value("SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = %s", owner.info.backend_pid) == 1)
    conn.commit()
    deleter.join(10)
    assert [a["status"] for a in answers] == ["ok"]
    for name in tenant_tables(db):
        assert db.value("SELECT count(*) FROM %s WHERE tenant_id = %%s" % name, tenant) == 0, name


@pytest.mark.parametrize("plan", ["starter", "business"])
def test_a_create_and_the_end_of_its_tenant_never_wait_for_each_other(db, session, plan):
    """Both lock the project first: a create that has it, gets the tenant too, while the delete waits."""
    tenant = db.tenant(plan)
    project = db.project(tenant)
    digest, _ = db.key(tenant, project)
    conn, owner = session(autocommit=False), session()
    Database(conn).rows("SELECT 1 FROM sigsentry.project WHERE tenant_id = %s FOR NO KEY UPDATE", tenant)
    answers = []
    deleter = threading.Thread(target=lambda: answers.append(Database(owner).admin("tenant_delete", "ann", tenant)))
    deleter.start()
    until(lambda: db.value("SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = %s", owner.info.backend_pid) == 1)
    assert create(conn, digest)["status"] == "ok"
    conn.commit()
    deleter.join(10)
    assert [a["status"] for a in answers] == ["ok"]


@pytest.mark.parametrize("plan,expected", [("starter", "wrong_project"), ("business", None)])
def test_a_create_that_comes_too_late(db, session, plan, expected):
    """It has passed the key when the project goes: a plan with a lock says so, one without fails at the foreign key."""
    tenant = db.tenant(plan)
    project = db.project(tenant)
    digest, _ = db.key(tenant, project)
    owner, conn = session(autocommit=False), session("sigsentry_api")
    assert Database(owner).admin("project_delete", "ann", tenant, project)["status"] == "ok"
    answers = []

    def late():
        try:
            answers.append(create(conn, digest)["status"])
        except errors.ForeignKeyViolation:
            answers.append(None)

    creator = threading.Thread(target=late)
    creator.start()
    until(lambda: db.value("SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = %s", conn.info.backend_pid) == 1)
    owner.commit()
    creator.join(10)
    assert answers == [expected]
    for table in ("channel", "credential"):
        assert db.value("SELECT count(*) FROM sigsentry.%s WHERE tenant_id = %%s" % table, tenant) == 0
    assert audit_of(db, tenant, "channel.create") == []


# ---- the catalog ---------------------------------------------------------------------------------

# Indexes that may lack the tenant's id, with the reason.
WITHOUT_TENANT = {
    "plan_pkey": "plans are everybody's",
    "migration_pkey": "the database's own",
    "epoch_pkey": "the database's own",
    "epoch_made_idx": "as epoch_pkey",
    "hold_pkey": "one row, of the whole service",
    "tenant_pkey": "its id is the tenant's id",
    "api_key_pkey": "a key is found by its digest before its tenant is known",
    "api_key_id_key": "a leaked key is revoked by its id alone",
    "audit_pkey": "rows of the system have no tenant",
    "credential_previous_idx": "the courier looks for every tenant's ended overlaps; nearly always empty",
    "idempotency_created_idx": "age takes the rows of every tenant",
    "gauge_pkey": "counts of the whole service",
    "project_id_key": "a producer names a project alone",
    "gone_channel_gone_at_idx": "age takes the channels of every tenant; nearly always empty",
    "event_unrouted_idx": "counts of the whole service; of the few events that went nowhere",
    "delivery_channel_idx": "a channel's or an event's few rows are found by its own id: pages of all tenants are written in one place",
    "delivery_event_idx": "as delivery_channel_idx",
    "queue_wake_idx": "couriers look for every tenant's",
    "queue_ready_idx": "couriers take a channel's",
    "queue_channel_idx": "as queue_ready_idx",
    "queue_sending_idx": "as queue_ready_idx",
    "queue_event_idx": "as queue_ready_idx",
    "lane_due_idx": "couriers look for every tenant's",
    "courier_pkey": "the service's own",
    "retired_key_pkey": "the keyring is the service's own",
    "tally_attempt_pkey": "counts of the whole service",
    "tally_delivery_pkey": "counts of the whole service",
    "delivery_outcome_idx": "as delivery_channel_idx",
    "delivery_finished_idx": "rates of the whole service; a BRIN index of a few pages",
}


def test_the_tenants_id_leads_every_index(db):
    rows = db.rows("""SELECT i.relname AS index,
                             (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = x.indrelid AND a.attnum = x.indkey[0])
                             AS first
                        FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
                        JOIN pg_namespace n ON n.oid = i.relnamespace
                       WHERE n.nspname IN ('sigsentry', 'api', 'admin', 'courier') AND NOT i.relispartition""")
    assert {r["index"] for r in rows if r["first"] != "tenant_id"} == set(WITHOUT_TENANT)


def test_foreign_keys_carry_the_tenants_id_and_cascade(db):
    rows = db.rows("""SELECT c.conname AS name, c.confdeltype AS action,
                             (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(c.conkey) WITH ORDINALITY AS k (num, n)
                                JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.num) AS columns
                        FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace
                       WHERE c.contype = 'f' AND n.nspname = 'sigsentry'""")
    assert len(rows) >= 7
    for r in rows:
        if r["name"] != "tenant_plan_fkey":
            assert r["columns"][0] == "tenant_id" and r["action"] == "c", r


def test_every_table_with_a_tenant_goes_with_it(db):
    """A foreign key that leads to tenant, or a DELETE in tenant_delete."""
    body = (SQL / "fn" / "admin_tenant_delete.sql").read_text()
    for name in tenant_tables(db):
        leads = db.value("SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND conrelid = %s::regclass", name)
        assert leads or "DELETE FROM %s " % name in body, name


def test_everything_has_a_comment(db):
    missing = db.rows("""
        SELECT c.relname || coalesce('.' || a.attname, '') AS name
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         WHERE n.nspname = 'sigsentry' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
           AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid, 'pg_class') IS NULL)""")
    assert missing == []


# The two whose statements cannot be written down beforehand: a partition's name is its week.  And a week that somebody reads
# is dropped another time.
DYNAMIC = ("sigsentry.partitions_make(integer)", "courier.history_drop(integer)")


def test_functions_use_no_exception_blocks_and_no_dynamic_sql(db):
    rows = db.rows("""SELECT p.oid::regprocedure::text AS name, p.prosrc AS body FROM pg_proc p
                        JOIN pg_namespace n ON n.oid = p.pronamespace
                       WHERE n.nspname IN ('sigsentry', 'api', 'admin', 'courier')""")
    for row in rows:
        assert not re.search(r"^\s*EXCEPTION\b|\bEXECUTE\b", row["body"], re.M) or row["name"] in DYNAMIC, row["name"]


def test_key_check_is_inlined(db):
    plan = db.rows("EXPLAIN SELECT * FROM sigsentry.key_check('x'::bytea, NULL, false, 'config:write', true) k")
    assert "Function Scan" not in str(plan) and "api_key" in str(plan)


# ---- the files -----------------------------------------------------------------------------------


def test_the_catalog_has_one_function_for_each_file(db):
    """No older form of it beside: a program would go on to find that."""
    there = [row["name"] for row in db.rows("""
        SELECT CASE n.nspname WHEN 'sigsentry' THEN '' ELSE n.nspname || '_' END || p.proname AS name
          FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
         WHERE n.nspname IN ('sigsentry', 'api', 'admin', 'courier')""")]
    schema = [name for file in (SQL / "schema").glob("*.sql")
              for name in re.findall(r"^CREATE FUNCTION sigsentry\.(\w+)", file.read_text(), re.M)]
    assert sorted(there) == sorted([file.stem for file in (SQL / "fn").glob("*.sql")] + schema)


def test_one_function_a_file_named_for_it():
    for file in (SQL / "fn").glob("*.sql"):
        text = file.read_text()
        names = re.findall(r"^CREATE OR REPLACE FUNCTION (\w+)\.(\w+)", text, re.M)
        assert len(names) == 1, file.name
        schema, name = names[0]
        assert file.stem == (name if schema == "sigsentry" else "%s_%s" % (schema, name)), file.name
        assert text.startswith("-- %s.%s: " % (schema, name)), file.name
        for word in ("-- Returns ", "-- Tables: ", "-- Role: "):
            assert word in text, (file.name, word)


@pytest.mark.parametrize("file", sorted((SQL / "q").glob("*.sql")), ids=lambda f: f.stem)
def test_each_query_is_one_statement_that_the_schema_knows(db, file):
    text = file.read_text()
    assert text.startswith("-- ")
    head, body = re.fullmatch(r"((?:--[^\n]*\n)+)(.*)", text, re.S).groups()
    assert not body.rstrip().endswith(";")
    used = set(re.findall(r"\$\d+", body))
    assert used == set(re.findall(r"\$\d+", head)), "the comment names the parameters"
    assert all(re.search(r"\%s::" % p, body) for p in used), "parameters have explicit types"
    if body.startswith("DO"):
        db.rows(body)           # may be run again at any time
    else:
        db.rows("PREPARE q AS " + text)


def test_every_function_that_a_program_calls_has_its_query(db):
    rows = db.rows("""SELECT p.proname AS name, n.nspname AS schema FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
                       WHERE n.nspname IN ('admin', 'api', 'courier')""")
    last = json.loads((RELEASES / "released.json").read_text())[-1]["version"]
    # what only the release before calls stays for its sake
    kept = json.loads((RELEASES / "fixtures" / (last + ".statements.json")).read_text())
    for row in rows:
        assert "%s_%s" % (row["schema"], row["name"]) in kept or (SQL / "q" / ("%s_%s.sql" % (row["schema"], row["name"]))).exists(), row


def test_migrations_open_no_transaction_of_their_own():
    for file in [*(SQL / "schema").glob("*.sql"), *(SQL / "fn").glob("*.sql"), SQL / "grants.sql"]:
        bare = re.sub(r"\$\$.*?\$\$", "", file.read_text(), flags=re.S)
        assert not re.search(r"^\s*(BEGIN|COMMIT|ROLLBACK|START TRANSACTION)\b", bare, re.M | re.I), file.name


def test_role_and_database_names_are_quoted(db):
    for name, args in (("role_sql", ('a"b', 'a"b')), ("database_sql", ('a"b', "Owner"))):
        text = re.sub(r"\$\d", "%s", re.sub(r"^--.*\n", "", (SQL / "q" / (name + ".sql")).read_text(), flags=re.M)
                      .replace("%", "%%"))
        made = db.value(text, *args)
        assert '"a""b"' in made
        if name == "database_sql":
            assert 'OWNER "Owner"' in made
