"""Goal: whatever is done in whatever order, the service answers as a model of contract §3 in a few lines of Python does.

Random creates, changes, deletions, reads and settings in two projects of a tenant, by project keys and an org key, good
and bad; every answer, both projects' whole lists and the changed channel's opened credentials are compared after each
step.  SIGSENTRY_SEED and SIGSENTRY_STEPS repeat or prolong a run; a failure shows the seed and every step.
"""

import json
import os
import random
import secrets
import uuid

import pytest

import sealed
import stack
from stack import BOTH, PATH, Client, at, error, issues, ok, secret

STEPS = int(os.environ.get("SIGSENTRY_STEPS", "150"))
SEED = os.environ.get("SIGSENTRY_SEED")

KINDS = list(stack.CREDENTIALS)
FIRST = {kind: list(fields)[0] for kind, fields in stack.CREDENTIALS.items()}
THRESHOLDS = ["critical", "high", "medium", "low"]
REASON = {"code": "gone", "message": "410", "at": "2026-01-02T03:04:05.678Z"}
LIMITS = {"starter": 2, "pro": 10, "business": None}


class Actor:
    """A key, and the X-Project-Id that it sends."""

    def __init__(self, name, key, project=None, header=None):
        self.name, self.key, self.project, self.header = name, key, project or header, header
        self.is_org = project is None

    def reaches(self, channel):
        return self.project is None or channel.project in (None, self.project)

    def may_write(self, channel):
        return self.is_org or channel.project is not None


class Channel:
    def __init__(self, new, project, kind, name, threshold, credentials):
        self.id, self.project, self.kind, self.name, self.threshold = new, project, kind, name, threshold
        self.credentials = credentials  # as they were sent
        self.previous = None            # of the hmacSecret
        self.active, self.reason, self.audits = True, None, 1
        self.created = self.updated = None  # as they were shown first, and last

    def destination(self):
        value = self.credentials[FIRST[self.kind]] if self.credentials else "https://hooks.slack.com/"
        if self.kind == "email":
            n = value.count(",") + 1
            return "%d recipient%s" % (n, "s" if n > 1 else "")
        return value.split("/")[2]

    def shown(self):
        data = {"id": self.id, "type": self.kind, "name": self.name, "severityThreshold": self.threshold,
                "isActive": self.active, "scope": "project" if self.project else "tenant",
                "destination": self.destination(), "createdAt": self.created, "updatedAt": self.updated}
        if self.reason:
            data["disabledReason"] = self.reason
        return data


class World:
    """The tenant as it should be, and the requests that are tried on it."""

    def __init__(self, plan, rng):
        self.rng = rng
        self.plan, self.limit = "%s-%s" % (plan, secrets.token_hex(4)), LIMITS[plan]
        # the plan's number of channels without its rate, which would bite here
        stack.ctl("plan", "set", self.plan, "--channels", "unlimited" if self.limit is None else self.limit,
                  "--reads-per-minute", "unlimited", "--writes-per-minute", "unlimited")
        place = stack.Place(self.plan, BOTH)
        self.tenant = place.tenant
        second = stack.new_project(place.tenant)
        org = place.org_key(BOTH)
        self.org = Actor("org", org)
        self.actors = [
            Actor("A", place.key, project=place.project), Actor("B", stack.new_key(project=second, permissions=BOTH)["key"],
                                                                 project=second),
            Actor("org/A", org, header=place.project), Actor("org/B", org, header=second), self.org]
        self.projects = [place.project, second]
        self.channels = []  # oldest first
        self.gone = []      # ids of deleted ones
        self.default = "high"
        self.client = Client()
        stranger = stack.Place(permissions=BOTH)
        self.foreign = stack.created(self.client.post(stack.channel(), key=stranger.key))

    def send(self, who, method, path, body=None):
        print("%-6s %-6s %s %s" % (who.name, method, path, "" if body is None else json.dumps(body)))
        return self.client.send(method, path, body, key=who.key, project=who.header)

    # What the lists should be

    def list_of(self, project, inactive):
        mine = [c for c in reversed(self.channels) if c.project in (None, project) and (c.active or inactive)]
        return sorted(mine, key=lambda c: not c.active)

    def check_shown(self, channel, data):
        """Times are learned when they are seen first; createdAt then stays, updatedAt changes with a change alone."""
        channel.created = channel.created or data["createdAt"]
        channel.updated = channel.updated or data["updatedAt"]
        assert data == channel.shown()

    def check_list(self, channels, data):
        assert [d["id"] for d in data] == [c.id for c in channels]
        for c, d in zip(channels, data):
            self.check_shown(c, d)

    def check_all(self):
        for project in self.projects:
            reply = self.client.send("GET", PATH + "?includeInactive=true", key=self.org.key, project=project)
            self.check_list(self.list_of(project, True), ok(reply, 200))

    def check_credentials(self, channel):
        boxes = stack.sql("SELECT field, sealed, previous_sealed FROM sigsentry.credential WHERE channel_id = %s", channel.id)

        def opened(box, field):
            return box and sealed.opened(bytes(box), channel.id, channel.kind, field).decode()
        assert {b["field"]: opened(b["sealed"], b["field"]) for b in boxes} == channel.credentials
        previous = {b["field"]: opened(b["previous_sealed"], b["field"]) for b in boxes if b["previous_sealed"]}
        assert previous == ({"hmacSecret": channel.previous} if channel.previous else {})

    # Values, and what is wrong with them

    def name(self):
        if self.rng.random() < 0.15:
            return self.rng.choice([("", "length"), ("x" * 256, "length"), ("a\tb", "format"), (7, "type"), (None, "type")])
        return self.rng.choice(["n%d" % self.rng.randrange(4), "é" * self.rng.randint(1, 255), "\U0001F514 \"\\"]), None

    def threshold(self):
        if self.rng.random() < 0.15:
            return self.rng.choice([("info", "enum"), ("High", "enum"), (1, "type"), (None, "type")])
        return self.rng.choice(THRESHOLDS), None

    def good(self, kind, field):
        mark = secret(field[:4])
        if field == "webhookUrl":
            return stack.CREDENTIALS[kind][field].replace("%s", mark)
        return {
            "url": "https://%s.example.com/%s" % (self.rng.choice("abc"), mark),
            "authHeader": "Bearer " + mark,
            "hmacSecret": mark,
            "recipients": ",".join("%s%d@example.com" % (mark, i) for i in range(self.rng.randint(1, 4))),
        }[field]

    def credential(self, kind, field, null):
        """(value, code).  ${null}: that removes an optional field."""
        if self.rng.random() < 0.12:
            bad = {"webhookUrl": ("https://example.com/" + secret(), "host"),
                   "url": ("http://example.com/" + secret(), "format"),
                   "authHeader": (" " + secret(), "format"), "hmacSecret": ("", "length"),
                   "recipients": (secret() + "@", "format")}
            return self.rng.choice([bad[field], (5, "type")])
        if self.rng.random() < (0.25 if null else 0.03):
            return None, None if null and field != FIRST[kind] else "type"
        return self.good(kind, field), None

    def credentials(self, kind, stored, part):
        """(value, issues) of a whole set, or with ${part} of some fields beside those that are ${stored}."""
        rng = self.rng
        if rng.random() < 0.05:
            return rng.choice(["x", [], None, 1]), [("credentials", "type")]
        fields = [f for f in stack.CREDENTIALS[kind] if rng.random() < (0.5 if part else 0.85)]
        if rng.random() < 0.06:
            fields.append("color")
        rng.shuffle(fields)
        sent, found = {}, []
        for field in fields:
            sent[field], code = ("x", "unknown") if field == "color" else self.credential(kind, field, part)
            found += [("credentials." + field, code)] if code else []
        first = FIRST[kind]
        if part and not sent:
            found.append(("credentials", "required"))
        elif part and first in sent:
            found += [("credentials." + f, "required") for f in ("authHeader", "hmacSecret")
                      if f in stored and f not in sent]
        elif not part and first not in sent:
            found.append(("credentials." + first, "required"))
        return sent, found

    # Steps

    def create(self, who):
        kind = self.rng.choice(KINDS + ["webhook"] * 4)  # most can go wrong with it
        (name, bad_name), (threshold, bad_threshold) = self.name(), self.threshold()
        credentials, found = self.credentials(kind, (), False)
        body = {"type": kind, "name": name, "severityThreshold": threshold, "credentials": credentials}
        found = {"name": [("name", bad_name)] * bool(bad_name), "credentials": found, "type": [],
                 "severityThreshold": [("severityThreshold", bad_threshold)] * bool(bad_threshold)}
        order = self.rng.sample(list(body), 4)
        reply = self.send(who, "POST", PATH, {f: body[f] for f in order})
        used = sum(c.project == who.project for c in self.channels)
        if who.project is None:
            error(reply, 400, "MISSING_PROJECT_ID")
        elif any(found.values()):
            assert issues(reply) == sum((found[f] for f in order), [])
        elif self.limit is not None and used >= self.limit:
            assert error(reply, 403, "QUOTA_EXCEEDED") == {"limit": self.limit, "used": used, "plan": self.plan}
        else:
            channel = Channel(stack.created(reply), who.project, kind, name, threshold, credentials)
            self.channels.append(channel)
            self.check_credentials(channel)

    def some_id(self):
        """(id, channel): mostly of one that is there."""
        if self.channels and self.rng.random() < 0.9:
            channel = self.rng.choice(self.channels)
            return channel.id, channel
        return self.rng.choice(self.gone + [self.foreign, str(uuid.UUID(int=self.rng.getrandbits(128)))]), None

    def get(self, who):
        target, channel = self.some_id()
        reply = self.send(who, "GET", at(target))
        if channel is None or not who.reaches(channel):
            error(reply, 404, "NOT_FOUND")
        else:
            self.check_shown(channel, ok(reply, 200))

    def list(self, who):
        rng, words = self.rng, []
        page, limit, inactive = rng.choice([None, 1, 2, 3]), rng.choice([None, 1, 2, 3, 100]), rng.choice([None, True, False])
        for word, value in (("page", page), ("limit", limit), ("includeInactive", inactive)):
            words += ["%s=%s" % (word, str(value).lower())] if value is not None else []
        reply = self.send(who, "GET", PATH + "?" + "&".join(rng.sample(words, len(words))))
        if who.project is None:
            error(reply, 400, "MISSING_PROJECT_ID")
            return
        data, expected = ok(reply, 200), self.list_of(who.project, bool(inactive))
        if page is None and limit is None:
            self.check_list(expected, data)
            return
        page, limit = page or 1, limit or data["pagination"]["limit"]
        assert data["pagination"] == {"page": page, "limit": limit, "total": len(expected),
                                      "totalPages": -(-len(expected) // limit)}
        self.check_list(expected[(page - 1) * limit:page * limit], data["items"])

    def edit(self, channel, method):
        """(body, issues in body order): random fields, of ${channel} where there is one."""
        rng, body, found = self.rng, {}, {}

        def put(field, value, code=None):
            body[field], found[field] = value, [(field, code)] if code else []
        if rng.random() < 0.5:
            put("name", *self.name())
        if rng.random() < 0.3:
            put("severityThreshold", *self.threshold())
        if rng.random() < 0.3:
            put("isActive", *rng.choice([(True, None)] * 5 + [(False, None)] * 4 + [("true", "type")]))
        if rng.random() < 0.5:
            kind = channel.kind if channel else "slack"
            body["credentials"], found["credentials"] = self.credentials(
                kind, channel.credentials if channel else (), method == "PATCH")
            sent = body["credentials"]
            if kind == "webhook" and isinstance(sent, dict) and sent.get("hmacSecret") is not None and rng.random() < 0.6:
                put("hmacOverlapSeconds", *rng.choice([(0, None), (60, None), (604800, None), ("1", "type")]))
        if rng.random() < 0.06:
            put("colour", 1, "unknown")
        if channel and rng.random() < 0.3:
            for field, value in channel.shown().items():
                if field not in body and rng.random() < 0.7:
                    put(field, value)
            for field, other in (("type", "sms"), ("destination", "x"), ("id", str(uuid.UUID(int=0)))):
                if rng.random() < 0.1:
                    put(field, other, "readonly")
        order = rng.sample(list(body), len(body))
        return {f: body[f] for f in order}, sum((found[f] for f in order), [])

    CHANGEABLE = {"name", "severityThreshold", "isActive", "credentials", "hmacOverlapSeconds"}

    def update(self, who):
        method = self.rng.choice(["PUT", "PATCH"])
        target, channel = self.some_id()
        body, found = self.edit(channel, method)
        reply = self.send(who, method, at(target), body)
        if channel is None or not who.reaches(channel):
            error(reply, 404, "NOT_FOUND")
        elif not who.may_write(channel):
            error(reply, 403, "FORBIDDEN")
        elif found:
            assert issues(reply) == found
        elif not body or not set(body) & self.CHANGEABLE:
            assert issues(reply) == [("", "required")]
        else:
            assert ok(reply, 200) == {"updated": True}
            self.apply(channel, body, method)

    def apply(self, channel, body, method):
        before = channel.shown()
        channel.name = body.get("name", channel.name)
        channel.threshold = body.get("severityThreshold", channel.threshold)
        channel.active = body.get("isActive", channel.active)
        if channel.active:
            channel.reason = None
        touched = False
        if "credentials" in body:
            old, sent = channel.credentials, body["credentials"]
            kept = {} if method == "PUT" or FIRST[channel.kind] in sent else old
            channel.credentials = {f: v for f, v in {**kept, **sent}.items() if v is not None}
            touched = any(v is not None or f in old for f, v in sent.items()) or set(old) != set(channel.credentials)
            if sent.get("hmacSecret") is not None:
                moves = channel.destination() != before["destination"]
                overlaps = "hmacSecret" in old and body.get("hmacOverlapSeconds", 86400) > 0 and not moves
                channel.previous = old["hmacSecret"] if overlaps else None
            elif "hmacSecret" not in channel.credentials:
                channel.previous = None
        if touched or channel.shown() != before:
            channel.audits += 1
            data = ok(self.client.send("GET", at(channel.id), key=self.org.key), 200)
            assert data["updatedAt"] >= channel.updated
            channel.updated = data["updatedAt"]
        self.check_credentials(channel)

    def delete(self, who):
        target, channel = self.some_id()
        reply = self.send(who, "DELETE", at(target))
        if channel is None or not who.reaches(channel):
            error(reply, 404, "NOT_FOUND")
        elif not who.may_write(channel):
            error(reply, 403, "FORBIDDEN")
        else:
            assert ok(reply, 200) == {"deleted": True}
            self.channels.remove(channel)
            self.gone.append(channel.id)
            assert not stack.sealed(channel.id)

    def settings(self, who):
        if self.rng.random() < 0.5:
            word, code = self.threshold()
            reply = self.send(who, "PUT", PATH + "/settings", {"defaultSeverityThreshold": word})
            if code:
                assert issues(reply) == [("defaultSeverityThreshold", code)]
            else:
                assert ok(reply, 200) == {"updated": True}
                self.default = word
        reply = self.send(who, "GET", PATH + "/settings")
        assert ok(reply, 200) == {"defaultSeverityThreshold": self.default}

    def switch_off(self, who):
        """As the service does it by itself."""
        if self.channels:
            channel = self.rng.choice(self.channels)
            print("       off    " + channel.id)
            stack.sql("UPDATE sigsentry.channel SET is_active = false, disabled_reason = %s WHERE id = %s",
                      json.dumps(REASON), channel.id)
            channel.active, channel.reason = False, REASON

    def tenant_wide(self, who):
        if sum(c.project is None for c in self.channels) < 2:
            channel = Channel(stack.add_tenant_wide_channel(self.tenant), None, "slack", "tenant-wide", "high", {})
            print("       wide   " + channel.id)
            channel.audits = 0
            self.channels.append(channel)

    def change_plan(self, who):
        """What is there stays, even over the limit."""
        self.limit = self.rng.choice([0, 1, 2, 5, 10, None])
        print("       limit  %s" % self.limit)
        stack.sql("UPDATE sigsentry.plan SET channel_limit = %s WHERE name = %s", self.limit, self.plan)

    MENU = [(create, 7), (update, 12), (delete, 1.5), (get, 2), (list, 3), (settings, 1), (switch_off, 1), (tenant_wide, 1),
            (change_plan, 0.2)]

    def step(self):
        steps, weights = zip(*self.MENU)
        what, = self.rng.choices(steps, weights)
        what(self, self.rng.choice(self.actors))
        self.check_all()

    def check_audits(self):
        for channel in self.channels:
            rows = stack.audit_rows(channel.id)
            assert len(rows) == channel.audits and stack.CANARY not in str(rows), channel.id


@pytest.mark.parametrize("plan", LIMITS)
def test_as_the_model(plan):
    seed = SEED or secrets.token_hex(4)
    print("SIGSENTRY_SEED=%s SIGSENTRY_STEPS=%d" % (seed, STEPS))
    world = World(plan, random.Random(seed + plan))
    with world.client:
        for _ in range(STEPS):
            world.step()
    world.check_audits()
