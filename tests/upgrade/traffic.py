"""What customers do all the time: each thread one thing, over and over, until the end; each answer is counted."""

import http.client
import json
import threading
import time

import stack
from stack import Client, at
from world import EVENTS

PAUSE_S = 0.01


class Traffic:
    """Creates, changes, lists, deletes and events of one place; what was acknowledged, and what failed."""

    def __init__(self, site):
        self.site = site
        self.ending = threading.Event()
        self.events = []    # ids that were acknowledged
        self.channels = []  # ids of those that stay
        self.failed = []
        self.n = 0
        self.slowest = 0.0
        self.pool = [threading.Thread(target=self._work, args=(turn,)) for turn in
                     (self._publish, self._publish, self._change, self._look)]

    def _work(self, turn):
        client = Client(self.site.key)
        while not self.ending.is_set():
            try:
                turn(client)
            except (OSError, http.client.HTTPException) as e:
                self.failed.append(repr(e))
                client.close()
            time.sleep(PAUSE_S)
        client.close()

    def _ask(self, client, method, path, status, body=None, headers=()):
        began = time.monotonic()
        reply = client.send(method, path, body, headers=headers)
        self.slowest = max(self.slowest, time.monotonic() - began)
        self.n += 1
        if reply.status != status:
            self.failed.append((method, path, repr(reply)))
            return None
        return json.loads(reply.body)["data"] if reply.body else {}

    def _publish(self, client):
        made = self._ask(client, "POST", EVENTS, 202, {"event": "disk.full", "severity": "high", "summary": "The disk is full"},
                         [("Idempotency-Key", "e-%d-%d" % (threading.get_ident(), time.monotonic_ns()))])
        if made is not None:
            self.events.append(made["id"])

    def _change(self, client):
        made = self._ask(client, "POST", stack.PATH, 201, stack.channel("kept", severityThreshold="critical"))
        gone = self._ask(client, "POST", stack.PATH, 201, stack.channel("gone", severityThreshold="critical"))
        if made is not None:
            self.channels.append(made["id"])
            self._ask(client, "PATCH", at(made["id"]), 200, {"name": "renamed"})
        if gone is not None:
            self._ask(client, "DELETE", at(gone["id"]), 200)

    def _look(self, client):
        self._ask(client, "GET", stack.PATH + "?limit=20", 200)
        self._ask(client, "GET", "/healthz", 200)

    def go_on(self, n=60, timeout=30):
        """Wait for so many more answers: whoever serves now has its share."""
        goal = self.n + n
        assert stack.wait_for(lambda: self.n >= goal, timeout), "the traffic stands still: %s" % self.failed[-3:]

    def __enter__(self):
        for thread in self.pool:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        for thread in self.pool:
            thread.join()
