"""What dev/bench runs: brings up a stack, measures every row of rows.py beside its own limit, and prints the table."""

import argparse
import json
import os
import signal
import sys
import time
import traceback


class Bench:
    """What a measurement is given."""

    def __init__(self, options):
        self.quick, self.record = options.quick, options.record
        self.rounds = options.rounds or (2 if options.quick else 3)
        self.began = time.monotonic()
        self.stand = None

    def say(self, what):
        if sys.stderr.isatty():
            print("%4d s  %s" % (time.monotonic() - self.began, what), file=sys.stderr, flush=True)


def read_options():
    parser = argparse.ArgumentParser(prog="dev/bench", add_help=False)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--only", action="append", default=[])
    return parser.parse_args()


def measure(bench, measurements):
    """{measurement: {name: figures}}; None where one could not be made, which is told."""
    results = {}
    for m in measurements:
        try:
            results[m] = m(bench)
        except Exception:  # noqa: B902: the other rows can still be measured
            traceback.print_exc()
            results[m] = None
    return results


def short(value):
    return "%.0f" % value if abs(value) >= 1000 else "%.3g" % value


def spread(figures):
    return "" if len(figures) < 2 else "%s .. %s" % (short(min(figures)), short(max(figures)))


def print_table(rows, results):
    from measure import median
    taken = {row.name for row in rows}
    figures = {name: f for got in results.values() for name, f in (got or {}).items()}
    width = max(len(name) for name in (*taken, *figures))
    if rows:
        print("%-*s  %9s  %-18s %-8s %s" % (width, "", "median", "spread", "goal", "holds"))
    for row in rows:
        f = figures.get(row.name)
        value, told = (short(median(f)), spread(f)) if f else ("-", "not measured")
        holds = "yes" if f and row.holds(median(f)) else "no"
        print("%-*s  %9s  %-18s %-8s %s" % (width, row.name, value, told, row.goal, holds))
    print()
    for name, f in figures.items():
        if name not in taken:
            print("%-*s  %9s  %s" % (width, name, short(median(f)), spread(f)))


def as_json(rows, results):
    from measure import median
    out = []
    for row in rows:
        figures = (results[row.measured_by] or {}).get(row.name)
        value = median(figures) if figures else None
        out.append({"name": row.name, "value": value, "goal": row.goal, "holds": value is not None and row.holds(value)})
    return {"rows": out}


def main():
    options = read_options()
    bench = Bench(options)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    bench.say("a stack in %s; the first time it is built" % os.environ["RUN_DIR"])
    import stand
    up = stand.Up()
    from rows import REPORTS, ROWS
    rows = [r for r in ROWS if not options.only or r.measured_by.__name__ in options.only]
    reports = [m for m in REPORTS if m.__name__ in options.only or not (options.only or options.quick)]
    bench.stand = stand.Stand(up)
    try:
        results = measure(bench, dict.fromkeys([r.measured_by for r in rows] + reports))
    finally:
        bench.stand.close()
    if options.json:
        print(json.dumps(as_json(rows, results)))
    else:
        print_table(rows, results)
    return 0 if all(results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
