"""Goal: channels are read, changed and deleted by the contract: who reaches which, all of a change or nothing, and on record."""
import json
import re
import uuid

import pytest
from psycopg2 import errors

from conftest import (Database, Waiting, admit, analyze, at_once, audit_of, call, call_id, create, delete, get, scans, tenant_wide,
                      update)

RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
URL = {"url": b"url", "authHeader": b"auth", "hmacSecret": b"hmac"}


def listed(conn, digest, project=None, inactive=False, page=None, limit=None):
    row = call(conn, "api_channel_list", digest, project, inactive, page, limit)
    return row["status"], row["data"] and [c["id"] for c in json.loads(row["data"])], row["total"]


def webhook(conn, digest, project=None, **more):
    """Make a webhook channel with all three fields; answers its id."""
    channel = uuid.uuid4()
    row = create(conn, digest, project, channel=channel, kind="webhook", name="hook", destination="example.com",
                 fields=tuple(URL), sealed=tuple(URL.values()), **more)
    assert row["status"] == "ok", row
    return channel


def row_of(db, tenant, channel):
    return db.row("SELECT * FROM sigsentry.channel WHERE tenant_id = %s AND id = %s", tenant, channel)


def credentials(db, tenant, channel):
    """{field: (sealed, previous sealed, seconds until that ends)}"""
    rows = db.rows("""SELECT field, sealed, previous_sealed,
                             date_part('epoch', previous_until - (SELECT updated_at FROM sigsentry.channel
                                                                   WHERE tenant_id = f.tenant_id AND id = f.channel_id)) AS s
                        FROM sigsentry.credential f WHERE tenant_id = %s AND channel_id = %s""", tenant, channel)
    return {r["field"]: (bytes(r["sealed"]), r["previous_sealed"] and bytes(r["previous_sealed"]), r["s"]) for r in rows}


def alone(sealed):
    return {field: (value, None, None) for field, value in sealed.items()}


def everything(db, tenant):
    """All that a tenant's change could touch."""
    sql = "SELECT t.*, t.xmin::text FROM sigsentry.%s t WHERE tenant_id = %%s ORDER BY 1, 2, 3"
    return {table: db.rows(sql % table, tenant) for table in ("channel", "credential", "audit")}


@pytest.fixture
def org(db, home):
    return db.key(home.tenant, kind="org")[0]


# ---- who reaches which ---------------------------------------------------------------------------


class Place:
    """One channel of each place, and the keys that look for them."""

    def __init__(self, db, api):
        self.db = db
        self.tenant, self.foreign = db.tenant(), db.tenant()
        self.mine, self.other = db.project(self.tenant), db.project(self.tenant)
        self.keys = {"secret": db.key(self.tenant, self.mine)[0], "org": db.key(self.tenant, kind="org")[0]}
        theirs = db.project(self.foreign)
        self.channel = {"mine": uuid.uuid4(), "other": uuid.uuid4(), "foreign": uuid.uuid4(), "none": uuid.uuid4()}
        for name, digest in (("mine", self.keys["secret"]), ("other", db.key(self.tenant, self.other)[0]),
                             ("foreign", db.key(self.foreign, theirs)[0])):
            assert create(api, digest, channel=self.channel[name])["status"] == "ok"
        self.channel["wide"] = tenant_wide(db, self.tenant)
        self.channel["foreign wide"] = tenant_wide(db, self.foreign)


@pytest.fixture
def place(db, api):
    return Place(db, api)


REACHED = {("secret", None): {"mine", "wide"}, ("secret", "mine"): {"mine", "wide"},
           ("org", None): {"mine", "other", "wide"}, ("org", "mine"): {"mine", "wide"}, ("org", "other"): {"other", "wide"}}


@pytest.mark.parametrize("kind,project", REACHED, ids=str)
def test_who_reaches_which(db, api, place, kind, project):
    """Another tenant's channel, and another project's, are as none; a project's key may only read what is tenant-wide."""
    digest = place.keys[kind]
    header = getattr(place, project) if project else None
    for name, channel in place.channel.items():
        reached = name in REACHED[kind, project]
        writable = reached and not (kind == "secret" and name == "wide")
        row = get(api, digest, channel, header)
        assert row["status"] == ("ok" if reached else "not_found"), name
        assert (row["data"] is not None) == reached, name
        seen = admit(api, digest, header, need=False, channel=channel)
        assert seen["status"] == "ok", name                 # the caller sees that there is none
        assert seen["channel_shown"] == row["data"], name
        assert (seen["channel_type"], seen["channel_writable"]) == (("slack", writable) if reached else (None, None)), name
        assert seen["channel_fields"] == ("webhookUrl" if reached and name != "wide" else None), name
        before = everything(db, place.tenant), everything(db, place.foreign)
        expected = "ok" if writable else "tenant_wide" if reached else "not_found"
        if not writable:
            assert update(api, digest, channel, header, name="x", sealed={"webhookUrl": b"x"})["status"] == expected, name
            assert delete(api, digest, channel, header)["status"] == expected, name
            assert (everything(db, place.tenant), everything(db, place.foreign)) == before
        else:
            assert update(api, digest, channel, header, name="x")["status"] == expected, name
            assert delete(api, digest, channel, header)["status"] == expected, name
            assert get(api, digest, channel, header)["status"] == "not_found"
    assert db.value("SELECT count(*) FROM sigsentry.channel WHERE tenant_id = %s", place.foreign) == 2


@pytest.mark.parametrize("name", ["channel_get", "channel_update", "channel_delete", "channel_list", "settings_get",
                                  "settings_set"])
def test_faults_of_the_key_come_first(db, api, home, name):
    """Each function asks for its own permission, and answers a bad key before it says whether there is a channel."""
    channel = webhook(api, home.digest)
    reads, needs = name in ("channel_get", "channel_list", "settings_get"), name == "channel_list"

    def act(digest, project=None):
        args = {"channel_get": (channel,), "channel_list": (True, None, None), "settings_get": (),
                "channel_delete": (channel, call_id()), "settings_set": (call_id(), 0),
                "channel_update": (channel, call_id(), "x", 0, False, "x", ["url"], [b"x"], True, 1)}[name]
        row = call(api, "api_" + name, digest, project, *args)
        if row["status"] != "ok":
            assert row.get("data") is None and row.get("total") is None
        return row["status"]

    before = everything(db, home.tenant)
    suspended = db.tenant()
    db.admin("tenant_suspend", "ann", suspended)
    revoked, key = db.key(home.tenant, home.project)
    db.admin("apikey_revoke", "ann", key)
    expired, key = db.key(home.tenant, home.project)
    db.rows("UPDATE sigsentry.api_key SET expires_at = now() WHERE id = %s", key)
    org, _ = db.key(home.tenant, kind="org")
    assert act(b"x" * 32) == "unauthorized"
    assert act(revoked) == "key_revoked"
    assert act(expired) == "key_expired"
    assert act(db.key(home.tenant, home.project, "pub")[0]) == "secret_key_required"
    assert act(db.key(suspended, kind="org")[0]) == "tenant_suspended"
    assert act(org, db.project(suspended)) == "wrong_project"
    assert act(home.digest, db.project(home.tenant)) == "wrong_project"
    without = ["analysis:create", "analysis:read", "config:write" if reads else "config:read"]
    assert act(db.key(home.tenant, home.project, permissions=without)[0]) == "forbidden"
    if needs:
        assert act(org) == "missing_project"
    now = everything(db, home.tenant)
    assert (now["channel"], now["credential"]) == (before["channel"], before["credential"])
    assert audit_of(db, home.tenant, "channel.update") == audit_of(db, home.tenant, "channel.delete") == []
    assert act(db.key(home.tenant, home.project, permissions=["config:read" if reads else "config:write"])[0]) == "ok"


# ---- read ----------------------------------------------------------------------------------------


def test_a_channel_as_it_is_shown(db, api, home):
    channel = uuid.uuid4()
    create(api, home.digest, channel=channel, name='Quote " and \\ and ✓\u2028', threshold=2, destination='a"b')
    row = get(api, home.digest, channel)
    assert (row["key_id"], row["tenant_id"], row["project_id"]) == (home.key, home.tenant, home.project)
    shown = json.loads(row["data"])
    assert list(shown) == ["id", "type", "name", "severityThreshold", "isActive", "scope", "destination", "createdAt",
                           "updatedAt"]
    assert RFC3339.fullmatch(shown.pop("createdAt")) and RFC3339.fullmatch(shown.pop("updatedAt"))
    assert shown == {"id": str(channel), "type": "slack", "name": 'Quote " and \\ and ✓\u2028', "severityThreshold": "medium",
                     "isActive": True, "scope": "project", "destination": 'a"b'}
    reason = {"code": "gone", "message": 'it said "410"', "at": "2026-01-01T00:00:00.000Z"}
    db.rows("UPDATE sigsentry.channel SET is_active = false, disabled_reason = %s WHERE id = %s", json.dumps(reason), channel)
    shown = json.loads(get(api, home.digest, channel)["data"])
    assert list(shown)[4:7] == ["isActive", "disabledReason", "scope"]
    assert (shown["isActive"], shown["disabledReason"]) == (False, reason)
    assert json.loads(get(api, home.digest, tenant_wide(db, home.tenant))["data"])["scope"] == "tenant"


def test_nothing_shows_credentials(db, api, home):
    canary = b"canary-" + uuid.uuid4().hex.encode()
    channel = uuid.uuid4()
    create(api, home.digest, channel=channel, sealed=(canary,))
    update(api, home.digest, channel, sealed={"webhookUrl": canary + b"2"})
    answers = [get(api, home.digest, channel), call(api, "api_channel_list", home.digest, None, True, None, None),
               admit(api, home.digest, channel=channel), everything(db, home.tenant)["audit"],
               delete(api, home.digest, channel), everything(db, home.tenant)["audit"]]
    for form in (canary.decode(), canary.hex()):
        assert form not in str(answers)


def test_the_fields_that_a_channel_has(api, home):
    row = admit(api, home.digest, channel=webhook(api, home.digest))
    assert (row["channel_type"], sorted(row["channel_fields"].split(","))) == ("webhook", ["authHeader", "hmacSecret", "url"])


def test_the_list(db, api, org):
    """The project's and the tenant-wide ones, active first, newest first."""
    tenant = db.tenant("business")
    mine, other = db.project(tenant), db.project(tenant)
    digest, _ = db.key(tenant, mine)
    org, _ = db.key(tenant, kind="org")
    assert listed(api, digest) == ("ok", [], None)
    assert listed(api, digest, page=1, limit=10) == ("ok", [], 0)
    ids = [uuid.uuid4() for _ in range(6)]
    for i in ids[:5]:
        create(api, digest, channel=i)
    tenant_wide(db, tenant, ids[5])
    create(api, db.key(tenant, other)[0])
    tenant_wide(db, db.tenant())
    # the age is not the order of ids; 2 and 3 are of one moment: then the id decides
    for i, day in zip(ids, (3, 1, 2, 2, 6, 5)):
        db.rows("UPDATE sigsentry.channel SET created_at = make_timestamptz(2026, 1, %s, 0, 0, 0) WHERE id = %s", day, i)
    db.rows("UPDATE sigsentry.channel SET is_active = false WHERE id = ANY (%s)", [ids[4], ids[0]])
    active = [str(i) for i in (ids[5], *sorted(ids[2:4], reverse=True), ids[1])]
    off = [str(ids[4]), str(ids[0])]
    assert listed(api, digest) == ("ok", active, None)
    assert listed(api, digest, inactive=True) == ("ok", active + off, None)
    assert listed(api, org, mine, inactive=True) == ("ok", active + off, None)
    assert len(listed(api, org, other)[1]) == 2
    for limit in (1, 2, 3, 4, 5, 100):
        for page in range(1, 9):
            cut = slice((page - 1) * limit, page * limit)
            assert listed(api, digest, page=page, limit=limit) == ("ok", active[cut], 4), (page, limit)
            assert listed(api, digest, inactive=True, page=page, limit=limit) == ("ok", (active + off)[cut], 6), (page, limit)
    assert listed(api, digest, page=1000000000, limit=100) == ("ok", [], 4)      # no overflow


def test_the_list_shows_what_get_shows(api, home):
    ids = [webhook(api, home.digest) for _ in range(2)]
    row = call(api, "api_channel_list", home.digest, None, False, None, None)
    assert row["data"] == "[%s]" % ",".join(get(api, home.digest, i)["data"] for i in reversed(ids))


def test_a_list_reads_its_own_lanes_alone(db, session, home, still):
    """Planned while there were next to none, it goes on by key when there are many."""
    webhook(session("sigsentry_api"), home.digest)
    channel = webhook(session("sigsentry_api"), home.digest)
    db.rows("DELETE FROM sigsentry.lane")
    db.rows("INSERT INTO sigsentry.lane (tenant_id, channel_id, due_at) VALUES (%s, %s, 'infinity')", home.tenant, channel)
    db.rows("VACUUM ANALYZE sigsentry.lane")
    reader = session("sigsentry_api", autocommit=False)
    for _ in range(8):
        listed(reader, home.digest)
    reader.rollback()
    others = db.tenant()
    db.rows("INSERT INTO sigsentry.lane (tenant_id, channel_id, due_at) SELECT %s, sigsentry.uuid_v7(), 'infinity'"
            " FROM generate_series(1, 500)", others)
    for options in ({}, {"page": 1, "limit": 20}):
        fetched = "SELECT idx_tup_fetch + seq_tup_read AS n FROM pg_stat_xact_all_tables WHERE schemaname = 'sigsentry' AND relname = 'lane'"
        before = Database(reader).value(fetched)
        assert len(listed(reader, home.digest, **options)[1]) == 2
        assert Database(reader).value(fetched) - before == 1
        reader.rollback()
    db.rows("DELETE FROM sigsentry.lane WHERE tenant_id IN (%s, %s)", others, home.tenant)


# ---- update --------------------------------------------------------------------------------------


@pytest.mark.parametrize("change,column,field,before,after", [
    ({"name": "Näme"}, {"name": "Näme"}, "name", "hook", "Näme"),
    ({"threshold": 3}, {"severity_threshold": 3}, "severityThreshold", "high", "low"),
    ({"threshold": 0}, {"severity_threshold": 0}, "severityThreshold", "high", "critical"),
    ({"active": False}, {"is_active": False}, "isActive", True, False),
    ({"destination": "example.org"}, {"destination": "example.org"}, "destination", "example.com", "example.org"),
], ids=str)
def test_a_field_changes_alone(db, api, home, change, column, field, before, after):
    channel, bystander, call_as = webhook(api, home.digest), webhook(api, home.digest), call_id()
    old, other = row_of(db, home.tenant, channel), row_of(db, home.tenant, bystander)
    row = update(api, home.digest, channel, call_as=call_as, **change)
    assert row == {"status": "ok", "key_id": home.key, "tenant_id": home.tenant, "project_id": home.project}
    new = row_of(db, home.tenant, channel)
    assert new["updated_at"] > old["updated_at"]
    assert new == {**old, **column, "updated_at": new["updated_at"]}
    assert row_of(db, home.tenant, bystander) == other
    assert credentials(db, home.tenant, channel) == alone(URL)
    (a,) = audit_of(db, home.tenant, "channel.update")
    assert (a["id"], a["actor_kind"], a["actor"], a["object_kind"], a["object_id"]) == (
        call_as, "key", str(home.key), "channel", str(channel))
    assert (a["before"], a["after"]) == ({field: before}, {field: after})


def test_all_fields_change_in_one_row_of_the_audit(db, api, home):
    channel = webhook(api, home.digest)
    assert update(api, home.digest, channel, name="n", threshold=2, active=False, destination="d",
                  sealed={"url": b"u2"}, replace=True)["status"] == "ok"
    (a,) = audit_of(db, home.tenant, "channel.update")
    assert a["before"] == {"name": "hook", "severityThreshold": "high", "isActive": True, "destination": "example.com"}
    assert {**a["before"], **a["after"]} == a["after"]
    assert (a["after"]["name"], a["after"]["severityThreshold"], a["after"]["isActive"], a["after"]["destination"]) == (
        "n", "medium", False, "d")
    assert db.value("""SELECT a.xmin = c.xmin AND c.xmin = f.xmin FROM sigsentry.audit a JOIN sigsentry.channel c USING (tenant_id)
                         JOIN sigsentry.credential f USING (tenant_id)
                        WHERE tenant_id = %s AND action = 'channel.update'""", home.tenant)


@pytest.mark.parametrize("change", [
    {}, {"name": "hook"}, {"threshold": 1}, {"active": True}, {"destination": "example.com"},
    {"name": "hook", "threshold": 1, "active": True, "destination": "example.com"},
    {"sealed": {"unheard": None}}, {"sealed": {}}], ids=str)
def test_what_is_so_already_writes_nothing(db, api, home, change):
    channel = webhook(api, home.digest)
    before = everything(db, home.tenant)
    assert update(api, home.digest, channel, **change)["status"] == "ok"
    assert everything(db, home.tenant) == before


def test_an_update_and_its_audit_are_one(db, session, api, home):
    channel = webhook(api, home.digest)
    before = everything(db, home.tenant)
    conn = session("sigsentry_api", autocommit=False)
    assert update(conn, home.digest, channel, name="n", sealed={"hmacSecret": b"n"})["status"] == "ok"
    assert delete(conn, home.digest, channel)["status"] == "ok"
    conn.rollback()
    assert everything(db, home.tenant) == before


@pytest.mark.parametrize("wrong", [{"threshold": 4}, {"threshold": -1}, {"name": ""}, {"name": "x" * 256}], ids=str)
def test_what_the_worker_must_never_send(db, api, home, wrong):
    channel = webhook(api, home.digest)
    before = everything(db, home.tenant)
    with pytest.raises(errors.CheckViolation):
        update(api, home.digest, channel, **wrong)
    assert everything(db, home.tenant) == before


def test_switched_on_again_the_reason_goes(db, api, home):
    channel = webhook(api, home.digest)
    reason = {"code": "gone", "message": "410", "at": "2026-01-01T00:00:00.000Z"}
    db.rows("UPDATE sigsentry.channel SET is_active = false, disabled_reason = %s WHERE id = %s", json.dumps(reason), channel)
    for change in ({"name": "n"}, {"active": False}, {"sealed": {"authHeader": b"x"}}):
        assert update(api, home.digest, channel, **change)["status"] == "ok"
        assert row_of(db, home.tenant, channel)["disabled_reason"] == reason, change
    update(api, home.digest, channel, active=True)
    row = row_of(db, home.tenant, channel)
    assert (row["is_active"], row["disabled_reason"]) == (True, None)
    (a,) = [row for row in audit_of(db, home.tenant, "channel.update") if "isActive" in row["after"]]
    assert (a["before"], a["after"]) == ({"isActive": False, "disabledReason": reason},
                                         {"isActive": True, "disabledReason": None})


def test_switched_off_by_hand_there_is_no_reason(db, api, home):
    channel = webhook(api, home.digest)
    update(api, home.digest, channel, active=False)
    assert row_of(db, home.tenant, channel)["disabled_reason"] is None
    update(api, home.digest, channel, active=True)
    row = row_of(db, home.tenant, channel)
    assert (row["is_active"], row["disabled_reason"]) == (True, None)


# ---- credentials ---------------------------------------------------------------------------------


@pytest.mark.parametrize("sealed,replace,expected,written,removed", [
    ({"url": b"U", "authHeader": b"A"}, True, {"url": b"U", "authHeader": b"A"}, ["authHeader", "url"], ["hmacSecret"]),
    ({"url": b"U"}, True, {"url": b"U"}, ["url"], ["authHeader", "hmacSecret"]),
    ({"url": b"U", "authHeader": None}, True, {"url": b"U"}, ["url"], ["authHeader", "hmacSecret"]),
    ({"authHeader": b"A"}, False, {**URL, "authHeader": b"A"}, ["authHeader"], []),
    ({"authHeader": None}, False, {"url": b"url", "hmacSecret": b"hmac"}, [], ["authHeader"]),
    ({"hmacSecret": None}, False, {"url": b"url", "authHeader": b"auth"}, [], ["hmacSecret"]),
    ({"hmacSecret": None, "authHeader": b"A"}, False, {"url": b"url", "authHeader": b"A"}, ["authHeader"], ["hmacSecret"]),
    ({"url": b"url"}, False, URL, ["url"], []),
], ids=str)
def test_credentials_are_replaced_removed_and_kept(db, api, home, sealed, replace, expected, written, removed):
    """A PUT replaces all, a PATCH the named ones; the audit trail says which were written and which went, and no value."""
    channel, bystander = webhook(api, home.digest), webhook(api, home.digest)
    old = row_of(db, home.tenant, channel)
    assert update(api, home.digest, channel, sealed=sealed, replace=replace, overlap=0)["status"] == "ok"
    assert credentials(db, home.tenant, channel) == alone(expected)
    assert credentials(db, home.tenant, bystander) == alone(URL)
    new = row_of(db, home.tenant, channel)
    assert new["updated_at"] > old["updated_at"]
    assert new == {**old, "updated_at": new["updated_at"]}
    (a,) = audit_of(db, home.tenant, "channel.update")
    assert a["before"] == {}
    assert a["after"] == {k: v for k, v in (("credentials", written), ("credentialsRemoved", removed)) if v}


def test_a_field_that_was_not_there_is_added(db, api, home):
    channel = uuid.uuid4()
    create(api, home.digest, channel=channel, kind="webhook", fields=("url",), sealed=(b"url",))
    assert update(api, home.digest, channel, sealed={"hmacSecret": b"first"})["status"] == "ok"
    assert credentials(db, home.tenant, channel) == alone({"url": b"url", "hmacSecret": b"first"})


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("overlap", [1, 86400, 604800])
def test_a_replaced_secret_overlaps(db, api, home, overlap, replace):
    channel = webhook(api, home.digest)
    sealed = {"url": b"U", "authHeader": b"A", "hmacSecret": b"H"} if replace else {"hmacSecret": b"H", "authHeader": b"A"}
    update(api, home.digest, channel, sealed=sealed, replace=replace, overlap=overlap)
    assert credentials(db, home.tenant, channel) == {
        "url": (b"U" if replace else b"url", None, None), "authHeader": (b"A", None, None), "hmacSecret": (b"H", b"hmac", overlap)}


def test_what_ends_an_overlap(db, api, home):
    channel = webhook(api, home.digest)

    def hmac(**change):
        assert update(api, home.digest, channel, **change)["status"] == "ok"
        return credentials(db, home.tenant, channel).get("hmacSecret", (None,) * 3)

    assert hmac(sealed={"hmacSecret": b"2"}, overlap=100) == (b"2", b"hmac", 100)
    # other changes leave it; its end stays where it was
    until = "SELECT previous_until FROM sigsentry.credential WHERE tenant_id = %s AND field = 'hmacSecret'"
    end = db.value(until, home.tenant)
    for change in ({"name": "x"}, {"sealed": {"authHeader": b"A"}, "overlap": 0}, {"active": False}):
        assert hmac(**change)[:2] == (b"2", b"hmac")
        assert db.value(until, home.tenant) == end
    assert hmac(sealed={"hmacSecret": b"3"}, overlap=50) == (b"3", b"2", 50)            # the last one only
    assert hmac(sealed={"hmacSecret": b"4"}, overlap=0) == (b"4", None, None)           # after a leak
    assert hmac(sealed={"hmacSecret": b"5"}, overlap=50) == (b"5", b"4", 50)
    assert hmac(sealed={"hmacSecret": None}, overlap=50) == (None, None, None)          # no secret, no signature
    assert hmac(sealed={"hmacSecret": b"6"}, overlap=50) == (b"6", None, None)
    assert hmac(sealed={"hmacSecret": b"7"}, overlap=50) == (b"7", b"6", 50)
    assert hmac(sealed={"url": b"U"}, replace=True, overlap=50) == (None, None, None)


def test_at_another_host_nothing_overlaps(db, api, home):
    """Or whoever may write could have the old secret's signatures sent to a place of theirs."""
    channel = webhook(api, home.digest)

    def move(destination, key):
        update(api, home.digest, channel, destination=destination, sealed={"url": b"U", "hmacSecret": key}, replace=True,
               overlap=60)
        return credentials(db, home.tenant, channel)["hmacSecret"]

    assert move("example.com", b"2") == (b"2", b"hmac", 60)
    assert move("example.net", b"3") == (b"3", None, None)
    assert move("example.net", b"4") == (b"4", b"3", 60)


# ---- once more, and at once ----------------------------------------------------------------------


def test_a_repeated_update_changes_nothing_twice(db, api, home):
    """A worker that lost its connection at COMMIT calls again; somebody else's later change stays."""
    channel, call_as = webhook(api, home.digest), call_id()
    change = {"name": "n", "sealed": {"hmacSecret": b"2"}, "overlap": 60}
    first = update(api, home.digest, channel, call_as=call_as, **change)
    before = everything(db, home.tenant)
    assert update(api, home.digest, channel, call_as=call_as, **change) == first
    assert everything(db, home.tenant) == before
    update(api, home.digest, channel, name="later")
    before = everything(db, home.tenant)
    assert update(api, home.digest, channel, call_as=call_as, **change) == first
    assert everything(db, home.tenant) == before
    assert row_of(db, home.tenant, channel)["name"] == "later"


def test_two_at_once_with_one_call_are_one(db, session, api, home):
    channel, call_as = webhook(api, home.digest), call_id()
    conns = [session("sigsentry_api") for _ in range(4)]
    answers = at_once(conns, lambda conn: update(conn, home.digest, channel, call_as=call_as, sealed={"hmacSecret": b"2"}))
    assert [a["status"] for a in answers] == ["ok"] * 4
    assert credentials(db, home.tenant, channel)["hmacSecret"] == (b"2", b"hmac", 86400)
    assert len(audit_of(db, home.tenant, "channel.update")) == 1


def variant(n):
    """A change that bears ${n} in every part; every other one lacks authHeader."""
    mark = b"%d" % n
    sealed = {"url": mark, "authHeader": mark, "hmacSecret": mark} if n % 2 else {"url": mark, "hmacSecret": mark}
    return {"name": str(n), "threshold": n % 4, "destination": "d%d" % n, "sealed": sealed, "replace": True, "overlap": 0}


def test_the_last_of_two_updates_wins_whole(db, session, api, home):
    channel = webhook(api, home.digest)
    first, second = session("sigsentry_api", autocommit=False), session("sigsentry_api")
    assert update(first, home.digest, channel, **variant(1))["status"] == "ok"
    waiting = Waiting(db, second, lambda: update(second, home.digest, channel, **variant(2)))
    first.commit()
    assert waiting.answer()["status"] == "ok"
    row = row_of(db, home.tenant, channel)
    assert (row["name"], row["severity_threshold"], row["destination"]) == ("2", 2, "d2")
    assert credentials(db, home.tenant, channel) == alone(variant(2)["sealed"])
    changes = {a["before"]["name"]: a["after"]["name"] for a in audit_of(db, home.tenant, "channel.update")}
    assert changes == {"hook": "1", "1": "2"}


def test_many_updates_are_never_a_mixture(db, session, api, home):
    channel = webhook(api, home.digest)
    conns = [session("sigsentry_api") for _ in range(8)]
    numbers = {conn: 10 * n for n, conn in enumerate(conns)}

    def act(conn):
        return [update(conn, home.digest, channel, **variant(numbers[conn] + k))["status"] for k in range(5)]

    assert at_once(conns, act) == [["ok"] * 5] * 8
    row = row_of(db, home.tenant, channel)
    last = variant(int(row["name"]))
    assert (row["severity_threshold"], row["destination"]) == (last["threshold"], last["destination"])
    assert credentials(db, home.tenant, channel) == alone(last["sealed"])
    # each found what the one before it left: one chain from the first name to the last
    chain = {a["before"]["name"]: a["after"]["name"] for a in audit_of(db, home.tenant, "channel.update")}
    name, steps = "hook", 0
    while name in chain:
        name, steps = chain.pop(name), steps + 1
    assert (name, steps, chain) == (row["name"], 40, {})


def test_changes_of_different_fields_both_hold(db, session, api, home):
    channel = webhook(api, home.digest)
    first, second = session("sigsentry_api", autocommit=False), session("sigsentry_api")
    update(first, home.digest, channel, name="n", sealed={"authHeader": b"A"})
    waiting = Waiting(db, second, lambda: update(second, home.digest, channel, threshold=3, sealed={"hmacSecret": b"H"},
                                                 overlap=0))
    first.commit()
    assert waiting.answer()["status"] == "ok"
    row = row_of(db, home.tenant, channel)
    assert (row["name"], row["severity_threshold"]) == ("n", 3)
    assert credentials(db, home.tenant, channel) == alone({"url": b"url", "authHeader": b"A", "hmacSecret": b"H"})


def test_an_update_of_what_is_being_deleted(db, session, api, home):
    channel = webhook(api, home.digest)
    first, second = session("sigsentry_api", autocommit=False), session("sigsentry_api")
    assert delete(first, home.digest, channel)["status"] == "ok"
    waiting = Waiting(db, second, lambda: update(second, home.digest, channel, name="n", sealed={"authHeader": b"A"}))
    first.commit()
    assert waiting.answer()["status"] == "not_found"
    assert everything(db, home.tenant)["credential"] == []
    assert audit_of(db, home.tenant, "channel.update") == []


def test_updates_of_two_channels_do_not_wait_for_each_other(session, api, home):
    one, two = webhook(api, home.digest), webhook(api, home.digest)
    first, second = session("sigsentry_api", autocommit=False), session("sigsentry_api")
    assert update(first, home.digest, one, sealed={"authHeader": b"A"})["status"] == "ok"
    Database(second).rows("SET lock_timeout = '1s'")
    assert update(second, home.digest, two, sealed={"authHeader": b"A"})["status"] == "ok"
    assert delete(second, home.digest, two)["status"] == "ok"


# ---- delete --------------------------------------------------------------------------------------


def test_a_delete(db, api, home):
    channel, stays, call_as = webhook(api, home.digest), webhook(api, home.digest), call_id()
    row = delete(api, home.digest, channel, call_as=call_as)
    assert row == {"status": "ok", "key_id": home.key, "tenant_id": home.tenant, "project_id": home.project}
    now = everything(db, home.tenant)
    assert [c["id"] for c in now["channel"]] == [stays]
    assert {c["channel_id"] for c in now["credential"]} == {stays} and len(now["credential"]) == 3
    (a,) = audit_of(db, home.tenant, "channel.delete")
    assert (a["id"], a["actor_kind"], a["actor"], a["object_kind"], a["object_id"], a["after"]) == (
        call_as, "key", str(home.key), "channel", str(channel), None)
    assert a["before"] == {"type": "webhook", "name": "hook", "destination": "example.com", "severityThreshold": "high",
                           "isActive": True}
    assert get(api, home.digest, channel)["status"] == "not_found"
    assert update(api, home.digest, channel, name="x")["status"] == "not_found"
    assert delete(api, home.digest, channel, call_as=call_as) == row             # the same call, once more
    assert delete(api, home.digest, channel)["status"] == "not_found"            # another call
    assert everything(db, home.tenant) == now


def test_a_delete_makes_room(api, home):
    ids = [webhook(api, home.digest) for _ in range(2)]
    assert create(api, home.digest)["status"] == "quota"
    assert delete(api, home.digest, ids[0])["status"] == "ok"
    assert create(api, home.digest)["status"] == "ok"
    assert create(api, home.digest)["status"] == "quota"


def test_the_call_of_another_tenant_says_nothing(db, api, home):
    channel, call_as = webhook(api, home.digest), call_id()
    delete(api, home.digest, channel, call_as=call_as)
    tenant = db.tenant()
    assert delete(api, db.key(tenant, db.project(tenant))[0], channel, call_as=call_as)["status"] == "not_found"


def test_two_deletes_at_once(db, session, api, home):
    channel = webhook(api, home.digest)
    conns = [session("sigsentry_api") for _ in range(4)]
    answers = at_once(conns, lambda conn: delete(conn, home.digest, channel)["status"])
    assert sorted(answers) == ["not_found"] * 3 + ["ok"]
    assert len(audit_of(db, home.tenant, "channel.delete")) == 1


def test_an_org_key_changes_and_deletes_what_is_tenant_wide(db, api, home, org):
    for project in (None, home.project):
        channel = tenant_wide(db, home.tenant)
        row = update(api, org, channel, project, name="n", sealed={"webhookUrl": b"w"})
        assert (row["status"], row["project_id"]) == ("ok", project)
        assert credentials(db, home.tenant, channel) == alone({"webhookUrl": b"w"})
        assert delete(api, org, channel, project)["status"] == "ok"
    assert everything(db, home.tenant)["credential"] == []


# ---- settings ------------------------------------------------------------------------------------


def settings(conn, digest, project=None):
    row = call(conn, "api_settings_get", digest, project)
    assert row["status"] == "ok"
    return row["data"]


def set_settings(conn, digest, threshold, project=None, call_as=None):
    return call(conn, "api_settings_set", digest, project, call_as or call_id(), threshold)


def test_settings(db, api, home, org):
    """One default per tenant; no project is needed, and channels that are there stay as they are."""
    channel, call_as, other = webhook(api, home.digest), call_id(), db.tenant()
    old = row_of(db, home.tenant, channel)
    for digest, project in ((home.digest, None), (home.digest, home.project), (org, None), (org, home.project)):
        assert settings(api, digest, project) == '{"defaultSeverityThreshold":"high"}'
    row = set_settings(api, org, 3, call_as=call_as)
    assert row.pop("key_id") != home.key
    assert row == {"status": "ok", "tenant_id": home.tenant, "project_id": None}
    assert settings(api, home.digest) == settings(api, org) == '{"defaultSeverityThreshold":"low"}'
    (a,) = audit_of(db, home.tenant, "settings.update")
    assert (a["id"], a["actor_kind"], a["object_kind"], a["object_id"]) == (call_as, "key", "settings", str(home.tenant))
    assert (a["before"], a["after"]) == ({"defaultSeverityThreshold": "high"}, {"defaultSeverityThreshold": "low"})
    assert row_of(db, home.tenant, channel) == old
    assert db.value("SELECT default_severity FROM sigsentry.tenant WHERE id = %s", other) == 1


def test_settings_that_are_so_already_write_nothing(db, api, home):
    assert set_settings(api, home.digest, 1)["status"] == "ok"
    assert audit_of(db, home.tenant, "settings.update") == []


def test_the_same_settings_call_once_more(db, api, home):
    call_as = call_id()
    for _ in range(2):
        assert set_settings(api, home.digest, 0, call_as=call_as)["status"] == "ok"
    assert set_settings(api, home.digest, 2)["status"] == "ok"
    assert set_settings(api, home.digest, 0, call_as=call_as)["status"] == "ok"
    assert settings(api, home.digest) == '{"defaultSeverityThreshold":"medium"}'
    assert len(audit_of(db, home.tenant, "settings.update")) == 2


@pytest.mark.parametrize("wrong,error", [(4, errors.CheckViolation), (-1, errors.CheckViolation)])
def test_no_other_settings(api, home, wrong, error):
    with pytest.raises(error):
        set_settings(api, home.digest, wrong)
    assert settings(api, home.digest) == '{"defaultSeverityThreshold":"high"}'


def test_settings_at_once(db, session, api, home):
    """The second waits, and its audit row begins where the first one's ended."""
    first, second = session("sigsentry_api", autocommit=False), session("sigsentry_api")
    assert set_settings(first, home.digest, 3)["status"] == "ok"
    waiting = Waiting(db, second, lambda: set_settings(second, home.digest, 0))
    first.commit()
    assert waiting.answer()["status"] == "ok"
    words = {(a["before"]["defaultSeverityThreshold"], a["after"]["defaultSeverityThreshold"])
             for a in audit_of(db, home.tenant, "settings.update")}
    assert words == {("high", "low"), ("low", "critical")}
    assert settings(api, home.digest) == '{"defaultSeverityThreshold":"critical"}'


@pytest.mark.parametrize("act", [
    lambda conn, digest, channel: set_settings(conn, digest, 3),
    lambda conn, digest, channel: update(conn, digest, channel, name="n", sealed={"hmacSecret": b"H"}),
    lambda conn, digest, channel: delete(conn, digest, channel),
    lambda conn, digest, channel: create(conn, digest, once=b"k" * 32),
], ids=["settings", "update", "delete", "create"])
@pytest.mark.parametrize("plan", ["starter", "business"])
def test_a_change_under_way_leaves_no_row_of_its_tenant(db, session, plan, act):
    """The delete of the tenant waits for it, and takes the rows that it could not see at its own beginning."""
    tenant = db.tenant(plan)
    digest, _ = db.key(tenant, db.project(tenant))
    channel = webhook(db.conn, digest)
    conn, owner = session("sigsentry_api", autocommit=False), session()
    assert act(conn, digest, channel)["status"] == "ok"
    waiting = Waiting(db, owner, lambda: Database(owner).admin("tenant_delete", "ann", tenant))
    conn.commit()
    assert waiting.answer()["status"] == "ok"
    for table in ("channel", "credential", "audit", "idempotency", "permit", "api_key", "project"):
        assert db.value("SELECT count(*) FROM sigsentry.%s WHERE tenant_id = %%s" % table, tenant) == 0, table


def test_an_old_idempotency_key_and_the_end_of_its_tenant_never_wait_for_each_other(db, session):
    """A create writes over the old row, then waits for the project, which the delete has: so that takes the row first."""
    tenant = db.tenant("starter")
    project = db.project(tenant)
    digest, _ = db.key(tenant, project)
    create(db.conn, digest, once=b"k" * 32)
    db.rows("UPDATE sigsentry.idempotency SET created_at = now() - interval '24 hours' WHERE tenant_id = %s", tenant)
    holder, owner, conn = session(autocommit=False), session(), session("sigsentry_api")
    Database(holder).rows("SELECT 1 FROM sigsentry.project WHERE tenant_id = %s FOR UPDATE", tenant)
    deleter = Waiting(db, owner, lambda: Database(owner).admin("tenant_delete", "ann", tenant))
    creator = Waiting(db, conn, lambda: create(conn, digest, once=b"k" * 32))
    holder.rollback()
    assert deleter.answer()["status"] == "ok"
    assert creator.answer()["status"] == "wrong_project"
    assert db.value("SELECT count(*) FROM sigsentry.idempotency WHERE tenant_id = %s", tenant) == 0


# ---- plans ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["list", "page", "get", "update", "delete", "settings_get", "settings_set", "admit"])
def test_no_table_is_read_from_end_to_end(small, name):
    """Not even where the planner saw a table of one page: the plan outlives it."""
    conn, tenant = small.conn, small.tenant("business")
    digest, _ = small.key(tenant, small.project(tenant))
    channel = webhook(conn, digest)
    act = {"list": lambda: listed(conn, digest, inactive=True),
           "page": lambda: listed(conn, digest, page=1, limit=5),
           "get": lambda: get(conn, digest, channel),
           "update": lambda: update(conn, digest, channel, name=str(uuid.uuid4()), sealed={**URL, "authHeader": None}),
           "delete": lambda: delete(conn, digest, channel),
           "settings_get": lambda: settings(conn, digest),
           "settings_set": lambda: [set_settings(conn, digest, n) for n in (2, 3)],
           "admit": lambda: admit(conn, digest, take=True, channel=channel)}[name]
    analyze(small)
    before = scans(small)
    for _ in range(7):          # the sixth plan is the one that stays
        act()
    assert scans(small) == before


def test_updates_stay_in_their_page(db):
    """HOT: no index has a column that an update changes."""
    for table, changed in (("channel", ["name", "severity_threshold", "is_active", "disabled_reason", "destination",
                                        "updated_at"]),
                           ("permit", ["minute", "taken", "granted"])):
        rows = db.rows("""SELECT a.attname FROM pg_index x JOIN pg_attribute a ON a.attrelid = x.indrelid
                           WHERE x.indrelid = %s::regclass AND a.attnum = ANY (x.indkey)""", "sigsentry." + table)
        indexed = [row["attname"] for row in rows]
        assert indexed and not set(indexed) & set(changed), table
