"""Goal: a channel that sigsentryctl makes for a whole tenant is one like any other to the API: sealed, read, changed."""

import json

import pytest

import sealed
import stack
from stack import PATH, Client, error, ok, secret

READ_WRITE = ("config:read", "config:write")


@pytest.fixture
def home():
    return stack.Place("starter", READ_WRITE)


def wide(tenant, credentials, kind="webhook", threshold="high"):
    return stack.ctl("channel", "create", "--tenant", tenant, "--type", kind, "--name", "wide", "--severity-threshold",
                     threshold, "--credentials", "-", stdin=json.dumps(credentials))


def test_the_private_key_opens(home):
    credentials = {"url": "https://example.com/" + secret("ctl"), "hmacSecret": secret("ctl-hmac")}
    made = wide(home.tenant, credentials)["id"]
    boxes = stack.sealed(made)
    assert {f: sealed.opened(box, made, "webhook", f).decode() for f, box in boxes.items()} == credentials


def test_every_project_sees_it(home):
    made = wide(home.tenant, {"webhookUrl": "https://hooks.slack.com/services/T/B/" + secret("see")}, "slack")
    other = stack.new_key(project=stack.new_project(home.tenant), permissions=READ_WRITE)["key"]
    for key in (home.key, other):
        with Client(key) as c:
            [shown] = ok(c.send("GET"), 200)
            assert shown == ok(c.send("GET", "%s/%s" % (PATH, made["id"])), 200)
            assert shown.items() <= made.items() and (shown["id"], shown["scope"]) == (made["id"], "tenant")
            for n in range(2):  # starter's two are all the project's own
                stack.created(c.post(stack.channel("own %d" % n)))


def test_an_org_key_alone_may_change_it(home):
    made = wide(home.tenant, {"webhookUrl": "https://hooks.slack.com/services/T/B/" + secret("org")}, "slack")["id"]
    path = "%s/%s" % (PATH, made)
    with Client(home.key) as c:
        error(c.send("PUT", path, {"name": "mine"}), 403, "FORBIDDEN")
        error(c.send("DELETE", path), 403, "FORBIDDEN")
    with Client(home.org_key(READ_WRITE)) as c:
        assert ok(c.send("PUT", path, {"name": "renamed"}), 200) == {"updated": True}
        assert ok(c.send("GET", path), 200)["name"] == "renamed"
        assert ok(c.send("DELETE", path), 200) == {"deleted": True}
    assert stack.ctl("channel", "list", "--tenant", home.tenant) == []
