"""Fills a database with everything worth keeping, by what runs there: by sigsentryctl and through nginx, as a customer would.

What can only be had by a moment's state (deliveries that a courier was sending when it was killed) is made by that moment.
"""

import json
import secrets
import time

import stack
from stack import at, ok, wait_for
from world import ALL, EVENTS, URLS, Site

TABLES = ("plan", "tenant", "project", "api_key", "channel", "credential", "audit", "idempotency", "event", "delivery",
          "attempt", "queue", "lane", "courier", "tally_attempt", "tally_delivery", "gone_channel", "mail_day")


def fill(rig, where):
    """Fill it; what a reader of the database cannot know (keys, secrets), as a dict for JSON."""
    stack.ctl("plan", "set", "tiny", "--channels", "3", "--reads-per-minute", "60", "--writes-per-minute", "30")
    courier = rig.courier(where)
    site = Site()
    secrets_of = {}
    for kind in URLS:
        secrets_of.update([site.channel(kind)])
    for kind in ("refused", "delayed"):
        made, mark = site.channel("webhook")
        secrets_of[made] = mark
        rig.sink.script(mark, *([404] * 9 if kind == "refused" else [500]))
    mail = site.mail("a@example.com", "b@example.com")
    signed, old, new = signed_channel(site)
    more_things(site)
    published = publish(site, 6)
    assert wait_for(lambda: stack.sql("SELECT 1 FROM sigsentry.delivery WHERE channel_id = %s OFFSET 5", signed), 20)
    resting = suspended()
    killed_while_sending(rig, where, courier, site, signed)
    return {"tenant": site.tenant, "project": site.project, "key": site.key, "marks": secrets_of, "mail": mail, "signed": signed,
            "secrets": [new, old], "published": published, "resting": resting}


def signed_channel(site):
    """A webhook whose secret has just been replaced: both sign for a while."""
    old, new = "old-" + secrets.token_hex(16), "new-" + secrets.token_hex(16)
    made, _ = site.channel("webhook", url="https://sink.example.com/signed-%s", hmacSecret=old, authHeader="Bearer kept")
    site.call("PATCH", at(made), 200, {"credentials": {"hmacSecret": new}})
    return made, old, new


def more_things(site):
    """Keys that are no more, a project more, a deleted channel, a first answer that is remembered."""
    stack.new_key(project=site.project, kind="pub", permissions=("analysis:create",))
    stack.new_key(tenant=site.tenant, kind="org", permissions=ALL)
    gone = stack.new_key(project=site.project, permissions=ALL)
    stack.ctl("apikey", "revoke", gone["id"])
    stack.new_project(site.tenant)
    site.call("PUT", stack.PATH + "/settings", 200, {"defaultSeverityThreshold": "medium"})
    deleted, _ = site.channel("webhook")
    site.publish()
    assert wait_for(lambda: stack.sql("SELECT 1 FROM sigsentry.delivery WHERE channel_id = %s", deleted), 10)
    assert site.client.send("DELETE", at(deleted)).status in (200, 204)
    reply = site.client.post(stack.channel("once"), headers=[("Idempotency-Key", "once-1")])
    assert reply.status == 201, reply


def publish(site, n):
    return [site.publish(summary="Event %d: ünïcode, \"quotes\" and 1.50 kept" % i, number=i)["id"] for i in range(n)]


def suspended():
    """A tenant whose queue rests."""
    site = Site()
    made, _ = site.channel("webhook")
    stack.ctl("tenant", "suspend", site.tenant)
    stack.sql("SELECT sigsentry.publish(%s, %s)", site.project, json.dumps(
        {"event": "disk.full", "severity": "high", "summary": "for a suspended tenant"}))
    return {"tenant": site.tenant, "key": site.key, "channel": made}


def killed_while_sending(rig, where, courier, site, signed):
    """Rows of the queue in every state: sending by one that is gone, ready behind them, waiting after a failure, new."""
    rig.sink.script("signed", "hang")
    publish(site, 12)
    waiting = ("SELECT count(*) FILTER (WHERE claim_id IS NOT NULL) AS sending, count(*) FILTER (WHERE claim_id IS NULL"
               " AND wake_at IS NULL) AS ready FROM sigsentry.queue WHERE channel_id = %s")
    assert wait_for(lambda: stack.sql(waiting, signed)[0] == {"sending": 8, "ready": 4}, 20), stack.sql(waiting, signed)
    time.sleep(1)
    courier.kill()
    publish(site, 3)
    rig.sink.script("signed", 200)
    states = stack.sql(
        "SELECT count(*) FILTER (WHERE wake_at = '-infinity') AS new, count(*) FILTER (WHERE wake_at > '-infinity' AND claim_id IS NULL)"
        " AS waiting, count(*) FILTER (WHERE wake_at IS NULL) AS ready, count(*) FILTER (WHERE claim_id IS NOT NULL) AS sending"
        " FROM sigsentry.queue")[0]
    assert all(states.values()), states


def content(columns=None):
    """All rows of all tables, in an order of their own: {table: [text]}; of each table the columns that ${columns} names."""
    found = {}
    for row in stack.sql(
            "SELECT c.relname::text AS name, array_agg(a.attname::text ORDER BY a.attname) AS columns FROM pg_class c"
            " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
            " WHERE c.relnamespace = 'sigsentry'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition GROUP BY 1"):
        wanted = row["columns"] if columns is None else columns.get(row["name"])
        if row["name"] == "migration" or wanted is None:
            continue
        text = ", ".join('"%s"' % c for c in wanted)
        found[row["name"]] = (wanted, [r["t"] for r in stack.sql(
            "SELECT row(%s)::text AS t FROM sigsentry.\"%s\" ORDER BY 1" % (text, row["name"]))])
    return found
