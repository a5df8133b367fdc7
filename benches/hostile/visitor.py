"""A visitor of the calm bot, a process of its own: asks so many times a second, each request when it is due, whatever became of the ones
before (an open loop). How long it waited counts from when it was due, so that a stall counts for all who came in it.

Writes a line for each request to stdout when its input is closed: when it was due (`time.monotonic`), the seconds until it was over, and
what came of it: `ok`, the status of another answer, `broken` or `unanswered`.
"""
import asyncio
import json
import os
import sys
import time

# So many people ask in turn: nobody's next request waits behind the last one of the same person.
USERS = 400
# How long the last requests are waited for, in seconds.
PATIENCE = 10
# The text of the documented hook; whatever else is answered is wrong.
EXPECTED = b"I'm so proactive!"


class Visitor:
    """The requests of one run."""

    def __init__(self, port, token, rate, connections):
        self.port, self.token, self.rate, self.connections = port, token, rate, connections
        # Requests that wait for a connection, and those that wait for their answer, with when they were due.
        self.queue, self.under_way, self.found, self.over = asyncio.Queue(), {}, [], asyncio.Event()

    async def run(self):
        """Asks until told to stop."""
        loop = asyncio.get_running_loop()
        loop.add_reader(sys.stdin, self.over.set)
        workers = [asyncio.create_task(self.work()) for _ in range(self.connections)]
        begun, number = time.monotonic(), 0
        while not self.over.is_set():
            due = begun + number / self.rate
            if (ahead := due - time.monotonic()) > 0:
                await asyncio.sleep(ahead)
            self.queue.put_nowait((number, due))
            number += 1
        # What is under way may still be answered: only then it is not.
        while (self.under_way or not self.queue.empty()) and time.monotonic() - begun - number / self.rate < PATIENCE:
            await asyncio.sleep(0.01)
        now = time.monotonic()
        for worker in workers:
            worker.cancel()
        left = list(self.under_way.values())
        while not self.queue.empty():
            left.append(self.queue.get_nowait()[1])
        self.found += [(due, now - due, "unanswered") for due in left]

    async def work(self):
        """One connection that stays open, and is opened anew when it breaks."""
        reader = writer = None
        while True:
            number, due = await self.queue.get()
            self.under_way[number] = due
            try:
                if writer is None:
                    reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 24)
                writer.write(self.request(number))
                status, body, stays = await answer(reader)
                came = "ok" if status == 200 and EXPECTED in body else "empty" if status == 200 else str(status)
            except (OSError, asyncio.IncompleteReadError, ValueError):
                came, stays = "broken", False
            if not stays and writer is not None:
                writer.close()
                reader = writer = None
            del self.under_way[number]
            self.found.append((due, time.monotonic() - due, came))
            if came == "broken":
                # Nobody listens: that must not become a busy loop that takes the processor from who is measured.
                await asyncio.sleep(0.05)

    def request(self, number):
        """The documented trigger, over Converse."""
        body = json.dumps({"type": "proactive-trigger", "channel": "api", "text": "fake message"})
        path = f"/api/v1/bots/calm/converse/calm-{number % USERS}/secured"
        head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nauthorization: Bearer {self.token}"
        return f"{head}\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()


async def answer(reader):
    """Status, body and whether the connection stays open, of one answer."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    status = int(head.split(" ", 2)[1])
    if "transfer-encoding: chunked" in head:
        body = b""
        while (size := int((await reader.readline()).split(b";")[0], 16)):
            body += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
    else:
        length = head.partition("content-length:")[2].split("\r\n")[0]
        body = await reader.readexactly(int(length)) if length.strip() else b""
    return status, body, "connection: close" not in head


def main():
    """`visitor.py <port> <requests a second> <connections>`; the token stands in the environment."""
    visitor = Visitor(int(sys.argv[1]), os.environ["VISITOR_TOKEN"], float(sys.argv[2]), int(sys.argv[3]))
    asyncio.run(visitor.run())
    for due, took, came in sorted(visitor.found):
        print(f"{due:.6f} {took:.6f} {came}")


if __name__ == "__main__":
    main()
