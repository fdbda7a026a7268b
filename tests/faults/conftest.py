"""Fixtures of the faults: the receivers and couriers that the load's events go to, and what the runs have measured."""

import datetime
import os
import pathlib
import sys

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "flow")]

import stack  # noqa: E402: needs the path

stack.required()

import world as worlds  # noqa: E402: needs a stack
from load import Broken, Home, Load  # noqa: E402

REPORT = []

# The schedule is long enough for any fault here, so that what fails for good was given up by mistake.
PATIENCE = {"connect_timeout_s": 10, "total_timeout_s": 20, "retry_schedule": " ".join(["1"] * 60)}


def pytest_terminal_summary(terminalreporter):
    if REPORT:
        terminalreporter.section("recovery, in seconds")
        for line in REPORT:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def span():
    """How long a fault goes on, in seconds."""
    return 60.0 if os.environ.get("FAULTS_LONG") else 3.0


def older_authority(folder):
    """The stack's authority as if it were two days older: who is an hour behind would not trust one that was made just now."""
    path = pathlib.Path(stack.env("SIGSENTRY_CACERT"))
    known = x509.load_pem_x509_certificate(path.read_bytes())
    key = serialization.load_pem_private_key(path.with_name("ca.key").read_bytes(), None)
    made = (x509.CertificateBuilder().subject_name(known.subject).issuer_name(known.issuer).public_key(known.public_key())
            .serial_number(x509.random_serial_number()).not_valid_after(known.not_valid_after)
            .not_valid_before(known.not_valid_before - datetime.timedelta(days=2)))
    for extension in known.extensions:
        made = made.add_extension(extension.value, extension.critical)
    older = folder / "older.pem"
    older.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return older


@pytest.fixture(scope="session")
def all_day():
    """The receivers, while the stack's own courier rests."""
    worlds.dev("courier_stop")
    try:
        made = worlds.World()
        made.settings = {**made.settings, **PATIENCE, "egress_ca_file": older_authority(made.folder)}
        stack.sql("DELETE FROM sigsentry.queue")
        yield made
        made.close()
    finally:
        worlds.dev("courier_start")


@pytest.fixture
def world(all_day):
    """The receivers, with no courier before and after."""
    yield all_day
    all_day.end_couriers()
    stack.sql("UPDATE sigsentry.tally_attempt SET last_at = now() - interval '1 hour' WHERE outcome = 'local'")


@pytest.fixture
def judged(request):
    """Give it a load whose fault is over and that has ended: its ledger is settled and its recovery goes into the report, with a
    ${note} where something was not as the test's name says.  ${once}: no delivery may have come twice."""
    def judge(load, once=False, note=""):
        try:
            load.settle()
        except Broken as e:
            # what is lost in one run of two is lost: dev/check looks for this file, whatever a second try says
            with (pathlib.Path(stack.env("RUN_DIR")) / "ledger.broken").open("a") as f:
                f.write("%s: %s\n" % (request.node.name, e))
            raise
        REPORT.append("%-44s recovery %5.2f  longest pause %6.2f  acknowledged %4d  sent again %d  deliveries %d, %d repeated  "
                      "not done %s%s" % (
                          request.node.name, load.mended_s, load.longest_pause(), sum(load.counts().values()), load.repeats,
                          load.deliveries, load.duplicates(), load.unanswered() or "none", note and "  " + note))
        assert not once or load.duplicates() == 0, "%d deliveries came twice, and no courier was touched" % load.duplicates()
    return judge


@pytest.fixture
def load(world):
    """Not begun yet, on the stack's own database."""
    return Load(Home(), world.sink)
