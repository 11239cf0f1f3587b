"""Measures how often figures go back for a reader of two replicas of vote-results.

A measurement, and no check: it is run by hand, and its figures depend on the machine. Starts Redis, an ingest process
and two results processes on free ports of this machine, votes at a steady rate, and lets readers ask: both replicas in
turn, as a proxy without affinity would send them; or, with --haproxy, through a real HAProxy with the configuration of
deploy/compose, each reader from an address of its own. A read goes back if its revision is below the highest that the
same reader has seen.
"""

import argparse
import concurrent.futures
import http.client
import json
import pathlib
import subprocess
import tempfile
import time

from lib.processes import ask, stop
from lib.wait import until
from replicas.fleet import POLL, proxy, start

READERS = 8
VOTERS = 6


def vote(port: int, per_second: float, until_s: float) -> int:
    """Votes at a steady rate; gives how many were recorded."""
    connection, recorded, due = http.client.HTTPConnection("127.0.0.1", port), 0, time.monotonic()
    while (now := time.monotonic()) < until_s:
        if due > now:
            time.sleep(due - now)
        due += 1 / per_second
        body = json.dumps({"candidate": "ana"})
        connection.request("POST", f"/v1/polls/{POLL}/votes", body, {"content-type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        recorded += answer.status < 300
    return recorded


def read(ports: list[int], source: str, pause_s: float, until_s: float) -> tuple[int, int]:
    """How many reads there were, and how many of them went back."""
    connections = [http.client.HTTPConnection("127.0.0.1", port, source_address=(source, 0)) for port in ports]
    reads = back = highest = 0
    while time.monotonic() < until_s:
        for connection in connections:
            connection.request("GET", f"/v1/polls/{POLL}/results")
            revision = json.loads(connection.getresponse().read())["revision"]
            reads += 1
            back += revision < highest
            highest = max(highest, revision)
            time.sleep(pause_s)
    return reads, back


def measure(options: argparse.Namespace, folder: pathlib.Path, running: list[subprocess.Popen]) -> None:
    _, ingest, results = start(options.bin_dir, folder, running)
    if options.haproxy:
        process, port = proxy(options.haproxy, ingest, results, folder)
        running.append(process)
        until("the proxy", lambda: ask(f"http://127.0.0.1:{port}/v1/polls/{POLL}/results")[0] == 200)
        results = [port]
    until_s = time.monotonic() + options.seconds
    with concurrent.futures.ThreadPoolExecutor(READERS + VOTERS) as threads:
        votes = [threads.submit(vote, ingest, options.rate / VOTERS, until_s) for _ in range(VOTERS)]
        readers = [
            threads.submit(read, results, f"127.0.0.{each + 2}", options.pause_ms / 1000, until_s) for each in range(READERS)
        ]
        recorded = sum(each.result() for each in votes)
        reads, back = (sum(counts) for counts in zip(*(each.result() for each in readers), strict=True))
    print(f"{recorded / options.seconds:.0f} votes/s, {reads} reads by {READERS} readers, {back} went back: {back / reads:.2%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin-dir", type=pathlib.Path, required=True)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rate", type=float, default=300, help="votes per second")
    parser.add_argument("--pause-ms", type=float, default=20, help="between two reads of a reader")
    parser.add_argument("--haproxy", type=pathlib.Path, metavar="PROGRAM", help="send the readers through it")
    options = parser.parse_args()
    running: list[subprocess.Popen] = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            measure(options, pathlib.Path(folder), running)
        finally:
            stop(*running, patience_s=5)


if __name__ == "__main__":
    main()
