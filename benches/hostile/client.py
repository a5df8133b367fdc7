"""What hostile clients are made of: requests over connections that stay open, and connections on which anything is written."""
import asyncio
import base64
import json
import os

from visitor import answer


class Client:
    """Requests to the server, over as many connections as are under way at once."""

    def __init__(self, port, token):
        self.port, self.token, self.idle = port, token, []
        # What came of all requests, by status; `broken` are those without an answer.
        self.tally = {}

    async def request(self, method, path, body=None, headers=(), patience=60):
        """Status and body of the answer; a broken connection is status 0."""
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", "host: localhost", f"content-length: {len(data)}"]
        given = dict(headers)
        if body is not None and "content-type" not in given:
            given["content-type"] = "application/json"
        lines += [f"{name}: {value}" for name, value in given.items()]
        reader, writer = self.kept()
        try:
            if writer is None:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 26)
            writer.write("\r\n".join([*lines, "", ""]).encode() + data)
            status, text, stays = await asyncio.wait_for(answer(reader), patience)
            if stays:
                self.idle.append((reader, writer))
            else:
                writer.close()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, TimeoutError, asyncio.TimeoutError):
            status, text = 0, b""
            if writer is not None:
                writer.close()
        except asyncio.CancelledError:
            if writer is not None:
                writer.close()
            raise
        self.tally[status] = self.tally.get(status, 0) + 1
        return status, text

    def kept(self):
        """A connection that is open and free, or nothing; the server has closed those that were idle for long."""
        while self.idle:
            reader, writer = self.idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.close()
        return None, None

    async def get(self, path, headers=()):
        """The same without a body."""
        return await self.request("GET", path, headers=headers)

    async def event(self, user, body):
        """A page tells the hostile bot something. It is answered when that is stored."""
        return await self.request("POST", f"/api/v1/bots/hostile/mod/channel-web/events/{user}", body)

    async def say(self, user, body):
        """A user says something to the hostile bot. It is answered when the event is over, or after the server's patience."""
        headers = {"authorization": f"Bearer {self.token}"}
        return await self.request("POST", f"/api/v1/bots/hostile/converse/{user}/secured", body, headers)

    async def open(self, data=b""):
        """A connection of its own on which that was written, or nothing."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 16)
            writer.write(data)
            return reader, writer
        except OSError:
            return None

    async def socket(self, visitor):
        """A websocket that has joined `/guest` as that visitor, or nothing."""
        key = base64.b64encode(os.urandom(16)).decode()
        head = f"GET /socket.io/?EIO=3&transport=websocket&visitorId={visitor} HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\n"
        opened = await self.open(f"{head}connection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: {key}\r\n\r\n".encode())
        if opened:
            opened[1].write(frame(f"40/guest?visitorId={visitor},".encode()))
        return opened


def frame(data, opcode=1, claimed=None):
    """A websocket frame of a client; `claimed` is the length that it says it has."""
    length = len(data) if claimed is None else claimed
    if length < 126:
        head = bytes([0x80 | opcode, 0x80 | length])
    elif length < 65536:
        head = bytes([0x80 | opcode, 0x80 | 126]) + length.to_bytes(2, "big")
    else:
        head = bytes([0x80 | opcode, 0x80 | 127]) + length.to_bytes(8, "big")
    return head + bytes(4) + data
