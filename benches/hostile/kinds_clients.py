"""Attacks by clients, over HTTP and websockets."""
import json

from client import frame
from kinds import Kind
from loads import asked, both, churn, crowd, events, kept, posted, sockets, uploads

CHANNEL = "/api/v1/bots/hostile/mod/channel-web"
REPLIES = "bp.events.replyToEvent(event, [{ type: 'text', text: 'x'.repeat(15000) }])"
FIVE_USERS = [f"hostile-{at}" for at in range(5)]


def ask(path, times):
    """That path asked for several times at once."""
    return f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode() * times


def post(path, length, body=b""):
    """A request that says it has a body of that length."""
    return f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n".encode() + body


async def transcripts(attack):
    """Long conversations, asked for as a whole."""
    async def conversations():
        found = []
        for user in FIVE_USERS:
            _, text = await attack.client.get(f"{CHANNEL}/conversations/{user}")
            found += [f"{CHANNEL}/conversations/{user}/{one['id']}" for one in json.loads(text or b"{}").get("conversations", [])]
        return found

    found = await conversations()
    await asked(16, *(found + [f"{path}/download/txt" for path in found] or ["/status"]))(attack)


KINDS = [
    Kind("clients-read-nothing", "connections, memory of the server", kept(400, ask("/assets/modules/channel-web/inject.js", 10))),
    Kind("clients-read-nothing-pages", "connections, memory of the server", kept(400, ask("/assets/modules/channel-web/default.css", 10) + ask("/status", 10))),
    Kind("clients-read-slowly", "connections, memory of the server", kept(200, ask("/assets/modules/channel-web/inject.js", 10), b"", 1.0, read=True)),
    Kind("slowloris", "connections", kept(2000, b"GET /status HTTP/1.1\r\nhost: localhost\r\n", b"x-a: b\r\n", 2.0, rate=1000)),
    Kind("bodies-that-drip", "connections, bodies", kept(400, post(f"{CHANNEL}/events/hostile-1", 9_000_000, b'{"a":"'), b"x" * 100, 0.5)),
    Kind("bodies-10mb", "memory of the server, the runtime", posted(8, f"{CHANNEL}/events/{{}}", b'{"type":"x","a":"' + b"x" * 9_900_000 + b'"}')),
    Kind("bodies-nested", "the runtime", posted(8, f"{CHANNEL}/events/{{}}", b'{"type":"x","a":' + b"[" * 1_000_000)),
    Kind("bodies-many-members", "the runtime", posted(8, f"{CHANNEL}/events/{{}}", json.dumps({f"k{at}": at for at in range(300_000)}).encode())),
    Kind("bodies-too-large", "connections", posted(8, f"{CHANNEL}/events/{{}}", b"x" * 12_000_000)),
    Kind("forms-odd", "the runtime", posted(8, f"{CHANNEL}/events/{{}}", b"&".join(b"a[b][c][%d]=1" % at for at in range(20_000)), content="application/x-www-form-urlencoded")),
    Kind("connections-5000", "connections", kept(5000, b"", rate=2000, every=5.0)),
    Kind("connections-churn", "the accepting loop", churn(2000)),
    Kind("requests-not-waited-for", "the runtime", kept(200, ask(f"{CHANNEL}/botInfo", 100), every=0.1)),
    Kind("http-garbage", "the runtime", kept(100, b"\x00\xff\x16\x03\x01" * 1000, every=0.05, rate=1000)),
    Kind("heads-large", "the runtime", kept(200, b"GET / HTTP/1.1\r\n" + b"x-a: " + b"y" * 30000 + b"\r\n", b"x-b: c\r\n", 0.1)),
    Kind("chunks-tiny", "the runtime", kept(200, f"POST {CHANNEL}/events/hostile-1 HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n".encode(), b"1\r\nx\r\n" * 500, 0.1)),
    Kind("not-found", "the log, the runtime", asked(16, "/nothing", "/api/v1/bots/nobody/converse/x", "/s/nothing", "/assets/../../etc/passwd", pause=0.01)),
    Kind("status-polled", "the runtime", asked(32, "/status", "/metrics", pause=0.01)),
    Kind("start-page-polled", "the runtime", asked(32, "/", "/docs/http-errors", "/status", pause=0.01), development=True),
    Kind("assets-polled", "the runtime", asked(32, "/assets/modules/channel-web/inject.js", "/lite/hostile/?m=channel-web&v=Fullscreen", pause=0.01)),
    Kind("conversations-begun", "the writer", posted(32, f"{CHANNEL}/conversations/{{}}/new", b"{}", 0.005)),
    Kind("conversations-reset", "turns, the writer", posted(16, f"{CHANNEL}/conversations/{{}}/null/reset", b"{}", 0.005)),
    Kind("conversations-long", "the store's readers", transcripts, f"for (let i = 0; i < 400; i++) {REPLIES}", crowd(5, 600), 0),
    Kind("conversations-listed", "the store's readers", both(posted(8, f"{CHANNEL}/conversations/hostile-1/new", b"{}", 0.005), asked(16, f"{CHANNEL}/conversations/hostile-1"))),
    Kind("visitors-made", "the runtime", posted(32, f"{CHANNEL}/visitors", b"{}", 0.005)),
    Kind("tokens-wrong", "the runtime", asked(32, "/api/v1/bots/hostile", pause=0.005, headers=(("authorization", "Bearer a.b.c"),))),
    Kind("uploads-5mb", "the disk, bodies", uploads(8, 4_900_000)),
    Kind("uploads-small", "the disk, media's listing", uploads(16, 100, 0.01), leaves=True),
    Kind("uploads-odd", "the runtime", posted(16, f"{CHANNEL}/messages/{{}}/files", b"--x\r\n" * 200_000, 0.02, "multipart/form-data; boundary=x")),
    Kind("converse-abandoned", "turns, realms", kept(200, lambda attack: post(f"/api/v1/bots/hostile/converse/{attack.user()}", 26, b'{"type":"text","text":"x"}'), every=0.2), leaves=True,
         files={"bots/hostile/hooks/before_incoming_middleware/wait.js": "await new Promise(go => setTimeout(go, 10e3))"}),
    Kind("sockets-no-reading", "notices", both(sockets(200, read=False), events(100, users=150)), f"for (let i = 0; i < 20; i++) {REPLIES}"),
    Kind("sockets-junk", "the runtime", sockets(200, frame(b"4" + b"x" * 5000), 0.05)),
    Kind("sockets-claim-much", "the runtime", sockets(200, frame(b"4", claimed=1 << 40), 0.05)),
    Kind("sockets-bad-frames", "the runtime", sockets(200, bytes([0xFF, 0x7F, 1, 2, 3, 4]) * 20, 0.05)),
    Kind("sockets-pings", "the runtime", sockets(200, frame(b"x" * 100, 9) * 5, 0.05)),
    Kind("sockets-come-and-go", "notices, the runtime", sockets(150, frame(b"", 8), 0.05)),
    Kind("sockets-of-one-visitor", "notices", both(sockets(200, visitor="hostile-1"), events(100, users=2)), REPLIES),
    Kind("polls-held", "connections", asked(200, "/socket.io/?EIO=3&transport=polling", "/socket.io/?EIO=4&transport=polling")),
]
