"""The server that hooks call: it answers after a while, or holds its answers until told."""
import asyncio
import threading

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 4\r\n\r\ndone"


class Upstream:
    """Listens on a free port of loopback, in a thread of its own."""

    def __init__(self, seconds):
        self.seconds = seconds
        # Calls that wait for their answer, and whether new ones are held.
        self.held, self.holding = [], False
        self.loop = asyncio.new_event_loop()
        self.port = self.loop.run_until_complete(self.listen())
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    async def listen(self):
        """Opens the port."""
        server = await self.loop.create_server(lambda: Call(self), "127.0.0.1", 0, backlog=4096)
        return server.sockets[0].getsockname()[1]

    def hold(self):
        """From now on calls are held."""
        self.holding = True

    def release(self):
        """Answers all that are held, and later ones at once."""
        self.loop.call_soon_threadsafe(self.let_go)

    def let_go(self):
        self.holding = False
        held, self.held = self.held, []
        for call in held:
            call.answer()

    def close(self):
        """Stops."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()


class Call(asyncio.Protocol):
    """One connection: requests without a body, one after the other."""

    def __init__(self, upstream):
        self.upstream, self.buffer, self.transport = upstream, b"", None

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.buffer += data
        while b"\r\n\r\n" in self.buffer:
            self.buffer = self.buffer.partition(b"\r\n\r\n")[2]
            if self.upstream.holding:
                self.upstream.held.append(self)
            else:
                self.upstream.loop.call_later(self.upstream.seconds, self.answer)

    def answer(self):
        """Answers one request."""
        if not self.transport.is_closing():
            self.transport.write(ANSWER)
