"""Goal: nothing is stored that is sealed to a retired key, whoever writes it; and stored values are found page by page, and replaced
where they still stand."""
import secrets
import uuid

import psycopg2
import pytest

from conftest import Database, analyze, create, scans, update

FIELDS = ("authHeader", "hmacSecret", "url")


def box(key, text=None):
    """What looks like a sealed value."""
    return b"\x01" + key + (text or secrets.token_bytes(60))


@pytest.fixture
def key(db):
    """A key's id, which is forgotten afterwards."""
    made = secrets.token_bytes(8)
    yield made
    db.rows("DELETE FROM sigsentry.retired_key WHERE id = %s", made)


def retire(db, key):
    return db.value("SELECT admin.keyring_retire('tester', %s)", key.hex())


def webhook(api, home, *sealed):
    channel = uuid.uuid4()
    assert create(api, home.digest, channel=channel, kind="webhook", destination="example.com", fields=FIELDS,
                  sealed=sealed)["status"] == "ok"
    return channel


def values(db, channel):
    rows = db.rows("SELECT field, sealed, previous_sealed FROM sigsentry.credential WHERE channel_id = %s", channel)
    return {r["field"]: (bytes(r["sealed"]), r["previous_sealed"] and bytes(r["previous_sealed"])) for r in rows}


def refused(act):
    """By an SQLSTATE that workers, those of 0.1.0 too, answer 503 for."""
    with pytest.raises(psycopg2.Error) as caught:
        act()
    assert caught.value.pgcode == "53S01" and "retired" in str(caught.value)


def test_retire_once(db, api, key):
    ask = "SELECT api.key_retired(%s)"
    assert Database(api).value(ask, key) is False
    assert db.value("SELECT admin.keyring_retired(%s)", key.hex()) is None
    assert retire(db, key) is True and retire(db, key) is False
    assert Database(api).value(ask, key) is True
    assert db.value("SELECT admin.keyring_retired(%s)", key.hex())
    [row] = db.rows("SELECT actor_kind, actor, action, object_id FROM sigsentry.audit WHERE object_id = %s", key.hex())
    assert tuple(row.values()) == ("user", "tester", "keyring.retire", key.hex())


def test_a_create_with_a_retired_key_leaves_nothing(db, api, home, key):
    retire(db, key)
    channel, other, once = uuid.uuid4(), secrets.token_bytes(8), secrets.token_bytes(32)
    for sealed in ((box(key), box(other), box(other)), (box(other), box(other), box(key))):
        refused(lambda: create(api, home.digest, channel=channel, kind="webhook", fields=FIELDS, sealed=sealed, once=once))
    assert db.value("SELECT count(*) FROM sigsentry.channel WHERE id = %s", channel) == 0
    assert db.value("SELECT count(*) FROM sigsentry.idempotency WHERE key_mac = %s", once) == 0
    # so the same request is the first one still when the host has the new key
    assert create(api, home.digest, channel=channel, kind="webhook", fields=FIELDS, sealed=[box(other)] * 3,
                  once=once)["status"] == "ok"


def test_an_update_with_a_retired_key_leaves_nothing(db, api, home, key):
    other = secrets.token_bytes(8)
    channel = webhook(api, home, box(other), box(key), box(other))
    retire(db, key)
    before = values(db, channel)
    refused(lambda: update(api, home.digest, channel, name="another", sealed={"authHeader": box(key)}))
    assert values(db, channel) == before
    assert db.value("SELECT name FROM sigsentry.channel WHERE id = %s", channel) != "another"
    # what stood there before may move on, and go
    new = box(other)
    assert update(api, home.digest, channel, sealed={"hmacSecret": new})["status"] == "ok"
    assert values(db, channel)["hmacSecret"] == (new, before["hmacSecret"][0])
    assert update(api, home.digest, channel, sealed={"hmacSecret": None, "authHeader": None})["status"] == "ok"


def test_an_admin_and_a_reseal_with_a_retired_key(db, api, home, key):
    retire(db, key)
    refused(lambda: db.rows("SELECT admin.channel_create('tester', %s, %s, 'slack', 'n', 1::smallint, 'hooks.slack.com',"
                            " '{webhookUrl}', ARRAY[%s]::bytea[])", home.tenant, uuid.uuid4(), box(key)))
    old = box(secrets.token_bytes(8))
    channel = webhook(api, home, old, box(secrets.token_bytes(8)), box(secrets.token_bytes(8)))
    refused(lambda: reseal(db, home.tenant, channel, "authHeader", old, box(key)))
    assert values(db, channel)["authHeader"] == (old, None)


def reseal(db, tenant, channel, field, old, new, old_previous=None, new_previous=None):
    return db.value("SELECT admin.keyring_reseal(ARRAY[%s]::uuid[], ARRAY[%s]::uuid[], ARRAY[%s], ARRAY[%s]::bytea[], ARRAY[%s]::bytea[],"
                    " ARRAY[%s]::bytea[], ARRAY[%s]::bytea[])", tenant, channel, field, old, new, old_previous, new_previous)


def test_reseal_replaces_what_still_stands_there(db, api, home):
    key = secrets.token_bytes(8)
    a, h, u = box(key), box(key), box(key)
    channel = webhook(api, home, a, h, u)
    new = box(key)
    assert reseal(db, home.tenant, channel, "hmacSecret", a, new) == 0, "another value"
    assert reseal(db, home.tenant, channel, "none", a, new) == 0 and reseal(db, uuid.uuid4(), channel, "url", u, new) == 0
    assert values(db, channel) == {"authHeader": (a, None), "hmacSecret": (h, None), "url": (u, None)}
    assert reseal(db, home.tenant, channel, "hmacSecret", h, new) == 1
    assert reseal(db, home.tenant, channel, "hmacSecret", h, box(key)) == 0, "it was done"
    update(api, home.digest, channel, sealed={"hmacSecret": h})
    anew, previous = box(key), box(key)
    assert reseal(db, home.tenant, channel, "hmacSecret", h, anew, new, previous) == 2
    assert values(db, channel) == {"authHeader": (a, None), "hmacSecret": (anew, previous), "url": (u, None)}
    assert reseal(db, home.tenant, channel, "hmacSecret", None, None, previous, new) == 1
    assert values(db, channel)["hmacSecret"] == (anew, new)


def test_reseal_skips_what_somebody_holds(db, api, home, session):
    key = secrets.token_bytes(8)
    a = box(key)
    channel = webhook(api, home, a, box(key), box(key))
    holder = session(autocommit=False)
    with holder.cursor() as cursor:
        cursor.execute("UPDATE sigsentry.credential SET sealed = sealed WHERE channel_id = %s AND field = 'authHeader'", (channel,))
        db.rows("SET lock_timeout = '1s'")
        assert reseal(db, home.tenant, channel, "authHeader", a, box(key)) == 0
    holder.rollback()
    assert reseal(db, home.tenant, channel, "authHeader", a, box(key)) == 1


def test_page_by_page(db, api, home):
    """Every value once, in the order of the keys, without those of the key that is left out."""
    key, other = secrets.token_bytes(8), secrets.token_bytes(8)
    db.rows("UPDATE sigsentry.tenant SET plan = 'business' WHERE id = %s", home.tenant)
    channels = [webhook(api, home, box(key), box(other), box(key)) for _ in range(5)]
    update(api, home.digest, channels[0], sealed={"hmacSecret": box(key)})
    seen, at = [], (home.tenant, uuid.UUID(int=0), "")
    while True:
        page = db.rows("SELECT * FROM admin.keyring_page(%s, %s, %s, %s, 4)", *at, key.hex())
        page = [r for r in page if r["tenant_id"] == home.tenant]
        if not page:
            break
        seen += page
        at = tuple(page[-1][k] for k in ("tenant_id", "channel_id", "field"))
    ids = [(r["channel_id"], r["field"]) for r in seen]
    assert ids == sorted(ids) and set(ids) == {(c, f) for c in channels for f in FIELDS}
    assert {r["type"] for r in seen} == {"webhook"}
    left = {(r["channel_id"], r["field"]): (r["sealed"], r["previous"]) for r in seen if r["sealed"] or r["previous"]}
    assert set(left) == {(c, "hmacSecret") for c in channels}
    assert left[channels[0], "hmacSecret"][0] is None and left[channels[0], "hmacSecret"][1][2:18] == other.hex()
    assert left[channels[1], "hmacSecret"][1] is None
    everything = db.rows("SELECT * FROM admin.keyring_page(%s, %s, '', NULL, 15)", home.tenant, uuid.UUID(int=0))
    assert all(r["sealed"] for r in everything)
    counts = {r["id"]: (r["values"], r["previous"]) for r in db.rows("SELECT * FROM admin.keyring_counts()")}
    assert counts[key.hex()] == (11, 0) and counts[other.hex()] == (5, 1)


def test_neither_reads_a_whole_table(small):
    """A page and a batch cost what they hold, not what the table does, whatever the planner believes of a small one."""
    tenant, channel = uuid.uuid4(), uuid.uuid4()
    small.rows("INSERT INTO sigsentry.tenant (id, name, plan) VALUES (%s, 'n', 'business')", tenant)
    small.rows("INSERT INTO sigsentry.channel (tenant_id, id, type, name, severity_threshold, destination)"
               " VALUES (%s, %s, 'webhook', 'n', 1, 'example.com')", tenant, channel)
    a = box(secrets.token_bytes(8))
    small.rows("INSERT INTO sigsentry.credential (tenant_id, channel_id, field, sealed) VALUES (%s, %s, 'url', %s)", tenant, channel, a)
    analyze(small)
    before = scans(small)
    for _ in range(7):  # the later ones by the plan that is kept
        assert len(small.rows("SELECT * FROM admin.keyring_page(NULL, NULL, NULL, NULL, 200)")) == 1
        new = box(secrets.token_bytes(8))
        assert reseal(small, tenant, channel, "url", a, new) == 1
        a = new
    assert {t: n for t, n in scans(small).items() if t in ("credential", "channel")} == {t: before[t] for t in ("credential", "channel")}


def test_courier_that_may_live(db, key):
    """Within three leases, as /readyz counts."""
    rows = {"young": 0, "old": 179, "gone": 181}
    for name, ago in rows.items():
        db.rows("INSERT INTO sigsentry.courier (id, name, version, key_ids, beat_at, lease_s, flights)"
                " VALUES (gen_random_uuid(), %s, '0', %s, now() - make_interval(secs => %s), 60, 0)", key.hex() + name,
                [key.hex()] if name == "old" else [], ago)
    try:
        found = {r["courier"]: r["hasKey"] for r in db.rows("SELECT * FROM admin.keyring_couriers(%s)", key.hex())}
        assert {k[16:]: v for k, v in found.items() if k.startswith(key.hex())} == {"young": False, "old": True}
    finally:
        db.rows("DELETE FROM sigsentry.courier WHERE name LIKE %s", key.hex() + "%")
