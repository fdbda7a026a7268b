#!/usr/bin/python3
"""Holds the renderers' and the signer's output against what the platforms' libraries say of it.

usage: check.py --program BUILD/tests/render/render --modules FOLDER [--golden]

FOLDER has the node_modules of package.json; results go there too.  --golden writes the files in golden/ anew; look at
what git says of them then.
"""

import argparse
import base64
import email
import email.policy
import html
import json
import pathlib
import re
import shutil
import subprocess
import sys
import time

import corpus

HERE = pathlib.Path(__file__).resolve().parent
GOLDEN = HERE / "golden"
TYPES = ("slack", "teams", "discord", "google_chat", "webhook", "email")
IDS = {"eventId": "0199aaaa-0000-7000-8000-000000000001", "tenantId": "0199aaaa-0000-7000-8000-000000000002",
       "projectId": "0199aaaa-0000-7000-8000-000000000003", "deliveryId": "0199aaaa-0000-7000-8000-000000000004"}
PLACE = dict(IDS, projectSlug="checkout", channelName="Ops", occurredMs=corpus.OCCURRED, acceptedMs=corpus.ACCEPTED,
             nowMs=corpus.ACCEPTED + 2000)
MAIL = {"from": "SigSentry <alerts@example.org>", "to": "on-call@example.com", "domain": "example.org"}
# how many payloads of each type tsc looks at: their form differs less than their text
TYPED = 40

failures = []


def fail(*words):
    failures.append(" ".join(str(word) for word in words))
    if len(failures) <= 40:
        print(failures[-1][:2000])


class Case:
    """An event on its way to a channel of each type."""

    def __init__(self, name, event, place):
        self.name, self.place = name, place
        self.payload = event if isinstance(event, str) else json.dumps(event, ensure_ascii=False)
        self.event = json.loads(self.payload)
        self.out = {}

    def orders(self):
        for kind in TYPES:
            yield {**PLACE, **self.place, **MAIL, "type": kind, "payload": self.payload}


def run(program, orders):
    """The program's answers to all orders: (error word, bytes)."""
    text = "".join(json.dumps(order) + "\n" for order in orders)
    done = subprocess.run([program], input=text.encode(), stdout=subprocess.PIPE, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(orders)
    return [(answer["error"], base64.b64decode(answer["out"])) for answer in answers]


def render(program, cases):
    orders = [order for case in cases for order in case.orders()]
    answers = iter(run(program, orders))
    for case in cases:
        for kind in TYPES:
            error, case.out[kind] = next(answers)
            if error != "ok":
                fail(kind, case.name, error)


# Golden files ---------------------------------------------------------------------------------------


def golden_form(kind, out):
    """As a person reads it best; a webhook's numbers would lose their digits."""
    if kind == "email":
        return out.decode("ascii").replace("\r\n", "\n")
    if kind == "webhook":
        return out.decode() + "\n"
    return json.dumps(json.loads(out), indent=1, ensure_ascii=False) + "\n"


def check_golden(cases, write):
    seen = set()
    for case in cases:
        for kind in TYPES:
            path = GOLDEN / ("%s.%s.%s" % (case.name, kind, "eml" if kind == "email" else "json"))
            seen.add(path)
            text = golden_form(kind, case.out[kind])
            if write:
                path.write_text(text)
            elif not path.exists() or path.read_text() != text:
                fail("golden: %s differs; check.py --golden writes it, git diff shows how" % path.relative_to(HERE))
    for path in set(GOLDEN.iterdir()) - seen:
        fail("golden: nothing makes", path.name)


# What a message must say ----------------------------------------------------------------------------

DROPPED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]")
BREAKS = re.compile("\r\n|[\r\x85\u2028\u2029]")


def bones(text):
    """A text without white space and what renderers may leave out, to be looked for in another."""
    text = DROPPED.sub("", BREAKS.sub("\n", text))
    return re.sub("[\\s\u200b]", "", text)


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def plain(kind, out, mail):
    """What a person reads of a message, by undoing the platform's escapes."""
    if kind == "email":
        return mail["subject"] + "\n" + mail["text"]
    text = "\n".join(strings(json.loads(out)))
    if kind == "discord":
        return re.sub(r"\\([^0-9A-Za-z\s])", r"\1", text)
    if kind == "google_chat":
        return html.unescape(re.sub(r"<(/?b|/?font[^<>]*|br)>", "\n", text))
    return text


def check_words(case, kind, mail):
    """Hostile text is all there, as text; so is what every message shows."""
    text = bones(plain(kind, case.out[kind], mail))
    wanted = [IDS["eventId"], case.event["severity"].upper() if kind != "webhook" else case.event["severity"]]
    if len(case.event["summary"]) <= 120:
        wanted.append(case.event["summary"])
    if kind != "webhook":
        wanted += ["[TEST]"] if case.place.get("isTest") else []
        wanted += ["after the event was accepted"] if case.place.get("nowMs", 0) - corpus.ACCEPTED > 300000 else []
    for word in wanted:
        if bones(word) not in text:
            fail(kind, case.name, "does not show", repr(word), "but", repr(text[:600]))


def check_webhook(case):
    """Own fields are equal values, digit for digit."""
    out = json.loads(case.out["webhook"], parse_int=str, parse_float=str)
    own = json.loads(case.payload, parse_int=str, parse_float=str)
    for name, value in own.items():
        if out.get(name) != value:
            fail("webhook", case.name, name, "is", out.get(name), "and was", value)
    for name, value in dict(IDS, payloadVersion="1", projectSlug=case.place.get("projectSlug", "checkout")).items():
        if out.get(name) != value:
            fail("webhook", case.name, name, "is", out.get(name))
    if out.get("test", False) != case.place.get("isTest", False):
        fail("webhook", case.name, "test mark")


MAIL_HEADERS = {"from", "to", "subject", "date", "message-id", "in-reply-to", "references", "auto-submitted", "precedence",
                "x-auto-response-suppress", "list-id", "mime-version", "content-type"}
URGENT = {"importance", "x-priority"}


def check_mail(case, mail):
    """Two parsers, of which one is Python's, read the same; the header holds nothing of the event's but the subject."""
    raw = case.out["email"]
    header, body = raw.decode("ascii").split("\r\n\r\n", 1)
    if max(map(len, header.split("\r\n"))) > 120 or max(map(len, body.split("\r\n"))) > 76:
        fail("email", case.name, "lines are too long")
    if re.search(b"[^\r]\n|\r[^\n]", raw):
        fail("email", case.name, "line ends")
    parsed = email.message_from_bytes(raw, policy=email.policy.default)
    names = MAIL_HEADERS | (URGENT if case.event["severity"] in ("critical", "high") else set())
    if sorted(name.lower() for name in parsed.keys()) != sorted(names):
        fail("email", case.name, "has the headers", parsed.keys())
    if parsed.defects or any(part.defects for part in parsed.walk()):
        fail("email", case.name, "defects", parsed.defects)
    if [part.get_content_type() for part in parsed.walk()] != ["multipart/alternative", "text/plain", "text/html"]:
        fail("email", case.name, "parts")
    if bones(parsed["Subject"]) != bones(mail["subject"]) or len(mail["subject"]) > 230:
        fail("email", case.name, "subject", mail["subject"], parsed["Subject"])
    text = parsed.get_body(("plain",)).get_content()
    if bones(text) != bones(mail["text"]):
        fail("email", case.name, "text part is read in two ways")
    if (mail["messageId"], mail["to"], mail["from"]["address"]) != ("<%s@example.org>" % IDS["deliveryId"], MAIL["to"], "alerts@example.org"):
        fail("email", case.name, "ids", mail)


# The platforms' types, by one run of tsc ---------------------------------------------------------------

TYPES_HEAD = """
import type { RESTPostAPIWebhookWithTokenJSONBody } from "discord-api-types/v10";
import type { chat_v1 } from "@googleapis/chat";
import type { KnownBlock, MessageAttachment } from "@slack/types";
import type { IAdaptiveCard } from "@microsoft/teams.cards";
interface Slack { text: string; unfurl_links: boolean; unfurl_media: boolean; blocks: KnownBlock[]; attachments: MessageAttachment[] }
interface Teams { type: "message"; summary: string; attachments: {
  contentType: "application/vnd.microsoft.card.adaptive"; contentUrl: null; content: Card }[] }
// Teams' documentation writes "Full", its types "full"; the services take both
type Card = Omit<IAdaptiveCard, "msteams"> & { msteams?: { width: "Full" } };
"""
TYPE_NAMES = {"slack": "Slack", "teams": "Teams", "discord": "RESTPostAPIWebhookWithTokenJSONBody", "google_chat": "chat_v1.Schema$Message"}
# each of these must be refused, or the run shows nothing
TYPES_FAULTS = {
    "slack": '{"text":"x","unfurl_links":false,"unfurl_media":false,"attachments":[],"blocks":[{"type":"header","text":{"type":"mrkdwn","text":"x"}}]}',
    "teams": '{"type":"message","summary":"x","attachments":[{"contentType":"application/vnd.microsoft.card.adaptive","contentUrl":null,'
             '"content":{"type":"AdaptiveCard","version":"1.4","body":[{"type":"RichTextBlock","inlines":[{"type":"TextRun","txt":"x"}]}]}}]}',
    "discord": '{"allow_mentions":{"parse":[]},"embeds":[]}',
    "google_chat": '{"cardsV2":[{"card":{"sections":[{"widgets":[{"textParagraf":{"text":"x"}}]}]}}]}',
}


def check_types(cases, folder):
    source = [TYPES_HEAD]
    for kind, name in TYPE_NAMES.items():
        step = max(1, len(cases) // TYPED)
        for i, case in enumerate(cases[::step]):
            source.append("export const %s_%d: %s = %s;\n" % (kind, i, name, case.out[kind].decode()))
        source.append("// @ts-expect-error\nexport const %s_fault: %s = %s;\n" % (kind, name, TYPES_FAULTS[kind]))
    (folder / "payloads.ts").write_text("".join(source))
    done = subprocess.run(["node", "node_modules/typescript/bin/tsc", "--noEmit", "--strict", "--skipLibCheck", "--target", "es2022",
                           "--module", "nodenext", "--moduleResolution", "nodenext", "payloads.ts"],
                          cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        fail("tsc:", done.stdout[:3000])


# Signatures -----------------------------------------------------------------------------------------

WHSEC = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
SECRETS = [(WHSEC, None), ("plain secret ünïcode", None), (WHSEC.rstrip("="), None), (WHSEC, "the old one"), ("the new one", WHSEC),
           ("x" * 512, None), ("whsec_" + base64.b64encode(b"k" * 64).decode(), None)]
BODIES = ['{"event":"a"}', "{}", '{"text":"%s"}' % ("ü😀\\n" * 500)]


def openssl(secret, body):
    done = subprocess.run(["openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt", "hexkey:" + secret.encode().hex()],
                          input=body.encode(), stdout=subprocess.PIPE, check=True)
    return "sha256=" + done.stdout.decode().split()[-1]


def check_signatures(program):
    """Rows for validate.mjs; the other form is verified here."""
    orders = [dict(type="sign", event="analysis.complete", deliveryId=IDS["deliveryId"], timestamp=int(time.time()), body=body, secret=secret,
                   **({"oldSecret": old} if old else {}))
              for secret, old in SECRETS for body in BODIES]
    rows = []
    for order, (error, out) in zip(orders, run(program, orders)):
        headers = out.decode().splitlines()
        found = dict(line.split(": ", 1) for line in headers)
        old = order.get("oldSecret")
        if error != "ok" or found["X-SigSentry-Signature"] != openssl(order["secret"], order["body"]):
            fail("sign", order["secret"], error, headers)
        if (old and openssl(old, order["body"])) != found.get("X-SigSentry-Signature-Previous"):
            fail("sign", old, headers)
        rows.append({"type": "sign", "name": order["secret"], "headers": headers, "body": order["body"],
                     "verify": [order["secret"]] + ([old] if old else [])})
    return rows


# ----------------------------------------------------------------------------------------------------


def check_libraries(cases, rows, folder):
    """validate.mjs; gives back what mailparser read."""
    shutil.copy(HERE / "validate.mjs", folder)
    shutil.copy(folder / "node_modules/adaptivecards/dist/adaptivecards.js", folder / "adaptivecards.cjs")
    rows = rows + [{"type": kind, "name": case.name, "out": base64.b64encode(case.out[kind]).decode()}
                   for case in cases for kind in TYPES if kind != "webhook"]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = subprocess.run(["node", "validate.mjs", "rows.jsonl", "mails.json"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    print(done.stdout, end="")
    if done.returncode != 0:
        fail("validate.mjs: exit", done.returncode)
    return json.loads((folder / "mails.json").read_text())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--modules", required=True, type=pathlib.Path)
    parser.add_argument("--golden", action="store_true")
    options = parser.parse_args()

    ordinary = [Case(*row) for row in corpus.ORDINARY]
    cases = ordinary + [Case(*row) for row in corpus.hostile()] + [Case(*row) for row in corpus.extreme()]
    render(options.program, cases)
    check_golden(ordinary, options.golden)
    mails = check_libraries(cases, check_signatures(options.program), options.modules)
    for case in cases:
        check_webhook(case)
        if case.name in mails:
            check_mail(case, mails[case.name])
            for kind in TYPES:
                check_words(case, kind, mails[case.name])
        else:
            fail("email", case.name, "was not read")
    check_types(cases, options.modules)
    sizes = {kind: max(len(case.out[kind]) for case in cases) for kind in TYPES}
    print("%d events, %d payloads, greatest in bytes: %s; %d faults" % (len(cases), len(cases) * len(TYPES), sizes, len(failures)))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
