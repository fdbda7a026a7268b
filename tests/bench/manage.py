"""How many creates and lists a second, against what their two parts can do alone: HTTP and the SQL function."""

import hashlib
import json
import re
import subprocess

from measure import alternate, series_limit
from stand import FOLDER

CONNECTIONS = 16
LISTED = 20  # channels in a list
WORKERS = 4  # of the stack's pool: as many sessions call the function

# wrk's own report is for people.
WRK_SCRIPT = """
wrk.method = %(method)s
wrk.body = %(body)s
wrk.headers["Authorization"] = %(authorization)s
wrk.headers["Content-Type"] = "application/json"
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('{"requests":%%d,"us":%%d,"errors":%%d,"p50":%%d,"p99":%%d}\\n', summary.requests, summary.duration,
    e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(50), latency:percentile(99)))
end
"""

CREATE_SCRIPT = """
SELECT status, key_id, tenant_id, project_id, plan, channel_limit, used, answer, location
  FROM api.channel_create(%(digest)s, NULL::uuid, sigsentry.uuid_v7(), 'slack', '#engineering-alerts', 1::smallint,
       'hooks.slack.com', '{webhookUrl}'::text[], ARRAY[decode('%(sealed)s', 'hex')], NULL::bytea, NULL::bytea, NULL::text, NULL::text);
"""

LIST_SCRIPT = """
SELECT status, key_id, tenant_id, project_id, data, total
  FROM api.channel_list(%(digest)s, NULL::uuid, false, NULL::integer, NULL::integer);
"""


class Management:
    def __init__(self, bench):
        self.bench, self.stand = bench, bench.stand
        self.seconds = 2
        stack = self.stand.stack
        self.place, self.listed = self.stand.place(), self.stand.place()
        with stack.Client(self.listed.key) as client:
            for i in range(LISTED):
                stack.created(client.post(stack.channel("#engineering-alerts-%d" % i)))
            answer = client.send("GET")
            assert len(stack.ok(answer, 200)) == LISTED
        self.nothing_port = self.stand.start_nothing(len(answer.body))
        self.body = json.dumps(stack.channel()).encode().decode()

    def wrk(self, name, key, method, body, port):
        """Load for a while; requests a second, and the times they took."""
        script = FOLDER / (name + ".lua")
        words = {"method": method, "body": body, "authorization": "Bearer " + key}
        script.write_text(WRK_SCRIPT % {k: "nil" if v is None else "[==[%s]==]" % v for k, v in words.items()})
        script.chmod(0o600)
        done = subprocess.run(
            ["wrk", "-t", "2", "-c", str(CONNECTIONS), "-d", "%ds" % self.seconds, "--timeout", "15s", "-s", str(script),
             "https://localhost:%d%s" % (port, "/v1/config/notifications")],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
        said = json.loads(done.stdout.strip().splitlines()[-1])
        if said["errors"]:
            raise RuntimeError("wrk: %d of %d requests failed" % (said["errors"], said["requests"]))
        return said

    def pgbench(self, name, script, key):
        digest = "decode('%s', 'hex')" % hashlib.sha256(key.encode()).hexdigest()
        sealed = self.stand.sealer.close("https://hooks.slack.com/services/T000/B000/bench", "0" * 32, "slack", "webhookUrl").hex()
        said = self.stand.pgbench(script % {"digest": digest, "sealed": sealed}, "-c", WORKERS, "-j", 1, "-T", self.seconds, name=name)
        return float(re.search(r"tps = ([0-9.]+) \(without", said)[1])

    def compare(self, noun, key, method, body, script):
        """The service, HTTP alone, and the function alone, in turns."""
        rate = lambda said: said["requests"] * 1e6 / said["us"]  # noqa: E731

        def service():
            said = self.wrk(noun, key, method, body, self.stand.stack.port())
            return {noun + "s/s": rate(said), noun + " p50, ms": said["p50"] / 1000, noun + " p99, ms": said["p99"] / 1000,
                    noun + " p99 over p50": said["p99"] / said["p50"]}

        http, sql = "do-nothing HTTP for %ss/s" % noun, "SQL function of %ss/s" % noun
        self.stand.vacuum()
        got = alternate(self.bench, {
            noun + "s/s": service,
            http: lambda: rate(self.wrk("nothing-" + noun, key, method, body, self.nothing_port)),
            sql: lambda: self.pgbench(noun, script, key)}, rounds=self.bench.rounds * (1 if self.bench.quick else 3))
        got["%ss/s over the series limit" % noun] = [
            mine / series_limit(a, b) for mine, a, b in zip(got[noun + "s/s"], got[http], got[sql])]
        return got


def requests(bench):
    """Creates and lists through nginx with 16 connections."""
    m = Management(bench)
    # lists first: what creates have written goes to the disk, and through autovacuum, for a while
    lists = m.compare("list", m.listed.key, "GET", None, LIST_SCRIPT)
    return {**m.compare("create", m.place.key, "POST", m.body, CREATE_SCRIPT), **lists}
