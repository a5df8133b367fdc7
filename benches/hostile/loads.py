"""What a hostile bot's users, its author and hostile clients do: each function gives a load, which goes on until it is cancelled."""
import asyncio
import os
import shutil
import time

from client import frame

UPLOAD = b'--x\r\ncontent-disposition: form-data; name="file"; filename="a.png"\r\ncontent-type: image/png\r\n\r\n'


class Attack:
    """What a load has at hand."""

    def __init__(self, client, folder, upstream):
        self.client, self.folder, self.upstream, self.count = client, folder, upstream, 0

    def user(self):
        """A user who was never there."""
        self.count += 1
        return f"hostile-{os.getpid()}-{self.count}"

    def body(self, kind="attack", **members):
        """What the hook gets as `event.payload`."""
        return {"type": kind, "text": "x", "channel": "web", "number": self.count, "port": self.upstream.port, "own": self.client.port} | members

    def write(self, path, text):
        """Saves a file of the workspace as editors do: whole, at once."""
        path = self.folder / path
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.new")
        beside.write_bytes(text if isinstance(text, bytes) else text.encode())
        os.replace(beside, path)


async def forever(count, do, pause=0.02):
    """That many do it again and again, each at most fifty times a second."""
    async def one(index):
        turn = 0
        while True:
            begun = time.monotonic()
            await do(index, turn)
            turn += 1
            await asyncio.sleep(max(0.001, pause - (time.monotonic() - begun)))

    await asyncio.gather(*(one(index) for index in range(count)))


def talk(count, kind="attack", pause=0.02):
    """That many events at a time, each of another user; the next one begins when one is over, or nobody waits for it any more."""
    async def load(attack):
        await forever(count, lambda *_: attack.client.say(attack.user(), attack.body(kind)), pause)
    return load


def events(rate, kind="attack", users=None, connections=16):
    """So many events a second, each of another user or of that many in turn."""
    async def load(attack):
        def send(index, turn):
            user = attack.user() if users is None else f"hostile-{(index + turn * connections) % users}"
            return attack.client.event(user, attack.body(kind))
        await forever(connections, send, connections / rate)
    return load


def crowd(count, every, kind="attack"):
    """That many events at once, each of another user, and again after that many seconds."""
    async def load(attack):
        while True:
            begun = time.monotonic()
            await asyncio.gather(*(attack.client.event(attack.user(), attack.body(kind)) for _ in range(count)))
            await asyncio.sleep(max(0.05, every - (time.monotonic() - begun)))
    return load


def asked(count, *paths, pause=0.02, headers=()):
    """That many clients who fetch these paths in turn."""
    async def load(attack):
        def get(index, turn):
            return attack.client.get(paths[(index + turn) % len(paths)], headers=dict(headers))
        await forever(count, get, pause)
    return load


def posted(count, path, body, pause=0.02, content="application/json"):
    """That many clients who post that, each in the name of another user where the path has `{}`."""
    async def load(attack):
        async def post(*_):
            await attack.client.request("POST", path.format(attack.user()), body, {"content-type": content})
        await forever(count, post, pause)
    return load


def saved(files, every):
    """Saves files again and again: `files(turn)` gives them by path."""
    async def load(attack):
        async def save(_, turn):
            for path, text in files(turn).items():
                await asyncio.to_thread(attack.write, path, text)
        await forever(1, save, every)
    return load


def come_and_go(make, every, remove=True):
    """Makes something in the workspace and removes it again: `make(folder, turn)` gives what it has made."""
    async def load(attack):
        async def turn(_, number):
            made = await asyncio.to_thread(make, attack.folder, number)
            await asyncio.sleep(every / 2)
            for path in made if remove else []:
                if path.is_symlink() or path.is_file():
                    path.unlink()
                else:
                    shutil.rmtree(path, ignore_errors=True)
        await forever(1, turn, every)
    return load


def both(*loads):
    """All of them at once."""
    async def load(attack):
        await asyncio.gather(*(one(attack) for one in loads))
    return load


def kept(count, data, drip=None, every=1.0, rate=200, read=False):
    """That many connections on which `data` is written, then `drip` again and again; what is answered is not read unless it says so.
    One that ends is opened again. `data` may be a function of the attack."""
    async def load(attack):
        async def one(index):
            await asyncio.sleep(index / rate)
            while True:
                opened = await attack.client.open(data(attack) if callable(data) else data)
                await hold(opened, drip, every, read)
                await asyncio.sleep(0.2)
        await asyncio.gather(*(one(index) for index in range(count)))
    return load


async def hold(opened, drip, every, read):
    """One connection, until it ends."""
    if opened is None:
        return
    reader, writer = opened
    if not read:
        writer.transport.pause_reading()
    try:
        while not writer.is_closing():
            if read and reader.at_eof():
                return
            if read:
                try:
                    await asyncio.wait_for(reader.read(65536), every)
                except (TimeoutError, asyncio.TimeoutError):
                    pass
            else:
                await asyncio.sleep(every)
            if drip is not None:
                writer.write(drip)
                await writer.drain()
    except OSError:
        pass
    finally:
        writer.transport.abort()


def churn(rate):
    """So many connections a second, each closed at once without a word."""
    async def load(attack):
        async def one(*_):
            opened = await attack.client.open()
            if opened:
                opened[1].transport.abort()
        await forever(16, one, 16 / rate)
    return load


def sockets(count, drip=None, every=0.2, read=True, rate=100, visitor="hostile-{}"):
    """That many websockets that have joined as visitors, and what each writes again and again."""
    async def load(attack):
        async def one(index):
            await asyncio.sleep(index / rate)
            while True:
                opened = await attack.client.socket(visitor.format(index))
                await hold(opened, drip, every, read)
                await asyncio.sleep(0.2)
        await asyncio.gather(*(one(index) for index in range(count)))
    return load


def uploads(count, size, pause=0.05):
    """That many visitors who send files of that size."""
    body = UPLOAD + b"\x89PNG\r\n\x1a\n" + bytes(size) + b"\r\n--x--\r\n"
    return posted(count, "/api/v1/bots/hostile/mod/channel-web/messages/{}/files", body, pause, "multipart/form-data; boundary=x")


__all__ = [name for name, value in list(globals().items()) if callable(value) and name[0] != "_"] + ["frame"]
