"""Goal: under any concurrency a project never has more channels than its plan allows, and no fewer than it may.

Contract §3 "Quota": starter 2, pro 10, business and enterprise unlimited; the project's own channels
count, tenant-wide ones do not; after a downgrade the old ones stay and new ones are refused.
"""

import threading

import pytest

import stack
from stack import Client, channel, created, error

CLIENTS = 64
ROUNDS = 10


def at_once(keys, body=channel, project=None):
    """One create from each of 64 clients, all at the same moment; their answers."""
    gate = threading.Barrier(CLIENTS)
    replies = [None] * CLIENTS

    def work(i):
        with Client(keys[i % len(keys)]) as c:
            c.send("GET", path="/v1/nothing")  # connected, before the others are waited for
            gate.wait(20)
            replies[i] = c.post(body("q%d" % i), project=project)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(CLIENTS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return replies


def check_round(replies, project, limit, plan):
    ids = [created(r) for r in replies if r.status == 201]
    refused = [r for r in replies if r.status != 201]
    for r in refused:
        assert error(r, 403, "QUOTA_EXCEEDED") == {"limit": limit, "used": limit, "plan": plan}
    assert len(ids) == limit and len(refused) == CLIENTS - limit
    assert sorted(stack.channel_ids(project)) == sorted(ids)


def test_64_clients_ten_times():
    """Exactly 2 rows, 62 clean refusals.  Two keys a project, so that no key is over its rate."""
    tenant = stack.new_tenant("starter")
    projects = stack.parallel([lambda: stack.new_project(tenant)] * ROUNDS)
    keys = stack.parallel([lambda p=p: stack.new_key(project=p)["key"] for p in projects for _ in range(2)])
    for n, project in enumerate(projects):
        check_round(at_once(keys[2 * n:2 * n + 2]), project, 2, "starter")


def test_pro_has_ten():
    place = stack.Place("pro")
    check_round(at_once([place.key]), place.project, 10, "pro")


@pytest.mark.parametrize("plan", ["business", "enterprise"])
def test_unlimited(plan):
    place = stack.Place(plan)
    replies = at_once([place.key])
    assert len({created(r) for r in replies}) == CLIENTS == stack.channel_count(place.project)


def test_one_after_the_other():
    place = stack.Place("starter")
    with Client(place.key) as c:
        created(c.post(channel()))
        created(c.post(channel()))
        for _ in range(3):
            assert error(c.post(channel()), 403, "QUOTA_EXCEEDED") == {"limit": 2, "used": 2, "plan": "starter"}
    assert stack.channel_count(place.project) == 2


def test_org_and_secret_key_share_it():
    place = stack.Place("starter")
    org = place.org_key()
    with Client() as c:
        created(c.post(channel(), key=place.key))
        created(c.post(channel(), key=org, project=place.project))
        error(c.post(channel(), key=place.key), 403, "QUOTA_EXCEEDED")
        error(c.post(channel(), key=org, project=place.project), 403, "QUOTA_EXCEEDED")


def test_each_project_has_its_own():
    place = stack.Place("starter")
    second = stack.new_project(place.tenant)
    with Client(place.org_key()) as c:
        for project in (place.project, second):
            created(c.post(channel(), project=project))
            created(c.post(channel(), project=project))
            error(c.post(channel(), project=project), 403, "QUOTA_EXCEEDED")


def test_tenant_wide_channels_do_not_count():
    place = stack.Place("starter")
    for _ in range(3):
        stack.add_tenant_wide_channel(place.tenant)
    second = stack.new_key(project=place.project)["key"]  # so that no key is over its rate
    check_round(at_once([place.key, second]), place.project, 2, "starter")


def test_inactive_channels_count():
    """A switched-off channel is still one of the project's own."""
    place = stack.Place("starter")
    with Client(place.key) as c:
        first = created(c.post(channel()))
        stack.sql("UPDATE sigsentry.channel SET is_active = false WHERE id = %s", first)
        created(c.post(channel()))
        error(c.post(channel()), 403, "QUOTA_EXCEEDED")


def test_room_after_a_deletion():
    place = stack.Place("starter")
    with Client(place.key) as c:
        first = created(c.post(channel()))
        created(c.post(channel()))
        error(c.post(channel()), 403, "QUOTA_EXCEEDED")
        stack.sql("DELETE FROM sigsentry.channel WHERE id = %s", first)
        created(c.post(channel()))
        error(c.post(channel()), 403, "QUOTA_EXCEEDED")


def test_downgrade_and_upgrade():
    """From the next request on, either way; what is there stays."""
    # of few writes a minute, so that workers hold no blocks of permits that the smaller plan does not have
    roomy = "roomy" + stack.secret()[-8:]
    stack.ctl("plan", "set", roomy, "--channels", "unlimited", "--reads-per-minute", "100", "--writes-per-minute", "100")
    place = stack.Place(roomy)
    with Client(place.key) as c:
        ids = [created(c.post(channel())) for _ in range(5)]
        stack.ctl("tenant", "set-plan", place.tenant, "--plan", "starter")
        assert error(c.post(channel()), 403, "QUOTA_EXCEEDED") == {"limit": 2, "used": 5, "plan": "starter"}
        assert sorted(stack.channel_ids(place.project)) == sorted(ids)
        assert stack.sql("SELECT count(*) AS n FROM sigsentry.channel WHERE project_id = %s AND is_active",
                         place.project)[0]["n"] == 5
        stack.ctl("tenant", "set-plan", place.tenant, "--plan", "pro")
        created(c.post(channel()))


def test_plans_are_rows():
    """An admin adds a plan and changes its limit while the service runs."""
    name = "flow" + stack.secret()[-8:]
    stack.ctl("plan", "set", name, "--channels", "1", "--reads-per-minute", "100", "--writes-per-minute", "100")
    place = stack.Place(name)
    with Client(place.key) as c:
        created(c.post(channel()))
        assert error(c.post(channel()), 403, "QUOTA_EXCEEDED") == {"limit": 1, "used": 1, "plan": name}
        stack.ctl("plan", "set", name, "--channels", "unlimited", "--reads-per-minute", "100",
                  "--writes-per-minute", "100")
        for _ in range(3):
            created(c.post(channel()))


def test_a_plan_with_none():
    name = "none" + stack.secret()[-8:]
    stack.ctl("plan", "set", name, "--channels", "0", "--reads-per-minute", "100", "--writes-per-minute", "100")
    place = stack.Place(name)
    with Client(place.key) as c:
        assert error(c.post(channel()), 403, "QUOTA_EXCEEDED") == {"limit": 0, "used": 0, "plan": name}


def test_a_refusal_leaves_nothing():
    """No channel, no credential, no audit row."""
    place = stack.Place("starter")
    with Client(place.key) as c:
        created(c.post(channel()))
        created(c.post(channel()))
        count = "SELECT (SELECT count(*) FROM sigsentry.credential WHERE tenant_id = %s) AS credentials," \
                " (SELECT count(*) FROM sigsentry.audit WHERE tenant_id = %s) AS audits"
        before = stack.sql(count, place.tenant, place.tenant)
        error(c.post(channel()), 403, "QUOTA_EXCEEDED")
        assert stack.sql(count, place.tenant, place.tenant) == before
