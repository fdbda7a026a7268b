"""What the service takes of the disk: tables with their indexes, WAL and log lines, by what they are made of."""

import json
import pathlib
import time

from stand import EVENT, SINK

PROJECTS = 25
BATCH = 100  # events of one transaction

# So that an event has 1.5 KiB, as one with a whole analysis has.
FILL = ("The connections of the pool are held by requests that wait for fraud-check, whose own pool is exhausted since it was"
        " deployed; each waits for the whole of its 30 seconds and is then answered with 503. ")


def filled(size=1536):
    """The ordinary event, as many bytes long."""
    event = json.loads(json.dumps(EVENT))
    room = size - len(json.dumps(event))
    event["rootCause"]["description"] += " " + (FILL * 10)[:room - 1]
    return event


class Disk:
    def __init__(self, bench):
        self.bench, self.stand, self.sql = bench, bench.stand, bench.stand.stack.sql
        self.count = 5000 if bench.quick else 20000
        self.event = json.dumps(filled())
        self.place = self.stand.place()
        self.projects = [self.stand.stack.new_project(self.place.tenant) for _ in range(PROJECTS)]
        for project in self.projects:
            self.stand.add_channels(self.place.tenant, project, ["https://%s/fast" % SINK])

    def size(self, *tables):
        """Bytes of these tables, of all their partitions, with indexes."""
        return sum(int(self.sql("SELECT pg_total_relation_size(%s::regclass) + coalesce((SELECT sum(pg_total_relation_size(r.relid))"
                                " FROM pg_partition_tree(%s::regclass) r WHERE r.level > 0), 0) AS n",
                                "sigsentry." + t, "sigsentry." + t)[0]["n"]) for t in tables)

    def wal(self):
        return int(self.stand.as_superuser("SELECT pg_current_wal_lsn() - '0/0'")[0][0])

    def logged(self, name):
        path = pathlib.Path(self.stand.stack.env("SIGSENTRY_LOG")) / name
        return path.stat().st_size if path.exists() else 0

    def publish(self):
        for _ in range(self.count // BATCH):
            self.sql("SELECT count(sigsentry.publish((%s::uuid[])[1 + i %% %s], %s::jsonb)) FROM generate_series(0, %s - 1) i",
                     self.projects, PROJECTS, self.event, BATCH)

    def deliveries(self):
        """Events to one channel each, from the first byte to the last."""
        self.stand.drained()
        self.stand.vacuum()
        tables = ("event", "delivery", "attempt")
        before = {t: self.size(t) for t in tables}
        wal, log = self.wal(), self.logged("courier.log")
        self.publish()
        self.stand.drained()
        time.sleep(1)
        got = {"%s, bytes a row" % t: (self.size(t) - before[t]) / self.count for t in tables}
        got["history, bytes an event and delivery"] = sum(got.values())
        got["WAL, bytes an event and delivery"] = (self.wal() - wal) / self.count
        got["courier's log, bytes a delivery"] = (self.logged("courier.log") - log) / self.count
        self.sql("VACUUM sigsentry.queue, sigsentry.lane")
        got["queue when it is empty again, MiB"] = self.size("queue", "lane") / 2**20
        return got

    def retention(self):
        """The same history, as of a week long ago, and what is left of it when that is dropped."""
        week = "20240101"
        at = "sigsentry.uuid_v7_floor('%s'::timestamp AT TIME ZONE 'UTC' + interval '%s days')"
        old = "(substr((" + at % (week, 3) + ")::text, 1, 13) || substr(x.%s::text, 14))::uuid"
        empty = self.database()
        for table, key in (("event", "id"), ("delivery", "id"), ("attempt", "delivery_id")):
            name = "sigsentry.%s_%s" % (table, week)
            self.sql("CREATE TABLE %s (LIKE sigsentry.%s INCLUDING ALL)" % (name, table))
            self.sql("INSERT INTO %s SELECT (jsonb_populate_record(x, jsonb_build_object('%s', %s))).* FROM sigsentry.%s x"
                     " WHERE tenant_id = %%s"
                     % (name, key, old % key, table), self.place.tenant)
            self.sql("ALTER TABLE sigsentry.%s ATTACH PARTITION %s FOR VALUES FROM (%s) TO (%s)" % (
                table, name, *["'%s'" % self.sql("SELECT (%s)::text AS at" % (at % (week, days)))[0]["at"] for days in (0, 7)]))
        full = self.database()
        dropped = self.sql("SELECT courier.history_drop(7776000) AS n")[0]["n"]
        if dropped != 3:
            raise RuntimeError("%s partitions were dropped, not 3" % dropped)
        return {"history, MiB before retention": (full - empty) / 2**20,
                "left behind retention, MiB": (self.database() - empty) / 2**20}

    def database(self):
        return self.sql("SELECT pg_database_size(current_database()) AS n")[0]["n"]

    def requests(self):
        """Channels made through the API, each with an Idempotency-Key."""
        n = 200 if self.bench.quick else 2000
        tables = {"channel, bytes": ("channel", "credential", "lane"), "audit, bytes a row": ("audit",),
                  "Idempotency-Key, bytes (kept for a day)": ("idempotency",)}
        logs = {"workers' log, bytes a request": "api.log", "nginx's access log, bytes a request": "sigsentry.log"}
        before = {**{k: self.size(*t) for k, t in tables.items()}, **{k: self.logged(f) for k, f in logs.items()}}
        with self.stand.stack.Client(self.place.key) as client:
            for i in range(n):
                self.stand.stack.created(client.post(self.stand.stack.of_kind("webhook", "disk %d" % i),
                                                     headers=[("Idempotency-Key", "disk-%d" % i)]))
        time.sleep(1)
        after = {**{k: self.size(*t) for k, t in tables.items()}, **{k: self.logged(f) for k, f in logs.items()}}
        return {k: (after[k] - before[k]) / n for k in before}


def disk(bench):
    """Bytes of the database, of its WAL and of logs; each of them once, since they do not vary."""
    d = Disk(bench)
    bench.say("disk: %d events, one delivery each" % d.count)
    d.deliveries()  # the queue's tables get their size, and WAL begins behind a checkpoint
    got = {name: [value] for name, value in {**d.deliveries(), **d.retention(), **d.requests()}.items()}
    empty = d.sql("SELECT sum(pg_total_relation_size(c.oid)) AS n FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                  " WHERE n.nspname = 'sigsentry' AND c.relkind = 'r' AND c.relpages = 0")[0]["n"]
    got["partitions made ahead, MiB"] = [int(empty or 0) / 2**20]
    return got
