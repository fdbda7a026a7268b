"""Tenants that have one of everything that has an id, and all rows that are theirs."""

import functools
import uuid

import courier
import stack
from stack import PATH, at, ok

EVENTS = "/v1/events"
ALL = ("analysis:create", "analysis:read", "config:read", "config:write")


class Holder(stack.Place):
    """A tenant with one of everything that has an id."""

    def __init__(self, mark):
        self.mark = mark
        self.tenant = stack.ctl("tenant", "create", "--name", "tenant " + mark, "--plan", "enterprise")["id"]
        self.project = self.new_project(mark)
        made = stack.new_key(project=self.project, permissions=ALL)
        self.key_id, self.key = made["id"], made["key"]
        self.wide = stack.add_tenant_wide_channel(self.tenant)
        self.furnish()

    def new_project(self, mark):
        words = ["--tenant", self.tenant, "--name", "project " + mark, "--slug", "p" + mark]
        return stack.ctl("project", "create", *words)["id"]

    def call(self, method, path, body=None, status=202):
        with stack.Client(self.key) as c:
            return ok(c.send(method, path, body), status)

    def furnish(self):
        """A channel, an event, a delivery that has failed and one that waits."""
        self.channel = self.call("POST", PATH, stack.of_kind("webhook", "channel " + self.mark), 201)["id"]
        self.event = self.call("POST", EVENTS, {"event": "x", "severity": "critical", "summary": "event " + self.mark})["id"]
        found = self.call("GET", "%s/%s" % (EVENTS, self.event), status=200)["deliveries"]
        self.delivery, self.of_wide = (next(d["id"] for d in found if d["channelId"] == c) for c in (self.channel, self.wide))
        courier.Courier().end(self.delivery, "refused", error="error " + self.mark, excerpt="excerpt " + self.mark)
        self.waiting = self.call("POST", at(self.channel) + "/test")["deliveryId"]

    def names(self):
        return [self.mark, self.tenant, self.project, self.channel, self.wide, self.event, self.delivery, self.waiting, self.of_wide,
                self.key_id]


def of_nobody(value):
    """An id of the same form and time as this one, or another name, that nobody has."""
    try:
        return str(uuid.UUID(int=uuid.UUID(value).int ^ 1))
    except ValueError:
        return "nobody-" + value


@functools.cache
def tables():
    """Those whose rows are somebody's."""
    rows = stack.sql("SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
                     " WHERE c.relnamespace = 'sigsentry'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
                     " AND a.attname = 'tenant_id' ORDER BY 1")
    assert len(rows) > 10
    return [r["name"] for r in rows]


def rows_where(condition, **values):
    """All rows of all of them for which this holds, as (table, text)."""
    text = " UNION ALL ".join("SELECT '%s' AS of, t::text AS row FROM %s t WHERE %s" % (t, t, condition) for t in tables())
    cursor = stack.own_cursor()
    cursor.execute(text, values)
    return set(cursor.fetchall())
