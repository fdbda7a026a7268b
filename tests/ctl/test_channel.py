"""Goal: `sigsentryctl channel create` makes tenant-wide channels by the API's rules, and its secrets are seen by nobody."""

import json
import os
import pathlib
import secrets
import subprocess
import uuid

import pytest

from test_ctl import (CHANNEL, CTL, NOBODY, STAMP, audit, ctl, lossy, me, new_project, new_tenant,  # noqa: F401
                      plain, run, sql)

URL = "https://hooks.slack.com/services/T1/B1/"


@pytest.fixture(scope="module")
def tenant():
    made = new_tenant()
    yield made
    ctl("tenant", "delete", made, "--yes")


def words(tenant, kind="slack", name="wide", threshold="high", credentials="-"):
    return ["channel", "create", "--tenant", tenant, "--type", kind, "--name", name, "--severity-threshold", threshold,
            "--credentials", str(credentials)]


def create(tenant, given, *more, **options):
    """What becomes of a channel whose credentials come through standard input: the finished process."""
    text = given if isinstance(given, bytes) else json.dumps(given).encode()
    argv = CTL + ["--json"] + words(tenant, **options) + [str(m) for m in more]
    return subprocess.run(argv, input=text, capture_output=True, timeout=60)


def said(done):
    """The lines on standard error, without the program's name, which each of them begins with."""
    lines = done.stderr.decode().splitlines()
    assert all(line.startswith("sigsentryctl: ") for line in lines), done
    return [line[len("sigsentryctl: "):] for line in lines]


def refused(done, status=1):
    """The lines of a refusal; nothing on standard output."""
    assert (done.returncode, done.stdout) == (status, b""), done
    return said(done)


def count(tenant):
    [(n,)] = sql("SELECT count(*) FROM sigsentry.channel WHERE tenant_id = %s", tenant)
    return n


KINDS = [
    ("slack", {"webhookUrl": URL + "x"}, "hooks.slack.com"),
    ("teams", {"webhookUrl": "https://contoso.webhook.office.com/webhookb2/x"}, "contoso.webhook.office.com"),
    ("discord", {"webhookUrl": "https://discord.com/api/webhooks/1/x"}, "discord.com"),
    ("google_chat", {"webhookUrl": "https://chat.googleapis.com/v1/spaces/A/messages?key=x"}, "chat.googleapis.com"),
    ("webhook", {"url": "https://example.com/x", "authHeader": "Bearer x", "hmacSecret": "x"}, "example.com"),
    ("email", {"recipients": ["a@example.com", "b@example.com"]}, "2 recipients"),
]


@pytest.mark.parametrize("kind,credentials,hint", KINDS, ids=[k[0] for k in KINDS])
def test_every_type(tenant, kind, credentials, hint):
    done = create(tenant, credentials, kind=kind, name="Zoë " + kind, threshold="low")
    assert (done.returncode, done.stderr) == (0, b""), done
    made = json.loads(done.stdout)
    assert set(made) == CHANNEL
    stamp = made["createdAt"]
    assert STAMP.fullmatch(stamp) and uuid.UUID(made["id"]).version == 7
    assert made == {"id": made["id"], "type": kind, "name": "Zoë " + kind, "severityThreshold": "low", "isActive": True,
                    "disabledReason": None, "scope": "tenant", "projectId": None, "destination": hint, "createdAt": stamp,
                    "updatedAt": stamp}
    assert made in ctl("channel", "list", "--tenant", tenant)
    assert made in ctl("channel", "list", "--tenant", tenant, "--project", new_project(tenant))
    fields = sql("SELECT field FROM sigsentry.credential WHERE channel_id = %s", made["id"])
    assert {f for f, in fields} == set(credentials)
    [row] = audit(made["id"])
    assert (row["action"], row["actor"], row["tenantId"], row["before"]) == ("channel.create", me(), tenant, None)
    assert row["after"] == {"type": kind, "name": "Zoë " + kind, "destination": hint, "severityThreshold": "low"}


def test_for_people(tenant, tmp_path):
    file = tmp_path / "slack.json"
    file.write_text('\n{ "webhookUrl" : "%s" }\n' % (URL + "y"))
    text = plain(*words(tenant, name="for people", credentials=file))
    assert text.startswith("id ") and "severity threshold  high\n" in text and URL not in text


def test_no_quota(tenant):
    """Plan starter has two channels for a project; those of the tenant do not count."""
    for _ in range(3):
        assert create(tenant, {"webhookUrl": URL + "q"}).returncode == 0


def test_secrets_stay_unseen(tenant):
    """Neither printed nor stored as they are, whether it goes well or not."""
    mark = "canary" + secrets.token_hex(8)
    good = {"url": "https://example.com/" + mark, "authHeader": mark, "hmacSecret": mark}
    bad = {"url": "http://example.com/" + mark, "authHeader": mark + " ", "hmacSecret": [mark]}
    broken = json.dumps(good).encode()[:-1] + mark.encode()
    for given in (good, bad, broken):
        done = create(tenant, given, kind="webhook", name="unseen")
        assert done.returncode == (0 if given is good else 1)
        assert mark.encode() not in done.stdout + done.stderr
    rows = sql("SELECT c::text FROM sigsentry.channel c UNION ALL SELECT a::text FROM sigsentry.audit a"
               " UNION ALL SELECT encode(f.sealed, 'escape') FROM sigsentry.credential f")
    assert not [r for r in rows if mark in r[0]]


def test_no_such_tenant():
    assert refused(create(NOBODY, {"webhookUrl": URL + "n"})) == [
        "there is no such tenant; `sigsentryctl tenant list` shows them"]


FAULTS = [
    (dict(kind="slakc"), {}, 2, ["--type must be one of slack, teams, discord, google_chat, webhook or email"]),
    (dict(kind="teems", threshold="info"), {}, 2, ["--type must be one of", "--severity-threshold must be one of"]),
    (dict(threshold="High"), {}, 2, ["--severity-threshold must be", "standard input: webhookUrl is missing"]),
    (dict(), {"webhook_url": URL}, 1, ['webhook_url is no field of this object; did you mean "webhookUrl"?',
                                       "webhookUrl is missing"]),
    (dict(), {"webhookUrl": "https://hooks.slack.com.example.com/x"}, 1, ["webhookUrl is not a webhook URL of Slack"]),
    (dict(kind="webhook"), {"url": "https://127.0.0.1/", "hmacSecret": ""}, 1, ["url must name a public host",
                                                                               "hmacSecret must be 1 to 512 bytes"]),
    (dict(kind="email"), {"recipients": ["a@example.com", "b"]}, 1, ["recipients[1] the address must be of the form"]),
    (dict(), ["x"], 1, ["standard input: must be an object, not an array"]),
    (dict(), "x", 1, ["standard input: must be an object, not a string"]),
    (dict(), b"", 1, ["standard input: is empty"]),
    (dict(), b" \n", 1, ["standard input: is empty"]),
    (dict(), b"{\n'webhookUrl': 1}", 1, ["standard input: line 2, column 1: "]),
    (dict(), b'{"a":1,"a":2}', 1, ["(a)"]),
    (dict(), b'{"a":1} x', 1, ["standard input: line 1, column 9: "]),
    (dict(), b'{"a":1},"name":"x"', 1, ["standard input: line 1, column 8: "]),
    (dict(), b"\xff", 1, ["standard input: line 1, column 1: "]),
    (dict(), b"[" * 16 + b"]" * 16, 1, ["too many open braces"]),
    (dict(), b"[" * 17 + b"]" * 17, 1, ["standard input: line 1, column 17: "]),
    (dict(), b'{"a\\u001b[31m":1,"webhookUrl":"%s"}' % URL.encode(), 1, ["a?[31m is no field"]),
    (dict(), b" " * 65537, 1, ["standard input: is longer than 65536 bytes"]),
]


@pytest.mark.parametrize("options,given,status,lines", FAULTS, ids=[str(i) for i in range(len(FAULTS))])
def test_every_fault_has_its_line(tenant, options, given, status, lines):
    before = count(tenant)
    told = refused(create(tenant, given, **options), status)
    assert len(told) == len(lines), told
    for line, expected in zip(told, lines):
        assert expected in line
    assert count(tenant) == before


def test_64_kib_are_not_too_long(tenant):
    text = json.dumps({"webhookUrl": URL + "long"}).encode()
    assert create(tenant, text + b" " * (65536 - len(text))).returncode == 0


def test_files(tenant, tmp_path):
    def told(credentials, **more):
        done = run(*words(tenant, credentials=credentials), **more)
        assert (done.returncode, done.stdout) == (1, ""), done
        return done.stderr

    assert told(tmp_path / "none") == "sigsentryctl: %s: No such file or directory\n" % (tmp_path / "none")
    assert told(tmp_path) == "sigsentryctl: %s: Is a directory\n" % tmp_path
    closed = tmp_path / "closed"
    closed.write_text("{}")
    closed.chmod(0)
    if os.getuid() != 0:
        assert told(closed) == "sigsentryctl: %s: Permission denied\n" % closed
    long = tmp_path / "long"
    long.write_bytes(b"{" + b" " * 65536)
    assert told(long) == "sigsentryctl: %s: is longer than 65536 bytes\n" % long
    text = tmp_path / "text"
    text.write_text("webhookUrl=x\n")
    assert told(text).startswith("sigsentryctl: %s: line 1, column 1: " % text)
    assert told("-").startswith("sigsentryctl: standard input: is empty")


def test_a_pipe_will_do(tenant):
    """As bash's <(...) makes one."""
    reading, writing = os.pipe()
    os.write(writing, json.dumps({"webhookUrl": URL + "p"}).encode())
    os.close(writing)
    done = run(*words(tenant, credentials="/dev/fd/%d" % reading), pass_fds=[reading])
    os.close(reading)
    assert done.returncode == 0, done


@pytest.mark.parametrize("credentials", ['{"webhookUrl":"%s"}' % (URL + "mine"), URL + "mine", ""])
def test_never_as_arguments(tenant, credentials):
    done = run(*words(tenant, credentials=credentials))
    assert done.returncode == 2 and "never the credentials themselves" in done.stderr and "mine" not in done.stderr


@pytest.mark.parametrize("without", ["--tenant", "--type", "--name", "--severity-threshold", "--credentials"])
def test_each_option_is_needed(tenant, without):
    given = words(tenant)
    at = given.index(without)
    done = run(*given[:at], *given[at + 2:])
    assert done.returncode == 2 and "channel create needs %s: " % without in done.stderr


def test_hosts_of_the_config(tenant):
    """The policy is the one of the config file, as in the API."""
    mine = {"webhookUrl": "https://chat.example.com/services/x"}
    assert len(refused(create(tenant, mine))) == 1
    assert create(tenant, mine, "-o", "hosts_slack=chat.example.com").returncode == 0


def test_keyring_that_cannot_be_used(tenant, tmp_path):
    before = count(tenant)
    ring = tmp_path / "public"
    [line] = refused(create(tenant, {"webhookUrl": URL}, "-o", "keyring_public=%s" % ring))
    assert line == "there is no %s to seal the credentials to; `sigsentryctl check` says what to do" % ring
    ring.write_text("nonsense\n")
    done = create(tenant, {"webhookUrl": URL}, "-o", "keyring_public=%s" % ring)
    assert done.returncode == 1 and b"cannot be used (invalid)" in done.stderr
    assert count(tenant) == before


def test_database_away(tenant, tmp_path):
    [line] = refused(create(tenant, {"webhookUrl": URL}, "-o", "database=host=%s dbname=x" % tmp_path))
    assert "cannot reach the database" in line


def test_a_lost_answer_is_asked_for_again(tenant, lossy):
    """The id is made before, so it is written once all the same."""
    between, through = lossy(b"B")
    name = "once " + secrets.token_hex(8)
    done = create(tenant, {"webhookUrl": URL + "once"}, *through, name=name)
    assert (done.returncode, done.stderr) == (0, b""), done
    assert between.lose is None and between.seen.count(b"B") == 2
    [shown] = [c for c in ctl("channel", "list", "--tenant", tenant) if c["name"] == name]
    assert shown == json.loads(done.stdout) and len(audit(shown["id"])) == 1


def test_help_and_manual():
    text = plain("channel", "create", "--help")
    manual = (pathlib.Path(__file__).resolve().parents[2] / "doc" / "sigsentryctl.8").read_text()
    for option in ("--tenant", "--type", "--name", "--severity-threshold", "--credentials"):
        assert option in text and "Fl %s" % option[1:] in manual
