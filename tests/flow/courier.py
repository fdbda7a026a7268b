"""The tests play the courier's part: they claim deliveries and write down how attempts ended, in a session of its role.

The stack's own courier is stopped for so long (alone()), so that it takes nothing away.
"""

import contextlib
import re
import time
import uuid

import psycopg2
import psycopg2.extras

import runenv
import stack

TYPES = ["slack", "teams", "discord", "google_chat", "webhook", "email"]


def query(name):
    """The text of sql/q/${name}.sql, as the courier sends it, with the driver's marks for its parameters."""
    text = (stack.ROOT / "sql" / "q" / (name + ".sql")).read_text()
    text = re.sub(r"^--.*\n", "", text, flags=re.M).replace("%", "%%")
    return re.sub(r"\$(\d+)", r"%(p\1)s", text)


@contextlib.contextmanager
def alone():
    """The stack's courier stands still, and nothing waits."""
    with runenv.courier_at_rest(stack.sql):
        # thousands that earlier tests have left would come first
        stack.sql("DELETE FROM sigsentry.queue")
        yield


class Courier:
    """One courier."""

    def __init__(self):
        self.link = psycopg2.connect(stack.env("SIGSENTRY_DSN"), user="sigsentry_courier")
        self.link.autocommit = True

    def ask(self, name, *args):
        with self.link.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
            cursor.execute(query(name), {"p%d" % (i + 1): a for i, a in enumerate(args)})
            return [dict(r) for r in cursor.fetchall()]

    def claim(self, free=1000, failing=None, lease_s=60, flights=100, gap_ms=0):
        """Deliveries, as dicts that bear their claim."""
        mine = str(uuid.uuid4())
        rows = self.ask("courier_claim", mine, free, free if failing is None else failing, lease_s, TYPES,
                        [flights] * len(TYPES), [gap_ms] * len(TYPES), 0)
        return [dict(r, claim=mine) for r in rows]

    def take(self, *deliveries):
        """These, by their ids; what else was claimed on the way is handed back."""
        found, others = {}, []
        end = time.monotonic() + 10
        while set(deliveries) - set(found) and time.monotonic() < end:
            for r in self.claim():
                if r["id"] in deliveries:
                    found[r["id"]] = r
                else:
                    others.append(r)
        # only now: they would come first again
        self.ask("courier_hand_back", *([r[k] for r in others] for k in ("tenant_id", "id", "claim", "progress")), [0] * len(others))
        assert not set(deliveries) - set(found), "not claimed: %s" % (set(deliveries) - set(found))
        return [found[d] for d in deliveries]

    def record(self, rows, outcome="ok", wait_ms=None, code=None, error=None, excerpt=None, pause_ms=0, disable_s=432000):
        """The attempts of ${rows} have ended so; how many were written."""
        n = len(rows)
        return self.ask(
            "courier_record", [r["tenant_id"] for r in rows], [r["id"] for r in rows], [r["claim"] for r in rows],
            [outcome] * n, [wait_ms] * n, [pause_ms] * n, [int(time.time() * 1000)] * n, [12] * n, [code] * n, [error] * n,
            [excerpt] * n, [None] * n, [0] * n, disable_s, str(uuid.UUID(int=0)))[0]["record"]

    def end(self, delivery, outcome="ok", **how):
        """Send the delivery, which ends so; what was claimed."""
        row, = self.take(delivery)
        assert self.record([row], outcome, **how) == 1
        return row
