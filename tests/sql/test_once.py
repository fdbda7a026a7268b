"""Goal: an Idempotency-Key makes one channel and one answer (contract §4), whoever repeats it, and when."""
import uuid

import pytest
from psycopg2 import errors

from conftest import Database, Waiting, at_once, audit_of, create, delete, tenant_wide

KEY, MAC = b"k" * 32, b"m" * 32


def remembered(db, tenant):
    rows = db.rows("SELECT * FROM sigsentry.idempotency WHERE tenant_id = %s ORDER BY created_at", tenant)
    return [{k: bytes(v) if isinstance(v, memoryview) else v for k, v in row.items()} for row in rows]


def written(db, tenant):
    """How many channels, credentials and audit rows there are."""
    count = [db.value("SELECT count(*) FROM sigsentry.%s WHERE tenant_id = %%s" % t, tenant) for t in ("channel", "credential")]
    return (*count, len(audit_of(db, tenant, "channel.create")))


def age(db, tenant, by):
    db.rows("UPDATE sigsentry.idempotency SET created_at = created_at - %s::interval WHERE tenant_id = %s", by, tenant)


def test_the_first(db, api, home):
    channel = uuid.uuid4()
    row = create(api, home.digest, channel=channel, once=KEY, mac=MAC, answer="the answer", location="/there")
    assert row == {"status": "ok", "key_id": home.key, "tenant_id": home.tenant, "project_id": home.project,
                   "plan": "starter", "channel_limit": 2, "used": 1, "answer": None, "location": None}
    (kept,) = remembered(db, home.tenant)
    kept.pop("created_at")
    assert kept == {"tenant_id": home.tenant, "key_id": home.key, "key_mac": KEY, "project_id": home.project,
                    "request_mac": MAC, "answer": "the answer", "location": "/there"}
    assert db.value("""SELECT i.xmin = c.xmin FROM sigsentry.idempotency i JOIN sigsentry.channel c USING (tenant_id)
                        WHERE tenant_id = %s""", home.tenant)


@pytest.mark.parametrize("plan", ["starter", "business"])
@pytest.mark.parametrize("answer", ['{"id":"x"}', '{ "id" : "spaces",\n"é":"✓" }'])
def test_a_replay_is_the_first_answer_byte_for_byte(db, api, plan, answer):
    tenant = db.tenant(plan)
    digest, key = db.key(tenant, db.project(tenant))
    create(api, digest, once=KEY, answer=answer, location="/first")
    before = remembered(db, tenant)
    for _ in range(3):
        row = create(api, digest, once=KEY, name="second", sealed=(b"second",))
        assert (row["status"], row["answer"], row["location"], row["key_id"]) == ("replayed", answer, "/first", key)
    assert written(db, tenant) == (1, 1, 1)
    assert remembered(db, tenant) == before
    assert db.value("SELECT name FROM sigsentry.channel WHERE tenant_id = %s", tenant) == "#alerts"


def test_a_replay_is_answered_at_the_limit_and_after_a_delete(db, api, home):
    """It tells what was done, not what could be done now."""
    channel = uuid.uuid4()
    create(api, home.digest, channel=channel, once=KEY)
    create(api, home.digest)
    assert create(api, home.digest)["status"] == "quota"
    assert create(api, home.digest, once=KEY)["status"] == "replayed"
    delete(api, home.digest, channel)
    row = create(api, home.digest, once=KEY)
    assert (row["status"], row["answer"]) == ("replayed", '{"id":"%s"}' % channel)
    assert written(db, home.tenant) == (1, 1, 2)


def test_another_body_is_a_conflict(db, api, home):
    create(api, home.digest, once=KEY, mac=MAC)
    before = remembered(db, home.tenant)
    row = create(api, home.digest, once=KEY, mac=b"n" * 32)
    assert (row["status"], row["channel_limit"], row["used"]) == ("key_conflict", 2, None)
    assert written(db, home.tenant) == (1, 1, 1)
    assert remembered(db, home.tenant) == before
    assert create(api, home.digest, once=KEY, mac=MAC)["status"] == "replayed"


def test_another_project_is_a_conflict(db, api, home):
    """The header X-Project-Id belongs to what was asked for."""
    org, _ = db.key(home.tenant, kind="org")
    assert create(api, org, home.project, once=KEY)["status"] == "ok"
    assert create(api, org, db.project(home.tenant), once=KEY)["status"] == "key_conflict"
    assert create(api, org, home.project, once=KEY)["status"] == "replayed"
    assert written(db, home.tenant) == (1, 1, 1)


def test_a_key_is_private_to_its_api_key(db, api, home):
    org, _ = db.key(home.tenant, kind="org")
    second, _ = db.key(home.tenant, home.project)
    other = db.tenant()
    foreign, _ = db.key(other, db.project(other))
    assert create(api, home.digest, once=KEY)["status"] == "ok"
    assert create(api, second, once=KEY)["status"] == "ok"
    assert create(api, org, db.project(home.tenant), once=KEY)["status"] == "ok"
    assert create(api, foreign, once=KEY)["status"] == "ok"
    assert len(remembered(db, home.tenant)) == 3
    assert create(api, home.digest, once=b"other key" + b"." * 23)["status"] == "quota"


def test_without_a_key_nothing_is_remembered(db, api, home):
    assert [create(api, home.digest)["status"] for _ in range(2)] == ["ok", "ok"]
    assert remembered(db, home.tenant) == []


@pytest.mark.parametrize("offset,status", [("23:59:59", "replayed"), ("24:00:00", "ok"), ("30 days", "ok")])
def test_a_day_later_it_counts_no_more(db, session, home, offset, status):
    """The moment itself is too late; in a transaction now() stands still, so that it can be met."""
    conn = session(autocommit=False)
    work = Database(conn)
    create(conn, home.digest, once=KEY, answer="first")
    age(work, home.tenant, offset)
    row = create(conn, home.digest, once=KEY, mac=b"n" * 32 if status == "ok" else MAC, answer="second", location="/second")
    assert (row["status"], row["answer"]) == (status, "first" if status == "replayed" else None)
    if status == "ok":
        assert written(work, home.tenant) == (2, 2, 2)
        (kept,) = remembered(work, home.tenant)
        assert (kept["answer"], kept["location"], kept["request_mac"]) == ("second", "/second", b"n" * 32)
        assert work.value("SELECT created_at = now() FROM sigsentry.idempotency WHERE tenant_id = %s", home.tenant)


def test_the_time_runs_from_the_first(db, api, home):
    create(api, home.digest, once=KEY)
    age(db, home.tenant, "23:00:00")
    before = remembered(db, home.tenant)
    assert create(api, home.digest, once=KEY)["status"] == "replayed"
    assert remembered(db, home.tenant) == before


# ---- only what wrote is remembered ---------------------------------------------------------------


def test_a_refusal_by_the_quota_is_not_remembered(db, api, home):
    ids = [uuid.uuid4() for _ in range(2)]
    for i in ids:
        create(api, home.digest, channel=i)
    for _ in range(2):
        assert create(api, home.digest, once=KEY)["status"] == "quota"
        assert remembered(db, home.tenant) == []
    delete(api, home.digest, ids[0])
    assert create(api, home.digest, once=KEY, mac=b"n" * 32)["status"] == "ok"


def test_a_refusal_by_the_quota_forgets_what_a_day_had_ended(db, api, home):
    create(api, home.digest, once=KEY)
    create(api, home.digest)
    age(db, home.tenant, "24:00:00")
    assert create(api, home.digest, once=KEY)["status"] == "quota"
    assert remembered(db, home.tenant) == []


@pytest.mark.parametrize("plan", ["pro", "business"])
def test_a_conflict_of_ids_is_not_remembered(db, api, plan):
    tenant = db.tenant(plan)
    digest, _ = db.key(tenant, db.project(tenant))
    assert create(api, digest, channel=tenant_wide(db, tenant), once=KEY)["status"] == "conflict"
    assert remembered(db, tenant) == []


def test_a_refused_key_is_not_remembered(db, api, home):
    reader, _ = db.key(home.tenant, home.project, permissions=["config:read"])
    assert create(api, reader, once=KEY)["status"] == "forbidden"
    assert create(api, home.digest, db.project(home.tenant), once=KEY)["status"] == "wrong_project"
    assert remembered(db, home.tenant) == []


def test_a_key_that_was_revoked_gets_no_replay(db, api, home):
    create(api, home.digest, once=KEY)
    db.admin("apikey_revoke", "ann", home.key)
    row = create(api, home.digest, once=KEY)
    assert (row["status"], row["answer"], row["location"]) == ("key_revoked", None, None)


def test_a_project_that_goes_meanwhile_is_not_remembered(db, session, home):
    owner, conn = session(autocommit=False), session("sigsentry_api")
    assert Database(owner).admin("project_delete", "ann", home.tenant, home.project)["status"] == "ok"
    waiting = Waiting(db, conn, lambda: create(conn, home.digest, once=KEY))
    owner.commit()
    assert waiting.answer()["status"] == "wrong_project"
    assert remembered(db, home.tenant) == []


@pytest.mark.parametrize("wrong", [{"once": b"short"}, {"once": KEY, "mac": b"short"}, {"once": KEY, "mac": None}], ids=str)
def test_what_the_worker_must_never_send(db, api, home, wrong):
    with pytest.raises(errors.IntegrityError):
        create(api, home.digest, **wrong)
    assert written(db, home.tenant) == (0, 0, 0)


# ---- once more, and at once ----------------------------------------------------------------------


@pytest.mark.parametrize("plan", ["starter", "business"])
def test_a_lost_answer_is_no_replay(db, api, plan):
    """The worker that lost its connection at COMMIT calls again with its own id: it is still the first, and says so."""
    tenant = db.tenant(plan)
    digest, _ = db.key(tenant, db.project(tenant))
    channel = uuid.uuid4()
    first = create(api, digest, channel=channel, once=KEY)
    assert create(api, digest, channel=channel, once=KEY) == first
    assert first["status"] == "ok"
    assert written(db, tenant) == (1, 1, 1)
    assert len(remembered(db, tenant)) == 1


@pytest.mark.parametrize("plan", ["starter", "business"])
def test_eight_at_once_make_one(db, session, plan):
    conns = [session("sigsentry_api") for _ in range(8)]
    for _ in range(3):
        tenant = db.tenant(plan)
        digest, _ = db.key(tenant, db.project(tenant))
        answers = at_once(conns, lambda conn: create(conn, digest, once=KEY))
        assert sorted(a["status"] for a in answers) == ["ok"] + ["replayed"] * 7
        (channel,) = db.rows("SELECT id FROM sigsentry.channel WHERE tenant_id = %s", tenant)
        assert {a["answer"] for a in answers if a["status"] == "replayed"} == {'{"id":"%s"}' % channel["id"]}
        assert written(db, tenant) == (1, 1, 1)


@pytest.mark.parametrize("plan", ["starter", "business"])
@pytest.mark.parametrize("end,status,mac", [("commit", "replayed", MAC), ("commit", "key_conflict", b"n" * 32),
                                            ("rollback", "ok", MAC)], ids=["replay", "conflict", "rollback"])
def test_the_second_waits_for_the_first(db, session, plan, end, status, mac):
    tenant = db.tenant(plan)
    digest, _ = db.key(tenant, db.project(tenant))
    first, second = session("sigsentry_api", autocommit=False), session("sigsentry_api")
    assert create(first, digest, once=KEY, answer="first")["status"] == "ok"
    waiting = Waiting(db, second, lambda: create(second, digest, once=KEY, mac=mac, answer="second"))
    getattr(first, end)()
    row = waiting.answer()
    assert (row["status"], row["answer"]) == (status, "first" if status == "replayed" else None)
    assert written(db, tenant) == (1, 1, 1)
    (kept,) = remembered(db, tenant)
    assert kept["answer"] == ("second" if end == "rollback" else "first")


def test_the_second_waits_for_a_first_that_is_refused(db, session, home):
    """The first one's note goes with its refusal; the second is judged on its own."""
    for _ in range(2):
        create(db.conn, home.digest)
    first, second = session("sigsentry_api", autocommit=False), session("sigsentry_api")
    assert create(first, home.digest, once=KEY)["status"] == "quota"
    waiting = Waiting(db, second, lambda: create(second, home.digest, once=KEY))
    first.commit()
    assert waiting.answer()["status"] == "quota"
    assert remembered(db, home.tenant) == []


def test_a_rollback_leaves_neither_half(db, session, home):
    conn = session("sigsentry_api", autocommit=False)
    create(conn, home.digest, once=KEY)
    conn.rollback()
    assert remembered(db, home.tenant) == [] and written(db, home.tenant) == (0, 0, 0)
    assert create(conn, home.digest, once=KEY)["status"] == "ok"
    conn.commit()
    assert len(remembered(db, home.tenant)) == 1 and written(db, home.tenant) == (1, 1, 1)


@pytest.mark.parametrize("expired", [False, True])
def test_the_wait_has_an_end(db, session, home, expired):
    """55P03, which the worker answers with 503; nothing of it is left."""
    if expired:
        create(db.conn, home.digest, once=KEY)
        age(db, home.tenant, "24:00:00")
    first, second = session("sigsentry_api", autocommit=False), session("sigsentry_api")
    assert create(first, home.digest, once=KEY, answer="first")["status"] == "ok"
    Database(second).rows("SET lock_timeout = '200ms'")
    with pytest.raises(errors.LockNotAvailable) as refused:
        create(second, home.digest, once=KEY)
    assert refused.value.pgcode == "55P03"
    first.commit()
    count = 2 if expired else 1
    assert written(db, home.tenant) == (count,) * 3
    row = create(second, home.digest, once=KEY)
    assert (row["status"], row["answer"]) == ("replayed", "first")


def test_other_keys_do_not_wait(db, session):
    tenant = db.tenant("business")
    digest, _ = db.key(tenant, db.project(tenant))
    first, second = session("sigsentry_api", autocommit=False), session("sigsentry_api")
    assert create(first, digest, once=KEY)["status"] == "ok"
    Database(second).rows("SET lock_timeout = '1s'")
    assert create(second, digest, once=b"n" * 32)["status"] == "ok"
    assert create(second, digest)["status"] == "ok"


def test_nothing_of_the_request_is_kept_but_macs(db):
    """A stolen database tells nothing about what was sent."""
    columns = db.rows("""SELECT column_name AS name, data_type AS type FROM information_schema.columns
                          WHERE table_schema = 'sigsentry' AND table_name = 'idempotency'""")
    assert {c["name"]: c["type"] for c in columns} == {
        "tenant_id": "uuid", "key_id": "uuid", "key_mac": "bytea", "project_id": "uuid", "request_mac": "bytea",
        "answer": "text", "location": "text", "created_at": "timestamp with time zone"}
