"""Attacks by what hooks, flows and actions do."""
import json
import re

from kinds import Kind, of_attack
from loads import asked, both, crowd, events, forever, talk
from served import INCOMING, ROOT

NEW = "new bp.IO.Event({ type: TYPE, channel: 'web', target: TARGET, direction: 'incoming', botId: event.botId, payload: p })"


def new(kind="event.type", target="event.target"):
    """Another incoming event of the hostile bot, as an expression."""
    return NEW.replace("TYPE", kind).replace("TARGET", target)


def many(count, call):
    """That many calls that nobody awaits, `i` is the number; errors are nobody's business."""
    return f"const all = []\nfor (let i = 0; i < {count}; i++) all.push(Promise.resolve().then(() => {call}).catch(() => 0))\nawait Promise.all(all)"


# What is prepared by events of another type than the attack.
def prepared(body):
    """A hook beside the attack's that prepares."""
    return {f"bots/hostile/{INCOMING}/prepare.js": of_attack(body, "prepare")}


# Three values of 15 MB, put together of parts: one realm could not hold one of them twice.
BIG = prepared("""for (const key of ['big-0', 'big-1', 'big-2']) {
  await bp.kvs.set('hostile', key, { n: 0, list: [1, 2] })
  for (const part of ['a', 'b', 'c']) await bp.kvs.set('hostile', key, 'x'.repeat(48e5), part)
}""")
KEY = "'big-' + (i % 3)"


# Whoever runs the server may allow what the defaults do not; the calm bot must not pay for that.
ALLOWED = {"kvs": {"maxValue": "16mb", "perBot": "1gb"}, "users": {"maxAttributes": "1mb", "maxListed": 1000000}}


def big(name, call):
    """One event that does that 900 times at once with large values."""
    return Kind(name, "the store, the wall", crowd(1, 3), many(900, call), crowd(1, 600, "prepare"), 5, files=BIG, settings=ALLOWED, leaves=True)


def containment():
    """Every attack of `tests/attacks/`, one after the other."""
    texts = []
    for name in sorted((ROOT / "tests/attacks").glob("*.js")):
        texts += re.split(r"^//// .*\n", name.read_text(), flags=re.M)[1:]
    cases = "\n".join(f"  case {at}: return (() => {{ {text.rstrip()}\n }})()" for at, text in enumerate(texts))
    return {f"bots/hostile/{INCOMING}/attack.js": of_attack(f"switch (p.number % {len(texts)}) {{\n{cases}\n}}")}


def flow(nodes, **more):
    """A main flow for the hostile bot."""
    text = {"version": "0.0.1", "startNode": nodes[0]["name"], "catchAll": {"next": []}, "nodes": nodes} | more
    return {"bots/hostile/flows/main.flow.json": json.dumps(text)}


def node(name, *next_, enter=(), receive=None, **more):
    """A node of a flow."""
    return {"name": name, "onEnter": list(enter), "onReceive": receive, "next": [dict(zip(("condition", "node"), one)) for one in next_]} | more


PROCESSORS = [
    Kind("loops-4", "processors", talk(4), "for (;;);"),
    Kind("loops-12", "processors", talk(12), "for (;;);"),
    Kind("loops-40", "processors", talk(40), "for (;;);"),
    Kind("short-loops", "processors", events(100), "const until = Date.now() + 400; while (Date.now() < until);"),
    Kind("sliced-loops", "processors", talk(40),
         "for (;;) { const until = Date.now() + 4; while (Date.now() < until); await new Promise(go => setTimeout(go, 0)) }"),
    Kind("native-sort", "processors", talk(12), "Array.prototype.sort.call({ length: 2 ** 53 - 1 })"),
    Kind("native-join", "processors", talk(12), "new Array(2 ** 32 - 1).join('x')"),
    Kind("native-index-of", "processors", talk(12), "('a'.repeat(1e7)).indexOf('a'.repeat(5e6) + 'b')"),
    Kind("regex", "processors", talk(12), "/(?<=(a*)b)c/.test('a'.repeat(1e6) + 'bd'); /(a+)+$/.test('a'.repeat(40) + '!')"),
    Kind("promises", "processors", talk(12), "for (let i = 0; i < 1e5; i++) Promise.resolve(i).then(x => x + 1)"),
    Kind("microtasks", "processors", talk(12), "function f() { Promise.resolve().then(f) } f(); return new Promise(() => {})"),
    Kind("timers", "processors", talk(12), "for (let i = 0; i < 1e5; i++) { try { setTimeout(() => 0, i % 1000) } catch (e) {} }"),
    Kind("intervals", "processors", events(20),
         "for (let i = 0; i < 900; i++) setInterval(() => { const until = Date.now() + 1; while (Date.now() < until); }, 1)"),
    Kind("throws", "the log, realms", events(300), "throw new Error('x'.repeat(1000))"),
    Kind("rejections", "the log, realms", events(50), "for (let i = 0; i < 1000; i++) Promise.reject(new Error('x' + i))"),
    Kind("containment", "realms and their deaths", talk(4), files=containment),
    Kind("crashes", "realms and their deaths", talk(8), "let f = () => 1; for (let i = 0; i < 1e5; i++) f = f.bind(); f();"
         " const p2 = new Proxy({}, {}); Object.setPrototypeOf(p2, p2); p2.x"),
    Kind("waits", "turns, places of realms", events(150), "await new Promise(go => setTimeout(go, 14e3))"),
]

MEMORY = [
    Kind("memory-hogs-40", "memory", talk(40), "const a = []; for (;;) a.push(new Array(1000).fill(1))"),
    Kind("memory-held-200", "memory", crowd(200, 10),
         "const held = []; for (let i = 0; i < 25; i++) held.push(new Uint8Array(1e6).fill(i)); await new Promise(go => setTimeout(go, 9e3)); held.length = 0"),
    Kind("memory-strings", "memory", talk(20), "const a = []; for (let i = 0; ; i++) a.push(('x' + i).repeat(1e5))"),
    Kind("memory-at-the-edge", "memory", talk(8),
         "const big = []; for (;;) try { for (;;) big.push(new Uint8Array(65536)) } catch (e) { big.length -= 10 }"),
    Kind("state-large", "the wall, the store", talk(8),
         "event.state.session.big = 'x'.repeat(8e6); event.setFlag(bp.IO.WellKnownFlags.FORCE_PERSIST_STATE, true)"),
    Kind("state-large-same-users", "the wall, the store", events(10, users=20),
         "event.state.session.big = 'x'.repeat(8e6); event.setFlag(bp.IO.WellKnownFlags.FORCE_PERSIST_STATE, true)"),
    Kind("user-state-large", "the store", talk(8),
         "event.state.user.big = 'x'.repeat(9e5); event.setFlag(bp.IO.WellKnownFlags.FORCE_PERSIST_STATE, true)"),
]

FOLLOW_UPS = [
    Kind("follow-up-flood", "turns, the writer", crowd(1, 600), many(900, f"bp.events.sendEvent({new()})"), leaves=True),
    Kind("follow-up-flood-users", "turns, the writer", crowd(1, 600),
         many(900, "bp.events.sendEvent(" + new(target="'f-' + Math.random()") + ")"), leaves=True),
    Kind("follow-up-ring", "turns, the writer", crowd(1, 600),
         many(2, f"bp.events.sendEvent({new(kind=chr(39) + 'ring' + chr(39))})"),
         files={f"bots/hostile/{INCOMING}/ring.js": of_attack(many(2, f"bp.events.sendEvent({new(kind=chr(39) + 'attack' + chr(39))})"), "ring")},
         leaves=True),
    Kind("follow-up-chain", "turns, the writer", crowd(50, 600), f"await bp.events.sendEvent({new()})", leaves=True),
    Kind("follow-ups-900-users", "turns, realms", crowd(1, 2),
         many(900, f"bp.events.sendEvent({new(kind=chr(39) + 'quiet' + chr(39), target=chr(39) + 'f-' + chr(39) + ' + i')})")),
    Kind("follow-ups-outgoing", "the writer", talk(8),
         many(900, "bp.events.sendEvent(new bp.IO.Event({ type: 'text', channel: 'web', target: 'f-' + i, direction: 'outgoing', botId: event.botId, payload: { type: 'text', text: 'x' } }))")),
    Kind("replies-1000", "the writer", talk(8), many(1000, "bp.events.replyToEvent(event, [{ type: 'text', text: 'x' }])")),
    Kind("replies-1000-web", "the writer, notices", events(20), many(1000, "bp.events.replyToEvent(event, [{ type: 'text', text: 'x' }])")),
    Kind("replies-1mb", "the wall, the writer", events(4), many(60, "bp.events.replyToEvent(event, [{ type: 'text', text: 'x'.repeat(1e6) }])")),
    Kind("replies-typing", "what typing holds back", events(20), many(900, "bp.events.replyToEvent(event, [{ type: 'typing', value: 36e5 }, { type: 'text', text: 'x' }])")),
    Kind("outgoing-hooks-loop", "processors", talk(12), many(50, "bp.events.replyToEvent(event, [{ type: 'text', text: 'x' }])"),
         files={"bots/hostile/hooks/before_outgoing_middleware/loop.js": "for (;;);"}),
    Kind("suggestions", "the wall, the writer", talk(8),
         "for (let i = 0; i < 5000; i++) event.suggestions.push({ confidence: Math.random(), source: 's' + i, payloads: [{ type: 'text', text: 'x'.repeat(1000) }] })"),
]

STORE = [
    big("kvs-increment-15mb", f"bp.kvs.increment('hostile', {KEY}, 1, 'n')"),
    big("kvs-get-path", f"bp.kvs.get('hostile', {KEY}, 'list[0]')"),
    big("kvs-get-14mb", f"bp.kvs.get('hostile', {KEY})"),
    big("kvs-set-path-15mb", f"bp.kvs.set('hostile', {KEY}, i, 'p' + i)"),
    big("kvs-delete-path-15mb", f"bp.kvs.delete('hostile', {KEY}, 'p' + i)"),
    big("kvs-exists-15mb", f"bp.kvs.exists('hostile', {KEY})"),
    Kind("kvs-set-15mb", "the writer", talk(2), many(60, f"bp.kvs.set('hostile', {KEY}, 'x'.repeat(14e6))"), settings=ALLOWED, leaves=True),
    Kind("kvs-sets-5000", "the writer", talk(8), "for (let j = 0; j < 6; j++) {\n" + many(900, "bp.kvs.set('hostile', 'k' + p.number + '-' + i + '-' + j, i)") + "\n}"),
    Kind("kvs-increments-small", "the writer", talk(8), many(900, "bp.kvs.increment('hostile', 'k' + (i % 7))")),
    Kind("kvs-gets-small", "the store's readers", talk(8), "for (let j = 0; j < 6; j++) {\n" + many(900, "bp.kvs.get('hostile', 'k' + i)") + "\n}"),
    Kind("kvs-64kb", "the writer", talk(4), many(900, "bp.kvs.set('hostile', 'k' + i, 'x'.repeat(6e4))"), leaves=True),
    Kind("kvs-prefix", "the writer", talk(4), many(200, "bp.kvs.removeStorageKeysStartingWith('k')"), events(12, "prepare"), 4,
         files=prepared(many(900, "bp.kvs.set('hostile', 'n' + p.number + '-' + i, i)"))),
    Kind("kvs-expiry", "the janitor, the writer", events(20), many(900, "bp.kvs.setStorageWithExpiry('hostile', 'e' + p.number + '-' + i, i, 100)"), leaves=True),
    Kind("get-all-users-paged", "the store, the wall", crowd(1, 3), many(900, "bp.users.getAllUsers({ start: i * 70, count: 10000 })"), events(12, "prepare"), 6,
         files=prepared(many(900, "bp.users.getOrCreateUser('web', 'made-' + p.number + '-' + i)")), leaves=True),
    Kind("get-all-users", "the store, the wall", crowd(1, 3), many(900, "bp.users.getAllUsers()"), events(12, "prepare"), 6,
         files=prepared(many(900, "bp.users.getOrCreateUser('web', 'made-' + p.number + '-' + i)")), settings=ALLOWED, leaves=True),
    Kind("users-made", "the writer", talk(8), many(900, "bp.users.getOrCreateUser('web', 'made-' + p.number + '-' + i)"), leaves=True),
    Kind("user-attributes-1mb", "the writer", talk(4), many(60, "bp.users.setAttributes(event.channel, event.target, { big: 'x'.repeat(9e5) })"), settings=ALLOWED, leaves=True),
    Kind("user-attributes-merged", "the writer", talk(4),
         "await bp.users.setAttributes(event.channel, event.target, { big: 'x'.repeat(9e5) })\n" + many(900, "bp.users.updateAttributes(event.channel, event.target, { i })"), settings=ALLOWED, leaves=True),
    Kind("sessions-deleted", "the writer", talk(8), many(900, "bp.dialog.deleteSession('web::nobody-' + i)")),
    Kind("users-50000", "the store", events(1500, connections=48), "return", leaves=True),
    Kind("effects-then-loop", "the writer", talk(12), many(900, "bp.kvs.set('hostile', 'k' + i, 'x'.repeat(1000))") + "\nfor (;;);"),
]

SERVICES = [
    Kind("read-file-4mb", "the disk, the wall", crowd(1, 3), many(900, "bp.cms.readFile('hostile', 'big.bin')"),
         files={"bots/hostile/media/big.bin": b"x" * (4 << 20)}, leaves=True),
    Kind("save-file-1mb", "the disk", talk(2), many(60, "bp.cms.saveFile('hostile', 'a.bin', 'x'.repeat(1e6))"), leaves=True),
    Kind("save-file-small", "the disk, media's listing", talk(4), many(900, "bp.cms.saveFile('hostile', 'a.bin', 'x')"), leaves=True),
    Kind("short-links", "memory of the server", talk(4), many(900, "bp.http.createShortLink('l' + p.number + '-' + i, 'http://localhost/' + 'x'.repeat(10000))"), leaves=True),
    Kind("signatures-1mb", "the runtime", talk(4), many(300, "bp.security.getMessageSignature('x'.repeat(1e6))")),
    Kind("tokens-decoded", "the runtime", talk(8), many(900, "bp.http.decodeExternalToken('a.b.c' + 'x'.repeat(1000))")),
    Kind("tokens-made", "the runtime", talk(8), many(900, "bp.http.getAxiosConfigForBot('hostile')")),
    Kind("configs-read", "the disk", talk(4), many(900, "bp.config.getModuleConfigForBot('big', 'hostile')"),
         files={"config/big.json": json.dumps({f"k{at}": "x" * 100 for at in range(5000)})}),
    Kind("all-bots", "the runtime, the wall", talk(8), many(900, "bp.bots.getAllBots()"),
         files={"bots/hostile/bot.config.json": json.dumps({"about": ["x" * 1000] * 500})}),
    Kind("hooks-switched", "reload, the disk", talk(2),
         "for (let i = 0; i < 100; i++) { await bp.experimental.disableHook('other', 'after_incoming_middleware').catch(() => 0); await bp.experimental.enableHook('other', 'after_incoming_middleware').catch(() => 0) }",
         files={"hooks/after_incoming_middleware/other.js": "return 1"}),
    Kind("realtime-payloads", "notices", talk(8), "for (let i = 0; i < 1e5; i++) bp.realtime.sendPayload(bp.RealTimePayload.forVisitor('hostile-1', 'webchat.data', { payload: 'x'.repeat(1000) }))"),
    Kind("log-lines", "the log", talk(8), "for (let i = 0; i < 1e5; i++) console.log('line ' + i)"),
    Kind("log-lines-200", "the log", events(400), "for (let i = 0; i < 200; i++) console.log('line ' + i)"),
    Kind("log-long-lines", "the log", events(50), "for (let i = 0; i < 200; i++) console.log('\\x1b\\n'.repeat(8000))"),
    Kind("start-hook-lives-on", "the writer, the log", crowd(1, 600), "return",
         files={"bots/hostile/hooks/after_bot_mount/lives.js": "setInterval(() => { for (let i = 0; i < 900; i++) { bp.kvs.set('hostile', 'k' + i, 'x'.repeat(1000)).catch(() => 0); console.log('x') } }, 20)"},
         leaves=True),
]

FETCHES = [
    Kind("fetch-hang", "outbound calls", talk(12), many(900, "fetch(`http://127.0.0.1:${p.port}/hang/${i}`)")),
    Kind("fetch-drip", "outbound calls", talk(12), many(900, "fetch(`http://127.0.0.1:${p.port}/drip/${i}`).then(a => a.text())")),
    Kind("fetch-large", "outbound bodies, the wall", talk(8), many(100, "fetch(`http://127.0.0.1:${p.port}/large/${i}`).then(a => a.text())")),
    Kind("fetch-refused", "outbound calls", talk(8), many(900, "fetch('http://127.0.0.1:1/' + i)")),
    Kind("fetch-redirects", "outbound calls", talk(8), many(300, "fetch(`http://127.0.0.1:${p.port}/round`)")),
    Kind("fetch-posts-1mb", "the wall, outbound bodies", talk(4), many(64, "fetch(`http://127.0.0.1:${p.port}/quick`, { method: 'POST', body: 'x'.repeat(1e6 - 1000) })")),
    Kind("fetch-names", "name resolution", talk(8), many(900, "fetch('http://no-such-' + i + '.invalid/')")),
    Kind("fetch-oneself", "HTTP, turns", talk(4), many(50, "fetch(`http://127.0.0.1:${p.own || 1}/status`)")),
    Kind("fetch-aborted", "outbound calls", talk(8), many(900, "{ const stop = new AbortController(); setTimeout(() => stop.abort(), 1); return fetch(`http://127.0.0.1:${p.port}/hang`, { signal: stop.signal }) }")),
]

async def large_payloads(attack):
    """Events with payloads of 1 MB."""
    body = attack.body(big="x" * 1_000_000)
    await forever(8, lambda *_: attack.client.event(attack.user(), body), 0.05)


WAITS = node("wait", ("true", "wait"), receive=[])
DIALOG = [
    Kind("dialog-loop", "processors, the log", talk(12, "text"), files=lambda: flow([node("a", ("true", "b")), node("b", ("true", "a"))])),
    Kind("dialog-loop-long", "processors", talk(12, "text"), files=lambda: flow([node("a", ("true", "b")), node("b", ("true", "a"))]),
         settings={"dialog": {"maxTransitions": 100000}}),
    Kind("dialog-says", "processors, the writer", talk(8, "text"), settings={"dialog": {"maxTransitions": 100000}},
         files=lambda: flow([node("a", ("true", "a2"), enter=['say #builtin_text {"text":"hello"}']), node("a2", ("true", "a"))])),
    Kind("actions-loop", "processors", talk(12, "text"),
         files=lambda: flow([node("a", ("true", "END"), enter=["spin {}"])]) | {"bots/hostile/actions/spin.js": "for (;;);"}),
    Kind("conditions-loop", "processors", talk(12, "text"), files=lambda: flow([node("a", ("(() => { for (;;); })()", "a"))])),
    Kind("content-types-loop", "processors", talk(12), "await bp.cms.renderElement('hostile_loop', {}, event)",
         files={"content-types/hostile_loop.js": "module.exports = { id: 'hostile_loop', title: 'x', jsonSchema: {}, renderElement() { for (;;); } }"}),
    Kind("templates", "processors", talk(12), "bp.cms.renderTemplate({ text: '{{#a}}{{#a}}{{#a}}{{#a}}x{{/a}}{{/a}}{{/a}}{{/a}}' }, { a: new Array(100).fill(1) })"),
    Kind("jumps", "processors", talk(12),
         "for (let i = 0; i < 1e4; i++) { await bp.dialog.jumpTo(bp.dialog.createId(event), event, 'main.flow.json', 'wait'); await bp.dialog.processEvent(bp.dialog.createId(event), event) }",
         files=lambda: flow([WAITS])),
    Kind("time-outs", "turns, the janitor", events(400, "text"), leaves=True,
         settings={"dialog": {"janitorInterval": "200ms"}},
         files=lambda: flow([WAITS]) | {
             "bots/hostile/bot.config.json": json.dumps({"dialog": {"timeoutInterval": "1s"}}),
             "bots/hostile/hooks/before_session_timeout/slow.js": "const until = Date.now() + 100; while (Date.now() < until);"}),
    Kind("queue-flood", "turns, admission", events(2000, connections=48), "const until = Date.now() + 10; while (Date.now() < until);", leaves=True),
    Kind("queue-flood-one-user", "turns, admission", events(1000, users=3, connections=32), "const until = Date.now() + 10; while (Date.now() < until);", leaves=True),
    Kind("queue-flood-large", "admission, memory", large_payloads, "const until = Date.now() + 10; while (Date.now() < until);", leaves=True),
    Kind("traces-in-development", "traces, the log", both(events(200), asked(8, *[f"/api/v1/bots/hostile/traces/hostile-{at}" for at in range(20)])),
         "for (let i = 0; i < 400; i++) await 0", development=True),
]


KINDS = [*PROCESSORS, *MEMORY, *FOLLOW_UPS, *STORE, *SERVICES, *FETCHES, *DIALOG]
