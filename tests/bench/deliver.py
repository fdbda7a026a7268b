"""How many deliveries a second, against what their two parts can do alone: sending, and the queue."""

import json
import math
import subprocess
import time

import courier
import sink
from alertmanager import Alertmanager
from measure import alternate, series_limit
from stand import FLIGHTS, FOLDER, SAMPLE, SINK

FAN_OUT = 10   # channels of a project
PROJECTS = 25  # with the 8 flights that a channel may have, 2,000 could be under way

# As the courier asks, one batch after the other; what was claimed is recorded as delivered at once.
QUEUE_SCRIPT = """
SELECT coalesce(array_agg(d.tenant_id)::text, '{}') AS tenants, coalesce(array_agg(d.id)::text, '{}') AS ids,
       coalesce(array_agg(c.id)::text, '{}') AS claims, count(*) AS n, sum(length(d.payload) + length(d.credentials)) AS bytes
  FROM (SELECT gen_random_uuid() AS id) c
 CROSS JOIN LATERAL courier.claim(c.id, %(batch)d, %(failing)d, 60, '{slack,teams,discord,google_chat,webhook,email}',
                                  '{1,1,1,1,8,2}', '{1000,250,400,1000,0,0}', 1000) d
\\gset
SELECT courier.record(:tenants::uuid[], :ids::uuid[], :claims::uuid[], array_fill('ok'::text, ARRAY[:n::integer]),
       array_fill(NULL::bigint, ARRAY[:n::integer]), array_fill(0::bigint, ARRAY[:n::integer]),
       array_fill((date_part('epoch', clock_timestamp()) * 1000)::bigint, ARRAY[:n::integer]),
       array_fill(5, ARRAY[:n::integer]), array_fill(200, ARRAY[:n::integer]), array_fill(NULL::text, ARRAY[:n::integer]),
       array_fill('ok'::text, ARRAY[:n::integer]), array_fill(NULL::text, ARRAY[:n::integer]),
       array_fill(0, ARRAY[:n::integer]), 432000);
"""


class Deliveries:
    def __init__(self, bench):
        self.bench, self.stand, self.sql = bench, bench.stand, bench.stand.stack.sql
        self.count = 8000 if bench.quick else 30000
        self.projects = []
        place = self.stand.place()
        for _ in range(PROJECTS):
            project = self.stand.stack.new_project(place.tenant)
            self.stand.add_channels(place.tenant, project, ["https://%s/fast" % SINK] * FAN_OUT)
            self.projects.append(project)
        self.take_sample()
        self.statements, self.batches = [], []
        self.other = Alertmanager(self.stand)

    def take_sample(self):
        """One real request, for the bare loop to post."""
        taker = sink.Sink(self.stand.pem, "127.0.0.4")
        taker.close()
        taker.port = self.stand.up.sample_port
        taker.open()
        place = self.stand.place()
        self.stand.add_channels(place.tenant, place.project, ["https://%s/sample" % SAMPLE])
        self.stand.publish([place.project], 1)
        request = self.stand.stack.wait_for(lambda: taker.got("sample"), 20)[0]
        taker.close()
        (FOLDER / "body").write_bytes(request.body)
        fields = ["%s: %s" % f for f in request.fields if f[0].lower() not in ("host", "content-length", "accept")]
        (FOLDER / "fields").write_text("\n".join(["Expect:", *fields]) + "\n")
        self.stand.drained()

    def fill(self, count):
        """So many deliveries wait."""
        self.stand.publish(self.projects, count // FAN_OUT)
        self.stand.vacuum()

    def rate_since(self, began):
        """Deliveries a second that have ended since; the first fifth does not count."""
        rows = self.sql("SELECT date_part('epoch', finished_at) AS at, count(*) AS n FROM sigsentry.delivery"
                        " WHERE finished_at >= %s GROUP BY 1 ORDER BY 1", began)
        total, seen, start = sum(r["n"] for r in rows), 0, None
        for r in rows:
            seen += r["n"]
            if start is None and seen >= total / 5:
                start, before = r["at"], seen
        return (total - before) / (rows[-1]["at"] - start)

    def now(self):
        return self.sql("SELECT clock_timestamp() AS t")[0]["t"]

    def product(self):
        with courier.alone():
            self.fill(self.count)
            self.stand.reset_statements()
            began = self.now()
        self.stand.drained()
        named, calls = self.stand.statements("sigsentry_courier")
        self.statements.append(calls / self.count)
        self.batches.append(self.count / named["claim"][0])
        self.database_us = (named["claim"][2] + named["record"][2]) * 1000 / self.count
        return self.rate_since(began)

    def bare_loop(self):
        words = [self.stand.programs / "post_loop", "https://%s/fast" % SINK, "::127.0.0.1:%d" % self.stand.up.sink_port,
                 self.stand.stack.env("SIGSENTRY_CACERT"), FOLDER / "fields", FOLDER / "body", FLIGHTS, self.count]
        done = subprocess.run([str(w) for w in words], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError("post_loop failed: %s" % done.stderr)
        said = json.loads(done.stdout)
        return said["posts"] / said["seconds"]

    def queue_alone(self):
        batch = max(1, round(self.batches[-1]))
        with courier.alone():
            self.fill(self.count)
            began = self.now()
            script = QUEUE_SCRIPT % {"batch": batch, "failing": max(1, batch // 2)}
            # some batches are smaller than asked for; calls that find nothing more are not counted
            self.stand.pgbench(script, "-c", 1, "-t", math.ceil(self.count / batch) * 3 // 2 + 5, name="queue")
            self.stand.drained(1)
            return self.rate_since(began)

    def alertmanager(self):
        with courier.alone():
            return self.other.rate(self.count)


def throughput(bench):
    """Deliveries a second: the courier, the bare loop, the queue alone, and another program for the same."""
    d = Deliveries(bench)
    with courier.alone():
        d.fill(4 * FLIGHTS)  # its connections are made before the first round
    d.stand.drained()
    time.sleep(0.5)
    got = alternate(bench, {"deliveries/s": d.product, "bare libcurl loop, posts/s": d.bare_loop,
                            "claim and record alone, deliveries/s": d.queue_alone,
                            "prometheus-alertmanager, webhooks/s": d.alertmanager})
    got["deliveries/s over the series limit"] = [
        mine / series_limit(a, b) for mine, a, b in zip(got["deliveries/s"], got["bare libcurl loop, posts/s"],
                                                        got["claim and record alone, deliveries/s"])]
    got["deliveries/s over prometheus-alertmanager's"] = [
        mine / theirs for mine, theirs in zip(got["deliveries/s"], got["prometheus-alertmanager, webhooks/s"])]
    got["SQL statements per delivery at full batches"] = d.statements
    got["deliveries per claim"] = d.batches
    got["time of claim and record in the database, us/delivery"] = [d.database_us]
    return got
