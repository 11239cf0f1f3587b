"""Processes that a check starts and stops again, and how they are spoken to."""

import contextlib
import itertools
import json
import random
import signal
import socket
import subprocess
import urllib.error
import urllib.request

from lib.report import Failed

# What is asked here runs on this machine: no proxy knows the way.
WEB = urllib.request.build_opener(urllib.request.ProxyHandler({}))


# Below every system's ephemeral range: no client of a check beside this one is given a port whose server is started again.
PORTS = range(17_000, 20_000)
next_ports = itertools.count(random.randrange(len(PORTS)))


def free_port() -> int:
    """One that nobody listens on, and that this process has not had before."""
    for at in itertools.islice(next_ports, len(PORTS)):
        port = PORTS[at % len(PORTS)]
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
    raise Failed(f"no free port between {PORTS[0]} and {PORTS[-1]}")


def stop(*processes: subprocess.Popen, patience_s: float = 30) -> None:
    """Ends them, the last that was started first; kills what doesn't end in time."""
    for process in reversed(processes):
        with contextlib.suppress(ProcessLookupError):
            # One that was stopped hears nothing else.
            process.send_signal(signal.SIGCONT)
            process.terminate()
    for process in reversed(processes):
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def ask(url: str, headers: dict | None = None, data: bytes | None = None) -> tuple[int, dict, str]:
    """Status, headers and text of an answer, whatever its status is."""
    request = urllib.request.Request(url, headers=headers or {}, data=data)
    try:
        with WEB.open(request, timeout=15) as answer:
            return answer.status, dict(answer.headers), answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read().decode(errors="replace")


def ask_json(url: str, body: dict | None = None, headers: dict | None = None) -> tuple[int, dict]:
    """The same in JSON: a POST where there is a body."""
    data = None if body is None else json.dumps(body).encode()
    status, _, text = ask(url, {"content-type": "application/json"} | (headers or {}), data)
    return status, json.loads(text or "{}")
