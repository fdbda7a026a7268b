"""The table: each row names its goal, who measures it, and under which name the measurement gives it.

A row of a measurement that there is already is one entry here.  A measurement is a function of the bench that gives
{name: figures}; all that it gives and no row takes is shown below the table.
"""

import dataclasses
import operator

from deliver import throughput
from disk import disk
from instructions import instructions
from lateness import lateness
from manage import requests
from memory import memory
from scale import scale


@dataclasses.dataclass(frozen=True)
class Row:
    name: str  # also the measurement's name for it
    goal: str  # ">= 0.80"
    measured_by: object

    def holds(self, value):
        sign, bound = self.goal.split()
        return {">=": operator.ge, "<=": operator.le}[sign](value, float(bound))


# In this order they are measured, too: each measurement once, where its first row stands.
ROWS = [
    Row("creates/s over the series limit", ">= 0.80", requests),
    Row("lists/s over the series limit", ">= 0.85", requests),
    Row("create p99 over p50", "<= 4", requests),
    Row("deliveries/s over the series limit", ">= 0.70", throughput),
    Row("deliveries/s over prometheus-alertmanager's", ">= 1.5", throughput),
    Row("SQL statements per delivery at full batches", "<= 0.2", throughput),
    Row("commit to first byte, p99, ms, idle", "<= 50", lateness),
    Row("commit to first byte, p99, ms, beside one dead channel", "<= 50", lateness),
    Row("commit to first byte, p99, ms, beside 10,000 dead channels", "<= 50", lateness),
    Row("p99 beside one dead channel over p99 idle", "<= 2", lateness),
    Row("p99 beside 10,000 dead channels over p99 idle", "<= 2", lateness),
    Row("creates/s on a large database over on a small one", ">= 0.90", scale),
    Row("lists/s on a large database over on a small one", ">= 0.90", scale),
    Row("claims/s on a large database over on a small one", ">= 0.90", scale),
    Row("worker, PSS, MiB", "<= 3", memory),
    Row("courier with 100 flights, PSS, MiB", "<= 24", memory),
    Row("courier with 1,000 flights, PSS, MiB", "<= 96", memory),
    Row("history, bytes an event and delivery", "<= 4096", disk),
    Row("WAL, bytes an event and delivery", "<= 16384", disk),
]

# Measured as well, but with --quick, and shown below the table.
REPORTS = [instructions]
