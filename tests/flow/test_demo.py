"""Goal: who has run dev/up sees an event arrive, signed, by the lines that README.md gives, and would see a forgery."""

import base64
import hashlib
import hmac
import json
import os
import pathlib
import re
import ssl
import subprocess
import urllib.request

import stack
from stack import wait_for

RUN = pathlib.Path(stack.env("SIGSENTRY_CONF")).parent
SINK = RUN / "sink"


def shell(lines):
    """Run by a reader's shell, in the tree; what it prints."""
    done = subprocess.run(["bash", "-ec", lines], cwd=stack.ROOT, env=dict(os.environ, RUN_DIR=str(RUN)), timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    return done.stdout


def block(word):
    """The indented lines of README.md that hold ${word}, for this stack."""
    text = (stack.ROOT / "README.md").read_text()
    found = [b for b in re.findall(r"(?:^    .*\n)+", text, flags=re.M) if word in b]
    assert len(found) == 1, "%d blocks of README.md hold %s" % (len(found), word)
    return re.sub(r"\brun/env\b", str(RUN / "env"), found[0])


def shown(event):
    """What dev/sink prints once the event has come: its line, and the body."""
    assert wait_for(lambda: event in shell("dev/sink -n 1"), 10), shell("dev/sink")
    out = shell("dev/sink -n 1")
    line, body = [part for part in out.splitlines() if part.strip()]
    return line, json.loads(body)


def test_lines_of_the_readme():
    """They publish an event, and show it at the receiver with a signature that holds."""
    out = shell(block("watchdog.fired"))
    event = json.loads(re.search(r'\{"success":true.*?\}\}', out).group())["data"]["id"]
    line, body = shown(event)
    assert re.fullmatch(r"\S+ +watchdog\.fired +%s +signature holds" % body["deliveryId"], line)
    assert (body["eventId"], body["summary"], body["severity"]) == (event, "The nightly backup did not run", "critical")
    listed = shell(". %s/env\n%s" % (RUN, block("delivery list --tenant")))
    assert re.search(body["deliveryId"] + r".*delivered", listed), listed


def request(body, delivery, secret):
    """Send the receiver what a courier would, signed with ${secret} (doc/receivers.md)."""
    at = "1795556455"
    signed = base64.b64encode(hmac.digest(secret, b"%s.%s.%s" % (delivery.encode(), at.encode(), body), hashlib.sha256))
    ask = urllib.request.Request(
        "https://localhost:%s/secret-of-a-channel" % (RUN / "ports").read_text().split()[3], data=body, headers={
            "Host": "sink.example.com", "X-SigSentry-Event": "demo.test", "Authorization": "Bearer secret-of-a-channel",
            "webhook-id": delivery, "webhook-timestamp": at, "webhook-signature": "v1," + signed.decode()})
    with urllib.request.urlopen(ask, context=ssl.create_default_context(cafile=stack.env("SIGSENTRY_CACERT"))) as answer:
        assert answer.status == 200


def test_signatures_are_recomputed():
    """Signed with the demo's secret, its signature holds; with another one, or over another body, it does not."""
    right = stack.env("SIGSENTRY_SINK_SECRET").encode()
    body = b'{"eventId":"%s"}\n' % os.urandom(8).hex().encode()
    request(body, "d-right", right)
    request(body, "d-wrong", right[:-1])
    assert wait_for(lambda: "d-wrong" in shell("dev/sink"), 10)
    lines = shell("dev/sink").splitlines()
    assert [x for x in lines if "d-right" in x][-1].endswith("signature holds")
    assert [x for x in lines if "d-wrong" in x][-1].endswith("NOT SIGNED with the demo's secret")


def test_secrets_of_channels_stay_out():
    """Paths and Authorization are credentials: the receiver keeps neither."""
    assert "secret-of-a-channel" not in (SINK / "log").read_text()


def test_messages_teach():
    """Wrong options, and a folder without a stack, are told what to do."""
    for words, text in (("-n x", "must be a number"), ("-z", "usage:"), ("more", "usage:")):
        done = subprocess.run(["dev/sink", *words.split()], cwd=stack.ROOT, capture_output=True, text=True, timeout=20)
        assert done.returncode != 0 and text in done.stderr
    done = subprocess.run(["dev/sink"], cwd=stack.ROOT, env=dict(os.environ, RUN_DIR=str(RUN / "none")),
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and "run dev/up first" in done.stderr
