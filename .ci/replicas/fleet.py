"""Redis, an ingest process and several results processes on free ports of this machine, with a poll that is open."""

import json
import os
import pathlib
import subprocess
import time

from lib import haproxy
from lib.polls import poll
from lib.processes import ask, free_port
from lib.wait import until

POLL = "replicas-01"


def service(
    program: pathlib.Path, redis: int, log: pathlib.Path, settings: dict[str, str] | None = None
) -> tuple[subprocess.Popen, int]:
    """A process of ours, and the port where it listens unless `settings` say otherwise."""
    port = free_port()
    environment = {
        "VOTE__REDIS__URL": f"redis://127.0.0.1:{redis}",
        "VOTE__HTTP__BIND": f"127.0.0.1:{port}",
        "VOTE__ADMIN__BIND": "127.0.0.1:0",
        "VOTE__HTTP__WORKERS": "1",
        "VOTE__SHUTDOWN__GRACE_MS": "0",
    }
    with log.open("wb") as out:
        process = subprocess.Popen([program], stdout=out, stderr=subprocess.STDOUT, env=os.environ | environment | (settings or {}))
    return process, port


def proxy(program: pathlib.Path, ingest: int, results: list[int], folder: pathlib.Path) -> tuple[subprocess.Popen, int]:
    """HAProxy as it is deployed, but for the names of the servers and its own addresses."""
    port, configuration = free_port(), folder / "haproxy.cfg"
    configuration.write_text(haproxy.configuration(port, free_port(), {"ingest": [ingest], "results": results}))
    with (folder / "haproxy.log").open("wb") as log:
        process = subprocess.Popen([program, "-f", configuration], stdout=log, stderr=subprocess.STDOUT)
    return process, port


def start(
    programs: pathlib.Path, folder: pathlib.Path, running: list[subprocess.Popen], replicas: int = 2
) -> tuple[int, int, list[int]]:
    """The ports of Redis, of ingest, and of the results processes; what was started is added to `running`."""
    redis = free_port()
    with (folder / "redis.log").open("wb") as log:
        command = ["redis-server", "--port", str(redis), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        running.append(subprocess.Popen(command, stdout=log))
    tool = [programs / "votectl", "--redis", f"redis://127.0.0.1:{redis}", "poll"]

    def apply() -> bool:
        file = json.dumps(poll(POLL))
        return subprocess.run([*tool, "apply", "-"], input=file, text=True, capture_output=True).returncode == 0

    until("the poll", apply)
    subprocess.run([*tool, "open", POLL], check=True, capture_output=True)
    ports = []
    for name in ("vote-ingest", *["vote-results"] * replicas):
        process, port = service(programs / name, redis, folder / f"{name}-{len(ports)}.log")
        running.append(process)
        ports.append(port)
        path = f"/v1/polls/{POLL}/results" if name == "vote-results" else "/readyz"
        until(f"{name} on {port}", lambda port=port, path=path: ask(f"http://127.0.0.1:{port}{path}")[0] == 200)
        # Half a tick apart, the worst that processes which tick by themselves can be.
        time.sleep(0.125)
    return redis, ports[0], ports[1:]
