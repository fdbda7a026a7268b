"""Fixtures of test_post.py: an authority, its certificates, and the program that sends."""

import json
import os
import pathlib
import subprocess

import pytest
import servers

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("POST_TRY", str(ROOT / "run/build/tests/post/post_try"))
STALL_MS = int(os.environ.get("POST_STALL_MS", "500"))
TIMEOUTS = tuple(os.environ.get("POST_TIMEOUTS", "1 2").split())


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return servers.Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def certificate(authority):
    return authority.issue(
        "server.pem", "sink.example.com", "*.example.com", "x.webhook.office.com", "localhost", "127.0.0.1", "::1"
    )


@pytest.fixture
def sink(certificate):
    with servers.Sink(certificate) as s:
        yield s


class Post:
    """Runs post_try; a list of results, one for each job in the jobs' order."""

    def __init__(self, folder, authority):
        self.config = folder / "sigsentry.conf"
        self.config.write_text("egress_ca_file = %s\nconnect_timeout_s = %s\ntotal_timeout_s = %s\n" % ((authority.path,) + TIMEOUTS))
        self.end = None
        self.stderr = ""
        self.environment = {}

    def __call__(self, jobs, *options, names=None, parallel=False):
        arguments = [PROGRAM]
        for option in options:
            arguments += ["-o", option]
        done = subprocess.run(
            arguments + [str(self.config)],
            input=json.dumps({"names": names or {}, "parallel": parallel, "jobs": jobs}),
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, **self.environment},
        )
        assert done.returncode == 0, done.stderr
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.stderr = done.stderr
        self.end = lines.pop()
        assert self.end["end"] and len(lines) == len(jobs)
        # whatever happens, the loop goes on
        assert self.end["stall_ms"] < STALL_MS, self.end
        return sorted(lines, key=lambda line: line["job"])


@pytest.fixture
def post(tmp_path, authority):
    return Post(tmp_path, authority)


@pytest.fixture
def send(post, sink):
    """Send to the sink by its pinned name; returns the one result."""

    def run(path, *options, type="webhook", **job):
        pin = "egress_connect_to=sink.example.com:443:127.0.0.1:%d" % sink.port
        return post([{"type": type, "url": "https://sink.example.com" + path, "body": "{}", **job}], pin, *options)[0]

    return run
