"""How things are measured: in turns within one run, so that a noisy machine is as noisy for all of them."""

import statistics


def alternate(bench, ways, rounds=None):
    """Measure each of ${ways} (a name, a function that gives a figure) in turns, A B A B; {name: figures}.

    A function may give a dict of figures instead; their names then stand as they are."""
    got = {}
    for i in range(rounds or bench.rounds):
        for name, way in ways.items():
            bench.say("%s (%d)" % (name, i + 1))
            figures = way()
            for key, value in (figures.items() if isinstance(figures, dict) else [(name, figures)]):
                got.setdefault(key, []).append(value)
    return got


def series_limit(a, b):
    """How many a second go through two parts one after the other, that alone do so many."""
    return 1 / (1 / a + 1 / b)


def percentile(values, p):
    """The smallest of the values that p percent of them do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * p // 100) - 1)]


def median(values):
    return statistics.median(values)
