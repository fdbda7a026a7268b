"""Goal: what the pages in doc/ name is there, under that name: commands and their options, settings, metrics, log events,
alarms, files and sections; and what an operator must know of is named.
"""

import os
import pathlib
import re
import shlex
import subprocess

import pytest

import stack

DOC = stack.ROOT / "doc"
PAGES = sorted(DOC.glob("*.md")) + [stack.ROOT / "README.md", stack.ROOT / "debian" / "sigsentry-common.README.Debian"]
TEXTS = {p.name: p.read_text() for p in PAGES}
OPERATE = TEXTS["operate.md"]
RULES = (stack.ROOT / "monitoring" / "sigsentry.rules.yml").read_text()

# Words of others that look like settings of ours.
OTHERS = {
    # PostgreSQL, libpq, pgbouncer
    "max_connections", "shared_buffers", "max_wal_size", "synchronous_commit", "synchronous_standby_names", "target_session_attrs",
    "lock_timeout", "connect_timeout", "pool_mode", "default_pool_size", "ignore_startup_parameters", "listen_port",
    "pg_basebackup", "pg_wal", "pg_lsclusters", "pg_dropcluster", "pg_upgradecluster", "autovacuum_vacuum_scale_factor", "pg_ctlcluster", "tenant_id",
    # nginx, Apache, Nagios, OpenSSL, and fields of log lines
    "server_name", "default_server", "upstream_s", "mod_proxy_fcgi", "s_client",
    # roles and users, and a type of channel
    "sigsentry_api", "sigsentry_courier", "sigsentry_owner", "sigsentry_producer", "google_chat",
}
SNAKE = r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+"


def code(text):
    """What stands in backticks, and the lines of blocks."""
    blocks = re.findall(r"^```.*?\n(.*?)^```$", text, re.S | re.M)
    text = re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M)
    blocks += re.findall(r"(?m)(?:^(?:    |\t).*\n)+", text)
    return re.findall(r"`([^`]+)`", re.sub(r"(?m)^(?:    |\t).*\n", "", text)), "".join(blocks)


def commands():
    """Each call of sigsentryctl that a page shows, as (page, words)."""
    found = []
    for name, text in TEXTS.items():
        spans, blocks = code(text)
        for line in [*spans, *re.sub(r" *\\\n +", " ", blocks).splitlines()]:
            for call in re.findall(r"(?:^|[ (=])(?:\$SIGSENTRY_CTL|(?:/usr/sbin/)?sigsentryctl)((?: [^#;&|)]*)?)", line):
                if call.strip() and "(8)" not in call:
                    found.append((name, shlex.split(call)))
    return found


def help_of(*words):
    done = subprocess.run([*shlex.split(stack.env("SIGSENTRY_CTL")), *words, "--help"], capture_output=True, text=True, timeout=20)
    return done.stdout if done.returncode == 0 else None


def known_commands():
    table = help_of().split("Options,")[0]
    return set(re.findall(r"(?m)^  ([a-z-]+(?: [a-z-]+)?)  +", table))


CALLS = commands()


def test_commands_were_found():
    assert len(CALLS) > 40 and ["delivery", "list", "--status", "failed", "--since", "1d"] in [c for _, c in CALLS]


@pytest.mark.parametrize("page,words", CALLS, ids=["%s: %s" % (p, " ".join(w)) for p, w in CALLS])
def test_commands(page, words):
    """Each is one of the table, with options that it has."""
    known = known_commands()
    while words and words[0] in ("-c", "-o", "--json", "--version"):
        words = words[2 if words[0] in ("-c", "-o") else 1:]
    if not words or words == ["help"]:
        return
    name = " ".join(words[:2]) if " ".join(words[:2]) in known else words[0]
    groups = {k.split()[0] for k in known}
    assert name in known or words == [words[0]] and words[0] in groups, "there is no command %s" % " ".join(words)
    text = help_of(*name.split())
    for option in [w for w in words if w.startswith("--")]:
        assert re.search(r"%s\b" % re.escape(option), text), "%s has no %s" % (name, option)


def settings():
    return set(re.findall(r"(?m)^\.It Cm ([a-z_]+)", (DOC / "sigsentry.conf.5").read_text())) | set(
        re.findall(r"hosts_[a-z_]+", (DOC / "sigsentry.conf.5").read_text()))


@pytest.mark.parametrize("page", ["README.md", "install.md", "operate.md", "scale.md", "security.md"])
def test_settings_and_metrics(page):
    """A word in code that looks like a setting is one, or a metric, or stands among those of others."""
    with stack.Client() as c:
        metrics = set(re.findall(r"(?m)^# TYPE (\S+)", c.send("GET", "/metrics").body.decode()))
    spans, _ = code(TEXTS[page])
    named = {w for s in spans for w in re.findall(r"(?<![\w./-])%s(?![\w./(-])" % SNAKE, s)}
    unknown = named - settings() - metrics - OTHERS
    assert not unknown, unknown


def test_every_metric_is_explained():
    with stack.Client() as c:
        metrics = set(re.findall(r"(?m)^# TYPE (\S+)", c.send("GET", "/metrics").body.decode()))
    assert len(metrics) > 10
    missing = {m for m in metrics if "`%s`" % m not in OPERATE}
    assert not missing, missing


def logged(levels):
    """The events that the sources log at these levels; keyfile's come by name."""
    text = "".join(p.read_text() for p in (stack.ROOT / "src").rglob("*.c"))
    return set(re.findall(r'log_(?:%s)\(\s*"([a-z.]+)"' % levels, text)) | set(re.findall(r'"(keyfile\.[a-z]+)"', text))


def test_log_events():
    """What goes wrong is explained, and nothing that there is not."""
    section = OPERATE[OPERATE.index("## Log lines"):OPERATE.index("## Retention")]
    told = {e for row in re.findall(r"(?m)^\| (`.*?) \| ", section) for e in re.findall(r"`([^`]+)`", row)}
    assert len(told) > 20
    assert logged("error|warn") - told == set()
    assert told - logged("error|warn") == set()
    for event in re.findall(r"\bev=([a-z]+\.[a-z]+)", "".join(TEXTS.values()) + RULES):
        assert event in logged("error|warn|info|debug"), event


def anchors(text):
    heads = re.findall(r"(?m)^#+ (.*)$", re.sub(r"(?ms)^```.*?^```$", "", text))
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links(page):
    for file, _, anchor in re.findall(r"\]\(([^)#:]*)(#?)([^):]*)\)", page.read_text()):
        target = page if not file else page.parent / file
        assert target.exists(), file
        if anchor:
            assert anchor in anchors(target.read_text()), "%s#%s" % (file, anchor)


def test_every_page_is_in_the_readme():
    told = set(re.findall(r"\]\(doc/([a-z-]+\.md)\)", TEXTS["README.md"]))
    assert {"install.md", "operate.md", "scale.md", "security.md", "receivers.md"} <= told


def test_every_alarm_has_its_section():
    """And each says what to read."""
    part = OPERATE[OPERATE.index("## Alarms"):OPERATE.index("## Runbooks")]
    alerts = re.findall(r"(?m)^ +- alert: (\w+)$", RULES)
    assert len(alerts) > 10 and alerts == re.findall(r"(?m)^### (\w+)$", part)
    assert alerts == re.findall(r'operate\.md, "(\w+)"', RULES)


def test_largest_tables():
    """The query for a full disk."""
    [query] = re.findall(r"(?m)^    (SELECT relname(?:.*\n)+?.*;)$", OPERATE)
    rows = stack.sql(query.replace("%", "%%"))
    assert len(rows) == 10 and all(set(r) == {"relname", "pg_size_pretty"} for r in rows)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_nagios_without_root():
    """As a user whom the database lets in as sigsentry_owner, and who is not root; as another one it is critical."""
    conf = (stack.ROOT / "monitoring" / "nagios.cfg").read_text()
    [told] = re.findall(r"command\[check_sigsentry\]=/usr/bin/sudo -n -u sigsentry_owner (.*)$", conf, re.M)
    assert "NOPASSWD: %s\n" % told in conf and told in OPERATE
    words = shlex.split(told)[1:]
    assert words == ["status", "--nagios"]
    for user, status, text in (("postgres", 0, "OK - "), ("nobody", 2, "CRITICAL - ")):
        # the rules of this stack let postgres be what the rules of Debian let sigsentry_owner be
        stack.calm()
        done = subprocess.run(["runuser", "-u", user, "--", *shlex.split(stack.env("SIGSENTRY_CTL")), *words],
                              capture_output=True, text=True, timeout=30, cwd="/")
        assert done.returncode == status and done.stdout.startswith(text) and done.stdout.count("\n") == 1, done


def test_examples_are_packaged():
    """What the pages say is in the examples is put there."""
    listed = {pathlib.Path(line).name for line in (stack.ROOT / "debian" / "sigsentry-api.examples").read_text().split()}
    listed.add("apache-site.conf")
    for name in ("sigsentry-realip.conf", "sigsentry-site.conf", "sigsentry-nginx.service.conf", "local-database.conf",
                 "sigsentry.rules.yml", "prometheus.yml", "nagios.cfg", "apache-site.conf"):
        assert name in listed, name
        assert any(name in text for text in TEXTS.values()), name
