"""Goal: every command of sigsentryctl does what contract.md §9 to §11 say, in words for people and in JSON for programs.

Runs against a stack that dev/up made: SIGSENTRY_CTL (a command with its -c) and SIGSENTRY_DSN (the owner's) are in the
environment, or in run/env.  What could hurt the stack is done in a database and with a keyring of the test's own.
SIGSENTRY_ADMIN_ROLE names the role that may create databases there (postgres without it).
"""

import datetime
import hashlib
import json
import os
import pathlib
import pwd
import re
import secrets
import shlex
import socket
import stat
import subprocess
import time
import unicodedata
import uuid

import psycopg2
import psycopg2.extensions
import pytest

import proxy
import runenv

ROOT = pathlib.Path(__file__).resolve().parents[2]
NOBODY = "01931f6e-8a40-7c1e-9b1d-3f0c5a7e2d11"
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
KEY = {
    "pub": re.compile(r"ss_pub_[0-9A-Za-z]{38}"),
    "secret": re.compile(r"ss_secret_[0-9A-Za-z]{38}"),
    "org": re.compile(r"ss_org_[0-9A-Za-z]{38}"),
}
TENANT = {"id", "name", "plan", "createdAt", "suspendedAt"}
PROJECT = {"id", "tenantId", "name", "slug", "createdAt"}
APIKEY = {"id", "tenantId", "projectId", "kind", "name", "displayPrefix", "permissions", "createdAt", "expiresAt", "revokedAt"}
PLAN = {"name", "channelLimit", "readsPerMinute", "writesPerMinute"}
CHANNEL = {"id", "type", "name", "severityThreshold", "isActive", "disabledReason", "scope", "projectId", "destination",
           "createdAt", "updatedAt"}
AUDIT = {"id", "at", "tenantId", "actorKind", "actor", "action", "objectKind", "objectId", "before", "after"}


def env(name):
    """A setting of the stack; what the environment says wins."""
    return os.environ.get(name) or runenv.ENV[name]


CTL = shlex.split(env("SIGSENTRY_CTL"))


def run(*words, stdout=subprocess.PIPE, **more):
    """sigsentryctl with these words."""
    return subprocess.run(CTL + [str(w) for w in words], stdin=subprocess.DEVNULL, stdout=stdout,
                          stderr=subprocess.PIPE, text=True, timeout=120, **more)


def plain(*words, **more):
    """What it prints for people; it must succeed without a word on standard error."""
    done = run(*words, **more)
    assert (done.returncode, done.stderr) == (0, ""), (words, done)
    return done.stdout


def ctl(*words, **more):
    """The JSON document that it prints."""
    return json.loads(plain("--json", *words, **more))


def one_line(done):
    """The reason on standard error: one line, led by the program's name."""
    assert done.stderr.startswith("sigsentryctl: ") and done.stderr.endswith("\n"), done
    assert done.stderr.count("\n") == 1, done
    return done.stderr[len("sigsentryctl: "):-1]


def refused(*words, **more):
    """The reason of a refusal: exit status 1, nothing on standard output."""
    done = run(*words, **more)
    assert (done.returncode, done.stdout) == (1, ""), (words, done)
    return one_line(done)


def misused(*words):
    """What is said of a command line that makes no sense: exit status 2."""
    done = run(*words)
    assert (done.returncode, done.stdout) == (2, ""), (words, done)
    return one_line(done)


def query(dsn, text, *params):
    """All rows that a statement gives."""
    link = psycopg2.connect(dsn)
    try:
        with link, link.cursor() as cursor:
            cursor.execute(text, params)
            return cursor.fetchall() if cursor.description else []
    finally:
        link.close()


def sql(text, *params):
    return query(env("SIGSENTRY_DSN"), text, *params)


def me():
    return pwd.getpwuid(os.getuid()).pw_name


def audit(object_id):
    """The object's audit rows, oldest first, as the command shows them."""
    rows = [r for r in ctl("audit", "--since", "1d", "--limit", "100000") if r["objectId"] == object_id]
    for r in rows:
        assert set(r) == AUDIT and STAMP.fullmatch(r["at"]) and r["actorKind"] == "user"
    return rows[::-1]


def new_tenant(plan="starter"):
    return ctl("tenant", "create", "--name", "ctl " + secrets.token_hex(4), "--plan", plan)["id"]


def new_project(tenant):
    return ctl("project", "create", "--tenant", tenant, "--name", "Ctl", "--slug", "p" + secrets.token_hex(6))["id"]


@pytest.fixture(scope="module")
def tenant():
    made = new_tenant()
    yield made
    ctl("tenant", "delete", made, "--yes")


@pytest.fixture(scope="module")
def project(tenant):
    return new_project(tenant)


# Help and usage ------------------------------------------------------------------------------------


def commands():
    """The commands that the help shows."""
    part = plain("--help").split("Commands:\n\n")[1].split("\n\n")[0]
    return [re.split(r"\s{2,}", line.strip())[0] for line in part.splitlines()]


WANTED = [
    "setup", "migrate", "check", "tenant create", "tenant list", "tenant set-plan", "tenant rename", "tenant suspend",
    "tenant resume", "tenant delete", "project create", "project list", "project rename", "project delete",
    "apikey create", "apikey list", "apikey revoke", "plan list", "plan set", "channel list", "channel create",
    "keyring generate", "keyring list", "keyring rotate", "keyring reseal", "keyring retire", "keyring export",
    "keyring import", "keyring check", "publish", "delivery list", "delivery retry", "status", "queue status", "queue hold",
    "queue release", "queue discard", "audit",
]


def test_help_shows_every_command():
    assert set(WANTED) <= set(commands())
    text = plain("--help")
    assert "usage: sigsentryctl" in text and "--json" in text and "Exit status" in text
    assert plain("help") == plain("-h") == text


@pytest.mark.parametrize("command", WANTED)
def test_help_of_a_command(command):
    text = plain(*command.split(), "--help")
    assert text.startswith("usage: sigsentryctl " + command)
    assert plain("--help", *command.split()) == text
    assert plain("help", *command.split()) == text
    example = text.split("\nexample:\n")[1].replace("\n", " ")
    words = shlex.split(example)
    assert words[0] == "sigsentryctl" and " ".join(words[1:]).startswith(command)
    # The example must be one that the command takes: it fails for want of a config file, not of sense.
    done = subprocess.run(CTL[:1] + words[1:] + ["-c", "/nonexistent/conf"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 1, done


def test_help_of_a_group():
    text = plain("tenant", "--help")
    assert "tenant set-plan" in text and "project" not in text


def test_help_needs_no_config():
    for words in (["--help"], ["tenant", "list", "--help"], ["--version"]):
        done = subprocess.run(CTL[:1] + words, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0 and done.stdout


def test_version():
    assert re.fullmatch(r"sigsentryctl \d+\.\d+\S*\n", plain("--version"))
    assert plain("-V") == plain("--version")


USAGE = [
    ([], "say what to do"),
    (["tennant", "list"], "did you mean tenant list?"),
    (["frobnicate"], "no command frobnicate"),
    (["tenant"], "create, list, set-plan, rename, suspend, resume, delete"),
    (["tenant", "frob"], "no command tenant frob; behind tenant stands one of create, list,"),
    (["tenant", "lst"], "did you mean list?"),
    (["create", "tenant"], "did you mean tenant create?"),
    (["channel", "create", "--severity", "high"], "did you mean --severity-threshold?"),
    (["frob", "--help"], "no command frob"),
    (["apikey", "create", "--permision", "x"], "did you mean --permission?"),
    (["tenant", "list", "-x"], "no option -x"),
    (["tenant", "list", "--name", "x"], "does not take --name"),
    (["tenant", "list", "extra"], "does not take the word extra"),
    (["tenant", "list", "--json=yes"], "--json takes no value"),
    (["tenant", "create", "--plan", "pro"], "needs --name"),
    (["tenant", "create", "--name", "x"], "needs --plan"),
    (["tenant", "create", "--plan", "pro", "--name"], "--name needs a value"),
    (["tenant", "create", "--plan", "pro", "--name", ""], "1 to 255 characters"),
    (["tenant", "create", "--plan", "pro", "--name", "x" * 256], "1 to 255 characters"),
    (["tenant", "create", "--plan", "pro", "--name", "a\nb"], "control characters"),
    (["tenant", "create", "--plan", "pro", "--name", "a\x9bb"], "control characters"),
    (["tenant", "create", "--plan", "pro", "--name", b"\xff"], "UTF-8"),
    (["tenant", "create", "--plan", "pro", "--name", "a", "--name", "b"], "--name stands there twice"),
    (["tenant", "suspend"], "needs a word behind it, TENANT: id of the tenant"),
    (["tenant", "suspend", "42"], "must be an id such as"),
    (["tenant", "suspend", NOBODY[:-1]], "must be an id such as"),
    (["tenant", "suspend", NOBODY, NOBODY], "does not take the word"),
    (["tenant", "delete", NOBODY], "say --yes"),
    (["project", "delete", NOBODY], "say --yes"),
    (["project", "create", "--tenant", NOBODY, "--name", "x"], "needs --slug"),
    (["project", "create", "--tenant", NOBODY, "--name", "x", "--slug", "Web"], "a-z, 0-9"),
    (["project", "create", "--tenant", NOBODY, "--name", "x", "--slug", "-a"], "a-z, 0-9"),
    (["project", "create", "--tenant", NOBODY, "--name", "x", "--slug", "a" * 64], "1 to 63"),
    (["apikey", "create", "--kind", "secret", "--permission", "config:read", "--name", "x"], "give --project"),
    (["apikey", "create", "--kind", "org", "--permission", "config:read", "--name", "x"], "give --tenant"),
    (["apikey", "create", "--kind", "org", "--permission", "config:read", "--name", "x", "--tenant", NOBODY,
      "--project", NOBODY], "no --project"),
    (["apikey", "create", "--kind", "secret", "--permission", "config:read", "--name", "x", "--tenant", NOBODY],
     "give --project"),
    (["apikey", "create", "--kind", "secret", "--name", "x", "--project", NOBODY], "needs --permission"),
    (["apikey", "create", "--kind", "live", "--permission", "config:read", "--name", "x", "--project", NOBODY],
     "pub, secret or org"),
    (["apikey", "create", "--kind", "secret", "--permission", "config:all", "--name", "x", "--project", NOBODY],
     "analysis:create, analysis:read"),
    (["apikey", "create", "--kind", "pub", "--permission", "config:read", "--name", "x", "--project", NOBODY],
     "a pub key may not carry config:read"),
    (["apikey", "revoke", "ss_secret_x"], "must be an id such as"),
    (["plan", "set", "x", "--channels", "1", "--reads-per-minute", "1"], "needs --writes-per-minute"),
    (["plan", "set", "x", "--channels", "-1", "--reads-per-minute", "1", "--writes-per-minute", "1"], "--channels must be"),
    (["plan", "set", "x", "--channels", "many", "--reads-per-minute", "1", "--writes-per-minute", "1"], "or unlimited"),
    (["plan", "set", "x", "--channels", "2147483648", "--reads-per-minute", "1", "--writes-per-minute", "1"], "2147483647"),
    (["plan", "set", "x", "--channels", "1", "--reads-per-minute", "0", "--writes-per-minute", "1"], "from 1"),
    (["plan", "set", "--channels", "1", "--reads-per-minute", "1", "--writes-per-minute", "1"], "needs a word"),
    (["channel", "list"], "needs --tenant"),
    (["audit", "--limit", "0"], "from 1"),
    (["audit", "--since", "yesterday"], "--since must be"),
    (["setup", "--status"], "does not take --status"),
    (["migrate", "now"], "does not take the word now"),
]


@pytest.mark.parametrize("words,said", USAGE, ids=[str(i) for i in range(len(USAGE))])
def test_usage(words, said):
    done = subprocess.run(CTL + words, capture_output=True, text=True, errors="replace", timeout=30)
    assert (done.returncode, done.stdout) == (2, ""), done
    assert said in one_line(done)


EXPIRES = ["", "90", "d", "0d", "-1d", "36501d", "90days", "2001-01-01T00:00:00Z", "2030-02-29T00:00:00Z",
           "2030-13-01T00:00:00Z", "2030-01-01", "2030-01-01T00:00:00", "2030-01-01T24:00:00Z", "2030-01-01T00:60:00Z",
           "2030-01-01T00:00:00Zjunk", "2030-01-01T00:00:00+1", "2030-01-01T00:00:00.Z", "tomorrow"]


@pytest.mark.parametrize("when", EXPIRES)
def test_expires_that_is_none(when):
    said = misused("apikey", "create", "--kind", "secret", "--permission", "config:read", "--name", "x", "--project", NOBODY,
                   "--expires", when)
    assert "--expires must be a time to come" in said


# Where options may stand ---------------------------------------------------------------------------


def test_options_before_and_behind():
    made = set()
    for words in (["--json", "tenant", "list"], ["tenant", "--json", "list"], ["tenant", "list", "--json"],
                  ["-o", "lock_timeout_ms=500", "tenant", "list", "--json"],
                  ["tenant", "list", "--json", "-olock_timeout_ms=500"],
                  ["tenant", "list", "--json", "--option=lock_timeout_ms=500"]):
        made.add(plain(*words))
    assert len(made) == 1 and isinstance(json.loads(made.pop()), list)


def test_config_file_and_overrides(tmp_path):
    conf = tmp_path / "own.conf"
    conf.write_text("database = dbname=x\napi_wrokers = 4\n")
    for words in (["-c", conf, "tenant", "list"], ["tenant", "list", "--config", conf]):
        done = subprocess.run(CTL[:1] + [str(w) for w in words], capture_output=True, text=True, timeout=30)
        assert done.returncode == 1
        assert one_line(done) == '%s:2: there is no key "api_wrokers"; did you mean api_workers?' % conf
    said = refused("tenant", "list", "-o", "api_workers=none")
    assert "api_workers" in said and "-o api_workers=none" in said
    done = subprocess.run(CTL[:1] + ["tenant", "list", "-c", str(tmp_path / "none")], capture_output=True, text=True)
    assert done.returncode == 1 and "No such file" in one_line(done)


def test_database_away(tmp_path):
    said = refused("tenant", "list", "-o", "database=host=%s dbname=x" % tmp_path)
    assert "cannot reach the database" in said and "sigsentryctl check" in said


@pytest.fixture
def lossy(tmp_path):
    """Starts a proxy that loses one answer; gives it, and the option that leads sigsentryctl through it."""
    dsn = psycopg2.extensions.parse_dsn(env("SIGSENTRY_DSN"))
    made = []

    def start(lose):
        made.append(proxy.LossyProxy(tmp_path, "%s/.s.PGSQL.%s" % (dsn["host"], dsn.get("port", 5432)), lose))
        return made[-1], ["-o", "database=host=%s dbname=%s" % (tmp_path, dsn["dbname"])]

    yield start
    for p in made:
        p.close()


def test_a_change_is_not_repeated(lossy):
    """The answer to a change is lost: it may have been done, and is not done again."""
    between, through = lossy(b"B")
    name = "once " + secrets.token_hex(8)
    said = refused("tenant", "create", "--name", name, "--plan", "starter", *through)
    assert "may have been done" in said and "`sigsentryctl tenant list`" in said and "before you try again" in said
    assert between.lose is None and between.seen.count(b"B") == 1
    assert [t["name"] for t in ctl("tenant", "list")].count(name) == 1


def test_a_lost_key_is_not_repeated(lossy, project):
    between, through = lossy(b"B")
    name = "once " + secrets.token_hex(8)
    said = refused("apikey", "create", "--project", project, "--kind", "secret", "--permission", "config:read",
                   "--name", name, *through)
    assert "may have been done" in said and "`sigsentryctl apikey list`" in said and "revoke" in said
    assert not KEY["secret"].search(said)
    assert [k["name"] for k in ctl("apikey", "list", "--project", project)].count(name) == 1
    assert between.lose is None


def test_a_connection_lost_before_is_made_anew(lossy):
    """What was not sent yet can be sent on another connection."""
    between, through = lossy(b"P")
    name = "once " + secrets.token_hex(8)
    ctl("tenant", "create", "--name", name, "--plan", "starter", *through)
    assert between.lose is None and between.seen.count(b"P") == 2
    assert [t["name"] for t in ctl("tenant", "list")].count(name) == 1


def test_standard_output_full():
    with open("/dev/full", "w") as full:
        done = run("tenant", "list", stdout=full)
    assert done.returncode == 1 and "standard output" in one_line(done)


# Tenants -------------------------------------------------------------------------------------------


def test_tenant_life():
    name = "Zoë & Söhne ✓ " + secrets.token_hex(4)
    made = ctl("tenant", "create", "--name", name, "--plan", "starter")
    assert set(made) == TENANT and made["name"] == name and made["plan"] == "starter" and made["suspendedAt"] is None
    assert uuid.UUID(made["id"]).version == 7 and STAMP.fullmatch(made["createdAt"])
    tid = made["id"]
    assert [t for t in ctl("tenant", "list") if t["id"] == tid] == [made]

    assert ctl("tenant", "set-plan", tid, "--plan", "pro")["plan"] == "pro"
    assert ctl("tenant", "rename", "--tenant", tid, "--name", "Ny")["name"] == "Ny"
    assert STAMP.fullmatch(ctl("tenant", "suspend", tid.upper())["suspendedAt"])
    assert ctl("tenant", "resume", tid)["suspendedAt"] is None
    assert [(r["action"], r["before"], r["after"]) for r in audit(tid)][:3] == [
        ("tenant.create", None, {"name": name, "plan": "starter"}),
        ("tenant.set_plan", {"plan": "starter"}, {"plan": "pro"}),
        ("tenant.rename", {"name": name}, {"name": "Ny"}),
    ]
    assert [r["action"] for r in audit(tid)][3:] == ["tenant.suspend", "tenant.resume"]
    assert {r["actor"] for r in audit(tid)} == {me()}
    assert {r["tenantId"] for r in audit(tid)} == {tid}

    assert ctl("tenant", "delete", tid, "--yes")["id"] == tid
    assert tid not in [t["id"] for t in ctl("tenant", "list")]
    assert [r["action"] for r in audit(tid)] == ["tenant.delete"]
    assert name not in json.dumps(audit(tid), ensure_ascii=False) and "Ny" not in json.dumps(audit(tid))


@pytest.mark.parametrize("words", [
    ["set-plan", NOBODY, "--plan", "pro"], ["rename", NOBODY, "--name", "x"], ["suspend", NOBODY], ["resume", NOBODY],
    ["delete", NOBODY, "--yes"]])
def test_no_such_tenant(words):
    assert refused("tenant", *words) == "there is no such tenant; `sigsentryctl tenant list` shows them"
    assert refused("--json", "tenant", *words).startswith("there is no such tenant")


def test_no_such_plan(tenant):
    assert "no such plan" in refused("tenant", "create", "--name", "x", "--plan", "gold")
    assert "no such plan" in refused("tenant", "set-plan", tenant, "--plan", "gold")


def test_what_changes_nothing_leaves_no_audit_row(tenant):
    before = audit(tenant)
    ctl("tenant", "resume", tenant)
    ctl("tenant", "set-plan", tenant, "--plan", "starter")
    assert audit(tenant) == before


def test_actor(tenant):
    done = ctl("tenant", "rename", tenant, "--name", "by sudo", env={**os.environ, "SUDO_USER": "alice"})
    assert done["name"] == "by sudo"
    # Only root may be believed when it says who is behind sudo.
    assert audit(tenant)[-1]["actor"] == ("alice" if os.getuid() == 0 else me())


# Projects ------------------------------------------------------------------------------------------


def test_project_life(tenant):
    slug = "web-" + secrets.token_hex(4)
    made = ctl("project", "create", "--tenant", tenant, "--name", "Web shop", "--slug", slug)
    assert set(made) == PROJECT and (made["tenantId"], made["name"], made["slug"]) == (tenant, "Web shop", slug)
    pid = made["id"]
    assert made in ctl("project", "list") and made in ctl("project", "list", "--tenant", tenant)
    other = new_tenant()
    assert ctl("project", "list", "--tenant", other) == []
    ctl("tenant", "delete", other, "--yes")

    assert "slug already" in refused("project", "create", "--tenant", tenant, "--name", "x", "--slug", slug)
    assert ctl("project", "rename", pid, "--name", "Shop") == {**made, "name": "Shop"}
    assert ctl("project", "delete", "--project", pid, "--yes")["id"] == pid
    assert pid not in [p["id"] for p in ctl("project", "list")]
    assert [r["action"] for r in audit(pid)] == ["project.create", "project.rename", "project.delete"]


def test_no_such_project():
    assert "no such tenant" in refused("project", "create", "--tenant", NOBODY, "--name", "x", "--slug", "x")
    for words in (["rename", NOBODY, "--name", "x"], ["delete", NOBODY, "--yes"]):
        assert refused("project", *words) == "there is no such project; `sigsentryctl project list` shows them"


# API keys ------------------------------------------------------------------------------------------


def new_key(kind, place, *more):
    words = ["apikey", "create", "--kind", kind, "--name", "k " + secrets.token_hex(4), *more]
    return ctl(*words, "--tenant" if kind == "org" else "--project", place)


@pytest.mark.parametrize("kind,permissions", [
    ("secret", ["config:read", "config:write"]),
    ("secret", ["analysis:create", "analysis:read", "config:read", "config:write"]),
    ("org", ["config:write"]),
    ("pub", ["analysis:create"]),
])
def test_apikey_life(tenant, project, kind, permissions):
    words = [w for p in permissions for w in ("--permission", p)]
    made = new_key(kind, tenant if kind == "org" else project, *words)
    key = made.pop("key")
    assert KEY[kind].fullmatch(key)
    assert set(made) == APIKEY and made["kind"] == kind and made["permissions"] == permissions
    assert made["tenantId"] == tenant and made["projectId"] == (None if kind == "org" else project)
    assert made["expiresAt"] is None and made["revokedAt"] is None
    assert key.startswith(made["displayPrefix"]) and len(made["displayPrefix"]) <= len("ss_secret_") + 4
    kid = made["id"]

    # The key is nowhere but in what was printed: the database has its digest.
    [(digest,)] = sql("SELECT digest FROM sigsentry.api_key WHERE id = %s", kid)
    assert bytes(digest) == hashlib.sha256(key.encode()).digest()
    assert made in ctl("apikey", "list") and made in ctl("apikey", "list", "--tenant", tenant)
    assert (made in ctl("apikey", "list", "--project", project)) == (kind != "org")
    random = key.split("_")[2][4:]
    for words in (["apikey", "list"], ["--json", "apikey", "list"], ["audit"], ["--json", "audit"]):
        assert random not in plain(*words)
    [row] = audit(kid)
    assert row["action"] == "apikey.create" and row["after"]["kind"] == kind and row["before"] is None

    revoked = ctl("apikey", "revoke", kid)
    assert STAMP.fullmatch(revoked["revokedAt"]) and {**revoked, "revokedAt": None} == made
    assert ctl("apikey", "revoke", "--id", kid) == revoked
    assert [r["action"] for r in audit(kid)] == ["apikey.create", "apikey.revoke"]


def test_apikey_for_people(project):
    text = plain("apikey", "create", "--kind", "secret", "--project", project, "--permission", "config:read", "--name", "n")
    assert len(KEY["secret"].findall(text)) == 1 and "not shown again" in text
    # Two keys are never the same.
    other = plain("apikey", "create", "--kind", "secret", "--project", project, "--permission", "config:read", "--name", "n")
    assert KEY["secret"].findall(text) != KEY["secret"].findall(other)


def test_apikey_repeated_permission_counts_once(project):
    made = new_key("secret", project, "--permission", "config:read", "--permission", "config:read")
    assert made["permissions"] == ["config:read"]


@pytest.mark.parametrize("when,stored", [
    ("2038-01-31T12:00:00Z", "2038-01-31T12:00:00.000Z"),
    ("2038-01-31T12:00:00.25+01:30", "2038-01-31T10:30:00.250Z"),
    ("2036-02-29t23:59:59-00:30", "2036-03-01T00:29:59.000Z"),
    ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
])
def test_expires(project, when, stored):
    assert new_key("secret", project, "--permission", "config:read", "--expires", when)["expiresAt"] == stored


def test_expires_in_days(project):
    made = new_key("secret", project, "--permission", "config:read", "--expires", "90d")
    at = datetime.datetime.fromisoformat(made["expiresAt"].replace("Z", "+00:00"))
    left = at - datetime.datetime.now(datetime.timezone.utc)
    assert abs(left - datetime.timedelta(days=90)) < datetime.timedelta(minutes=2)


def test_apikey_refusals():
    words = ["apikey", "create", "--permission", "config:read", "--name", "x"]
    assert "no such project" in refused(*words, "--kind", "secret", "--project", NOBODY)
    assert "no such tenant" in refused(*words, "--kind", "org", "--tenant", NOBODY)
    assert "no such API key" in refused("apikey", "revoke", NOBODY)


# Plans ---------------------------------------------------------------------------------------------


def test_plans():
    plans = {p["name"]: p for p in ctl("plan", "list")}
    assert {"starter", "pro", "business", "enterprise"} <= set(plans)
    assert plans["starter"] == {"name": "starter", "channelLimit": 2, "readsPerMinute": 120, "writesPerMinute": 60}
    assert plans["business"] == {"name": "business", "channelLimit": None, "readsPerMinute": 6000, "writesPerMinute": 3000}
    name = "ctl-" + secrets.token_hex(4)
    made = ctl("plan", "set", name, "--channels", "3", "--reads-per-minute", "unlimited", "--writes-per-minute", "7")
    assert set(made) == PLAN and made == {"name": name, "channelLimit": 3, "readsPerMinute": None, "writesPerMinute": 7}
    assert made in ctl("plan", "list")
    text = plain("plan", "set", "--name", name, "--channels", "unlimited", "--reads-per-minute", "9", "--writes-per-minute", "7")
    assert re.search(r"channel limit +unlimited\n", text)
    [line] = [x for x in plain("plan", "list").splitlines() if name in x]
    assert line.split() == [name, "unlimited", "9", "7"]
    assert [(r["action"], r["before"]["channelLimit"] if r["before"] else None, r["after"]["channelLimit"])
            for r in audit(name)] == [("plan.set", None, 3), ("plan.set", 3, None)]
    sql("DELETE FROM sigsentry.plan WHERE name = %s", name)


# Channels ------------------------------------------------------------------------------------------


def test_channel_list(tenant, project):
    assert ctl("channel", "list", "--tenant", tenant) == []
    rows = [(str(uuid.uuid4()), project, "mine"), (str(uuid.uuid4()), None, "wide"),
            (str(uuid.uuid4()), new_project(tenant), "other")]
    for cid, pid, name in rows:
        sql("INSERT INTO sigsentry.channel (tenant_id, id, project_id, type, name, severity_threshold, destination)"
            " VALUES (%s, %s, %s, 'slack', %s, 1, 'hooks.slack.com')", tenant, cid, pid, name)
    shown = {c["name"]: c for c in ctl("channel", "list", "--tenant", tenant)}
    assert set(shown) == {"mine", "wide", "other"} and all(set(c) == CHANNEL for c in shown.values())
    assert shown["mine"]["isActive"] is True and shown["mine"]["severityThreshold"] == "high"
    assert (shown["mine"]["scope"], shown["wide"]["scope"], shown["wide"]["projectId"]) == ("project", "tenant", None)
    assert {c["name"] for c in ctl("channel", "list", "--tenant", tenant, "--project", project)} == {"mine", "wide"}
    assert ctl("channel", "list", "--tenant", NOBODY) == []


# Audit ---------------------------------------------------------------------------------------------


def test_audit_filters(tenant):
    ctl("tenant", "suspend", tenant)
    ctl("tenant", "resume", tenant)
    rows = ctl("audit", "--tenant", tenant)
    assert {r["tenantId"] for r in rows} == {tenant}
    assert [r["id"] for r in rows] == sorted((r["id"] for r in rows), reverse=True)
    assert ctl("audit", "--tenant", tenant, "--limit", "2") == rows[:2]
    assert ctl("audit", "--tenant", tenant, "--since", "2099-01-01T00:00:00Z") == []
    assert ctl("audit", "--tenant", tenant, "--since", rows[1]["at"])[-1]["at"] >= rows[1]["at"]


# Tables for people ---------------------------------------------------------------------------------


def test_table_is_aligned():
    made = [ctl("tenant", "create", "--name", name, "--plan", "pro")["id"] for name in ("Ærø", "x" * 40, "日本")]
    lines = plain("tenant", "list").splitlines()
    assert lines[0].split("  ")[0] == "ID" and "CREATED AT" in lines[0] and "SUSPENDED AT" in lines[0]
    at = lines[0].index("PLAN")
    for line in lines[1:]:
        assert line[at - 2:at] == "  " and re.match(r"\S", line[at:]), line
        assert line == line.rstrip() and not any(unicodedata.category(c) == "Cc" for c in line)
    for tid in made:
        ctl("tenant", "delete", tid, "--yes")


def test_table_cannot_steer_a_terminal(tenant):
    sql("UPDATE sigsentry.tenant SET name = E'a\\x1b[31m\\u009bz\\nb' WHERE id = %s", tenant)
    [line] = [x for x in plain("tenant", "list").splitlines() if tenant in x]
    assert "a?[31m?z?b" in line
    [row] = [t for t in ctl("tenant", "list") if t["id"] == tenant]
    assert row["name"] == "a\x1b[31m\x9bz\nb"
    sql("UPDATE sigsentry.tenant SET name = 'a' WHERE id = %s", tenant)


def test_a_name_turns_no_other_column(tenant):
    """U+202E and its like, which a name may hold, would show the rest of the row from right to left; a separator, as two."""
    name = "a\u202eb\u2066c\u2028d\u00e9\u05d0"
    sql("UPDATE sigsentry.tenant SET name = %s WHERE id = %s", name, tenant)
    try:
        [line] = [x for x in plain("tenant", "list").split("\n") if tenant in x]
        assert "a?b?c?d\u00e9\u05d0" in line and not re.search("[\u2028-\u202e\u2066-\u2069]", line)
        [row] = [t for t in ctl("tenant", "list") if t["id"] == tenant]
        assert row["name"] == name
    finally:
        sql("UPDATE sigsentry.tenant SET name = 'a' WHERE id = %s", tenant)


# Keyring -------------------------------------------------------------------------------------------


@pytest.fixture
def ring(tmp_path):
    """Options that point to a keyring of its own."""
    return ["-o", "keyring_private=%s" % (tmp_path / "private"), "-o", "keyring_public=%s" % (tmp_path / "public")]


def test_keyring(ring, tmp_path):
    assert "keyring generate" in refused("keyring", "list", *ring)
    made = ctl("keyring", "generate", *ring)
    assert set(made) == {"id", "createdAt", "state", "private"}
    assert re.fullmatch(r"[0-9a-f]{16}", made["id"]) and STAMP.fullmatch(made["createdAt"])
    assert made["state"] == "active" and made["private"] is True
    private, public = tmp_path / "private", tmp_path / "public"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600 and stat.S_IMODE(public.stat().st_mode) == 0o644
    key = re.search(r"^key \S+ \S+ active ([0-9a-f]{64}) ([0-9a-f]{64})$", private.read_text(), re.M)
    assert key[2] not in public.read_text() and key[1] in public.read_text()

    assert ctl("keyring", "list", *ring) == [made]
    assert key[2] not in plain("keyring", "list", *ring)
    before = private.read_bytes(), public.read_bytes()
    assert "there is a keyring already" in refused("keyring", "generate", *ring)
    assert (private.read_bytes(), public.read_bytes()) == before

    private.rename(tmp_path / "aside")
    assert ctl("keyring", "list", *ring) == [{**made, "private": False}]
    assert "there is a keyring already" in refused("keyring", "generate", *ring)
    assert not private.exists() and public.read_bytes() == before[1]


def test_keyring_that_is_broken(ring, tmp_path):
    ctl("keyring", "generate", *ring)
    (tmp_path / "private").chmod(0o640)
    done = run("keyring", "list", *ring)
    assert done.returncode == 1 and "chmod 0600" in done.stderr
    (tmp_path / "private").chmod(0o600)
    (tmp_path / "private").write_text("nonsense\n")
    done = run("keyring", "list", *ring)
    assert done.returncode == 1 and "cannot be used" in done.stderr


def test_keyring_where_one_may_not_write(tmp_path):
    done = run("keyring", "generate", "-o", "keyring_private=/nonexistent/a", "-o", "keyring_public=/nonexistent/b")
    assert done.returncode == 1 and "the folder of /nonexistent/a cannot be locked" in done.stderr
    public = tmp_path / "public"
    done = run("keyring", "generate", "-o", "keyring_private=/nonexistent/a", "-o", "keyring_public=%s" % public)
    assert done.returncode == 1 and not public.exists(), "workers would seal to a key that nobody has"


def test_keyring_whose_name_is_taken_meanwhile(ring, tmp_path):
    """What a first look does not see, here a link to nowhere, is not overwritten either."""
    for name in ("private", "public"):
        (tmp_path / name).symlink_to("nowhere")
        assert "%s is there already" % (tmp_path / name) in refused("keyring", "generate", *ring)
        assert os.readlink(tmp_path / name) == "nowhere"
        (tmp_path / name).unlink()
        (tmp_path / "private").unlink(missing_ok=True)


# A database of its own: setup, migrate, check --------------------------------------------------------


class Own:
    """A database that nobody else uses."""

    def __init__(self, tmp_path):
        parts = psycopg2.extensions.parse_dsn(env("SIGSENTRY_DSN"))
        self.base = psycopg2.extensions.make_dsn(**parts)
        self.name = "ctl_" + secrets.token_hex(6)
        self.dsn = psycopg2.extensions.make_dsn(**{**parts, "dbname": self.name})
        parts.pop("user", None)
        conninfo = psycopg2.extensions.make_dsn(**{**parts, "dbname": self.name})
        self.options = ["-o", "database=" + conninfo, "-o", "keyring_private=%s" % (tmp_path / "private"),
                        "-o", "keyring_public=%s" % (tmp_path / "public")]
        self.admin = ["--admin-user", os.environ.get("SIGSENTRY_ADMIN_ROLE", "postgres")]

    def sql(self, text, *params):
        return query(self.dsn, text, *params)

    def empty(self):
        """Forget the schema, keep the database."""
        self.sql("DROP SCHEMA sigsentry, api, admin, courier CASCADE")

    def drop(self):
        link = psycopg2.connect(self.base)
        link.autocommit = True
        with link.cursor() as cursor:
            cursor.execute('DROP DATABASE IF EXISTS "%s" WITH (FORCE)' % self.name)
        link.close()


@pytest.fixture
def own(tmp_path):
    """What is to become a database: not there yet."""
    o = Own(tmp_path)
    yield o
    o.drop()


@pytest.fixture
def done(own):
    """One that setup has been through."""
    plain("setup", *own.admin, *own.options)
    return own


def steps(own):
    return [(r["version"], r["state"]) for r in ctl("migrate", "--status", *own.options)]


def nschema():
    return len(list((ROOT / "sql" / "schema").glob("*.sql")))


def test_setup(own, tmp_path):
    said = plain("setup", "--dry-run", *own.admin, *own.options)
    assert "database %s: would be made\n" % own.name in said and "private: would be made\n" in said
    with pytest.raises(psycopg2.OperationalError, match="does not exist"):
        own.sql("SELECT 1")
    assert not (tmp_path / "private").exists()

    said = plain("setup", *own.admin, *own.options)
    assert "database %s: made\n" % own.name in said and "role sigsentry_api: found\n" in said
    assert "schema file base: applied\n" in said and "private: made\n" in said
    assert (tmp_path / "private").exists() and (tmp_path / "public").exists()
    assert steps(own) == [(i + 1, "applied") for i in range(nschema())]
    [(owner, encoding)] = own.sql("SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding) FROM pg_database"
                                  " WHERE datname = %s", own.name)
    assert (owner, encoding) == ("sigsentry_owner", "UTF8")

    before = (tmp_path / "private").read_bytes()
    again = [s for s in ctl("setup", *own.admin, *own.options) if s["kind"] != "units"]  # those of an installed package
    assert {s["kind"] for s in again} == {"role", "database", "schema", "keyring"}
    assert {s["state"] for s in again} == {"found"}
    assert (tmp_path / "private").read_bytes() == before
    assert "would be" not in plain("setup", "--dry-run", *own.admin, *own.options)


def test_setup_mends_a_half_made_keyring(done, tmp_path):
    before = (tmp_path / "public").read_bytes()
    (tmp_path / "public").unlink()
    assert "public: made\n" in plain("setup", *done.admin, *done.options)
    assert (tmp_path / "public").read_bytes() == before


def test_setup_makes_no_second_keyring(done, tmp_path):
    """On a second machine, or where the keys are gone: what the database holds is sealed to another one."""
    tenant = ctl("tenant", "create", "--name", "T", "--plan", "starter", *done.options)["id"]
    credentials = tmp_path / "credentials"
    credentials.write_text('{"webhookUrl": "https://hooks.slack.com/services/T1/B1/x"}')
    ctl("channel", "create", "--tenant", tenant, "--type", "slack", "--name", "n", "--severity-threshold", "low",
        "--credentials", credentials, *done.options)
    kept = tmp_path / "kept"
    (tmp_path / "private").rename(kept)
    (tmp_path / "public").unlink()
    again = run("setup", *done.admin, *done.options)
    said = one_line(again)
    assert again.returncode == 1 and "1 sealed values" in said and "keyring import" in said and "keyring generate" in said
    assert not (tmp_path / "private").exists() and not (tmp_path / "public").exists()
    ctl("keyring", "import", str(kept), *done.options)
    assert "private: found\n" in plain("setup", *done.admin, *done.options)


def test_setup_as_nobody(own):
    done = run("setup", "--admin-user", "no_such_role_" + secrets.token_hex(4), *own.options)
    assert done.returncode == 1 and "--admin-user" in one_line(done)


@pytest.mark.skipif(os.path.exists("/run/systemd/system"), reason="it would start what is installed on this machine")
def test_setup_start_without_systemd(own, tmp_path):
    done = run("setup", "--start", *own.admin, *own.options)
    assert done.returncode == 1 and "systemd does not run this machine" in one_line(done)
    assert (tmp_path / "private").exists(), "all else is done"


def with_local_owner(tmp_path, uid, *words):
    """sigsentryctl on a machine that has a local user sigsentry_owner of this number."""
    passwd = tmp_path / "passwd"
    lines = [line for line in pathlib.Path("/etc/passwd").read_text().splitlines() if not line.startswith("sigsentry_owner:")]
    passwd.write_text("\n".join(lines + ["sigsentry_owner:x:%d:65534::/:/usr/sbin/nologin" % uid]) + "\n")
    return subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-c",
                           'mount --bind "$0" /etc/passwd && exec "$@"', passwd, *CTL, *words],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120)


@pytest.mark.skipif(os.getuid() != 0 or subprocess.run(["unshare", "--mount", "true"], stderr=subprocess.DEVNULL).returncode != 0,
                    reason="takes root, and a mount namespace")
def test_root_is_the_local_user_of_the_role_while_it_connects(tmp_path):
    done = with_local_owner(tmp_path, pwd.getpwnam("postgres").pw_uid, "plan", "list")
    assert (done.returncode, done.stderr) == (0, "")
    done = with_local_owner(tmp_path, 65534, "plan", "list")
    assert done.returncode == 1 and "Peer authentication failed" in one_line(done), "the stack lets nobody in"
    # to a server that is not on this machine root goes as root, with root's own password and certificate files
    parts = psycopg2.extensions.parse_dsn(env("SIGSENTRY_DSN"))
    elsewhere = "dbname=%s host=%s,192.0.2.1" % (parts["dbname"], parts["host"])
    done = with_local_owner(tmp_path, 65534, "plan", "list", "-o", "database=" + elsewhere)
    assert (done.returncode, done.stderr) == (0, "")


def test_migrate_twice(done):
    done.empty()
    assert steps(done) == [(i + 1, "pending") for i in range(nschema())]
    first = ctl("migrate", *done.options)
    assert first["version"] == nschema() and len(first["applied"]) == nschema() and "001-base.sql" in first["applied"]
    rows = done.sql("SELECT * FROM sigsentry.migration ORDER BY version")
    for (version, name, sha256, _, program), path in zip(rows, sorted((ROOT / "sql" / "schema").glob("*.sql"))):
        assert path.name == "%03d-%s.sql" % (version, name)
        assert sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert "sigsentryctl " + program + "\n" == plain("--version")
    assert ctl("migrate", *done.options) == {"version": nschema(), "applied": []}
    assert "nothing to apply" in plain("migrate", *done.options)
    assert done.sql("SELECT * FROM sigsentry.migration ORDER BY version") == rows
    for row in ctl("migrate", "--status", *done.options):
        assert set(row) == {"version", "name", "appliedAt", "programVersion", "state"}
        assert STAMP.fullmatch(row["appliedAt"])


def test_migrate_lays_functions_and_grants_anew(done):
    done.sql("DROP FUNCTION api.ready()")
    done.sql("REVOKE USAGE ON SCHEMA api FROM sigsentry_api")
    plain("migrate", *done.options)
    assert done.sql("SELECT (SELECT version FROM api.ready()), has_schema_privilege('sigsentry_api', 'api', 'USAGE')") == [(nschema(), True)]


def test_migrate_takes_back_what_is_too_much(done):
    """Whatever was granted by hand is gone with the next migration."""
    kinds = [("table", "sigsentry.credential", "SELECT"), ("table", "sigsentry.api_key", "UPDATE"),
             ("function", "admin.tenant_list()", "EXECUTE"), ("schema", "sigsentry", "USAGE")]
    for kind, name, right in kinds:
        for role in ("sigsentry_api", "sigsentry_courier", "PUBLIC"):
            done.sql("GRANT %s ON %s %s TO %s" % (right, kind, name, role))
    plain("migrate", *done.options)
    for kind, name, right in kinds:
        for role in ("sigsentry_api", "sigsentry_courier"):
            [(has,)] = done.sql("SELECT has_%s_privilege(%%s, %%s, %%s)" % kind, role, name, right)
            assert not has, (role, right, name)


def test_migrate_many_at_once(done):
    for _ in range(3):
        done.empty()
        running = [subprocess.Popen(CTL + ["--json", "migrate", *done.options], stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE, text=True) for _ in range(6)]
        ended = [(p.communicate(timeout=120), p.returncode) for p in running]
        assert [code for _, code in ended] == [0] * 6, ended
        applied = [f for (out, _), _ in ended for f in json.loads(out)["applied"]]
        assert sorted(applied) == sorted(p.name for p in (ROOT / "sql" / "schema").glob("*.sql"))
        assert done.sql("SELECT count(*), max(version) FROM sigsentry.migration") == [(nschema(), nschema())]
        assert done.sql("SELECT count(*) FROM sigsentry.plan") == [(4,)]


def test_migrate_gives_way(done):
    """Somebody holds a table: whoever queues up behind the migration does not wait long, and it is done in the end."""
    done.empty()
    for path in ("migrate/init.sql", "schema/001-base.sql"):
        done.sql((ROOT / "sql" / path).read_text())
    done.sql("INSERT INTO sigsentry.migration (version, name, sha256, program_version) VALUES (1, 'base', %s, '0')",
             hashlib.sha256((ROOT / "sql" / "schema" / "001-base.sql").read_bytes()).hexdigest())
    link = psycopg2.connect(done.dsn)
    try:
        with link, link.cursor() as cursor:
            cursor.execute("LOCK TABLE sigsentry.credential IN ROW EXCLUSIVE MODE")
            running = subprocess.Popen(CTL + ["migrate", *done.options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            slowest, end = 0.0, time.monotonic() + 3
            while time.monotonic() < end:
                began = time.monotonic()
                done.sql("UPDATE sigsentry.credential SET field = field")
                slowest = max(slowest, time.monotonic() - began)
            assert running.poll() is None, running.communicate()
    finally:
        link.close()
    said = running.communicate(timeout=30)
    assert running.returncode == 0, said
    assert 0.2 < slowest < 1.5, slowest
    assert steps(done)[-1] == (nschema(), "applied")


def test_migrate_automatic(done):
    done.empty()
    assert "the schema is at version %d" % nschema() in plain("migrate", "--automatic", *done.options)
    done.empty()
    said = plain("migrate", "--automatic", *done.options, "-o", "auto_migrate=no")
    assert "auto_migrate is off" in said and "`sigsentryctl migrate`" in said
    assert {state for _, state in steps(done)} == {"pending"}
    assert run("migrate", "--automatic", "-o", "auto_migrate=never").returncode == 1
    assert run("migrate", "--automatic", "--status").returncode == 2


def test_migrate_automatic_waits_for_nobody():
    """A database that is away, and one that takes the connection and then says nothing."""
    assert "cannot reach the database" in refused("migrate", "--automatic", "-o", "database=host=/nowhere")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        said = refused("migrate", "--automatic", "-o", "database=host=127.0.0.1 port=%d" % silent.getsockname()[1])
        assert "did not answer in time" in said and 5 < time.monotonic() - began < 15


def test_migrate_automatic_waits_for_no_other_that_hangs(done):
    done.empty()
    other = psycopg2.connect(done.dsn)
    try:
        other.cursor().execute("SELECT pg_advisory_xact_lock(8316291932236969074)")
        began = time.monotonic()
        assert "in time" in refused("migrate", "--automatic", *done.options)
        assert time.monotonic() - began < 40
    finally:
        other.close()


def test_migrate_status_of_one_that_is_away():
    assert "cannot reach the database" in refused("migrate", "--status", "-o", "database=host=/nowhere")
    assert run("--json", "migrate", "--status", "-o", "database=host=/nowhere").stdout == ""


def test_migrate_refuses_a_newer_schema(done):
    done.sql("INSERT INTO sigsentry.migration (version, name, sha256, program_version) VALUES (%s, 'next', 'x', '9')",
             nschema() + 1)
    done.sql("DROP FUNCTION api.ready()")
    said = refused("migrate", *done.options)
    assert "newer (%d)" % (nschema() + 1) in said and "install the newer version" in said
    assert done.sql("SELECT to_regprocedure('api.ready()')") == [(None,)], "something was laid all the same"
    shown = run("--json", "migrate", "--status", *done.options)
    assert shown.returncode == 1 and json.loads(shown.stdout)[-1]["state"] == "unknown"
    found = run("--json", "check", *done.options)
    schema = {p["name"]: p for p in json.loads(found.stdout)}["schema"]
    assert found.returncode == 1 and not schema["ok"] and "newer" in schema["message"]


def test_migrate_that_a_newer_one_overtakes(done):
    """It waits for the lock, and when it has it the schema is newer: older functions must not be laid over newer ones."""
    lock = int(re.search(r"lock\((\d+)\)", (ROOT / "sql" / "migrate" / "lock.sql").read_text())[1])
    done.sql("DROP FUNCTION api.ready()")
    link = psycopg2.connect(done.dsn)
    try:
        with link, link.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (lock,))
            running = subprocess.Popen(CTL + ["migrate", *done.options], stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True)
            for _ in range(500):
                if done.sql("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"):
                    break
                time.sleep(0.02)
            else:
                pytest.fail("it takes no lock")
            cursor.execute("INSERT INTO sigsentry.migration (version, name, sha256, program_version) VALUES (%s, 'n', 'x', '9')",
                           (nschema() + 1,))
    finally:
        link.close()
    _, said = running.communicate(timeout=30)
    assert running.returncode == 1 and "another migration was faster" in said
    assert done.sql("SELECT to_regprocedure('api.ready()')") == [(None,)], "something was laid all the same"


def test_migrate_refuses_a_changed_file(done):
    done.sql("UPDATE sigsentry.migration SET sha256 = repeat('0', 64) WHERE version = 1")
    assert "001-base.sql" in refused("migrate", *done.options)
    shown = run("--json", "migrate", "--status", *done.options)
    assert shown.returncode == 1 and json.loads(shown.stdout)[0]["state"] == "changed"


def test_migrate_that_fails_leaves_nothing(done):
    done.empty()
    done.sql("CREATE SCHEMA courier")
    said = refused("migrate", *done.options)
    assert "001-base.sql" in said and "undone" in said and "courier" in said
    assert done.sql("SELECT count(*) FROM pg_namespace WHERE nspname IN ('sigsentry', 'api', 'admin')") == [(0,)]
    done.sql("DROP SCHEMA courier")
    plain("migrate", *done.options)


def parts_of(*words):
    """What the doctor found, by part, and its exit status."""
    done = run("--json", "check", *words)
    found = json.loads(done.stdout)
    assert [set(p) for p in found] == [{"name", "ok", "message", "cure"}] * len(found)
    assert done.returncode == (0 if all(p["ok"] for p in found) else 1), done
    if done.returncode == 1:
        assert re.fullmatch(r"\d of \d+ parts are ill", one_line(done))
    return {p["name"]: p for p in found}


@pytest.fixture
def listener(tmp_path):
    """A socket on which somebody listens."""
    path = tmp_path / "api.sock"
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(path))
        s.listen(8)
        yield ["-o", "api_socket=%s" % path]


def keep_house(own):
    """What a courier does once a minute."""
    own.sql("SELECT courier.housekeep(1000)")


def test_check_of_what_is_well(done, listener):
    keep_house(done)
    found = parts_of(*done.options, *listener)
    assert list(found) == ["config", "keyring", "database", "schema", "sealing", "roles", "socket", "courier", "queue"]
    assert all(p["ok"] and p["cure"] is None and p["message"] for p in found.values()), found
    text = plain("check", *done.options, *listener)
    assert [line.split()[0] for line in text.splitlines()] == ["ok"] * 9


def test_check_of_the_stack():
    assert all(p["ok"] for p in parts_of().values())


def ill(found):
    """The ill parts, each of which must name its cure, or what it waits for."""
    for p in found.values():
        assert p["ok"] or p["cure"] or "not looked at" in p["message"], p
    return {name for name, p in found.items() if not p["ok"]}


def test_check_names_what_is_ill(done, listener, tmp_path):
    keep_house(done)
    assert ill(parts_of(*done.options, *listener, "-o", "api_workers=0")) == {
        "config", "keyring", "database", "schema", "sealing", "roles", "socket", "courier", "queue"}
    assert ill(parts_of(*done.options, "-o", "api_socket=%s" % (tmp_path / "none"))) == {"socket"}
    assert ill(parts_of(*done.options, *listener, "-o", "keyring_public=%s" % (tmp_path / "none"))) == {"keyring"}
    assert ill(parts_of(*done.options, *listener, "-o", "database=host=%s" % tmp_path)) == {
        "database", "schema", "sealing", "roles", "courier", "queue"}
    text = run("check", *done.options, "-o", "api_socket=%s" % (tmp_path / "none")).stdout
    assert re.search(r"^ILL +socket .*\n +cure: +start sigsentry-api", text, re.M)


def test_check_keyring_halves_that_do_not_fit(done, listener, tmp_path):
    keep_house(done)
    other = ["-o", "keyring_private=%s" % (tmp_path / "p2"), "-o", "keyring_public=%s" % (tmp_path / "q2")]
    ctl("keyring", "generate", *other)
    mixed = parts_of(*done.options, *listener, "-o", "keyring_public=%s" % (tmp_path / "q2"))
    assert ill(mixed) == {"keyring"} and "not the private file's" in mixed["keyring"]["message"]


def test_check_courier(done, listener):
    found = parts_of(*done.options, *listener)
    assert ill(found) == {"courier"} and found["courier"]["message"] == "none has worked on this database yet"
    assert "start sigsentry-courier" in found["courier"]["cure"]
    keep_house(done)
    assert ill(parts_of(*done.options, *listener)) == set()
    for seconds, is_ill in ((170, False), (181, True)):
        done.sql("UPDATE sigsentry.gauge SET value = extract(epoch FROM now()) - %s"
                 " WHERE name = 'sigsentry_counted_timestamp_seconds'", seconds)
        found = parts_of(*done.options, *listener)
        assert ill(found) == ({"courier"} if is_ill else set())
        assert re.fullmatch(r"one did its chores 1[78]\d s ago", found["courier"]["message"])


def test_check_schema_and_roles(done, listener):
    keep_house(done)
    done.sql("REVOKE USAGE ON SCHEMA api FROM sigsentry_api")
    found = parts_of(*done.options, *listener)
    assert ill(found) == {"roles"} and "sigsentry_api" in found["roles"]["message"]
    done.sql("GRANT USAGE ON SCHEMA api TO sigsentry_api")
    done.sql("GRANT USAGE ON SCHEMA sigsentry TO sigsentry_courier")
    found = parts_of(*done.options, *listener)
    assert ill(found) == {"roles"} and "sigsentry_courier" in found["roles"]["message"]
    assert found["roles"]["cure"] == "sigsentryctl migrate"
    plain("migrate", *done.options)
    assert ill(parts_of(*done.options, *listener)) == set()
    done.empty()
    found = parts_of(*done.options, *listener)
    assert {"schema", "courier"} <= ill(found) and found["schema"]["cure"] == "sigsentryctl migrate"
    assert found["courier"]["message"] == "not looked at: the schema comes first"


def test_command_without_a_schema(done):
    done.empty()
    assert 'schema "admin" does not exist' in refused("tenant", "list", *done.options)
    assert "sigsentryctl check" in refused("tenant", "list", *done.options)


# ---- the queue ---------------------------------------------------------------------------------------


def fill(own, n):
    """So many deliveries that wait; an hour old and new ones by turns."""
    own.sql("INSERT INTO sigsentry.tenant (id, name, plan) VALUES ('00000000-0000-7000-8000-000000000001', 't', 'starter')")
    own.sql("""WITH e AS (
                   INSERT INTO sigsentry.event (tenant_id, id, project_id, name, severity, payload, occurred_at, accepted_at, deliveries)
                   SELECT '00000000-0000-7000-8000-000000000001', sigsentry.uuid_v7(), gen_random_uuid(), 'x.y', 1, '{}', now(),
                          now() - make_interval(hours => g %% 2), 1
                     FROM generate_series(1, %s) g RETURNING tenant_id, id)
               INSERT INTO sigsentry.queue (tenant_id, id, channel_id, event_id, severity)
               SELECT e.tenant_id, sigsentry.uuid_v7(), gen_random_uuid(), e.id, 1 FROM e""", n)


def test_queue_hold_and_release(done):
    who = ctl("queue", "status", *done.options)
    assert who["held"] is False and who["heldAt"] is None and who["releasedAt"] is None and who["waiting"] == 0
    made = ctl("queue", "hold", "--reason", "the relay moves", *done.options)
    assert set(made) == {"held", "heldAt", "heldBy", "why"} and made["held"] is True and STAMP.fullmatch(made["heldAt"])
    assert ctl("queue", "hold", *done.options) == made
    shown = ctl("queue", "status", *done.options)
    assert {k: shown[k] for k in made} == made
    part = parts_of(*done.options)["queue"]
    assert part["ok"] is False and "the relay moves" in part["message"] and "queue release" in part["cure"]
    assert ctl("queue", "release", *done.options) == {"released": True, "waiting": 0}
    assert ctl("queue", "release", *done.options) == {"released": False, "waiting": 0}
    assert parts_of(*done.options)["queue"]["ok"] and STAMP.fullmatch(ctl("queue", "status", *done.options)["releasedAt"])
    assert [r["action"] for r in ctl("audit", *done.options)] == ["queue.release", "queue.hold"]


def test_queue_hold_tells_no_terminal_what_to_do(done):
    """A reason is shown to whoever looks: what could steer a terminal is refused."""
    refused = run("queue", "hold", "--reason", "a\x1b[2J", *done.options)
    assert refused.returncode == 1 and "control characters" in refused.stderr
    assert ctl("queue", "status", *done.options)["held"] is False


def test_queue_discard(done):
    fill(done, 2500)
    at = done.sql("SELECT sigsentry.rfc3339(now() - interval '30 minutes')")[0][0]
    words = ["queue", "discard", "--before", at, *done.options]
    bare = run(*words)
    assert bare.returncode == 2 and "--yes" in bare.stderr and "--dry-run" in bare.stderr and bare.stdout == ""
    assert ctl(*words, "--dry-run") == {"wouldDiscard": 1250, "wouldWait": 1250}
    assert done.sql("SELECT count(*) FROM sigsentry.queue") == [(2500,)] and ctl("audit", *done.options) == []
    assert ctl(*words, "--yes") == {"discarded": 1250, "waiting": 1250, "released": True}
    assert done.sql("SELECT count(*) FROM sigsentry.queue q JOIN sigsentry.event e ON e.id = q.event_id"
                    " WHERE e.accepted_at < %s::timestamptz", at) == [(0,)]
    assert done.sql("SELECT DISTINCT status, last_error FROM sigsentry.delivery") == [
        ("cancelled", "discarded by an admin, with all that was published before " + at)]
    rows = ctl("audit", *done.options)
    assert [r["action"] for r in rows] == ["queue.release", "queue.discard", "queue.hold"]
    assert rows[1]["after"] == {"before": at, "discarded": 1250}
    assert ctl("queue", "status", *done.options)["held"] is False


@pytest.mark.parametrize("before", ["2999-01-01T00:00:00Z", "yesterday", ""])
def test_queue_discard_wants_a_time_that_is_over(before):
    told = run("queue", "discard", "--before", before, "--dry-run")
    assert told.returncode == 2 and "--before must be a time that is over" in told.stderr


def test_queue_discard_shows_a_bar_to_a_person(done):
    fill(done, 10)
    ours, theirs = os.openpty()
    with subprocess.Popen(CTL + ["queue", "discard", "--before", "0001d", "--dry-run", *done.options], stdout=subprocess.PIPE,
                          stderr=theirs, env={**os.environ, "TERM": "xterm"}) as process:
        said = process.stdout.read().decode()
    os.close(theirs)
    assert "would wait" in said and "deliveries" in os.read(ours, 4096).decode()
    os.close(ours)
