"""Goal: no key gets more requests in a clock minute than its plan allows (contract §6), and asking costs no flush."""
import time
import uuid

import pytest

from conftest import Database, Waiting, admit, at_once, create


@pytest.fixture(autouse=True)
def within_one_minute():
    """Begin a test early enough in the clock minute that it ends there as well."""
    left = 60 - time.time() % 60
    if left < 6:
        time.sleep(left + 0.1)


@pytest.fixture
def key(db):
    """key(reads, writes) makes a tenant on a plan of these limits; answers the digest and ids of a secret key of it."""
    def make(reads, writes=None):
        plan = "plan-" + uuid.uuid4().hex

        class Key:
            name, tenant = plan, db.admin("plan_set", "tester", plan, None, reads, writes) and db.tenant(plan)
            project = db.project(tenant)
            digest, id = db.key(tenant, project)

        return Key
    return make


def take(conn, key, kind="read", **more):
    permission = "config:write" if kind == "write" else "config:read"
    return admit(conn, key.digest, permission=permission, kind=kind, take=True, **more)


def look(conn, key, kind="read"):
    return admit(conn, key.digest, kind=kind)


def numbers(row):
    return row["status"], row["rate_limit"], row["granted"], row["remaining"]


def rows_of(db, key):
    return db.rows("SELECT kind, minute, taken, granted FROM sigsentry.permit WHERE tenant_id = %s ORDER BY kind", key.tenant)


def permit_take(db, key, limit, want, kind="read"):
    row = db.row("SELECT * FROM sigsentry.permit_take(%s, %s, %s, %s, %s)", key.tenant, key.id, kind, limit, want)
    assert row["reset_s"] == (int(time.time()) // 60 + 1) * 60
    return row["granted"], row["remaining"]


@pytest.mark.parametrize("limit,block", [(1, 1), (60, 1), (120, 1), (199, 1), (200, 2), (600, 6), (6000, 60), (60000, 600),
                                         (2147483647, 21474836)])
def test_a_block_is_a_hundredth(api, key, limit, block):
    k = key(limit, limit)
    for kind in ("read", "write"):
        assert numbers(take(api, k, kind)) == ("ok", limit, block, limit - block)
        if limit > 1:
            assert numbers(take(api, k, kind)) == ("ok", limit, block, limit - 2 * block)


def test_plans_as_the_contract_has_them(db, api):
    for plan, reads, writes in (("starter", 120, 60), ("pro", 600, 300), ("business", 6000, 3000),
                                ("enterprise", 60000, 30000)):
        tenant = db.tenant(plan)
        digest, _ = db.key(tenant, db.project(tenant))
        assert admit(api, digest, kind="read")["rate_limit"] == reads
        assert admit(api, digest, permission="config:write", kind="write")["rate_limit"] == writes


def test_to_the_last_permit(api, key):
    k = key(3, 2)
    assert [numbers(take(api, k)) for _ in range(5)] == [
        ("ok", 3, 1, 2), ("ok", 3, 1, 1), ("ok", 3, 1, 0), ("rate_limited", 3, 0, 0), ("rate_limited", 3, 0, 0)]
    assert [numbers(take(api, k, "write")) for _ in range(3)] == [("ok", 2, 1, 1), ("ok", 2, 1, 0), ("rate_limited", 2, 0, 0)]


def test_the_last_block_is_what_is_left(db, key):
    k = key(10)
    assert [permit_take(db, k, 10, 7) for _ in range(3)] == [(7, 3), (3, 0), (0, 0)]
    assert permit_take(db, k, 12, 7) == (2, 0)              # what was not given was not counted
    assert permit_take(db, k, 10, 100, "write") == (10, 0)


def test_looking_takes_nothing(db, api, key):
    k = key(3)
    for _ in range(5):
        assert numbers(look(api, k)) == ("ok", 3, 0, 3)
    assert rows_of(db, k) == []
    take(api, k)
    before = rows_of(db, k)
    for _ in range(5):
        assert numbers(look(api, k)) == ("ok", 3, 0, 2)
    assert rows_of(db, k) == before
    take(api, k), take(api, k)
    assert numbers(take(api, k)) == ("rate_limited", 3, 0, 0)
    assert numbers(look(api, k)) == ("ok", 3, 0, 0)         # the caller has one already
    assert permit_take(db, k, 3, 0) == (0, 0)


def test_each_key_has_its_own(db, api, key):
    k = key(1, 1)
    assert take(api, k)["status"] == "ok"
    assert take(api, k)["status"] == "rate_limited"
    assert take(api, k, "write")["status"] == "ok"
    digest, _ = db.key(k.tenant, k.project)
    assert admit(api, digest, take=True)["status"] == "ok"
    assert [r["kind"] for r in rows_of(db, k)] == ["read", "read", "write"]


def test_when_the_minute_ends(api, key):
    k = key(5)
    for row in (take(api, k), look(api, k), take(api, key(None)), look(api, key(None))):
        assert row["reset_s"] == (int(time.time()) // 60 + 1) * 60
        assert 0 < row["reset_ms"] <= 60000
        assert abs(row["reset_s"] - row["reset_ms"] / 1000 - time.time()) < 2


@pytest.mark.parametrize("by", ["1 minute", "1 hour"])
def test_a_new_minute_begins_at_nothing(db, api, key, by):
    k = key(2)
    take(api, k), take(api, k)
    assert take(api, k)["status"] == "rate_limited"
    db.rows("UPDATE sigsentry.permit SET minute = minute - %s::interval WHERE tenant_id = %s", by, k.tenant)
    assert numbers(look(api, k)) == ("ok", 2, 0, 2)
    assert [numbers(take(api, k)) for _ in range(3)] == [("ok", 2, 1, 1), ("ok", 2, 1, 0), ("rate_limited", 2, 0, 0)]
    (row,) = rows_of(db, k)
    assert row["minute"].second == row["minute"].microsecond == 0 and row["taken"] == 2


def test_whoever_comes_from_the_minute_before_takes_from_the_new_one(db, key):
    """It waited for the row across the turn; it must not open the old minute again."""
    k = key(10)
    permit_take(db, k, 10, 8)
    db.rows("UPDATE sigsentry.permit SET minute = minute + interval '1 minute' WHERE tenant_id = %s", k.tenant)
    for want, expected in ((0, (0, 2)), (5, (2, 0)), (5, (0, 0)), (0, (0, 0))):
        row = db.row("SELECT * FROM sigsentry.permit_take(%s, %s, 'read', 10, %s)", k.tenant, k.id, want)
        assert (row["granted"], row["remaining"]) == expected
        assert row["reset_s"] == (int(time.time()) // 60 + 2) * 60


def test_a_minute_of_a_clock_that_was_set_back_counts_no_more(db, key):
    """Else a key that used up its permits while the clock was a year ahead would be refused for a year."""
    k = key(10)
    permit_take(db, k, 10, 8)
    db.rows("UPDATE sigsentry.permit SET minute = minute + interval '400 days' WHERE tenant_id = %s", k.tenant)
    for want, expected in ((0, (0, 10)), (5, (5, 5)), (10, (5, 0))):
        row = db.row("SELECT * FROM sigsentry.permit_take(%s, %s, 'read', 10, %s)", k.tenant, k.id, want)
        assert (row["granted"], row["remaining"]) == expected
        assert row["reset_s"] == (int(time.time()) // 60 + 1) * 60


def test_a_limit_that_is_lowered_or_raised(db, api, key):
    k = key(10)
    for _ in range(6):
        take(api, k)

    def limit(n):
        assert db.admin("plan_set", "tester", k.name, None, n, 5)["status"] == "ok"

    limit(4)
    assert numbers(take(api, k)) == ("rate_limited", 4, 0, 0)
    assert numbers(look(api, k)) == ("ok", 4, 0, 0)
    limit(6)
    assert numbers(take(api, k)) == ("rate_limited", 6, 0, 0)
    limit(8)
    assert [numbers(take(api, k)) for _ in range(3)] == [("ok", 8, 1, 1), ("ok", 8, 1, 0), ("rate_limited", 8, 0, 0)]
    limit(None)
    assert numbers(take(api, k)) == ("ok", None, 1000, None)


def test_unlimited(db, api, key):
    k = key(None, 1)
    for _ in range(3):
        assert numbers(take(api, k)) == ("ok", None, 1000, None)
        assert numbers(look(api, k)) == ("ok", None, 0, None)
    assert rows_of(db, k) == []
    assert take(api, k, "write")["status"] == "ok"
    assert take(api, k, "write")["status"] == "rate_limited"


def test_what_is_refused_takes_nothing_but_is_told_the_limit(db, api, key):
    k = key(5, 5)
    pub, _ = db.key(k.tenant, k.project, "pub")
    org, _ = db.key(k.tenant, kind="org")
    foreign = db.project(db.tenant())
    for status, args in (("forbidden", (k.digest, None, False, "analysis:create")), ("secret_key_required", (pub,)),
                         ("missing_project", (org,)), ("wrong_project", (org, foreign)),
                         ("bad_project", (k.digest, None, True))):
        row = admit(api, *args, take=True)
        assert numbers(row) == (status, 5, 0, 5)
        assert row["reset_s"] and row["reset_ms"]
        assert row["channel_type"] is None
    db.admin("tenant_suspend", "ann", k.tenant)
    assert numbers(take(api, k)) == ("tenant_suspended", 5, 0, 5)
    assert rows_of(db, k) == []


@pytest.mark.parametrize("status", ["unauthorized", "key_revoked", "key_expired"])
def test_a_key_that_is_no_good_is_told_no_limit(db, api, key, status):
    k = key(5)
    if status == "unauthorized":
        k.digest = b"x" * 32
    elif status == "key_revoked":
        db.admin("apikey_revoke", "ann", k.id)
    else:
        db.rows("UPDATE sigsentry.api_key SET expires_at = now() WHERE id = %s", k.id)
    row = take(api, k)
    assert row["status"] == status
    assert {row[c] for c in ("rate_limit", "granted", "remaining", "reset_s", "reset_ms", "channel_type")} == {None}
    assert rows_of(db, k) == []


def test_a_limited_request_learns_nothing_of_the_channel(db, api, key):
    k, channel = key(1, 9), uuid.uuid4()
    create(api, k.digest, channel=channel)
    assert take(api, k, channel=channel)["channel_type"] == "slack"
    row = take(api, k, channel=channel)
    assert row["status"] == "rate_limited"
    assert {row[c] for c in ("channel_type", "channel_shown", "channel_writable", "channel_fields")} == {None}


@pytest.mark.parametrize("limit", [7, 100, 250])
def test_eight_sessions_get_exactly_the_limit(db, session, key, limit):
    k = key(limit)
    conns = [session("sigsentry_api") for _ in range(8)]

    def drain(conn):
        got = []
        while (row := take(conn, k))["status"] == "ok":
            assert row["granted"] >= 1
            got.append((row["granted"], row["remaining"]))
        assert numbers(row) == ("rate_limited", limit, 0, 0)
        return got

    answers = [got for answer in at_once(conns, drain) for got in answer]
    assert sum(granted for granted, _ in answers) == limit
    # each was told what was left behind it, and no two the same
    remaining = sorted((left for _, left in answers), reverse=True)
    assert remaining == sorted(set(remaining), reverse=True) and remaining[-1] == 0
    assert rows_of(db, k)[0]["taken"] == limit


def test_eight_sessions_at_the_turn_of_the_minute(db, session, key):
    """All find the old minute's row: one opens the new one, and the old one's permits are not added to it."""
    k = key(20)
    conns = [session("sigsentry_api") for _ in range(8)]
    for _ in range(3):
        take(conns[0], k)
        db.rows("UPDATE sigsentry.permit SET minute = minute - interval '1 minute', taken = 20 WHERE tenant_id = %s", k.tenant)
        answers = at_once(conns, lambda conn: [take(conn, k)["granted"] for _ in range(5)])
        assert sum(n for answer in answers for n in answer) == 20


def test_a_rollback_gives_back(db, session, key):
    k = key(1)
    conn = session("sigsentry_api", autocommit=False)
    other = session("sigsentry_api")
    assert take(conn, k)["status"] == "ok"
    waiting = Waiting(db, other, lambda: take(other, k))
    conn.rollback()
    assert waiting.answer()["status"] == "ok"
    assert take(other, k)["status"] == "rate_limited"


# ---- no flush ------------------------------------------------------------------------------------


def test_its_commit_waits_for_no_flush(session, key):
    k = key(5)
    conn = session("sigsentry_api", autocommit=False)
    work = Database(conn)
    usual = work.value("SELECT current_setting('synchronous_commit')")
    assert usual != "off"
    for act in (lambda: take(conn, k), lambda: look(conn, k)):
        act()
        assert work.value("SELECT current_setting('synchronous_commit')") == "off"
        conn.commit()
        assert work.value("SELECT current_setting('synchronous_commit')") == usual      # of that transaction alone
        conn.rollback()


def test_a_change_does_wait(session, key):
    k = key(5)
    conn = session("sigsentry_api", autocommit=False)
    assert take(conn, k)["status"] == "ok"
    conn.commit()
    usual = Database(conn).value("SELECT current_setting('synchronous_commit')")
    assert create(conn, k.digest, once=b"k" * 32)["status"] == "ok"
    assert Database(conn).value("SELECT current_setting('synchronous_commit')") == usual
    conn.rollback()


def test_permits_write_no_log(db):
    persistence = {r["relname"]: r["relpersistence"] for r in db.rows(
        "SELECT relname, relpersistence FROM pg_class WHERE relnamespace = 'sigsentry'::regnamespace AND relkind = 'r'")}
    assert {name for name, p in persistence.items() if p != "p"} == {"permit"}
