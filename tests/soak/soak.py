#!/usr/bin/python3
"""Goal: two hours of ordinary work leave nothing behind: memory, descriptors, connections and tables are as they were.

A gentle mixed load on the stack that is up (SIGSENTRY_ENV; dev/up makes it): channels are created, read, changed, listed and
deleted, events are published, and go to receivers that take them, that answer 503, that say nothing and that are not there.
Once a minute it is measured what the pool, a courier of its own and the database hold.

Flat means: the median of the last quarter is over that of the second by no more than a tolerance.  The first quarter is
for caches to fill.  Tables of what happened grow with every request until housekeeping takes the oldest after days: of
them a row's size is looked at.  Each table of the schema must be in one of the classes below.

Prints the samples and the judgement as tables; exit 1 where something grew, a request got a 5xx, or a worker or the courier
is not the process any more that it was.

environment: SOAK_MINUTES (default 120)
"""

import collections
import os
import pathlib
import re
import statistics
import sys
import threading
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "flow")]

import stack  # noqa: E402
import world as worlds  # noqa: E402

MINUTES = int(os.environ.get("SOAK_MINUTES", "120"))
# What is there now, and no more.
LIVING = ("queue", "lane", "permit", "courier", "channel", "credential", "gauge", "mail_day", "hold", "tally_attempt", "tally_delivery",
          "tenant", "project", "plan", "api_key", "retired_key", "migration")
# What happened, for as long as the settings keep it: of these the oldest go by the week.
HISTORY = ("event", "delivery", "attempt", "audit")
# Whose rows go at an age, which these minutes do not reach.
BY_AGE = {
    "idempotency": "24 hours: until then a request may come again",
    "gone_channel": "a day and more: what was under way as its channel was deleted may write history that long",
    "operator_notice": "7 days, where there is no operator_mail that takes them",
    "epoch": "7 days, four a minute at the most: so long may a courier have been away",
}
PAGES = 64 * 1024  # bytes by which a table may grow, be its rows few


def tolerances():
    """Name of what is measured -> (factor, and so much more) that its last quarter may be over the second."""
    rules = {who + " MiB": (1.05, 0.5) for who in ("master", "worker", "courier")}
    rules.update({who + " fds": (1, 4) for who in ("master", "worker", "courier")})
    rules.update({"sessions": (1, 1), "queue rows": (1.25, 20)})
    # what was deleted stays in a table's file until autovacuum has been there, which is once a minute at the most
    rules.update({t + " KiB": (1.25, 128) for t in LIVING})
    rules.update({t + " B/row": (1.15, 32) for t in (*HISTORY, *BY_AGE)})
    return rules


def unsorted_tables():
    """Those of the schema that are in no class, or in two; and what is in one and no table."""
    there = [r["name"] for r in stack.sql("SELECT relname AS name FROM pg_class WHERE relnamespace = 'sigsentry'::regnamespace"
                                          " AND relkind IN ('r', 'p') AND NOT relispartition")]
    sorted_ = collections.Counter([*LIVING, *HISTORY, *BY_AGE])
    return sorted({t for t in there if sorted_[t] != 1} | (sorted_.keys() - set(there)))


def processes(courier):
    """Who is at work."""
    return {"master": stack.master_pid(), "workers": sorted(stack.workers()), "courier": courier.process.pid if courier.runs() else None}


def pss_mib(pid):
    return int(re.search(r"(?m)^Pss: *(\d+) kB", pathlib.Path("/proc/%d/smaps_rollup" % pid).read_text())[1]) / 1024


def descriptors(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def sample(who):
    pids = {"master": [who["master"]], "worker": who["workers"], "courier": [who["courier"]]}
    got = {name + " MiB": max(map(pss_mib, pids[name])) for name in pids}
    got.update({name + " fds": max(map(descriptors, pids[name])) for name in pids})
    got["sessions"] = stack.sql("SELECT count(*) AS n FROM pg_stat_activity WHERE usename IN ('sigsentry_api', 'sigsentry_courier')")[0]["n"]
    got["queue rows"] = stack.sql("SELECT count(*) AS n FROM sigsentry.queue")[0]["n"]
    for table in (*LIVING, *HISTORY, *BY_AGE):
        row = stack.sql("SELECT pg_total_relation_size('sigsentry.%s') + coalesce((SELECT sum(pg_total_relation_size(relid))"
                        " FROM pg_partition_tree('sigsentry.%s')), 0)::bigint AS size, count(*) AS n FROM sigsentry.%s" % ((table,) * 3))[0]
        if table in LIVING:
            got[table + " KiB"] = row["size"] / 1024
        else:
            got[table + " B/row"], got[table + " rows"] = row["size"] / max(row["n"], 1), row["n"]
    return got


class Work:
    """A thread that does ${what} over and over, with a pause, until the end."""

    def __init__(self, ending, pause_s, what):
        self.ending, self.pause_s, self.what = ending, pause_s, what
        self.faults = []
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.ending.wait(self.pause_s):
            try:
                self.what()
            except Exception as e:  # noqa: B902: counted, and told at the end
                self.faults.append(repr(e)[:200])


class Soak:
    def __init__(self, world):
        self.statuses = collections.Counter()
        self.place = stack.Place("soak", worlds.ALL)
        self.clients = threading.local()
        world.sink.script("well", 200)
        world.sink.script("busy", 503)
        world.sink.script("mute", "hang")
        self.n = 0
        self.lock = threading.Lock()
        for url in ("https://sink.example.com/well", "https://sink.example.com/busy", "https://sink.example.com/mute",
                    "https://hole.example.com/", "https://wrong.example.com/"):
            self.call("POST", stack.PATH, stack.channel(url, type="webhook", severityThreshold="low", credentials={"url": url}))
        self.call("POST", stack.PATH, stack.channel("mail", type="email", severityThreshold="low",
                                                   credentials={"recipients": ["a@example.com"]}))

    def call(self, method, path, body=None, headers=()):
        if not hasattr(self.clients, "own"):
            self.clients.own = stack.Client(self.place.key)
        reply = self.clients.own.send(method, path, body, headers=headers)
        with self.lock:
            self.statuses[reply.status] += 1
        return reply

    def manage(self):
        """The life of a channel that takes no event."""
        self.n += 1
        made = self.call("POST", stack.PATH, stack.of_kind(("slack", "webhook", "email")[self.n % 3], "soak-%d" % self.n,
                                                          severityThreshold="critical"),
                         [("Idempotency-Key", str(uuid.uuid4()))])
        if made.status != 201:
            return
        place = stack.at(made.json()["data"]["id"])
        self.call("GET", place)
        self.call("PATCH", place, {"name": "soak-%d, renamed" % self.n})
        self.call("GET", stack.PATH)
        self.call("DELETE", place)

    def publish(self):
        self.call("POST", worlds.EVENTS, {"event": "disk.full", "severity": "high", "summary": "The disk is full"})

    def look(self):
        self.call("GET", "/healthz")
        self.call("GET", stack.at(uuid.uuid4()))


def table(rows, heads):
    widths = [max(len(str(r[i])) for r in [heads, *rows]) for i in range(len(heads))]
    for r in [heads, *rows]:
        print("  ".join(str(v).rjust(w) if i else str(v).ljust(w) for i, (v, w) in enumerate(zip(r, widths))))
    print(flush=True)


def judge(samples):
    """Rows of the table of judgements; the last word of each is ok or GROWS."""
    quarter = len(samples) // 4
    for name, (factor, more) in tolerances().items():
        second = statistics.median(s[name] for s in samples[quarter:2 * quarter])
        last = statistics.median(s[name] for s in samples[-quarter:])
        if name.endswith("B/row"):
            more += PAGES / max(statistics.median(s[name.replace("B/row", "rows")] for s in samples[-quarter:]), 1)
        limit = second * factor + more
        yield (name, "%.1f" % samples[0][name], "%.1f" % second, "%.1f" % last, "%.1f" % limit, "ok" if last <= limit else "GROWS")


def measure(soak, courier):
    """A sample a minute; shorter runs have twenty, so that a quarter is of some.  And who was not there at the end: then it ends at once."""
    step = min(60.0, MINUTES * 60 / 20)
    samples, end, first = [], time.monotonic() + MINUTES * 60, processes(courier)
    while time.monotonic() < end:
        time.sleep(step)
        now = processes(courier)
        lost = ["%s: %s, and before %s" % (who, now[who], first[who]) for who in first if now[who] != first[who]]
        if lost:
            return samples, lost
        samples.append(sample(first))
        if sys.stderr.isatty():
            print("\r%d of %d min, %s" % (len(samples) * step / 60, MINUTES, dict(soak.statuses)), end="", file=sys.stderr)
    return samples, []


def forget(world):
    """What the receivers keep for tests would be ours, not theirs; but it is memory all the same."""
    with world.sink.lock:
        del world.sink.requests[:]
    del stack.RECORD[:]


def main():
    unsorted = unsorted_tables()
    if unsorted:
        print("sort these into LIVING, HISTORY or BY_AGE of %s: %s" % (__file__, ", ".join(unsorted)))
        return 1
    worlds.dev("courier_stop")
    world = worlds.World()
    ending = threading.Event()
    works = []
    try:
        stack.sql("DELETE FROM sigsentry.queue")
        stack.ctl("plan", "set", "soak", "--channels", "unlimited", "--reads-per-minute", "unlimited",
                  "--writes-per-minute", "unlimited")
        # mail to as many as there are events: what a tenant's day allows is reached after half an hour, and the rest waits for midnight
        courier = world.courier(mail_daily_cap=0)
        soak = Soak(world)
        works = [Work(ending, *w) for w in ((0.5, soak.manage), (2, soak.publish), (1, soak.look), (5, lambda: forget(world)))]
        samples, lost = measure(soak, courier)
        delivered = stack.sql("SELECT outcome, count(*) AS n FROM sigsentry.attempt GROUP BY 1 ORDER BY 1")
    finally:
        ending.set()
        for w in works:
            w.thread.join()
        world.end_couriers()
        world.close()
        worlds.dev("courier_start")

    names = list(tolerances())
    for part in ([n for n in names if n.split(" ")[-1] not in ("KiB", "B/row")], [n for n in names if n.endswith("KiB")], [n for n in names if n.endswith("/row")]):
        table([["%d" % (i + 1)] + ["%.1f" % s[n] for n in part] for i, s in enumerate(samples)], ["sample", *part])
    rows = list(judge(samples)) if len(samples) >= 4 else []
    table(rows, ["", "first", "2nd quarter", "last quarter", "at most", ""])
    print("answers: %s" % dict(sorted(soak.statuses.items())))
    print("attempts: %s" % {r["outcome"]: r["n"] for r in delivered})
    faults = [f for w in works for f in w.faults]
    broken = {s: n for s, n in soak.statuses.items() if s >= 500}
    if faults:
        print("%d requests broke off: %s" % (len(faults), faults[:5]))
    if lost:
        print("other processes than at the beginning: " + "; ".join(lost))
    grown = [r[0] for r in rows if r[-1] != "ok"]
    print("%d minutes, %d samples: %s" % (MINUTES, len(samples), "grew: " + ", ".join(grown) if grown else "flat"))
    return 1 if grown or broken or faults or lost else 0


if __name__ == "__main__":
    sys.exit(main())
