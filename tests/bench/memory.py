"""What a worker and a courier take of the machine's memory: their proportional set size, in which a shared page counts in parts."""

import re
import ssl
import urllib.request

import courier
from measure import alternate
from stand import FLIGHTS, SINK

CHANNELS = 125  # with 8 flights each: FLIGHTS


def pss_mib(pid):
    with open("/proc/%d/smaps_rollup" % pid) as f:
        return int(re.search(r"(?m)^Pss: *(\d+) kB", f.read())[1]) / 1024


class Memory:
    def __init__(self, bench):
        self.bench, self.stand, self.sql = bench, bench.stand, bench.stand.stack.sql
        self.place = self.stand.place()
        self.stand.add_channels(self.place.tenant, self.place.project, ["https://%s/held" % SINK] * CHANNELS)

    def connections(self):
        """How many the receiver has open, but for the one that asks."""
        url = "https://127.0.0.1:%d/status" % self.stand.up.sink_port
        context = ssl.create_default_context(cafile=self.stand.stack.env("SIGSENTRY_CACERT"))
        context.check_hostname = False
        with urllib.request.urlopen(url, context=context) as answer:
            return int(re.search(r"Writing: (\d+)", answer.read().decode())[1]) - 1

    def with_flights(self, count):
        """So many attempts under way, each on a connection of its own whose receiver is silent."""
        name = "courier with %s flights, PSS, MiB" % format(count, ",")
        self.stand.restart_courier()
        idle = pss_mib(self.stand.courier_pid())
        with courier.alone():
            self.stand.publish([self.place.project], -(-count // CHANNELS))
            self.sql("DELETE FROM sigsentry.queue WHERE ctid IN (SELECT ctid FROM sigsentry.queue LIMIT %s)", -count % CHANNELS)
        try:
            if not self.stand.stack.wait_for(lambda: self.connections() == count, 12, 0.1):
                raise RuntimeError("%d connections instead of %d" % (self.connections(), count))
            return {"courier idle, PSS, MiB": idle, name: pss_mib(self.stand.courier_pid())}
        finally:
            self.sql("DELETE FROM sigsentry.queue WHERE tenant_id = %s", self.place.tenant)


def memory(bench):
    m = Memory(bench)
    got = {"worker, PSS, MiB": [max(pss_mib(pid) for pid in m.stand.stack.workers())]}
    got.update(alternate(bench, {"memory of a courier with 100 flights": lambda: m.with_flights(100),
                                 "memory of a courier with 1,000 flights": lambda: m.with_flights(FLIGHTS)},
                         rounds=1 if bench.quick else 2))
    m.stand.restart_courier()
    return got
