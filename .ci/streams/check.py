"""Checks that readers of the stream behind a proxy get figures that never go back, while results processes come and go.

Starts Redis, an ingest process, two results processes and a real HAProxy with the configuration of deploy/compose. Readers
from addresses of their own read through it, as browsers do; some never read what they asked for. Meanwhile votes are cast,
one results process stops in order and is started again, and the other one is killed.
"""

import argparse
import asyncio
import pathlib
import shutil
import subprocess
import tempfile

from lib import report
from lib.processes import ask, ask_json, stop
from lib.report import require
from lib.wait import until
from replicas.fleet import POLL, proxy, service, start
from streams.reader import Reader, dead

READERS = 120
DEAD = 10
PATH = f"/v1/polls/{POLL}/results/stream"
PATIENCE_S = 60


async def vote(port: int, counts: list[int]) -> None:
    """Votes five times per second; counts what was recorded."""
    while True:
        status, _ = await asyncio.to_thread(ask_json, f"http://127.0.0.1:{port}/v1/polls/{POLL}/votes", {"candidate": "ana"})
        counts[0] += status == 201
        await asyncio.sleep(0.2)


async def eventually(what: str, holds) -> None:
    """Waits on this loop, where `lib.wait` would stop the readers."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while not holds():
        require_in_time(what, deadline)
        await asyncio.sleep(0.1)
    report.passed(what)


def require_in_time(what: str, deadline: float) -> None:
    if asyncio.get_running_loop().time() > deadline:
        raise report.Failed(f"{what}: not within {PATIENCE_S} s")


class Check:
    """One run: the processes, the readers, and what was recorded."""

    def __init__(self, options: argparse.Namespace, folder: pathlib.Path, running: list[subprocess.Popen]) -> None:
        self.options, self.folder, self.running = options, folder, running
        self.redis, self.ingest, self.results = start(options.bin_dir, folder, running)
        self.servers = running[-2:]
        process, self.port = proxy(options.haproxy, self.ingest, self.results, folder)
        running.append(process)
        until("the proxy", lambda: ask(f"http://127.0.0.1:{self.port}/v1/polls/{POLL}/results")[0] == 200)
        self.readers = [Reader("127.0.0.1", self.port, PATH, f"127.0.1.{each + 1}") for each in range(READERS)]
        self.recorded = [0]

    async def run(self) -> None:
        tasks = [asyncio.create_task(reader.run()) for reader in self.readers]
        tasks += [asyncio.create_task(dead("127.0.0.1", self.port, PATH)) for _ in range(DEAD)]
        await eventually(f"{READERS} readers have the standing at once", lambda: all(each.events for each in self.readers))
        tasks.append(asyncio.create_task(vote(self.ingest, self.recorded)))
        try:
            await self.all_see_votes("votes are seen by all of them, beside some who read nothing")
            both = [self.open_at(port) for port in self.results]
            require(min(both) > 0, f"both results processes have readers: {both}")
            self.servers[0].terminate()
            await asyncio.to_thread(self.servers[0].wait, 30)
            require(self.servers[0].returncode == 0, "a process that stops in order waits for no reader")
            await self.all_see_votes("readers of a process that has stopped go on at the other one")
            self.restart(0)
            self.servers[1].kill()
            await self.all_see_votes("readers of a process that was killed go on as well")
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def open_at(self, port: int) -> int:
        """Streams that a results process has open: each has a connection of the proxy's, and an idle one asks nothing."""
        listed = subprocess.run(
            ["ss", "-Htn", "state", "established", f"sport = :{port}"], capture_output=True, text=True, check=True
        )
        return len(listed.stdout.splitlines())

    def restart(self, which: int) -> None:
        # On another port than before: the proxy's configuration names the old one, so it is given.
        port = self.results[which]
        process, _ = service(
            self.options.bin_dir / "vote-results", self.redis, self.folder / "again.log", {"VOTE__HTTP__BIND": f"127.0.0.1:{port}"}
        )
        self.running.append(process)
        self.servers[which] = process
        until("the process that was started again", lambda: ask(f"http://127.0.0.1:{port}/readyz")[0] == 200)

    async def all_see_votes(self, what: str) -> None:
        """Each reader has an event that shows as many votes as are recorded by now."""
        wanted = self.recorded[0] + 3

        def holds() -> bool:
            return all(each.events[-1][1].get("total_votes", 0) >= wanted for each in self.readers)

        await eventually(what, holds)

    def judge(self) -> None:
        for reader in self.readers:
            revisions = reader.revisions()
            if revisions != sorted(revisions):
                report.wrong(f"the reader from {reader.source}", f"its revisions went back: {revisions}")
            if reader.failed:
                report.wrong(f"the reader from {reader.source}", f"was sent away for good: {reader.failed}", "200 or no answer")
        events, opened = (sum(len(each.events) for each in self.readers), sum(each.opened for each in self.readers))
        require(opened > READERS, f"{events} events over {opened} connections, no revision went back, nobody was sent away")


def check() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin-dir", type=pathlib.Path, required=True)
    parser.add_argument("--haproxy", type=pathlib.Path, metavar="PROGRAM", default=shutil.which("haproxy") or "/usr/sbin/haproxy")
    options = parser.parse_args()
    if not options.haproxy or not pathlib.Path(options.haproxy).exists():
        raise report.Skipped("there is no haproxy on this machine")
    running: list[subprocess.Popen] = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            run = Check(options, pathlib.Path(folder), running)
            asyncio.run(run.run())
            run.judge()
        finally:
            stop(*running, patience_s=5)


if __name__ == "__main__":
    raise SystemExit(report.main("streams-check", check))
