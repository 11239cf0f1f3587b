"""What becomes of connections that are slow, huge or deaf, on both services with the settings as they begin: docs/http.md."""

import argparse
import json
import pathlib
import re
import select
import socket
import tempfile
import threading
import time
from collections.abc import Callable

from lib import ROOT
from lib.processes import ask
from lib.services import services

# Longer than any bound.
PATIENCE_S = 100
CONNECTIONS = 1_000
PAGE = ROOT / "docs/http.md"
MEASURED = re.compile(r"(?<=<!-- measured -->\n).*?(?=<!-- /measured -->)", re.DOTALL)


class Client:
    """A connection, and what it has been answered."""

    def __init__(self, address: str, buffer: int | None = None) -> None:
        host, port = address.rsplit(":", 1)
        self.socket = socket.socket()
        if buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.connect((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.answered = b""

    def send(self, data: bytes) -> int:
        """How many bytes go now; none once it is over."""
        try:
            return self.socket.send(data)
        except BlockingIOError:
            return 0

    def is_over(self) -> bool:
        """Reads what is there."""
        try:
            while data := self.socket.recv(65536):
                self.answered += data
        except BlockingIOError:
            return False
        except OSError:
            pass
        return True

    def statuses(self) -> str:
        return ", ".join(text.decode() for text in re.findall(rb"HTTP/1\.1 (\d{3})", self.answered)) or "nothing"


def drip(begin: bytes, piece: bytes, pause_s: float) -> Callable[[str], tuple[str, float]]:
    """Sends `begin`, then `piece` at each pause, until the other side lets go."""

    def run(address: str) -> tuple[str, float]:
        client, started = Client(address), time.monotonic()
        client.send(begin)
        until = started + PATIENCE_S
        while time.monotonic() < until:
            select.select([client.socket], [], [], pause_s)
            if client.is_over():
                return client.statuses(), time.monotonic() - started
            if piece:
                try:
                    client.send(piece)
                except OSError:
                    pass
        return f"still connected after {PATIENCE_S} s", PATIENCE_S

    return run


def pour(data: bytes) -> Callable[[str], tuple[str, float]]:
    """Sends all of it as fast as it goes, and reads meanwhile."""

    def run(address: str) -> tuple[str, float]:
        client, started, sent = Client(address), time.monotonic(), 0
        while time.monotonic() < started + PATIENCE_S:
            select.select([client.socket], [client.socket] if sent < len(data) else [], [], 1)
            if client.is_over():
                break
            try:
                sent += client.send(data[sent : sent + 65536])
            except OSError:
                sent = len(data)
        statuses = client.statuses().split(", ")
        told = statuses[0] if len(set(statuses)) == 1 and len(statuses) > 1 else ", ".join(statuses)
        count = f"{len(statuses):,} times " if len(statuses) > 2 else ""
        return count + told, time.monotonic() - started

    return run


def deaf(data: bytes) -> Callable[[str], tuple[str, float]]:
    """Sends that again and again, and never reads."""

    def run(address: str) -> tuple[str, float]:
        client, started, sent = Client(address, 4096), time.monotonic(), 0
        while time.monotonic() < started + PATIENCE_S:
            try:
                sent += client.send(data[sent % len(data) :][:65536])
            except OSError:
                return "dropped", time.monotonic() - started
            time.sleep(0.05)
        return f"still connected after {PATIENCE_S} s", PATIENCE_S

    return run


def kinds(path: str) -> list[tuple[str, Callable[[str], tuple[str, float]]]]:
    """Each hostile client of a service, of which that path is a request without a body."""
    get = f"GET {path} HTTP/1.1\r\nHost: measure\r\n".encode()
    served, large = get + b"\r\n", b"a" * (1 << 20)
    return [
        ("says nothing", drip(b"", b"", 0.1)),
        ("a head, a byte each 100 ms", drip(get + b"X: ", b"a", 0.1)),
        ("a second head, a byte each 100 ms", drip(served + get + b"X: ", b"a", 0.1)),
        ("one byte of a second head, and nothing more", drip(served + b"G", b"", 0.1)),
        ("nothing more after a request", drip(served, b"", 0.1)),
        ("a head of 1 MB", pour(get + b"X: " + large)),
        ("10,000 headers", pour(get + b"a: b\r\n" * 10_000 + b"\r\n")),
        ("10,000 requests ahead, read", pour(served * 9_999 + get + b"Connection: close\r\n\r\n")),
        ("10,000 requests ahead, not read", deaf(served * 10_000)),
    ]


def bodies(path: str) -> list[tuple[str, Callable[[str], tuple[str, float]]]]:
    """The same of bodies, of an operation that takes one."""
    post = f"POST {path} HTTP/1.1\r\nHost: measure\r\nContent-Type: application/json\r\n".encode()
    large = b"a" * (1 << 20)
    return [
        ("a body, a byte each 100 ms", drip(post + b"Content-Length: 1000\r\n\r\n", b"a", 0.1)),
        ("chunks of a byte each 100 ms", drip(post + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n", 0.1)),
        ("a body of 1 MB", pour(post + b"Content-Length: 1048576\r\n\r\n" + large)),
    ]


class Others:
    """Somebody who votes and reads meanwhile."""

    def __init__(self, url: str, body: dict | None) -> None:
        self.url, self.data = url, json.dumps(body).encode() if body else None
        self.taken = self.failed = 0
        self.times: list[float] = []
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self) -> None:
        while not self.stopped.wait(0.02):
            started = time.monotonic()
            try:
                status, _, _ = ask(self.url, {"content-type": "application/json"}, self.data)
            except OSError:
                status = 0
            good = status in (200, 201)
            self.taken, self.failed = self.taken + good, self.failed + (not good)
            self.times.append(time.monotonic() - started)

    def __enter__(self) -> "Others":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self.thread.join()


def resident(admin: str) -> float:
    _, _, text = ask(f"{admin}/metrics")
    return float(re.search(r"^process_resident_memory_bytes (\S+)", text, re.MULTILINE)[1])


def held(address: str, admin: str, before: float, data: bytes) -> float:
    """KiB of memory for each of many connections that send that and no more, over what there was before any came."""
    clients = [Client(address) for _ in range(CONNECTIONS)]
    for client in clients:
        client.send(data)
    time.sleep(2)
    grown = (resident(admin) - before) / CONNECTIONS / 1024
    for client in clients:
        client.socket.close()
    return grown


def measure(name: str, address: str, admin: str, all_kinds: list, others: Others) -> list[str]:
    before = resident(admin)
    results: dict[str, tuple[str, float]] = {}

    def one(kind: str, run: Callable[[str], tuple[str, float]]) -> None:
        results[kind] = run(address)

    with others:
        threads = [threading.Thread(target=one, args=pair) for pair in all_kinds]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    get = b"GET /healthz HTTP/1.1\r\nHost: measure\r\n"
    held_by = [
        (kind, held(address, admin, before, data))
        for kind, data in (
            ("say nothing", b""),
            ("have sent 16 KB of a head", get + b"X: " + b"a" * 16_000),
            ("send 64 KB of requests ahead, and don't read", (get + b"\r\n") * 1_500),
        )
    ]
    lines = [f"| {name} | {kind} | {results[kind][0]} | {results[kind][1]:.1f} s |" for kind, _ in all_kinds]
    slow_ms = sorted(others.times)[len(others.times) * 99 // 100] * 1000
    lines.append(
        f"| | somebody else, meanwhile | {others.taken:,} served, {others.failed} failed | 99 % within {slow_ms:.0f} ms |"
    )
    lines += [f"| | {CONNECTIONS:,} that {kind} | {kib:.1f} KiB each | |" for kind, kib in held_by]
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin-dir", type=pathlib.Path, required=True)
    parser.add_argument("--write", action="store_true", help="write the table into docs/http.md")
    arguments = parser.parse_args()
    lines = ["| service | client | what became of it | after |", "| --- | --- | --- | --- |"]
    with (
        tempfile.TemporaryDirectory(prefix="vote-hostile-") as folder,
        services(arguments.bin_dir, pathlib.Path(folder), {}) as found,
    ):
        vote, results = found["vote"].removeprefix("http://"), found["results"].removeprefix("http://")
        poll = json.loads(ask(f"{found['results']}/v1/polls/current")[2])["id"]
        votes, figures = f"/v1/polls/{poll}/votes", f"/v1/polls/{poll}/results"
        others = Others(found["vote"] + votes, {"candidate": "ana"})
        every = kinds("/healthz") + bodies(votes)
        lines += measure("vote-ingest", vote, found["ingest_admin"], every, others)
        others = Others(found["results"] + figures, None)
        lines += measure("vote-results", results, found["results_admin"], kinds(figures), others)
    text = "\n".join(lines) + "\n"
    print(text)
    if arguments.write:
        page = PAGE.read_text()
        PAGE.write_text(MEASURED.sub(lambda _: text, page))


if __name__ == "__main__":
    main()
