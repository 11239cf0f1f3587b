"""Voters and readers who go on while the system is scaled, rolled and broken."""

import base64
import http.client
import json
import threading
import time
import uuid

from compose.system import POLL, System


class Load:
    """A small load through the proxy: voters and readers, each one request after another on a connection of its own.

    `retry`: as a client should, a vote without a clear answer is sent again with its key. Without it, any answer but
    the right one is a failure.
    """

    VOTERS = 3
    PAUSE_S = 0.04

    def __init__(self, system: System, retry: bool):
        self.system = system
        self.retry = retry
        self.counted = 0
        self.reads = 0
        self.repeated = 0
        self.failures: list[str] = []
        self.writers: set[str] = set()
        self.lock = threading.Lock()
        self.stopped = threading.Event()
        self.threads = [threading.Thread(target=self.voter) for _ in range(self.VOTERS)]
        self.threads.append(threading.Thread(target=self.reader))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for thread in self.threads:
            thread.join()

    def voter(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.system.port, timeout=10)
        while not self.stopped.is_set():
            key = str(uuid.uuid4())
            deadline = time.monotonic() + 60
            while True:
                status, answer = self.request(connection, "POST", f"/v1/polls/{POLL}/votes", key)
                if status in (200, 201):
                    with self.lock:
                        self.counted += 1
                        if "receipt" in answer:
                            self.writers.add(writer(answer["receipt"]))
                    break
                if not self.retry or time.monotonic() > deadline:
                    with self.lock:
                        self.failures.append(f"a vote: {status} {answer}")
                    break
                with self.lock:
                    self.repeated += 1
                time.sleep(0.5)
            time.sleep(self.PAUSE_S)
        connection.close()

    def reader(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.system.port, timeout=10)
        while not self.stopped.is_set():
            status, answer = self.request(connection, "GET", f"/v1/polls/{POLL}/results")
            with self.lock:
                self.reads += 1
                if status != 200:
                    self.failures.append(f"a read: {status} {answer}")
            time.sleep(self.PAUSE_S)
        connection.close()

    @staticmethod
    def request(connection, method: str, path: str, key: str | None = None) -> tuple[int, dict]:
        headers = {"content-type": "application/json"}
        body = None
        if key:
            headers["idempotency-key"] = key
            body = '{"candidate":"bia"}'
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"{}")
        except (OSError, http.client.HTTPException, ValueError) as error:
            connection.close()
            return 0, {"error": repr(error)}


def writer(receipt: str) -> str:
    """The process that wrote a vote: the first eight bytes of its receipt."""
    part = receipt.split(".")[1]
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))[:8].hex()
