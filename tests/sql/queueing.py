"""A session that plays producer, courier and admin, for the suites of the queue.

Most tests are one transaction that is never committed, with a queue that holds nothing else (fixture q): no courier sees it.
Where sessions must meet, the stack's courier stands still (fixture live).
"""

import json
import uuid

from conftest import Database, query

TYPES = ["slack", "teams", "discord", "google_chat", "webhook", "email"]
ALL = ["config:read", "config:write", "analysis:create"]


def event(**changes):
    body = {"event": "x.y", "severity": "high", "summary": "s"}
    body.update(changes)
    return json.dumps({k: v for k, v in body.items() if v is not None})


COURIER = uuid.uuid4()


class Queue(Database):
    """A session that plays producer, courier and admin."""

    def home(self, n=1, plan="enterprise", **columns):
        """A tenant, a project, and ${n} channels."""
        tenant = self.tenant(plan)
        project = self.project(tenant)
        return tenant, project, [self.channel(tenant, project, **columns) for _ in range(n)]

    def channel(self, tenant, project, kind="webhook", threshold=3):
        new = uuid.uuid4()
        self.rows("INSERT INTO sigsentry.channel (tenant_id, id, project_id, type, name, severity_threshold, destination)"
                  " VALUES (%s, %s, %s, %s, 'n', %s, 'd')", tenant, new, project, kind, threshold)
        return new

    def publish(self, project, **changes):
        row = self.row("SELECT * FROM sigsentry.publish(%s, %s::jsonb)", project, event(**changes))
        return row["id"], row["deliveries"]

    def of(self, event_id):
        """The event's deliveries."""
        return [r["id"] for r in self.rows("SELECT id FROM sigsentry.delivery_all WHERE event_id = %s ORDER BY id", event_id)]

    def delivery(self, project, **changes):
        found = self.of(self.publish(project, **changes)[0])
        assert len(found) == 1
        return found[0]

    def claim(self, free=100, failing=None, lease=60, flights=10, gap_ms=0, mail_cap=0):
        mine = uuid.uuid4()
        rows = self.rows(query("courier_claim"), mine, free, free if failing is None else failing, lease, TYPES,
                         [flights] * 6, [gap_ms] * 6, mail_cap)
        return [dict(r, claim=mine) for r in rows]

    def record(self, rows, outcome="ok", wait_ms=None, error="no", pause_ms=0, disable_s=432000, code=500, took_ms=5,
               progress=None, mails=0):
        n = len(rows)
        outcomes = outcome if isinstance(outcome, list) else [outcome] * n
        return self.value(
            query("courier_record"), [r["tenant_id"] for r in rows], [r["id"] for r in rows], [r["claim"] for r in rows], outcomes,
            [wait_ms] * n, [pause_ms] * n, [1764000000000] * n, [took_ms] * n, [code] * n, [error] * n, [None] * n,
            [progress] * n,
            [mails] * n, disable_s, COURIER)

    def status(self, delivery):
        return self.value("SELECT status FROM sigsentry.delivery_all WHERE id = %s", delivery)

    def lane(self, channel):
        return self.row("SELECT * FROM sigsentry.lane WHERE channel_id = %s", channel)

    def shift(self, seconds):
        """So much time goes by, for all that waits."""
        self.rows("UPDATE sigsentry.queue SET wake_at = wake_at - make_interval(secs => %s) WHERE wake_at > '-infinity'", seconds)
        self.rows("UPDATE sigsentry.lane SET due_at = due_at - make_interval(secs => %s) WHERE due_at < 'infinity'", seconds)
        self.rows("UPDATE sigsentry.lane SET pause_until = pause_until - make_interval(secs => %s) WHERE pause_until > '-infinity'", seconds)

    def notices(self, tenant):
        return [(r["name"], r["channel"], r["deliveries"]) for r in self.rows(
            "SELECT name, payload ->> 'channelId' AS channel, deliveries FROM sigsentry.event"
            " WHERE tenant_id = %s AND name LIKE 'channel.%%' ORDER BY id", tenant)]
