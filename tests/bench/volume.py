"""A database of its own on the stack's cluster, with as many tenants, channels and finished deliveries as are asked for.

All of it is made by SQL, in bulk, and by arithmetic: every id and every key follows from a number, so that a random number
finds its key again on the small database and on the large one alike.  Channel n is tenant n % tenants's; of the events one in
twenty is tenant 0's, whose channels so have a long history.  The rows of a table lie in the order in which they were made, a
tenant's among those of all others.
"""

import contextlib
import dataclasses
import datetime
import json
import math
import shlex
import subprocess
import threading

from stand import EVENT, SINK

CHANNELS = 10      # of a tenant, which has one project and one key
FAN_OUT = 5        # channels that an event went to
HOT = 20           # one of so many events is tenant 0's
WEEKS = 13         # that the history lies in, the running one too
WEEK_MS = 7 * 86400 * 1000
# Measured; of a channel with its credential, lane and audit row and its part of tenant, project and key, and of a delivery with
# its attempt and its part of an event: tables and indexes.
CHANNEL_BYTES = 1500
DELIVERY_BYTES = 750
WAL_BYTES = 3 << 30  # at the most, at one time

FUNCTIONS = """
CREATE SCHEMA bench;
-- A version 7 id of a time, in ms since 1970, and of a word.
CREATE FUNCTION bench.id(p_ms bigint, p_word text) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT overlay(overlay(md5(p_word) PLACING lpad(to_hex(p_ms), 12, '0') FROM 1) PLACING '7' FROM 13)::uuid $$;
CREATE FUNCTION bench.tenant(t bigint) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT bench.id({first} + t, 'tenant ' || t) $$;
CREATE FUNCTION bench.project(t bigint) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT bench.id({first} + t, 'project ' || t) $$;
CREATE FUNCTION bench.channel(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT bench.id({first} + n, 'channel ' || n) $$;
-- When event e was accepted; whose it was; the n-th of all deliveries and the channel that it went to.
CREATE FUNCTION bench.event_ms(e bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT {first_week} + e * {span} / {events} $$;
CREATE FUNCTION bench.event_tenant(e bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT CASE e % {hot} WHEN 0 THEN 0 ELSE e * 7919 % {tenants} END $$;
CREATE FUNCTION bench.event(e bigint) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT bench.id(bench.event_ms(e), 'event ' || e) $$;
CREATE FUNCTION bench.delivery(e bigint, k bigint) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT bench.id(bench.event_ms(e) + 1, 'delivery ' || e || ' ' || k) $$;
CREATE FUNCTION bench.delivery_channel(e bigint, k bigint) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT bench.channel(bench.event_tenant(e) + {tenants} * (2 * k + e % 2)) $$;
GRANT USAGE ON SCHEMA bench TO PUBLIC;
"""

# In this order; what may be made side by side is in one step.
ACCOUNTS = [
    ["INSERT INTO sigsentry.plan VALUES ('bench', NULL, NULL, NULL)"],
    ["""INSERT INTO sigsentry.tenant (id, name, plan, created_at)
        SELECT bench.tenant(t), 'tenant ' || t, 'bench', to_timestamp(({first} + t) / 1000.0) FROM generate_series(0, {tenants} - 1) t""",
     """INSERT INTO sigsentry.project (tenant_id, id, name, slug)
        SELECT bench.tenant(t), bench.project(t), 'project ' || t, 'main' FROM generate_series(0, {tenants} - 1) t""",
     """INSERT INTO sigsentry.api_key (digest, id, tenant_id, project_id, kind, permissions, name, display_prefix)
        SELECT sha256(convert_to('scale ' || t, 'UTF8')), bench.id({first} + t, 'key ' || t), bench.tenant(t), bench.project(t),
               'secret', '{{analysis:create,analysis:read,config:read,config:write}}', 'key ' || t, 'sk_' || t
          FROM generate_series(0, {tenants} - 1) t""",
     """INSERT INTO sigsentry.lane (tenant_id, channel_id, due_at, last_delivered_at)
        SELECT bench.tenant(n % {tenants}), bench.channel(n), 'infinity', now() FROM generate_series(0, {channels} - 1) n""",
     """INSERT INTO sigsentry.channel (tenant_id, id, project_id, type, name, severity_threshold, destination, created_at, updated_at)
        SELECT bench.tenant(n % {tenants}), bench.channel(n), bench.project(n % {tenants}), 'webhook', '#engineering-alerts ' || n, 3,
               '{sink}', to_timestamp(({first} + n) / 1000.0), to_timestamp(({first} + n) / 1000.0)
          FROM generate_series(0, {channels} - 1) n""",
     # as a sealed address
     """INSERT INTO sigsentry.credential (tenant_id, channel_id, field, sealed)
        SELECT bench.tenant(n % {tenants}), bench.channel(n), 'url',
               decode('01{key}' || md5('a' || n) || md5('b' || n) || md5('c' || n) || md5('d' || n) || md5('e' || n) || md5('f' || n), 'hex')
          FROM generate_series(0, {channels} - 1) n""",
     """INSERT INTO sigsentry.audit (id, tenant_id, at, actor_kind, actor, action, object_kind, object_id, after)
        SELECT bench.id({first} + n, 'audit ' || n), bench.tenant(n % {tenants}), to_timestamp(({first} + n) / 1000.0), 'key',
               bench.id({first} + n % {tenants}, 'key ' || n % {tenants})::text, 'channel.create', 'channel', bench.channel(n)::text,
               '{{"name": "#engineering-alerts", "type": "webhook", "destination": "{sink}", "severityThreshold": "low"}}'
          FROM generate_series(0, {channels} - 1) n"""],
]

# Of the events {begin} to {end} - 1.
HISTORY = {
    "event": """SELECT bench.tenant(bench.event_tenant(e)), bench.event(e), bench.project(bench.event_tenant(e)), 'analysis.complete', 1,
                       {payload}::jsonb, to_timestamp(bench.event_ms(e) / 1000.0), to_timestamp(bench.event_ms(e) / 1000.0), {fan_out}
                  FROM generate_series({begin}, {end} - 1) e""",
    "delivery": """SELECT bench.tenant(bench.event_tenant(e)), bench.delivery(e, k), bench.delivery_channel(e, k), bench.event(e),
                          CASE (e + k) % 50 WHEN 0 THEN 'failed' ELSE 'delivered' END, false, 1,
                          to_timestamp((bench.event_ms(e) + 1) / 1000.0), to_timestamp((bench.event_ms(e) + 40) / 1000.0),
                          CASE (e + k) % 50 WHEN 0 THEN 400 ELSE 200 END,
                          CASE (e + k) % 50 WHEN 0 THEN 'the receiver answered 400' END, NULL
                     FROM generate_series({begin}, {end} - 1) e, generate_series(0, {fan_out} - 1) k""",
    "attempt": """SELECT bench.tenant(bench.event_tenant(e)), bench.delivery(e, k), 1, to_timestamp((bench.event_ms(e) + 20) / 1000.0), 20,
                         CASE (e + k) % 50 WHEN 0 THEN 'refused' ELSE 'ok' END, CASE (e + k) % 50 WHEN 0 THEN 400 ELSE 200 END,
                         CASE (e + k) % 50 WHEN 0 THEN 'the receiver answered 400' END, 'ok'
                    FROM generate_series({begin}, {end} - 1) e, generate_series(0, {fan_out} - 1) k""",
}


def bytes_needed(channels, deliveries):
    return channels * CHANNEL_BYTES + deliveries * DELIVERY_BYTES + WAL_BYTES


@dataclasses.dataclass
class Database:
    """One of them.  close() drops it."""

    stand: object
    name: str
    channels: int
    deliveries: int

    def __post_init__(self):
        now = datetime.datetime.now(datetime.timezone.utc)
        monday = (now - datetime.timedelta(days=now.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)
        self.tenants = self.channels // CHANNELS
        self.events = self.deliveries // FAN_OUT
        self.weeks = [monday - datetime.timedelta(weeks=w) for w in reversed(range(WEEKS))]
        first_week, end = (int(at.timestamp() * 1000) for at in (self.weeks[0], now))
        self.span, self.first_week = end - first_week, first_week
        self.words = {
            # before the oldest of the events
            "first": first_week - 10 * WEEK_MS, "first_week": first_week, "span": self.span, "tenants": self.tenants, "hot": HOT,
            "channels": self.channels, "events": self.events, "fan_out": FAN_OUT, "sink": SINK, "key": self.stand.sealer.id.hex(),
            "payload": "'%s'" % json.dumps(EVENT).replace("'", "''")}

    @property
    def dsn(self):
        return "host=%s dbname=%s user=sigsentry_owner" % (self.stand.stack.env("SIGSENTRY_DSN").split("host=")[1].split()[0], self.name)

    @contextlib.contextmanager
    def session(self, user="postgres"):
        """A cursor; each statement is a transaction."""
        import psycopg2
        link = psycopg2.connect(self.dsn, user=user)
        link.autocommit = True
        with contextlib.closing(link), link.cursor() as cursor:
            yield cursor

    def rows(self, text, *params, user="postgres"):
        with self.session(user) as cursor:
            cursor.execute(text, params or None)
            return cursor.fetchall() if cursor.description else []

    def value(self, text, *params, user="postgres"):
        return self.rows(text, *params, user=user)[0][0]

    # Making it ---------------------------------------------------------------------------------------

    def make(self, tell):
        """Set up as any other, and filled; tell(what, share) hears how far it is."""
        ctl = shlex.split(self.stand.stack.env("SIGSENTRY_CTL"))
        subprocess.run([*ctl, "-o", "database=" + self.dsn.rpartition(" ")[0], "setup"], check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL)
        self.rows("CREATE EXTENSION pg_stat_statements SCHEMA public")
        self.rows(FUNCTIONS.format(**self.words))
        tell("accounts and channels", 0)
        for step in ACCOUNTS:
            self.together([lambda cursor, s=s: cursor.execute(s.format(**self.words)) for s in step])
        tell("history", 0.1)
        self.make_history(tell)
        tell("VACUUM ANALYZE", 0.95)
        self.vacuum()
        self.rows("CREATE EXTENSION pg_prewarm SCHEMA public")

    def vacuum(self):
        tables = [r[0] for r in self.rows("SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                                          " WHERE n.nspname = 'sigsentry' AND c.relkind = 'r' ORDER BY pg_relation_size(c.oid) DESC")]
        self.together([lambda cursor, t=t: cursor.execute("VACUUM ANALYZE %s" % t) for t in tables])

    def warm(self):
        """What is asked for all the time is in memory, as it is where the service runs; of the history what was loaded last may be."""
        self.rows("SELECT sum(public.pg_prewarm(c.oid::regclass)) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                  " WHERE n.nspname = 'sigsentry' AND c.relkind IN ('r', 'i')"
                  "   AND c.relname ~ '^(tenant|project|api_key|channel|credential|lane|audit)(_|$)'")

    def close(self):
        self.stand.as_superuser("DROP DATABASE IF EXISTS %s WITH (FORCE)" % self.name)

    def together(self, jobs, threads=2):
        """Run job(cursor) of each, some at a time, in sessions that look for no foreign keys and wait for no flush."""
        def run(job):
            with self.session() as cursor:
                cursor.execute("SET session_replication_role = replica")
                cursor.execute("SET synchronous_commit = off")
                cursor.execute("SET maintenance_work_mem = '256MB'")
                job(cursor)
        self.stand.stack.parallel([lambda j=j: run(j) for j in jobs], threads)

    def make_history(self, tell):
        """A partition of each table for each week: loaded first, then attached, which builds its indexes."""
        lock, done = threading.Lock(), []

        def one(cursor, table, week):
            self.load_week(cursor, table, week)
            with lock:
                done.append(week)
                tell("history", 0.1 + 0.85 * len(done) / (WEEKS * len(HISTORY)))
        self.together([lambda c, t=t, w=w: one(c, t, w) for w in range(WEEKS) for t in HISTORY])

    def load_week(self, cursor, table, week):
        part = "sigsentry.%s_%s" % (table, self.weeks[week].strftime("%Y%m%d"))
        begin, end = (min(self.events, max(0, math.ceil(week_ms * self.events / self.span))) for week_ms in (week * WEEK_MS, (week + 1) * WEEK_MS))
        cursor.execute("DROP TABLE IF EXISTS %s" % part)
        cursor.execute("CREATE TABLE %s (LIKE sigsentry.%s INCLUDING ALL EXCLUDING INDEXES)" % (part, table))
        cursor.execute("ALTER TABLE %s OWNER TO sigsentry_owner" % part)
        cursor.execute("INSERT INTO %s %s" % (part, HISTORY[table].format(begin=begin, end=end, **self.words)))
        bounds = [self.weeks[week] + datetime.timedelta(weeks=w) for w in (0, 1)]
        cursor.execute("ALTER TABLE sigsentry.%s ATTACH PARTITION %s FOR VALUES FROM (%s) TO (%s)" % (
            table, part, *("'" + "%012x" % int(b.timestamp() * 1000) + "0" * 20 + "'" for b in bounds)))
