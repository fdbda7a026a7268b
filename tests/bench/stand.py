"""Where dev/bench measures: a stack of its own, receivers that cost next to nothing, and channels in bulk.

Up() comes first: it brings up the stack, and what the flow tests share (stack.py and its neighbours) reads run/env as it is
imported, which is what the rest here does.
"""

import contextlib
import json
import os
import pathlib
import random
import re
import resource
import shutil
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
RUN = pathlib.Path(os.environ["RUN_DIR"])
FOLDER = RUN / "bench"
sys.path[:0] = [str(ROOT / "tests" / "flow"), str(ROOT / "tests")]

DEMO = "sink.example.com"      # dev/up's own
SINK = "taker.example.com"     # takes everything
SAMPLE = "sample.example.com"  # shows what it took
DEAD = "dead.example.com"      # refuses connections
HOLE = "hole.example.com"      # never answers
FLIGHTS = 1000                 # max_flights
SECRET = "whsec_" + "c2lnc2VudHJ5LWJlbmNo" * 2

# An ordinary event.
EVENT = {
    "event": "analysis.complete", "analysisId": "an-4711", "severity": "high",
    "summary": "Checkout answers every fifth request with 503 since the deploy of 14:02; the pool of payments is exhausted.",
    "url": "https://app.example.com/analyses/an-4711", "confidence": 0.87,
    "rootCause": {"description": "payments holds its connections while it waits for fraud-check", "service": "payments",
                  "errorType": "PoolTimeout", "category": "resource"},
    "affectedServices": [{"serviceName": "payments", "role": "origin", "errorCount": 5120},
                         {"serviceName": "checkout", "role": "affected", "errorCount": 1830}],
    "suggestedActions": [{"priority": 1, "action": "Roll back payments to 2026.11.3", "rationale": "It began with the deploy.",
                          "type": "mitigate"}],
}


def free_port():
    """A port of the loopback, below those that the kernel gives to outgoing connections."""
    while True:
        port = random.randrange(20000, 32000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


class Up:
    """The stack, as dev/up makes it, whose courier is led to our receivers."""

    def __init__(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20000), hard))
        FOLDER.mkdir(parents=True, exist_ok=True)
        self.sink_port, self.sample_port = free_port(), free_port()
        # Its backlog fills up, and then the kernel answers nobody.
        self.hole = socket.create_server(("127.0.0.2", 0), backlog=64)
        ports = [free_port() for _ in range(4)]
        (RUN / "ports").write_text("%d %d %d %d\n" % tuple(ports))
        # An address each: libcurl takes names that are led to one address for one host, whose connections wait for each other.
        pins = ["%s:443:127.0.0.1:%d" % (DEMO, ports[3]), "%s:443:127.0.0.1:%d" % (SINK, self.sink_port),
                "%s:443:127.0.0.4:%d" % (SAMPLE, self.sample_port), "%s:443:127.0.0.2:%d" % (HOLE, self.hole.getsockname()[1]),
                "%s:443:127.0.0.3:%d" % (DEAD, free_port())]
        settings = {
            "egress_connect_to": " ".join(pins),
            "egress_ca_file": RUN / "tls" / "ca.pem",
            "max_flights": FLIGHTS,
            "drain_s": 1,  # what never answers need not be waited for
        }
        words = [w for k, v in settings.items() for w in ("-o", "%s=%s" % (k, v))]
        with (FOLDER / "up.log").open("w") as log:
            subprocess.run(["dev/up", *words], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True)
        os.environ["SIGSENTRY_ENV"] = str(RUN / "env")


SINK_CONF = """%(user)s
daemon off;
worker_processes 2;
worker_rlimit_nofile 16384;
pid %(folder)s/sink.pid;
error_log %(folder)s/sink.log warn;
events { worker_connections 8192; }
http {
    log_format arrival "$msec $request_time $http_x_sigsentry_delivery";
    client_body_temp_path %(folder)s/tmp; proxy_temp_path %(folder)s/tmp; fastcgi_temp_path %(folder)s/tmp;
    scgi_temp_path %(folder)s/tmp; uwsgi_temp_path %(folder)s/tmp;
    log_format counted "$msec";
    access_log off;
    keepalive_timeout 3600s;
    keepalive_requests 1000000000;
    server {
        listen 127.0.0.1:%(port)d ssl backlog=4096;
        ssl_certificate %(pem)s;
        ssl_certificate_key %(pem)s;
        location /fast { return 200 "ok"; }
        location /timed { access_log %(folder)s/arrivals.log arrival; return 200 "ok"; }
        location /counted { access_log %(folder)s/counted.log counted; return 200 "ok"; }
        # somebody who took the connection and never says a word
        location /held { proxy_read_timeout 60s; proxy_pass http://127.0.0.1:%(held)d; }
        location = /status { stub_status; }
    }
}
"""


class Stand:
    """All that a measurement needs.  What it starts is ended by close(), by pid."""

    def __init__(self, up):
        import stack
        import sealed
        import sink
        self.stack, self.up = stack, up
        self.ending = contextlib.ExitStack()
        self.ending.callback(up.hole.close)
        try:
            self.build()
            self.count_statements()
            self.sealer = sealed.Sealer()
            self.pem = sink.certificate(FOLDER, SINK, SAMPLE)
            self.start_sink()
            stack.ctl("plan", "set", "bench", "--channels", "unlimited", "--reads-per-minute", "unlimited",
                      "--writes-per-minute", "unlimited")
        except BaseException:
            self.close()
            raise

    def close(self):
        self.ending.close()

    # Programs ----------------------------------------------------------------------------------------

    def build(self):
        build = self.stack.env("SIGSENTRY_BUILD")
        names = ["tests/bench/post_loop", "tests/bench/nothing"]
        subprocess.run(["make", "-s", "-C", build, *names], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.programs = pathlib.Path(build) / "tests" / "bench"

    def start(self, *words, log):
        """A program that runs until close()."""
        with (FOLDER / log).open("a") as out:
            process = subprocess.Popen([str(w) for w in words], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        self.ending.callback(self.stack.end_process, process)
        return process

    def start_nginx(self, conf, port):
        """An nginx of this config; ready when it listens."""
        (FOLDER / "tmp").mkdir(exist_ok=True)
        self.start("nginx", "-p", conf.parent, "-c", conf, "-e", FOLDER / "nginx.log", log="nginx.log")

        def listens():
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return True

        if not self.stack.wait_for(listens, 10):
            raise RuntimeError("nginx does not listen; see %s" % (FOLDER / "nginx.log"))

    def start_sink(self):
        self.held = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.ending.callback(self.held.close)
        conf = FOLDER / "sink.conf"
        conf.write_text(SINK_CONF % {"user": "user root;" if os.geteuid() == 0 else "", "folder": FOLDER, "pem": self.pem,
                                     "port": self.up.sink_port, "held": self.held.getsockname()[1]})
        self.start_nginx(conf, self.up.sink_port)

    def start_nothing(self, answer_bytes):
        """The stack's nginx once more, all the same but for its ports, in front of a pool that does nothing; its port."""
        theirs = RUN / "nginx"
        ours, sock = FOLDER / "nothing", FOLDER / "nothing.sock"
        moved = {old: free_port() for old in (RUN / "ports").read_text().split()}
        port = moved[str(self.stack.port())]
        if len(str(sock)) > 100:
            sock = pathlib.Path(self.stack.env("SIGSENTRY_PG")).parent / "nothing.sock"
        shutil.rmtree(ours, ignore_errors=True)
        shutil.copytree(theirs, ours)
        for path in (*ours.glob("*.conf"), *ours.glob("snippets/*.conf")):
            text = path.read_text()
            for old, new in moved.items():
                text = text.replace("127.0.0.1:" + old, "127.0.0.1:%d" % new)
            text = text.replace("unix:" + self.stack.env("SIGSENTRY_SOCKET"), "unix:%s" % sock)
            text = text.replace(self.stack.env("SIGSENTRY_NGINX_PID"), str(FOLDER / "nothing.pid"))
            text = text.replace(self.stack.env("SIGSENTRY_LOG") + "/", str(FOLDER) + "/nothing-").replace(str(theirs), str(ours))
            path.write_text(text)
        main = ours / "nginx.conf"
        main.write_text("daemon off;\n" + main.read_text())
        self.start(self.programs / "nothing", sock, 4, answer_bytes, log="nothing.log")
        self.stack.wait_for(sock.exists)
        self.start_nginx(main, port)
        return port

    # The database ------------------------------------------------------------------------------------

    def as_superuser(self, *statements):
        import psycopg2
        link = psycopg2.connect(self.stack.env("SIGSENTRY_DSN"), user="postgres")
        link.autocommit = True
        with contextlib.closing(link), link.cursor() as cursor:
            for s in statements:
                cursor.execute(s)
            return cursor.fetchall() if cursor.description else []

    def configure(self, **settings):
        """Start PostgreSQL anew with these settings; None takes one back."""
        self.as_superuser(*("ALTER SYSTEM SET %s = '%s'" % s if s[1] is not None else "ALTER SYSTEM RESET %s" % s[0]
                            for s in settings.items()))
        subprocess.run(["dev/pg", "restart"], cwd=ROOT, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def count_statements(self):
        self.configure(shared_preload_libraries="pg_stat_statements")
        self.as_superuser("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")

    def statements(self, role):
        """What a role has asked since reset_statements(): {first words: (calls, rows, ms)}, and how many statements in all."""
        rows = self.as_superuser("SELECT s.query, s.calls, s.rows, s.total_exec_time FROM pg_stat_statements s"
                                 " JOIN pg_roles r ON r.oid = s.userid WHERE s.toplevel AND r.rolname = '%s'" % role)
        named = {}
        for query, calls, n, ms in rows:
            # a claim may stand behind the guard that is asked with it
            found = re.findall(r"courier\.(\w+)\(", query)
            named[found[-1] if found else query] = (calls, n, ms)
        return named, sum(r[1] for r in rows)

    def reset_statements(self):
        self.as_superuser("SELECT pg_stat_statements_reset()")

    def pgbench(self, script, *words, name, dsn=None):
        """Run pgbench on a script; what it prints.  On the stack's own database, or on another one."""
        path = FOLDER / (name + ".sql")
        path.write_text(script)
        env = {**os.environ, "PGOPTIONS": "-c search_path= -c jit=off -c plan_cache_mode=force_generic_plan -c lock_timeout=2000"}
        program = os.path.join(os.environ["PG_BIN"], "pgbench")
        done = subprocess.run([program, "-n", "-M", "prepared", "-f", str(path), *map(str, words),
                               dsn or self.stack.env("SIGSENTRY_DSN")], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0 or re.search(r"number of failed transactions: [1-9]", done.stdout):
            raise RuntimeError("pgbench failed: %s%s" % (done.stdout, done.stderr))
        return done.stdout

    def vacuum(self):
        """Every measurement begins with tables in order."""
        self.stack.sql("VACUUM ANALYZE sigsentry.queue, sigsentry.lane, sigsentry.channel, sigsentry.credential")
        self.as_superuser("CHECKPOINT")

    # Channels and events -----------------------------------------------------------------------------

    def place(self):
        """A tenant and a project without limits, and a key."""
        return self.stack.Place("bench", self.stack.BOTH)

    def add_channels(self, tenant, project, urls):
        """Webhooks with a secret, straight into the database; their ids."""
        import psycopg2.extras
        with self.stack.database() as cursor:
            cursor.execute("SELECT sigsentry.uuid_v7()::text FROM generate_series(1, %s)", [len(urls)])
            ids = [r[0] for r in cursor]
            psycopg2.extras.execute_values(
                cursor, "INSERT INTO sigsentry.channel (tenant_id, id, project_id, type, name, severity_threshold, destination)"
                " VALUES %s", [(tenant, i, project, "webhook", "bench", 3, SINK) for i in ids])
            fields = [(i, field, value) for i, url in zip(ids, urls) for field, value in (("url", url), ("hmacSecret", SECRET))]
            psycopg2.extras.execute_values(
                cursor, "INSERT INTO sigsentry.credential (tenant_id, channel_id, field, sealed) VALUES %s",
                [(tenant, i, field, self.sealer.close(value, i, "webhook", field)) for i, field, value in fields],
                page_size=1000)
        return ids

    def publish(self, projects, events):
        """So many events, over these projects in turn."""
        with self.stack.database() as cursor:
            cursor.execute("SELECT count(sigsentry.publish((%s::uuid[])[1 + i %% %s], %s::jsonb))"
                           " FROM generate_series(0, %s - 1) i", [projects, len(projects), json.dumps(EVENT), events])

    def drained(self, timeout=120):
        if not self.stack.wait_for(lambda: not self.stack.sql("SELECT 1 FROM sigsentry.queue LIMIT 1"), timeout, 0.1):
            raise RuntimeError("the queue is not empty after %d s; the courier's log is in %s"
                               % (timeout, self.stack.env("SIGSENTRY_LOG")))

    def courier_pid(self):
        return int(pathlib.Path(self.stack.env("SIGSENTRY_COURIER_PIDS")).read_text())

    def restart_courier(self):
        subprocess.run(["bash", "-euo", "pipefail", "-c", ". dev/lib.sh; courier_stop; courier_start"], cwd=ROOT, check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        time.sleep(0.5)
