"""From the commit of an event to its first byte at the receiver: on an idle service, and beside dead destinations."""

import json
import random
import time

import psycopg2

from measure import alternate, percentile
from stand import DEAD, EVENT, FOLDER, HOLE, SINK

WAITING = 100000  # deliveries of the one dead channel
CHANNELS = 10000  # dead ones, that wait for their retries
RETRY_S = 30      # over so many seconds their next attempts are spread

# All at once, as a producer's transaction would leave them once a courier has looked at them.
PILE_UP = """
WITH told AS (
    INSERT INTO sigsentry.event (tenant_id, id, project_id, name, severity, payload, occurred_at, deliveries)
    SELECT %(tenant)s, sigsentry.uuid_v7(), %(project)s, 'analysis.complete', 1, %(payload)s, now(), 1
      FROM generate_series(1, %(count)s)
    RETURNING id)
INSERT INTO sigsentry.queue (tenant_id, id, channel_id, event_id, severity, size)
SELECT %(tenant)s, sigsentry.uuid_v7(), %(channel)s, t.id, 1, octet_length(%(payload)s) FROM told t
"""

# As after a first attempt that has failed.
FAIL = """
WITH failing AS (
    INSERT INTO sigsentry.lane (tenant_id, channel_id, due_at, is_failing, failing_since)
    SELECT %(tenant)s, c, 'infinity', true, now() FROM unnest(%(channels)s::uuid[]) c
        ON CONFLICT ON CONSTRAINT lane_pkey DO UPDATE SET is_failing = true, failing_since = now()),
told AS (
    INSERT INTO sigsentry.event (tenant_id, id, project_id, name, severity, payload, occurred_at, deliveries)
    VALUES (%(tenant)s, sigsentry.uuid_v7(), %(project)s, 'analysis.complete', 1, %(payload)s, now(), %(count)s)
    RETURNING id)
INSERT INTO sigsentry.queue (tenant_id, id, channel_id, event_id, severity, size, wake_at, tries, attempts)
SELECT %(tenant)s, sigsentry.uuid_v7(), c, t.id, 1, octet_length(%(payload)s), now() + random() * interval '1 second' * %(spread)s, 1, 1
  FROM told t, unnest(%(channels)s::uuid[]) c
"""


class Lateness:
    def __init__(self, bench):
        self.bench, self.stand, self.sql = bench, bench.stand, bench.stand.stack.sql
        self.count = 120 if bench.quick else 400
        self.healthy, self.one, self.many = self.stand.place(), self.stand.place(), self.stand.place()
        add = self.stand.add_channels
        self.channel, = add(self.healthy.tenant, self.healthy.project, ["https://%s/timed" % SINK])
        self.pile, = add(self.one.tenant, self.one.project, ["https://%s/" % HOLE])
        self.dead = add(self.many.tenant, self.many.project,
                        ["https://%s/" % (DEAD if i % 2 else HOLE) for i in range(CHANNELS)])
        self.arrivals = FOLDER / "arrivals.log"
        self.stand.vacuum()
        self.sample(3)

    def sample(self, count):
        """Publish one by one; the milliseconds that each took to the receiver."""
        committed, before = {}, self.arrivals.stat().st_size
        link = psycopg2.connect(self.stand.stack.env("SIGSENTRY_DSN"))
        with link.cursor() as cursor:
            for _ in range(count):
                cursor.execute("SELECT id::text FROM sigsentry.publish(%s, %s)", [self.healthy.project, json.dumps(EVENT)])
                event = cursor.fetchone()[0]
                committed[event] = time.time()
                link.commit()
                # in no step with the courier's own beat
                time.sleep(random.uniform(0.02, 0.06))
        link.close()
        deliveries = {}

        def have_all():
            rows = self.sql("SELECT id::text, event_id::text FROM sigsentry.delivery WHERE channel_id = %s"
                            " AND event_id = ANY (%s::uuid[])", self.channel, list(committed))
            deliveries.update((r["id"], r["event_id"]) for r in rows)
            return len(deliveries) == count

        if not self.stand.stack.wait_for(have_all, 60, 0.2):
            raise RuntimeError("%d of %d events have arrived" % (len(deliveries), count))
        took = {}
        with self.arrivals.open() as lines:
            lines.seek(before)
            for line in lines:
                ended, lasted, delivery = line.split()
                if delivery in deliveries:
                    event = deliveries[delivery]
                    took.setdefault(event, (float(ended) - float(lasted) - committed[event]) * 1000)
        assert len(took) == count, "%d of %d are in the receiver's log" % (len(took), count)
        return list(took.values())

    def told(self, where):
        took = self.sample(self.count)
        return {"commit to first byte, p50, ms, %s" % where: percentile(took, 50),
                "commit to first byte, p99, ms, %s" % where: percentile(took, 99)}

    def idle(self):
        return self.told("idle")

    def write(self, text, params):
        with self.stand.stack.database() as cursor:
            cursor.execute(text, params)

    def beside_one(self):
        params = {"tenant": self.one.tenant, "project": self.one.project, "channel": self.pile, "count": WAITING,
                  "payload": json.dumps(EVENT)}
        self.write(PILE_UP, params)
        return self.beside("one dead channel", "SELECT 1 FROM sigsentry.queue WHERE wake_at = '-infinity' LIMIT 1", self.one)

    def beside_many(self):
        params = {"tenant": self.many.tenant, "project": self.many.project, "channels": self.dead, "count": CHANNELS,
                  "payload": json.dumps(EVENT), "spread": RETRY_S}
        self.write(FAIL, params)
        return self.beside("10,000 dead channels", "SELECT 1 WHERE false", self.many)

    def beside(self, what, unsettled, place):
        try:
            if not self.stand.stack.wait_for(lambda: not self.sql(unsettled), 60, 0.1):
                raise RuntimeError("the courier has not looked at all that waits")
            self.stand.stack.sql("ANALYZE sigsentry.queue, sigsentry.lane")
            return self.told("beside " + what)
        finally:
            # attempts under way end by themselves, and are passed over then
            self.sql("DELETE FROM sigsentry.queue WHERE tenant_id = %s", place.tenant)
            self.stand.vacuum()


def lateness(bench):
    m = Lateness(bench)
    got = alternate(bench, {"commit to first byte, idle": m.idle,
                            "commit to first byte, beside one dead channel with 100,000 waiting": m.beside_one,
                            "commit to first byte, beside 10,000 dead channels": m.beside_many},
                    rounds=1 if bench.quick else None)
    name = "commit to first byte, p99, ms, "
    for what in ("one dead channel", "10,000 dead channels"):
        got["p99 beside %s over p99 idle" % what] = [
            beside / idle for beside, idle in zip(got[name + "beside " + what], got[name + "idle"])]
    return got
