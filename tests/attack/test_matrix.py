"""Goal: nobody gets at what is another's, by whatever operation, key and id (contract §§2, 3).

The operations are those of doc/openapi.json, so that a new one is tried by itself; one that is not understood here fails.
Each is tried with every kind of key that is not the victim's own good one, and with the victim's ids at every place that takes one.
What must hold of each answer: it is byte for byte the answer to an id that does not exist, and nothing of the victim's is in it.
Of the victim's rows none is changed, and none of the attackers' comes to name them.
"""

import copy
import itertools
import re
import secrets
import uuid

import pytest

import courier
import openapi
import stack
from holders import ALL, Holder, of_nobody, rows_where
from stack import PATH

OPERATIONS = openapi.api().operations
UUID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
# Differ from one answer to the next, whatever was asked for.
OF_THE_MOMENT = {"date", "x-request-id", "x-ratelimit-remaining", "x-ratelimit-reset"}
# Parameters that name nothing of anybody's, and what is sent; None: the parameter is left out.
HARMLESS = {"page": "1", "limit": "100", "includeInactive": "true", "status": None}


class NotUnderstood(Exception):
    """There is a parameter or a body that this file does not know how to fill."""


# How an operation is asked for -----------------------------------------------------------------------


class Slot:
    """A place of a request that takes an id, and the values of each holder that are put there.

    ${kind} is what it is an id of; optional ones are left out, too.
    """

    def __init__(self, name, where, kind, optional):
        self.name, self.where, self.kind, self.optional = name, where, kind, optional

    def values(self, own, victim, with_wide):
        """(value, is it the victim's) of all that is tried here."""
        of = {
            "channel": lambda h: [h.channel] + ([h.wide] if with_wide or h is own else []),
            "delivery": lambda h: [h.delivery, h.waiting, h.of_wide],
            "event": lambda h: [h.event],
            "project": lambda h: [h.project],
            "once": lambda h: [h.mark],
            "body": lambda h: [h],
        }[self.kind]
        found = [(None, False)] if self.optional else []
        if self.kind == "channel":
            found += [(v, False) for v in of(own)]
        elif self.kind in ("delivery", "event", "project"):
            found.append((of(own)[0], False))
        return found + [(v, True) for v in of(victim)]


def slot_of(operation, parameter):
    """The parameter's Slot, or None where it names nothing of anybody's."""
    name, where, schema = parameter["name"], parameter["in"], parameter["schema"]
    optional = not parameter.get("required", False)
    if where == "path":
        # what an id is one of stands in the path before it
        before = operation.path.split("{%s}" % name)[0].rstrip("/").rsplit("/", 1)[1]
        kind = {"notifications": "channel", "deliveries": "delivery", "events": "event"}.get(before)
    elif (where, name) == ("query", "cursor"):
        kind = "delivery"
    elif (where, name) == ("header", "X-Project-Id"):
        kind = "project"
    elif (where, name) == ("header", "Idempotency-Key"):
        kind = "once"
    elif where == "query" and name in HARMLESS and schema.get("format") != "uuid":
        return None
    else:
        kind = None
    if kind is None:
        raise NotUnderstood("%s %s: what is to be sent as %s in the %s?" % (operation.method, operation.path, name, where))
    return Slot(name, where, kind, optional)


def slots_of(operation):
    found = [slot_of(operation, p) for p in operation.parameters]
    found = [s for s in found if s]
    missing = set(re.findall(r"\{(\w+)\}", operation.path)) - {s.name for s in found if s.where == "path"}
    if missing:
        raise NotUnderstood("%s: no parameter %s" % (operation.path, missing))
    if operation.takes:
        found.append(Slot("body", "body", "body", True))
    return found


def body_of(operation):
    """The first example of a body; it is what a reader of the file would send."""
    if not operation.takes:
        return None
    examples = operation.spec["requestBody"]["content"].get("application/json", {}).get("examples")
    if not examples:
        raise NotUnderstood("%s %s: an example of its body is needed" % (operation.method, operation.path))
    return copy.deepcopy(next(iter(examples.values()))["value"])


def request_of(operation, filled):
    """Method, target, body and headers; ${filled}: {Slot: value}."""
    path, query, headers, body = operation.path, [], [], body_of(operation)
    for p in operation.parameters:
        if p["in"] == "query" and HARMLESS.get(p["name"]):
            query.append("%s=%s" % (p["name"], HARMLESS[p["name"]]))
    for slot, value in filled.items():
        if value is None:
            continue
        if slot.where == "path":
            path = path.replace("{%s}" % slot.name, value)
        elif slot.where == "query":
            query.append("%s=%s" % (slot.name, value))
        elif slot.where == "header":
            headers.append((slot.name, value + operation.spec["operationId"] if slot.kind == "once" else value))
        else:
            body.update(id=value.channel, projectId=value.project, tenantId=value.tenant)
    return operation.method, path + ("?" + "&".join(query) if query else ""), body, headers


class Nobody:
    """What stands in a body instead of the victim's."""

    def __init__(self, victim):
        self.channel, self.project, self.tenant = (of_nobody(v) for v in (victim.channel, victim.project, victim.tenant))


# Who asks --------------------------------------------------------------------------------------------

KEYS = ["none", "garbage", "unknown", "revoked", "expired", "pub", "pub of a stranger", "secret of the project beside",
        "secret of a stranger", "secret of a stranger, suspended", "org of a stranger"]
LET_IN = {"secret of the project beside", "secret of a stranger", "org of a stranger"}


class Cast:
    def __init__(self):
        marks = [secrets.token_hex(8) for _ in range(4)]
        self.victim, self.stranger, self.control, self.suspended = stack.parallel([lambda m=m: Holder(m) for m in marks], 1)
        victim, stranger = self.victim, self.stranger
        self.beside = copy.copy(victim)
        self.beside.mark = secrets.token_hex(8)
        self.beside.project = victim.new_project(self.beside.mark)
        jobs = {
            "unknown": dict(project=victim.project, permissions=ALL),
            "revoked": dict(project=victim.project, permissions=ALL),
            "expired": dict(tenant=victim.tenant, kind="org", permissions=ALL),
            "pub": dict(project=victim.project, kind="pub", permissions=ALL[:2]),
            "pub of a stranger": dict(project=stranger.project, kind="pub", permissions=ALL[:2]),
            "secret of the project beside": dict(project=self.beside.project, permissions=ALL),
            "org of a stranger": dict(tenant=stranger.tenant, kind="org", permissions=ALL),
        }
        made = dict(zip(jobs, stack.parallel([lambda j=j: stack.new_key(**j) for j in jobs.values()], 4)))
        stack.sql("DELETE FROM sigsentry.api_key WHERE id = %s", made["unknown"]["id"])
        stack.sql("UPDATE sigsentry.api_key SET revoked_at = now() WHERE id = %s", made["revoked"]["id"])
        stack.sql("UPDATE sigsentry.api_key SET expires_at = now() WHERE id = %s", made["expired"]["id"])
        self.keys = {name: m["key"] for name, m in made.items()}
        self.keys.update({"none": None, "garbage": "x'OR'1", "secret of a stranger": stranger.key,
                          "secret of a stranger, suspended": self.suspended.key})
        self.beside.key = self.keys["secret of the project beside"]
        self.beside.furnish()
        stack.ctl("tenant", "suspend", self.suspended.tenant)
        self.remember()

    def remember(self):
        """The victim has made requests that an Idempotency-Key remembers."""
        for o in OPERATIONS:
            slots = {s: None for s in slots_of(o)}
            once = [s for s in slots if s.kind == "once"]
            if once:
                method, path, body, headers = request_of(o, {**slots, once[0]: self.victim.mark})
                with stack.Client(self.victim.key) as c:
                    reply = c.send(method, path, body, headers=headers)
                assert reply.status in (201, 202), reply

    def own(self, key):
        """Whose things the one with this key has himself."""
        return {"secret of the project beside": self.beside, "secret of a stranger, suspended": self.suspended}.get(key, self.stranger)

    def names(self, key):
        """What this one is not to see.  The one from the project beside has the tenant and its tenant-wide channel himself."""
        shared = {self.victim.tenant, self.victim.wide} if key == "secret of the project beside" else ()
        return [n for n in self.victim.names() if n not in shared]

    def rows(self, key):
        """All that the tables hold of the victim, and all rows of others that name something of his.

        The one from the project beside may change what is the tenant's: of those rows, the ones that name the victim's things.
        """
        names = "|".join(self.names(key))
        mine = "tenant_id = %(victim)s" + (" AND t::text ~ %(names)s" if key == "secret of the project beside" else "")
        theirs = "tenant_id = ANY (%(others)s::uuid[]) AND t::text ~ %(names)s"
        return rows_where("(%s OR %s)" % (mine, theirs), victim=self.victim.tenant, names=names,
                          others=[self.stranger.tenant, self.suspended.tenant])


@pytest.fixture(scope="module")
def cast():
    with courier.alone():
        yield Cast()


# The matrix ------------------------------------------------------------------------------------------


def cases(slots, own, victim, with_wide, is_let_in):
    """Every way to fill the slots in which something of the victim's stands, beside the same with nobody's; and the one way
    without, where nothing must be filled, beside None.

    For a key that is let in nowhere (not ${is_let_in}) only: the victim's in one slot at a time, and in all of them.
    """
    values = [s.values(own, victim, with_wide) for s in slots]
    every = itertools.product(*values)
    if not is_let_in:
        first, last = [v[0] for v in values], [v[-1] for v in values]
        every = [first, last] + [first[:i] + [v] + first[i + 1:] for i, of in enumerate(values) for v in of if v[1]]
    for combination in every:
        theirs = {s: v for s, (v, _) in zip(slots, combination)}
        if any(is_victims for _, is_victims in combination):
            nobody = {s: (Nobody(v) if s.kind == "body" else of_nobody(v)) if is_victims else v
                      for s, (v, is_victims) in zip(slots, combination)}
            yield theirs, nobody
        elif all(v is None for v in theirs.values()):
            yield theirs, None


def essence(reply):
    """All of an answer that must be the same for the victim's id and for nobody's."""
    head = sorted((k, v) for k, v in reply.headers if k not in OF_THE_MOMENT)
    body = reply.body
    if 200 <= reply.status < 300:  # what was made differs, and has an id of its own
        body = TIME.sub(b"<time>", UUID.sub(b"<id>", body))
        head = [(k, UUID.sub(b"<id>", v.encode()).decode()) for k, v in head]
    return reply.status, head, body


def wrong_with(names, reply, twin):
    whole = reply.body + repr(reply.headers).encode()
    named = [n for n in names if n.encode() in whole]
    if named:
        return "the answer holds %s of the victim's: %r" % (named, reply)
    if twin is not None and essence(reply) != essence(twin):
        return "told from nobody's: %r, %r" % (reply, twin)
    return None


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("o", [pytest.param(o, id=o.spec["operationId"]) for o in OPERATIONS])
def test_matrix(cast, o, key):
    before = cast.rows(key)
    wrong, let_in, tried = [], [], 0
    with stack.Client(cast.keys[key]) as c:
        def ask(filled):
            method, path, body, headers = request_of(o, filled)
            return c.send(method, path, body, headers=headers)

        for theirs, nobody in cases(slots_of(o), cast.own(key), cast.victim, key != "secret of the project beside", key in LET_IN):
            reply = ask(theirs)
            fault = wrong_with(cast.names(key), reply, ask(nobody) if nobody else None)
            tried += 1
            if reply.status < 400:
                let_in.append(reply)
            if fault:
                wrong.append("%s: %s" % (request_of(o, theirs), fault))
    assert tried, "nothing was tried"
    assert key in LET_IN or not o.permissions or not let_in, "let in: %s" % let_in
    assert not wrong, "\n".join(wrong[:10])
    assert cast.rows(key) == before, "rows of the victim's are not what they were: %s" % (cast.rows(key) ^ before)


@pytest.mark.parametrize("o", [pytest.param(o, id=o.spec["operationId"]) for o in OPERATIONS])
def test_the_owner_gets_at_his_own(cast, o):
    """The same request with the owner's key and ids succeeds: so what the matrix sees is a refusal, and not a bad request."""
    cast.control.furnish()
    filled = {s: s.values(cast.control, cast.control, False)[0][0] for s in slots_of(o)}
    method, path, body, headers = request_of(o, filled)
    with stack.Client(cast.control.key) as c:
        reply = c.send(method, path, body, headers=headers)
    assert 200 <= reply.status < 300, reply


def test_every_route_is_in_the_file():
    """Those that the service has and those that doc/openapi.json lists, but for the file itself, which nginx gives out."""
    rows = re.findall(r'^\t\{"[\w.]+", +"(\w+)", +(\w+)?(?: *"([^"]+)")?,', (stack.ROOT / "src/api/route.c").read_text(), re.M)
    served = {(method, (PATH if macro == "CHANNELS" else "") + path) for method, macro, path in rows}
    assert served | {("GET", "/v1/openapi.json")} == {(o.method, o.path) for o in OPERATIONS}


def test_the_rows_are_seen(cast):
    """A change of one row of the victim's, and a row of another's that names his project, would be noticed."""
    assert {t for t, _ in cast.rows("none")} >= {"sigsentry." + t for t in (
        "project", "api_key", "channel", "credential", "event", "delivery", "attempt", "queue", "audit", "idempotency")}
    before = cast.rows("none")
    stack.sql("UPDATE sigsentry.channel SET name = name || '!' WHERE id = %s", cast.victim.channel)
    assert len(cast.rows("none") ^ before) == 2
    stack.sql("UPDATE sigsentry.channel SET name = left(name, -1) WHERE id = %s", cast.victim.channel)
    assert cast.rows("none") == before


@pytest.mark.parametrize("change", ["path", "query", "header", "body"])
def test_what_is_not_understood_fails(change):
    """An operation with an id of a new kind, or a body without an example, is an error here."""
    o = copy.copy(next(o for o in OPERATIONS if o.spec["operationId"] == "createChannel"))
    new = {"name": "accountId", "required": False, "schema": {"type": "string", "format": "uuid"}}
    if change == "body":
        o.spec = copy.deepcopy(o.spec)
        del o.spec["requestBody"]["content"]["application/json"]["examples"]
    else:
        o.parameters = o.parameters + [{**new, "in": change}]
        o.path = "/v1/accounts/{accountId}" if change == "path" else o.path
    with pytest.raises(NotUnderstood):
        slots_of(o)
        body_of(o)


def test_the_comparison_sees():
    """A status, a header, a byte of an error: each alone makes an answer another one."""
    def reply(status=404, headers=(("X-A", "1"),), body=b'{"x":1}'):
        return stack.Reply(status, list(headers), body)

    assert essence(reply()) == essence(reply(headers=(("X-A", "1"), ("X-Request-Id", "2"))))
    for other in (reply(403), reply(headers=()), reply(body=b'{"x":2}'), reply(body=b'{"x":"%s"}' % str(uuid.uuid4()).encode())):
        assert essence(reply()) != essence(other)
    assert wrong_with(["mark"], reply(200, body=b'{"x":"mark"}'), None) and wrong_with(["mark"], reply(headers=(("A", "mark"),)), None)
