"""Instructions of a create, a list and a delivery in our own programs and their libraries, counted by callgrind.

They are the same on a busy machine and on an idle one, so a change shows by the percent.  The kernel's are not counted, nor those
of nginx and PostgreSQL; libraries see a plain processor under valgrind (libgcrypt's SHA-256 is then its slowest).
"""

import json
import os
import pathlib
import re
import signal
import subprocess

import courier
import fcgi
from stand import FOLDER, SINK

FEW, MANY = 100, 400  # of each: what start and end cost falls out of the difference
RECORDED = pathlib.Path(__file__).with_suffix(".json")
LISTED = 20  # channels
CHANNELS = 10
# valgrind counts `rep stos` and `rep movs` once for each byte: where the processor's are not used, memory is wiped in vectors
TUNABLES = ":".join("glibc.cpu.x86_rep_%s_threshold=1073741824" % what for what in ("stosb", "movsb"))
FLIGHTS = 4  # few enough that all connections are made by the first


class Instructions:
    def __init__(self, bench):
        self.stand, self.stack = bench.stand, bench.stand.stack
        self.place, self.listed = self.stand.place(), self.stand.place()
        with self.stack.Client(self.listed.key) as client:
            for i in range(LISTED):
                self.stack.created(client.post(self.stack.channel("#engineering-alerts-%d" % i)))
        self.told = self.stand.place()
        self.stand.add_channels(self.told.tenant, self.told.project, ["https://%s/fast" % SINK] * CHANNELS)

    def count(self, program, options, work):
        """All that ${program} executes while ${work} is done with it."""
        for old in FOLDER.glob("callgrind.*"):
            old.unlink()
        words = ["valgrind", "--tool=callgrind", "--callgrind-out-file=%s" % (FOLDER / "callgrind.%p"), str(program), "-c",
                 self.stack.env("SIGSENTRY_CONF")]
        words += [w for k, v in options.items() for w in ("-o", "%s=%s" % (k, v))]
        with (FOLDER / "callgrind-log").open("w") as log:
            env = {**os.environ, "GLIBC_TUNABLES": TUNABLES}
            process = subprocess.Popen(words, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            work()
            process.send_signal(signal.SIGTERM)
            process.wait(30)
        finally:
            self.stack.end_process(process)
        return sum(int(re.search(r"(?m)^(?:totals|summary): (\d+)", f.read_text())[1]) for f in FOLDER.glob("callgrind.*"))

    def per_request(self, data):
        """Of the API's one worker, for a request whose bytes are ${data}."""
        program = pathlib.Path(self.stack.env("SIGSENTRY_BUILD")) / "src" / "sigsentry-api"
        socket = pathlib.Path(self.stack.env("SIGSENTRY_SOCKET")).parent / "callgrind.sock"

        def ask(times):
            def work():
                if not self.stack.wait_for(socket.exists, 20):
                    raise RuntimeError("sigsentry-api does not start under valgrind; see %s" % (FOLDER / "callgrind-log"))
                for _ in range(times):
                    answer = fcgi.ask(socket, data)
                    if answer.status not in (200, 201):
                        raise RuntimeError("status %s under valgrind" % answer.status)
            return self.count(program, {"api_socket": socket, "api_workers": 1}, work)

        few = ask(FEW)
        return (ask(MANY) - few) / (MANY - FEW)

    def per_delivery(self):
        program = pathlib.Path(self.stack.env("SIGSENTRY_BUILD")) / "src" / "sigsentry-courier"
        options = {"max_flights": FLIGHTS, "connect_timeout_s": 60, "total_timeout_s": 60, "courier_state": FOLDER / "callgrind-epoch"}

        def deliver(times):
            def work():
                self.stand.drained()
            self.stand.publish([self.told.project], times // CHANNELS)
            return self.count(program, options, work)

        few = deliver(FEW)
        return (deliver(MANY) - few) / (MANY - FEW)


def recorded():
    """As they were when somebody last took them down."""
    return json.loads(RECORDED.read_text()) if RECORDED.exists() else {}


def instructions(bench):
    """A report: each figure has the last recorded one beside it."""
    i = Instructions(bench)
    bench.say("instructions of a create")
    now = {"create": i.per_request(fcgi.create(i.place.key))}
    bench.say("instructions of a list")
    now["list"] = i.per_request(fcgi.request("GET", i.stack.PATH, i.listed.key))
    bench.say("instructions of a delivery")
    with courier.alone():
        now["delivery"] = i.per_delivery()
    if bench.record:
        RECORDED.write_text(json.dumps({k: round(v) for k, v in now.items()}, indent=1) + "\n")
    figures = {}
    for noun, before in recorded().items():
        figures["instructions of a %s" % noun] = [now[noun]]
        figures["instructions of a %s, recorded" % noun] = [before]
    return figures

