"""Goal: who guesses keys finds none, takes nothing from those who have one, and learns nothing from the time that it takes.

A guess comes in three kinds: nginx sees that it is none (and counts it by address), the service sees it by the checksum, or
only the database can tell.  Whoever reads the source can make the third.
"""

import json
import math
import random
import statistics
import subprocess
import sys
import time

import pytest

import guesses
import stack

SECONDS = 1.6
CONNECTIONS = 48
RATE = 1000   # guesses a second: a fifth of what the pool answers on two cores that it shares with the guesser
AT_MOST = 10  # times the quiet median
MANY = CONNECTIONS  # addresses


def port():
    return int(stack.env("SIGSENTRY_PROXY_PORT"))


def latencies(link, key, seconds):
    """Seconds of each of one request after the other for so long; each is answered with 200."""
    data, found, end = guesses.request(key), [], time.monotonic() + seconds
    while time.monotonic() < end:
        status, took = link.timed(data)
        found.append(took)
        assert status == 200, "a right key was answered with %s" % status
    return found


def connect(address):
    return guesses.Link(port(), stack.env("SIGSENTRY_CACERT"), address)


class Flood:
    """guesses.py as a process of its own."""

    def __init__(self, kind, addresses, rate):
        words = [port(), stack.env("SIGSENTRY_CACERT"), kind, CONNECTIONS, addresses, rate, SECONDS]
        self.process = subprocess.Popen([sys.executable, guesses.__file__, *map(str, words)], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"
        time.sleep(0.4)  # until most connections are there

    def counts(self):
        out, _ = self.process.communicate(timeout=30)
        return json.loads(out)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def milliseconds(values):
    values = sorted(values)
    return "median %.2f ms, 99 of 100 within %.2f ms (%d)" % (
        1000 * statistics.median(values), 1000 * values[len(values) * 99 // 100], len(values))


def during(key, report, kind, addresses, rate):
    """Right requests beside a flood: how many times the quiet median theirs is, and the statuses of the guesses.

    Each right request is answered 200, and no guess is let in.
    """
    with connect(guesses.some_address()) as link:
        latencies(link, key, 0.1)
        quiet = latencies(link, key, 0.4)
    with connect(guesses.some_address()) as link, Flood(kind, addresses, rate) as flood:
        busy = latencies(link, key, SECONDS - 0.6)
        counts = flood.counts()
    served = sum(n for status, n in counts.items() if status != "None")
    ratio = statistics.median(busy) / statistics.median(quiet)
    report("%s keys from %d addresses on %d connections, %.0f/s %s: right ones %s; quiet %s: %.1f times" % (
        kind, addresses, CONNECTIONS, served / SECONDS, counts, milliseconds(busy), milliseconds(quiet), ratio))
    assert served > 0.5 * SECONDS * (rate or RATE), "that was no flood: %s" % counts
    assert set(counts) <= {"401", "429", "None"}, counts
    return ratio, set(counts) - {"None"}


@pytest.mark.parametrize("kind, addresses, wanted", [
    ("malformed", 1, {"401", "429"}), ("malformed", MANY, {"401"}), ("mistyped", MANY, {"401"}), ("made up", MANY, {"401"})])
def test_a_flood_leaves_right_keys_served(shared_key, report, kind, addresses, wanted):
    """A thousand guesses a second: whoever has a key is served at most ten times as late as when it is quiet."""
    ratio, statuses = during(shared_key, report, kind, addresses, RATE)
    assert statuses == wanted
    assert ratio <= AT_MOST


def test_as_many_as_the_machine_takes(shared_key, report):
    """All processors are at work for the guesser: then it is late, which is told, but it is served."""
    during(shared_key, report, "made up", MANY, 0)


def test_who_shares_an_address_with_a_guesser_is_served(shared_key):
    """The limit counts guesses, by address: a right key from that very address is served, and so is everybody elsewhere."""
    guilty = guesses.some_address()
    guess, right = guesses.request(guesses.malformed()), guesses.request(shared_key)
    with connect(guilty) as link, connect(guilty) as beside, connect(guesses.some_address()) as elsewhere:
        # at once, so that they are too many on a slow machine, too
        first = link.burst(guess, 100)
        rest = [(set(link.burst(guess, 100)), beside.ask(right), elsewhere.ask(right)) for _ in range(6)]
        assert elsewhere.ask(guess) == 401
    assert set(first) == {401}
    assert 429 in set().union(*(r[0] for r in rest)) <= {401, 429}
    assert [r[1:] for r in rest] == [(200, 200)] * 6


@pytest.fixture(scope="module")
def shared_key():
    return stack.Place("enterprise", stack.BOTH).key


# The time that a refusal takes -------------------------------------------------------------------------


def rank_test(a, b):
    """Mann and Whitney's, two-sided, by its normal approximation: z, and how likely as much is by chance."""
    both = sorted([(v, 0) for v in a] + [(v, 1) for v in b])
    ranks = sum(i + 1 for i, (_, whose) in enumerate(both) if whose == 0)
    n, m = len(a), len(b)
    z = (ranks - n * (n + m + 1) / 2) / math.sqrt(n * m * (n + m + 1) / 12)
    return z, math.erfc(abs(z) / math.sqrt(2))


def test_the_rank_test_tells():
    some = random.Random(1)
    a, b = ([some.gauss(0, 1) for _ in range(500)] for _ in range(2))
    assert rank_test(a, b)[1] > 0.001 > rank_test(a, [v + 0.5 for v in b])[1]


def test_timing_of_the_lookup(shared_key, report):
    """A key that begins as a real one does is refused as any other: told, not judged, since the machine is noisier than that.

    The database looks for the digest of a whole key, so that half of a right one is as far off as nothing.
    """
    others = guesses.ALPHABET.replace(shared_key[len("ss_secret_") + guesses.RANDOM - 1], "")
    shown, most = shared_key[:len("ss_secret_") + 4], shared_key[:len("ss_secret_") + guesses.RANDOM - 1]
    kinds = {"unknown": lambda: guesses.made_up(), "known prefix": lambda: guesses.made_up(shown),
             "all but one character": lambda: guesses.made_up(most + random.choice(others))}
    samples = {name: [] for name in kinds}
    with connect("127.0.0.1") as link:
        for _ in range(1000):
            for name in random.sample(sorted(kinds), len(kinds)):
                status, took = link.timed(guesses.request(kinds[name]()))
                assert status == 401
                samples[name].append(took * 1e6)
    for name, values in samples.items():
        z, p = rank_test(values, samples["unknown"])
        report("refusing a key, %s: median %.1f µs of %d%s" % (
            name, statistics.median(values), len(values), "" if name == "unknown" else "; against unknown z %+.2f, p %.3f" % (z, p)))
