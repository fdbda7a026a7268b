"""The load that the faults come over, and the client's own ledger of it.

Threads create, change and delete channels, fight over the places that a plan leaves, and publish events, through nginx and
in a producer's own transactions.  Each writes down what it was told.  settle() then holds the database and the receiver
against that: what was acknowledged (2xx, COMMIT) is there exactly once; what was not (5xx, no answer, a lost connection)
is there wholly or not at all, and, sent again with its Idempotency-Key, exactly once; no quota was passed at any moment;
every delivery of every event has reached the receiver under its own id.
"""

import collections
import contextlib
import http.client
import json
import math
import secrets
import select
import ssl
import threading
import time

import psycopg2

import stack
from stack import PATH, at, wait_for
from world import ALL, EVENTS, URLS

LIMIT = 3           # channels that the plan of the fight leaves
LEVELS = ("critical", "high", "medium", "low")
FIELDS = (("hmacSecret", "url"), ("url",), ("authHeader", "url"))  # of the credentials of each version, none as another
PLANS = {"faults": LIMIT, "faults-wide": "unlimited"}  # and no rates: each new worker takes a hundredth of a minute's, and some die
DEADLINE_S = 60     # for all that must come to an end once a fault is over: no promise, but a machine with other work
PAUSE_S = 0.03      # of each thread between two requests: two processors do all of this, and what a fault needs
UNSURE = (502, 503, 504)
KINDS = ("create", "update", "delete", "quota", "event", "producer")


class Home:
    """A database of the service's: who asks what there.  ${settings}: what programs need beside the stack's config."""

    def __init__(self, dsn=None, **settings):
        self.dsn = dsn or stack.env("SIGSENTRY_DSN")
        self.settings = settings

    def words(self):
        return [w for k, v in self.settings.items() for w in ("-o", "%s=%s" % (k, v))]

    def ctl(self, *words):
        return stack.ctl(*words, *self.words())

    def connect(self, **more):
        return psycopg2.connect(self.dsn, connect_timeout=5, **more)

    def sql(self, text, *params):
        """All rows of a statement, in a session of its own, so that none outlives a fault."""
        with contextlib.closing(self.connect()) as link:
            link.autocommit = True
            with link.cursor() as cursor:
                cursor.execute(text, params)
                names = [c.name for c in cursor.description or ()]
                return [dict(zip(names, row)) for row in cursor.fetchall()] if names else []

    def project(self, tenant):
        """A project and a key for it."""
        slug = "f" + secrets.token_hex(6)
        made = self.ctl("project", "create", "--tenant", tenant, "--name", "Faults", "--slug", slug)["id"]
        words = [w for p in ALL for w in ("--permission", p)]
        key = self.ctl("apikey", "create", "--kind", "secret", "--name", "faults", "--project", made, *words)["key"]
        return made, key

    def tenant(self, plan):
        return self.ctl("tenant", "create", "--name", "faults " + secrets.token_hex(4), "--plan", plan)["id"]


@contextlib.contextmanager
def one_name_for_a_close(began=lambda: False):
    """However it shows that the other side has closed, it is RemoteDisconnected, as long as no answer had begun."""
    try:
        yield
    except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError) as e:
        if began():
            raise
        raise http.client.RemoteDisconnected(str(e)) from e


class Answer(http.client.HTTPResponse):
    def begin(self, *args, **options):
        with one_name_for_a_close(lambda: isinstance(self.status, int)):
            super().begin(*args, **options)


class Link(http.client.HTTPSConnection):
    """Raises RemoteDisconnected where it was closed before the first line of an answer, and only there."""

    response_class = Answer

    def endheaders(self, *args, **options):
        with one_name_for_a_close():
            super().endheaders(*args, **options)


class Caller(stack.Client):
    """A client that says whether its last request was sent twice: a kept connection that is closed before a byte of an answer
    lets a client send once more what it may repeat (RFC 9112 §9.3.1), and all requests here are of that kind: PUT, DELETE,
    and POST with an Idempotency-Key.  How many they were stands in the report."""

    def __init__(self, key):
        super().__init__(key)
        self.again = False

    def exchange(self, method, path, pairs, body):
        self.again = False
        if self.link and self.link.sock and select.select([self.link.sock], [], [], 0)[0]:
            self.close()  # the server has closed it meanwhile
        kept = self.link is not None
        try:
            return self.once(method, path, pairs, body)
        except http.client.RemoteDisconnected:
            self.close()
            if not kept:
                raise
        self.again = True
        return self.once(method, path, pairs, body)

    def once(self, *request):
        self.link = self.link or Link("localhost", stack.port(), timeout=self.timeout, context=stack.shared_context())
        return super().once(*request)


class Channel:
    """What a writer knows of one of its channels."""

    def __init__(self, label):
        self.label = label
        self.first = dict(self.body(0), type="webhook")  # sent again as it is: a key is remembered with its body's digest
        self.id = None
        self.known = 0         # the version of the last acknowledged write
        self.doubtful = set()  # versions that may have been written, at any time
        self.gone = "no"       # maybe, yes
        self.told, self.sent = 0, 0  # changes: acknowledged, and sent at all; infinity where one was sent again and again

    def body(self, version):
        """The name, the threshold and which credentials there are: each says which version it is."""
        credentials = {field: stack.secret("f") for field in FIELDS[version]}
        credentials["url"] = "https://example.com/%s" % credentials["url"]
        return {"name": "%s.%d" % (self.label, version), "severityThreshold": LEVELS[version], "credentials": credentials}

    def versions(self):
        return self.doubtful | {self.known}


class Broken(AssertionError):
    """What the ledger has is not what is there."""


class Load:
    """Runs while the block does; ${home} is whose database it looks into, ${sink} whose receiver it looks at."""

    def __init__(self, home, sink):
        self.home, self.sink = home, sink
        self.run = secrets.token_hex(4)
        for plan, channels in PLANS.items():
            home.ctl("plan", "set", plan, "--channels", channels, "--reads-per-minute", "unlimited",
                     "--writes-per-minute", "unlimited")
        self.tenant, self.tight = home.tenant("faults-wide"), home.tenant("faults")
        self.project, self.key = home.project(self.tenant)
        self.told, self.told_key = home.project(self.tenant)
        self.fought, self.fought_key = home.project(self.tight)
        self.ending = threading.Event()
        self.lock = threading.Lock()
        self.acks = collections.defaultdict(list)       # by kind, when
        self.answers = collections.Counter()            # by status, or the name of an exception
        self.faults = []                                # what may not be, as words
        self.channels, self.events, self.jobs, self.places = [], {}, {}, {}
        self.repeats = 0                                # requests that were sent again, by Caller
        self.mended_s = None
        self.marks = self._receivers()
        home.sql("CREATE TABLE IF NOT EXISTS public.faults_job (run text, n integer, PRIMARY KEY (run, n))")
        works = [(self._write, 0), (self._write, 1), (self._fight, 0), (self._fight, 1),
                 (self._tell,), (self._produce,), (self._count,)]
        self.threads = [threading.Thread(target=self._guard, args=w) for w in works]

    def _receivers(self):
        """Two channels at the sink: {channel: mark}."""
        made = {}
        with stack.Client(self.told_key) as c:
            for n in range(2):
                mark = stack.secret("faults")
                body = stack.channel("r%d" % n, type="webhook", severityThreshold="low",
                                     credentials={"url": URLS["webhook"] % mark})
                made[stack.created(c.post(body))] = mark
        return made

    # requests

    def _guard(self, work, *args):
        """What goes wrong in a thread is a fault of the run's."""
        try:
            work(*args)
        except Exception as e:  # noqa: B902: told by settle()
            self.fault("%s: %r" % (work.__name__, e))

    def fault(self, text):
        with self.lock:
            self.faults.append(text)

    def _acknowledge(self, kind):
        self.acks[kind].append(time.monotonic())

    def _ask(self, caller, kind, method, path, body, good, key=None):
        """One request; the reply, or None where nobody knows what has become of it."""
        headers = [("Idempotency-Key", key)] if key else []
        try:
            reply = caller.send(method, path, body, headers=headers)
        except (OSError, http.client.HTTPException) as e:
            caller.close()
            with self.lock:
                self.answers[type(e).__name__] += 1
            return None
        finally:
            with self.lock:
                self.repeats += caller.again
        with self.lock:
            self.answers[reply.status] += 1
        if reply.status in UNSURE:
            return None
        if reply.status not in good:
            self.fault("%s %s: %r" % (method, path, reply))
        elif reply.status < 300:
            self._acknowledge(kind)
        return reply

    def _once(self, caller, *request):
        """Whether it may have been done more than once, or nobody knows; and the reply."""
        reply = self._ask(caller, *request)
        return reply is None or caller.again, reply

    def _surely(self, caller, kind, method, path, body, good, key=None):
        """Again and again until it is known, or the load ends; whether it was more than once, and the reply."""
        doubt = False
        while True:
            reply = self._ask(caller, kind, method, path, body, good, key)
            doubt = doubt or reply is None or caller.again
            if reply is not None or self.ending.wait(PAUSE_S):
                return doubt, reply

    # threads

    def _write(self, number):
        with Caller(self.key) as c:
            n = 0
            while not self.ending.is_set():
                channel = Channel("%s-%d-%d" % (self.run, number, n))
                self.channels.append(channel)
                self._create(c, channel)
                for version in (1, 2) if channel.id else ():
                    self._change(c, channel, version, insists=n % 2 == 0)
                    self.ending.wait(PAUSE_S)
                if channel.id and n % 3 == 0:
                    self._delete(c, channel, insists=n % 2 == 0)
                n += 1

    def _create(self, caller, channel):
        _, reply = self._surely(caller, "create", "POST", PATH, channel.first, (201,), "create-" + channel.label)
        if reply is not None and reply.status == 201:
            channel.id = stack.created(reply)

    def _change(self, caller, channel, version, insists):
        channel.sent += 1
        channel.doubtful.add(version)
        ask = self._surely if insists else self._once
        doubt, reply = ask(caller, "update", "PUT", at(channel.id), channel.body(version), (200,))
        if caller.again or (insists and doubt):
            channel.sent = math.inf
        if reply is not None and reply.status == 200:
            channel.told += 1
            channel.known = version
            if not doubt:
                channel.doubtful.discard(version)

    def _delete(self, caller, channel, insists):
        channel.gone = "maybe"
        ask = self._surely if insists else self._once
        doubt, reply = ask(caller, "delete", "DELETE", at(channel.id), None, (200, 404))
        channel.gone = self._deleted(channel.id, doubt, reply)

    def _deleted(self, channel_id, doubt, reply):
        """Whether it is gone; what was acknowledged and never deleted must be there to be deleted."""
        if reply is not None and reply.status == 404 and not doubt:
            self.fault("%s was acknowledged, and is not there to be deleted" % channel_id)
        return "yes" if reply is not None and reply.status in (200, 404) else "maybe"

    def _fight(self, number):
        """For the last places of a project: {name: [body, id, gone]}."""
        with Caller(self.fought_key) as c:
            n, mine = 0, []
            while not self.ending.is_set():
                name = "%s-%d-%d" % (self.run, number, n)
                place = {"body": Channel(name).first, "id": None, "gone": "no", "refused": False}
                self.places[name] = place
                self._take(c, name, place)
                if place["id"]:
                    mine.append(place)
                if mine and (not place["id"] or len(mine) > 1):
                    self._leave(c, mine.pop(0))
                n += 1
                self.ending.wait(PAUSE_S)

    def _take(self, caller, name, place):
        _, reply = self._surely(caller, "quota", "POST", PATH, place["body"], (201, 403), "take-" + name)
        if reply is not None and reply.status == 201:
            place["id"] = stack.created(reply)
        elif reply is not None and reply.status == 403:
            place["refused"] = True
            details = stack.error(reply, 403, "QUOTA_EXCEEDED")
            if details["used"] > LIMIT:
                self.fault("the service itself counts %d of %d" % (details["used"], LIMIT))

    def _leave(self, caller, place):
        place["gone"] = "maybe"
        doubt, reply = self._surely(caller, "quota", "DELETE", at(place["id"]), None, (200, 404))
        place["gone"] = self._deleted(place["id"], doubt, reply)

    def _tell(self):
        with Caller(self.told_key) as c:
            n = 0
            while not self.ending.is_set():
                summary = "%s-api-%d" % (self.run, n)
                self.events[summary] = None
                self._publish(c, summary)
                n += 1
                self.ending.wait(PAUSE_S)

    def _publish(self, caller, summary):
        _, reply = self._surely(caller, "event", "POST", EVENTS, event(summary), (202,), "event-" + summary)
        if reply is not None and reply.status == 202:
            told = stack.ok(reply, 202)
            self.events[summary] = told["id"]
            if told["deliveries"] != len(self.marks):
                self.fault("%s goes to %d channels" % (summary, told["deliveries"]))

    def _produce(self):
        """A row of the producer's own, and the event that tells of it; one in five is taken back."""
        link, n = None, 0
        while not self.ending.is_set():
            n += 1
            self.jobs[n] = "never"
            try:
                link = link or self.home.connect()
                with link.cursor() as cursor:
                    cursor.execute("INSERT INTO public.faults_job VALUES (%s, %s)", (self.run, n))
                    cursor.execute("SELECT id FROM sigsentry.publish(%s, %s)",
                                   (self.told, json.dumps(event("%s-job-%d" % (self.run, n)))))
                if n % 5 == 0:
                    link.rollback()
                else:
                    self.jobs[n] = "unknown"
                    link.commit()
                    self.jobs[n] = "done"
                    self._acknowledge("producer")
            except psycopg2.Error as e:
                with self.lock:
                    self.answers["producer: %s" % type(e).__name__] += 1
                link = link and link.close()
            self.ending.wait(PAUSE_S)
        if link:
            link.close()

    def _count(self):
        """How many places are taken, again and again."""
        link = None
        while not self.ending.is_set():
            try:
                if link is None:
                    link = self.home.connect()
                    link.autocommit = True
                with link.cursor() as cursor:
                    cursor.execute("SELECT count(*) FROM sigsentry.channel WHERE project_id = %s", (self.fought,))
                    taken = cursor.fetchone()[0]
                if taken > LIMIT:
                    self.fault("%d of %d places were taken" % (taken, LIMIT))
            except psycopg2.Error:
                link = link and link.close()
            self.ending.wait(PAUSE_S)
        if link:
            link.close()

    # in the run

    def counts(self):
        return {kind: len(self.acks[kind]) for kind in KINDS}

    def seen(self):
        """How often each delivery has arrived, by its id."""
        return collections.Counter(r.header("webhook-id") for mark in self.marks.values() for r in self.sink.got(mark))

    def arrived(self):
        return sum(len(self.sink.got(mark)) for mark in self.marks.values())

    def duplicates(self):
        return sum(n - 1 for n in self.seen().values())

    def wait_for_more(self, n=2, timeout=DEADLINE_S):
        """Wait until ${n} more writes of each kind were acknowledged, and as many deliveries have arrived."""
        before, came = self.counts(), self.arrived()

        def more():
            assert not self.faults, "\n".join(self.faults[:10])
            return all(k >= before[kind] + n for kind, k in self.counts().items()) and self.arrived() >= came + n
        assert wait_for(more, timeout), "the load stands still: %s, %s; %s" % (before, self.counts(), dict(self.answers))

    def mended(self):
        """The fault is over: wait until all goes on, and remember how long that took."""
        began = time.monotonic()
        self.wait_for_more(1)
        self.mended_s = time.monotonic() - began
        self.wait_for_more(2)

    def longest_pause(self):
        """Of all kinds of writes, the longest time without an acknowledged one."""
        return max((b - a for times in self.acks.values() for a, b in zip(times, times[1:])), default=0)

    def unanswered(self):
        """Requests that did not succeed.  A 403 is a place that is taken; a 404 a DELETE that was sent again, or a fault."""
        return {k: n for k, n in self.answers.items() if k not in (200, 201, 202, 403, 404)}

    def __enter__(self):
        for t in self.threads:
            t.start()
        try:
            self.wait_for_more()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.ending.set()
        for t in self.threads:
            t.join()

    # afterwards

    def settle(self):
        """Everything that is said at the top of this file.  First what is still in doubt is sent again."""
        assert not self.faults, "\n".join(self.faults[:10])
        assert wait_for(self._send_again, DEADLINE_S, 0.2), "not all could be sent again: %s" % dict(self.answers)
        assert not self.faults, "\n".join(self.faults[:10])
        faults = [*self._settle_channels(), *self._settle_audit(), *self._settle_quota(), *self._settle_events()]
        if faults:
            raise Broken("%d faults:\n%s" % (len(faults), "\n".join(faults[:20])))
        self.home.sql("DELETE FROM public.faults_job WHERE run = %s", self.run)

    def _send_again(self):
        """True: nothing that bears an Idempotency-Key is in doubt."""
        with Caller(self.key) as c, Caller(self.fought_key) as f, Caller(self.told_key) as t:
            for channel in [c for c in self.channels if not c.id]:
                self._create(c, channel)
            for name, place in self.places.items():
                if not place["id"] and not place["refused"]:
                    self._take(f, name, place)
            for summary in [s for s, i in self.events.items() if not i]:
                self._publish(t, summary)
        return (all(c.id for c in self.channels) and all(self.events.values()) and
                all(p["id"] or p["refused"] for p in self.places.values()))

    def _settle_channels(self):
        rows = self.home.sql("SELECT id::text, name, sigsentry.severity_word(severity_threshold) AS level,"
                             "       (SELECT array_agg(k.field ORDER BY k.field) FROM sigsentry.credential k"
                             "         WHERE k.channel_id = c.id) AS fields"
                             "  FROM sigsentry.channel c WHERE project_id = %s", self.project)
        there = collections.defaultdict(list)
        for row in rows:
            there[row["name"].rpartition(".")[0]].append(row)
        for label in set(there) - {c.label for c in self.channels}:
            yield "%s is there and was never sent" % label
        for c in self.channels:
            found = there[c.label]
            if len(found) > 1:
                yield "%s is there %d times" % (c.label, len(found))
            elif not found and c.gone == "no":
                yield "%s (%s) was acknowledged and is lost" % (c.label, c.id)
            elif found and c.gone == "yes":
                yield "%s is there, and was deleted" % c.label
            for row in found:
                version = int(row["name"].rpartition(".")[2])
                if row["id"] != c.id:
                    yield "%s: the client was told %s, it is %s" % (c.label, c.id, row["id"])
                if version not in c.versions():
                    yield "%s has version %d, not one of %s" % (c.label, version, c.versions())
                elif (row["level"], tuple(row["fields"])) != (LEVELS[version], FIELDS[version]):
                    yield "%s is half there: %s" % (c.label, row)

    def _settle_audit(self):
        """Each change has left its row, and none that was not made; no credential is left of what was deleted."""
        rows = self.home.sql("SELECT object_id AS id, action, count(*) AS n FROM sigsentry.audit WHERE tenant_id = %s"
                             "   AND object_kind = 'channel' GROUP BY 1, 2", self.tenant)
        done = {(r["id"], r["action"]): r["n"] for r in rows}
        there = {r["id"] for r in self.home.sql("SELECT id::text FROM sigsentry.channel WHERE tenant_id = %s", self.tenant)}
        for c in self.channels:
            created, changed, deleted = (done.get((c.id, "channel." + a), 0) for a in ("create", "update", "delete"))
            if (created, deleted) != (1, int(c.id not in there)) or not c.told <= changed <= c.sent:
                yield "%s: audit rows: %d created, %d changed (%d acknowledged, %s sent), %d deleted" % (
                    c.label, created, changed, c.told, c.sent, deleted)
        known = {c.id for c in self.channels} | set(self.marks)
        for i in {i for i, action in done if action == "channel.create"} - known:
            yield "channel %s: made, and nobody was told" % i
        orphans = self.home.sql("SELECT count(*) AS n FROM sigsentry.credential k WHERE tenant_id = %s AND NOT EXISTS ("
                                "SELECT FROM sigsentry.channel c WHERE c.id = k.channel_id)", self.tenant)[0]["n"]
        if orphans:
            yield "%d credentials of no channel" % orphans

    def _settle_quota(self):
        rows = self.home.sql("SELECT id::text, name FROM sigsentry.channel WHERE project_id = %s", self.fought)
        if len(rows) > LIMIT:
            yield "%d channels where %d may be" % (len(rows), LIMIT)
        names = collections.Counter(r["name"] for r in rows)
        ids = {r["id"] for r in rows}
        for name, place in self.places.items():
            n = names[name + ".0"]
            if n > 1 or (n and not place["id"]) or (place["gone"] == "no" and place["id"] and place["id"] not in ids) or (
                    place["gone"] == "yes" and place["id"] in ids):
                yield "place %s: %s, and is there %d times" % (name, {k: v for k, v in place.items() if k != "body"}, n)

    def _settle_events(self):
        rows = self.home.sql("SELECT id::text, payload ->> 'summary' AS summary, deliveries FROM sigsentry.event WHERE tenant_id = %s"
                             "   AND payload ->> 'summary' LIKE %s", self.tenant, self.run + "-%")
        ids = collections.defaultdict(list)
        for row in rows:
            ids[row["summary"]].append(row["id"])
        done = {r["n"] for r in self.home.sql("SELECT n FROM public.faults_job WHERE run = %s", self.run)}
        for summary, told in self.events.items():
            if ids[summary] != [told]:
                yield "event %s: the client was told %s, there is %s" % (summary, told, ids[summary])
        for n, how in self.jobs.items():
            found = len(ids["%s-job-%d" % (self.run, n)])
            if found != int(n in done):
                yield "job %d, %s: %d events, and its own row %s" % (n, how, found, "is there" if n in done else "is not")
            if (how == "done" and n not in done) or (how == "never" and n in done):
                yield "job %d is %s, and its row says otherwise" % (n, how)
        yield from self._settle_deliveries([i for found in ids.values() for i in found])

    def _settle_deliveries(self, events):
        """One to each channel for each event; all have arrived, under their own ids.  None may be given up: the receiver says
        200 to everything, and the schedule (PATIENCE) outlasts each fault."""
        def left():
            return self.home.sql("SELECT count(*) AS n FROM sigsentry.queue WHERE tenant_id = %s", self.tenant)[0]["n"]
        wait_for(lambda: left() == 0, DEADLINE_S, 0.1)
        made = self.home.sql("SELECT id::text, event_id::text AS event, channel_id::text AS channel, status, last_error"
                             "  FROM sigsentry.delivery_all WHERE tenant_id = %s", self.tenant)
        by_id = {r["id"]: r for r in made}
        pairs = collections.Counter((r["event"], r["channel"]) for r in made)
        wanted = {(e, c) for e in events for c in self.marks}
        for pair in wanted ^ set(pairs):
            yield "event %s for channel %s: %d deliveries" % (*pair, pairs[pair])
        for pair in [p for p, n in pairs.items() if n > 1 and p in wanted]:
            yield "event %s for channel %s: %d deliveries" % (*pair, pairs[pair])
        seen = self.seen()
        for channel, mark in self.marks.items():
            for request in self.sink.got(mark):
                one = request.header("webhook-id")
                row = by_id.get(one)
                if not row or (row["event"], row["channel"]) != (json.loads(request.body)["eventId"], channel):
                    yield "delivery %s has arrived at %s, and the database says %s" % (one, channel, row)
        for row in made:
            if row["status"] == "delivered" and not seen[row["id"]]:
                yield "delivery %s is said to be delivered, and never came" % row["id"]
            elif row["status"] != "delivered":
                yield "delivery %s has not been delivered: %s" % (row["id"], row)
        self.deliveries = len(made)


def event(summary):
    return {"event": "disk.full", "severity": "high", "summary": summary}
