"""Debian's prometheus-alertmanager, which sends webhooks too: from memory, with no queue that outlives it."""

import datetime
import json
import re
import signal
import urllib.error
import urllib.request

from stand import EVENT, FOLDER, SINK, free_port

BATCH = 500  # alerts in a request

# Each alert is a group of its own, and so a webhook of its own, and goes once.  It goes at once, while others are still being
# taken: that suits it best (measured: where all are there before the first goes, as with our deliveries, a third of it).
CONF = """
route:
  receiver: sink
  group_by: ['...']
  group_wait: 0s
  group_interval: 1h
  repeat_interval: 24h
receivers:
- name: sink
  webhook_configs:
  - url: https://127.0.0.1:%(port)d/counted
    send_resolved: false
    http_config:
      tls_config: {ca_file: %(ca)s, server_name: %(name)s}
"""


class Alertmanager:
    """One that runs until the stand ends, at rest but for rate()."""

    def __init__(self, stand):
        self.stand = stand
        self.port = free_port()
        self.log = FOLDER / "counted.log"
        self.runs = 0
        conf = FOLDER / "alertmanager.yml"
        conf.write_text(CONF % {"port": stand.up.sink_port, "ca": stand.stack.env("SIGSENTRY_CACERT"), "name": SINK})
        self.process = stand.start(
            "prometheus-alertmanager", "--config.file=%s" % conf, "--storage.path=%s" % (FOLDER / "alertmanager"),
            "--web.listen-address=127.0.0.1:%d" % self.port, "--cluster.listen-address=", "--log.level=error", log="alertmanager.log")

        def is_ready():
            try:
                return self.ask("/-/ready") is not None
            except urllib.error.URLError:
                return False

        if not stand.stack.wait_for(is_ready, 20, 0.1):
            raise RuntimeError("prometheus-alertmanager does not start; see %s" % (FOLDER / "alertmanager.log"))
        self.rate(BATCH)  # its connections are made before the first round, as ours
        # stopped, it would not hear of its end
        stand.ending.callback(self.process.send_signal, signal.SIGCONT)

    def ask(self, path, body=None):
        request = urllib.request.Request("http://127.0.0.1:%d%s" % (self.port, path), body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()

    def alerts(self, first, count):
        ends = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)).isoformat()
        told = {k: json.dumps(v) for k, v in EVENT.items()}
        return json.dumps([{"labels": {"alertname": "analysis", "run": str(self.runs), "number": str(first + i)},
                            "annotations": told, "endsAt": ends} for i in range(count)]).encode()

    def rate(self, count):
        """Webhooks a second, of so many alerts; the first fifth does not count, as with deliveries."""
        self.runs += 1
        before = self.log.stat().st_size if self.log.exists() else 0
        bodies = [self.alerts(i, BATCH) for i in range(0, count, BATCH)]
        self.process.send_signal(signal.SIGCONT)
        try:
            for body in bodies:
                self.ask("/api/v2/alerts", body)
            if not self.stand.stack.wait_for(lambda: len(self.arrivals(before)) >= count, 120, 0.2):
                raise RuntimeError("%d of %d webhooks of prometheus-alertmanager have arrived" % (len(self.arrivals(before)), count))
        finally:
            self.process.send_signal(signal.SIGSTOP)
        arrivals = sorted(self.arrivals(before))[:count]
        return (count - count // 5) / (arrivals[-1] - arrivals[count // 5])

    def arrivals(self, before):
        if not self.log.exists():
            return []
        with self.log.open() as lines:
            lines.seek(before)
            return [float(line) for line in lines if re.fullmatch(r"[0-9.]+\n", line)]
