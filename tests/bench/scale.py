"""Does it stay as fast as it grows?  A small database and a large one side by side, asked for the same in turns."""

import contextlib
import json
import os
import re
import shutil
import threading
import time

import courier
from deliver import QUEUE_SCRIPT
from manage import CREATE_SCRIPT, LIST_SCRIPT, WORKERS
from measure import alternate
from stand import EVENT
from volume import CHANNELS, WEEKS, WEEK_MS, Database, bytes_needed

SMALL = (1000, 10000)  # channels, finished deliveries
LARGE = (1000000, 10000000)
LARGE_QUICK = (100000, 500000)

# Nobody's key twice in a row, so that no cache is flattered.
ANY_KEY = "\\set n random(0, %(last)d)\n"
KEY = "sha256(convert_to('scale ' || :n, 'UTF8'))"

BATCH = 100  # deliveries of a claim
WAVE = 100   # tenants that are told something at once: so many times the channels of one wait
# Of a wave: a lane is looked at once more when its delivery is recorded, and found empty.
CLAIMS = 2 * WAVE * CHANNELS // BATCH + 2
# What waits is of as many channels on either database, one delivery each; the first wave is not counted, in it plans are made.
WAVES_SCRIPT = """
\\set i :i + 1
\\if :i %% %(claims)d = 0
\\set n random(0, %(last)d)
SELECT count(sigsentry.publish(bench.project((:n::bigint + x * 7919) %% %(tenants)d), '%(event)s'::jsonb))
  FROM generate_series(0, %(wave)d - 1) x;
\\endif
\\if :i = %(claims)d
SELECT public.pg_stat_statements_reset();
\\endif
"""

# What a list reads, by PostgreSQL alone: the rows of a tenant's channels, and to each its lane.
ROWS_SCRIPT = """
SELECT count(c.name), count(l.due_at)
  FROM (SELECT * FROM sigsentry.channel WHERE tenant_id = bench.tenant(:n) OFFSET 0) c
 CROSS JOIN LATERAL (SELECT * FROM sigsentry.lane WHERE tenant_id = c.tenant_id AND channel_id = c.id OFFSET 0) l;
"""

PAGE_SCRIPT = """
SELECT status, key_id, tenant_id, project_id, data
  FROM api.delivery_list(sha256(convert_to('scale 0', 'UTF8')), NULL::uuid, '%(channel)s'::uuid, NULL::text, %(before)s::uuid, 50);
"""


class Scale:
    def __init__(self, bench):
        self.bench, self.stand = bench, bench.stand
        # Short turns and many of them: a neighbour's burst falls on few.
        self.rounds = bench.rounds * (1 if bench.quick else 2)
        self.few = 1 if bench.quick else bench.rounds
        self.calls, self.waves = (600, 3) if bench.quick else (6000, 15)
        self.sealed = "01" + self.stand.sealer.id.hex() + os.urandom(116).hex()
        large = LARGE_QUICK if bench.quick else LARGE
        self.check_space(*large)
        self.small, self.large = Database(self.stand, "scale_small", *SMALL), Database(self.stand, "scale_large", *large)

    def check_space(self, channels, deliveries):
        folder = self.stand.stack.env("SIGSENTRY_PG")
        needed, free = bytes_needed(channels, deliveries) / 2**30, shutil.disk_usage(folder).free / 2**30
        self.bench.say("scale: %d channels and %d finished deliveries take about %.1f GiB, of %.1f that are free" % (
            channels, deliveries, needed, free))
        if free < needed:
            raise RuntimeError("scale needs about %.1f GiB for a while, and where %s lies only %.1f are free: set RUN_DIR to a folder"
                               " elsewhere, or measure with --quick" % (needed, folder, free))

    def make(self, ending):
        # A quarter of the memory, as PostgreSQL's manual has it, for both of them.
        self.buffers = min(4096, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20 // 4)
        self.stand.configure(shared_buffers="%dMB" % self.buffers)
        ending.callback(self.stand.configure, shared_buffers=None)
        for d in (self.small, self.large):
            ending.callback(d.close)
            d.make(lambda what, share, d=d: self.bench.say("%s: %s, %d %%" % (d.name, what, 100 * share)))
        self.stand.as_superuser("CHECKPOINT")
        for d in (self.small, self.large):
            d.warm()

    def in_turns(self, noun, way, rounds):
        """way() of the small one and of the large one, and how they compare."""
        small, large = ("%s, %d channels" % (noun, d.channels) for d in (self.small, self.large))
        got = alternate(self.bench, {small: lambda: way(self.small), large: lambda: way(self.large)}, rounds)
        return got, [b / a for a, b in zip(got[small], got[large])]

    def per_second(self, database, script, *words, name):
        said = self.stand.pgbench(script, *words, name=name, dsn=database.dsn)
        return float(re.search(r"tps = ([0-9.]+) \(without", said)[1])

    # What is asked for -------------------------------------------------------------------------------

    def list(self, database):
        script = ANY_KEY % {"last": database.tenants - 1} + LIST_SCRIPT % {"digest": KEY}
        return self.per_second(database, script, "-c", WORKERS, "-j", 1, "-t", 2 * self.calls, name="scale-list")

    def only_rows(self, database):
        script = ANY_KEY % {"last": database.tenants - 1} + ROWS_SCRIPT
        return self.per_second(database, script, "-c", WORKERS, "-j", 1, "-t", 2 * self.calls, name="scale-rows")

    def create(self, database):
        script = ANY_KEY % {"last": database.tenants - 1} + CREATE_SCRIPT % {"digest": KEY, "sealed": self.sealed}
        rate = self.per_second(database, script, "-c", WORKERS, "-j", 1, "-t", self.calls, name="scale-create")
        if database is self.small:  # which stays small
            database.rows("DELETE FROM sigsentry.channel WHERE type = 'slack'")
            database.rows("VACUUM sigsentry.channel, sigsentry.credential")
        return rate

    def waves_script(self, database):
        words = {"claims": CLAIMS, "last": database.tenants - 1, "tenants": database.tenants, "wave": WAVE,
                 "event": json.dumps(EVENT).replace("'", "''")}
        return WAVES_SCRIPT % words + QUEUE_SCRIPT % {"batch": BATCH, "failing": BATCH // 2}

    def claim(self, database):
        """Deliveries that are claimed and recorded, in a second of the database's own time."""
        database.rows("VACUUM ANALYZE sigsentry.queue, sigsentry.lane")
        self.stand.pgbench(self.waves_script(database), "-D", "i=-1", "-c", 1, "-t", CLAIMS * (1 + self.waves), name="scale-claim",
                           dsn=database.dsn.replace("sigsentry_owner", "postgres"))
        named, _ = self.stand.statements("postgres")
        if database.value("SELECT count(*) FROM sigsentry.queue") or named["claim"][0] != CLAIMS * self.waves:
            raise RuntimeError("%s: claims found less than was published" % database.name)
        return self.waves * WAVE * CHANNELS / (named["claim"][2] + named["record"][2]) * 1000

    def page(self, database, back):
        """A page of the history of a channel of tenant 0's: the first one, or that which is so near to its end."""
        channel = database.value("SELECT bench.channel(0)::text")
        before = "NULL"
        if back:
            before = "'%s'" % database.value("SELECT id::text FROM sigsentry.delivery WHERE channel_id = %s ORDER BY id OFFSET %s LIMIT 1",
                                             channel, back)
        script = PAGE_SCRIPT % {"channel": channel, "before": before}
        return self.per_second(database, script, "-c", 1, "-t", 200 if self.bench.quick else 1000, name="scale-page")

    def pages(self):
        got = {}
        for which, back in (("first", 0), ("deep", 60)):
            noun = "history pages/s, the %s one" % which
            figures, over = self.in_turns(noun, lambda d, back=back: self.page(d, back), self.few)
            got.update(figures)
            got["%s, long history over short" % noun] = over
        return got

    # Retention ---------------------------------------------------------------------------------------

    def drop_week(self, database, week):
        """Drops the deliveries and attempts of a week, and the events of the week before; how many ms it took."""
        keep_s = int(time.time() - (database.first_week + (week + 1) * WEEK_MS) / 1000) - 60
        began = time.monotonic()
        dropped = database.value("SELECT courier.history_drop(%s)", keep_s, user="sigsentry_courier")
        return dropped, (time.monotonic() - began) * 1000

    def retention(self, database):
        """What weeks take, one after the other, and then one while deliveries are published, claimed and recorded."""
        self.drop_week(database, 0)  # its events stay for a week
        times = []
        for week in range(1, 1 + self.few):
            dropped, ms = self.drop_week(database, week)
            if dropped != 3:
                raise RuntimeError("%s: %s partitions of a week were dropped, not 3" % (database.name, dropped))
            times.append(ms)
        return times, [self.retention_meanwhile(database, 1 + self.few)]

    def retention_meanwhile(self, database, week):
        """The longest claim or record; each call gives up where a table is in use, and the courier asks again later."""
        faults = []

        def claims():
            try:
                self.stand.pgbench(self.waves_script(database), "-D", "i=-1", "-c", 1, "-T", 2, name="scale-retention",
                                   dsn=database.dsn.replace("sigsentry_owner", "postgres"))
            except RuntimeError as e:
                faults.append(e)
        thread = threading.Thread(target=claims)
        thread.start()
        time.sleep(1)
        missing = 3
        while missing and thread.is_alive():
            missing -= self.drop_week(database, week)[0]
        thread.join()
        database.rows("DELETE FROM sigsentry.queue")
        if missing:
            faults.append(RuntimeError("%s: a week could not be dropped beside claims" % database.name))
        if faults:
            raise faults[0]
        longest = self.stand.as_superuser("SELECT max(max_exec_time) FROM pg_stat_statements WHERE toplevel"
                                          " AND query ~ 'courier\\.(claim|record)\\('")
        return float(longest[0][0])

    def measure(self):
        got = {"shared_buffers, MiB": [self.buffers]}
        for noun, way in (("lists/s", self.list), ("claims/s", self.claim), ("creates/s", self.create)):
            figures, got["%s on a large database over on a small one" % noun] = self.in_turns(noun, way, self.rounds)
            got.update(figures)
        figures, got["a list's rows alone, large over small"] = self.in_turns("a list's rows alone/s", self.only_rows, self.rounds)
        got.update(figures)
        got.update(self.pages())
        for d in (self.small, self.large):
            times, longest = self.retention(d)
            got["dropping a week of %d deliveries, ms" % (d.deliveries // WEEKS)] = times
            got["longest claim or record meanwhile, ms, %d channels" % d.channels] = longest
        return got


def scale(bench):
    """Creates, lists, claims, pages of history and retention on a small and on a large database."""
    s = Scale(bench)
    with courier.alone(), contextlib.ExitStack() as ending:
        s.make(ending)
        return s.measure()
