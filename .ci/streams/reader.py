"""A reader of a stream, as the specification of server-sent events has one: it comes back after a cut, and says what it has."""

import asyncio
import contextlib
import json

# What a browser waits for where the stream has not said anything else.
RETRY_S = 3.0


class Reader:
    """One reader. `events` are the pairs of id and data that it was given, in their order."""

    def __init__(self, host: str, port: int, path: str, source: str) -> None:
        self.address, self.path, self.source = (host, port), path, source
        self.events: list[tuple[str, dict]] = []
        self.opened, self.failed = 0, []
        self.last_id, self.retry_s = "", RETRY_S

    async def run(self) -> None:
        """Reads until it is cancelled, or refused for good."""
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                if not await self.read_one():
                    return
            await asyncio.sleep(self.retry_s)

    async def read_one(self) -> bool:
        """One connection; whether it is to come back."""
        reader, writer = await asyncio.open_connection(*self.address, local_addr=(self.source, 0))
        try:
            known = f"Last-Event-ID: {self.last_id}\r\n" if self.last_id else ""
            writer.write(f"GET {self.path} HTTP/1.1\r\nHost: streams\r\n{known}\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            status = int(head.split(" ", 2)[1])
            if status != 200:
                # At any other answer a browser gives up for good.
                self.failed.append(status)
                return False
            self.opened += 1
            text = b""
            while size := int(await reader.readuntil(b"\r\n"), 16):
                text += (await reader.readexactly(size + 2))[:-2]
                *whole, text = text.split(b"\n\n")
                for event in whole:
                    self.heard(event.decode())
            return True
        finally:
            writer.close()

    def heard(self, event: str) -> None:
        fields = dict(line.split(": ", 1) for line in event.splitlines() if not line.startswith(":"))
        if "retry" in fields:
            self.retry_s = int(fields["retry"]) / 1000
        if "id" in fields:
            self.last_id = fields["id"]
        if "data" in fields:
            self.events.append((fields.get("event", "message"), json.loads(fields["data"])))

    def revisions(self) -> list[int]:
        return [data["revision"] for event, data in self.events if event == "message"]


async def dead(host: str, port: int, path: str) -> None:
    """Asks for a stream, and never reads a byte of it."""
    _, writer = await asyncio.open_connection(host, port, limit=1)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: streams\r\n\r\n".encode())
        writer.transport.pause_reading()
        await asyncio.Event().wait()
    finally:
        writer.close()
