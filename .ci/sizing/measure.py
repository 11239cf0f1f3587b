"""Measures what a vote costs: processor time, and bytes to and from Redis, in its file and in its memory.

A measurement, and no check: it is run by hand, and its figures depend on the machine. Starts `votectl dev` in a folder of
its own and lets `votectl load` vote in a new rehearsal for each case. All figures are differences between before and
after, divided by the votes that were accepted. `make sizing-measure` writes them to `.ci/sizing/measured.json`, from which
`make chart-docs` makes the tables of docs/sizing.md.
"""

import argparse
import datetime
import json
import os
import pathlib
import socket
import statistics
import subprocess
import tempfile

from lib.polls import poll
from lib.processes import ask, ask_json
from lib.services import services
from lib.wait import until

MEASURED = pathlib.Path(__file__).resolve().parent / "measured.json"
# Votes a second and shards of one ingest process: how many votes a second it has, and each of its lanes.
CASES = ((2000, 16), (2000, 8), (2000, 4), (2000, 2), (2000, 1), (5000, 1), (15_000, 3), (10_000, 1))
SECONDS = 10
# All cases in turn, so often: of each figure the median counts.
ROUNDS = 3
# So many keys of one poll at once, all younger than they are remembered: the more there are, the less memory one takes.
KEYS = (100_000, 300_000, 1_000_000)
KEYS_RATE = 15_000
# Of the last of these it is counted what they write.
LAST_KEYS = 30_000


class Redis:
    def __init__(self, url: str):
        self.port = url.rsplit(":", 1)[1].split("/")[0]

    def info(self) -> dict[str, str]:
        said = subprocess.run(
            ["redis-cli", "-p", self.port, "INFO", "everything"], capture_output=True, text=True, check=True
        )
        return dict(line.split(":", 1) for line in said.stdout.splitlines() if ":" in line)

    def figures(self) -> dict[str, float]:
        info = self.info()
        return {
            "redis_cpu_s": float(info["used_cpu_user"]) + float(info["used_cpu_sys"]),
            "redis_in_bytes": int(info["total_net_input_bytes"]),
            "redis_out_bytes": int(info["total_net_output_bytes"]),
            "redis_calls": int(info["total_commands_processed"]),
            "file_bytes": int(info.get("aof_current_size", 0)),
            "memory_bytes": int(info["used_memory"]),
        }


def metric(url: str, name: str, label: str = "") -> float:
    """The sum of the samples of that name that have the label."""
    _, _, text = ask(f"{url}/metrics")
    samples = [line for line in text.splitlines() if line.startswith((f"{name} ", f"{name}{{")) and label in line]
    return sum(float(line.rsplit(" ", 1)[1]) for line in samples)


def figures(redis: Redis, admin: str) -> dict[str, float]:
    return redis.figures() | {
        "ingest_cpu_s": metric(admin, "process_cpu_seconds_total"),
        "batches": metric(admin, "vote_batch_votes_count"),
    }


def open_poll(tool: list, started: dict, name: str, shards: int) -> None:
    """Opens a poll, and waits until it takes votes."""
    subprocess.run(
        [*tool, "poll", "apply", "-"],
        input=json.dumps(poll(name, shards=shards)),
        text=True,
        check=True,
        capture_output=True,
    )
    subprocess.run([*tool, "poll", "open", name], check=True, capture_output=True)
    url = f"{started['vote']}/v1/polls/{name}/votes"
    until(f"the first vote in {name}", lambda: ask_json(url, {"candidate": "ana"})[0] == 201)


def vote(load: list, *options: str) -> int:
    """Votes, and says how many were accepted."""
    done = subprocess.run([*load, *options], check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, load))}: {done.stdout}{done.stderr}")
    return json.loads(done.stdout)["accepted"]


def measure(tool: list, redis: Redis, started: dict, rate: int, shards: int, turn: int) -> dict:
    name = f"sizing-{rate}-{shards}-{turn}"
    open_poll(tool, started, name, shards)
    # The first votes make connections and load the script.
    load = [*tool, "--output", "json", "load", "--url", started["vote"], "--poll", name, "--connections", "128"]
    subprocess.run([*load, "--rate", str(rate), "--votes", "500"], check=False, capture_output=True, text=True)
    before = figures(redis, started["ingest_admin"])
    votes = vote(load, "--rate", str(rate), "--duration", f"{SECONDS}s")
    after = figures(redis, started["ingest_admin"])
    # All are younger than the replay window.
    retained = metric(started["ingest_admin"], "vote_replay_window_bytes", f'poll="{name}"') / (votes + 501)
    spent = {key: after[key] - before[key] for key in before}
    per_vote = {
        key: round(spent[key] / votes, 1) for key in ("redis_in_bytes", "redis_out_bytes", "file_bytes")
    }
    return {
        "votes_per_second": rate,
        "shards": shards,
        "votes_per_second_and_lane": rate // shards,
        "votes": votes,
        "votes_per_batch": round(votes / spent["batches"], 1),
        "ingest_cpu_s_per_million": round(spent["ingest_cpu_s"] / votes * 1e6, 1),
        "redis_cpu_s_per_million": round(spent["redis_cpu_s"] / votes * 1e6, 1),
        "redis_calls": round(spent["redis_calls"] / votes, 2),
        "replay_window_bytes": round(retained, 1),
    } | per_vote


def medians(turns: list[dict]) -> dict:
    return {figure: statistics.median(turn[figure] for turn in turns) for figure in turns[0]}


def measure_keys(tool: list, redis: Redis, started: dict) -> list[dict]:
    """The memory of a key, of so many in one poll, and what a vote writes to the file there: a key's field is written whole."""
    name = "sizing-keys"
    open_poll(tool, started, name, 1)
    load = [*tool, "--output", "json", "load", "--url", started["vote"], "--poll", name, "--connections", "256"]
    before, votes, found = redis.figures()["memory_bytes"], 0, []
    load += ["--rate", str(KEYS_RATE)]
    for keys in KEYS:
        votes += vote(load, "--votes", str(keys - LAST_KEYS - votes))
        written = redis.figures()["file_bytes"]
        last = vote(load, "--votes", str(keys - votes))
        votes += last
        now = redis.figures()
        found.append({
            "keys": votes,
            "bytes": round((now["memory_bytes"] - before) / votes, 1),
            "file_bytes": round((now["file_bytes"] - written) / last, 1),
        })
    return found


def exchange(url: str, request: str, status: int) -> int:
    """Bytes of the answer, head and body."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request.encode())
        answer = b""
        while part := connection.recv(65536):
            answer += part
    if not answer.startswith(f"HTTP/1.1 {status}".encode()):
        raise SystemExit(f"{request}: {answer!r}")
    return len(answer)


def answer_bytes(started: dict) -> int:
    body = json.dumps({"candidate": "ana"})
    head = (
        f"host: a\r\ncontent-type: application/json\r\nidempotency-key: {os.urandom(16).hex()}\r\nconnection: close\r\n"
    )
    request = f"POST /v1/polls/{started['poll']}/votes HTTP/1.1\r\n{head}content-length: {len(body)}\r\n\r\n{body}"
    return exchange(started["vote"], request, 201)


def reads(started: dict) -> dict:
    """What readers cost who ask for a standing, all of them anew, compressed."""
    path, admin = f"/v1/polls/{started['poll']}/results", started["results_admin"]
    head = "host: a\r\naccept-encoding: gzip\r\nconnection: close\r\n"

    def so_far() -> tuple[float, float]:
        return metric(admin, "process_cpu_seconds_total"), metric(admin, "vote_reads_total")

    cpu, count = so_far()
    load = [
        "wrk",
        "--threads",
        "1",
        "--connections",
        "64",
        "--duration",
        f"{SECONDS}s",
        "--header",
        "Accept-Encoding: gzip",
    ]
    subprocess.run([*load, started["results"] + path], check=True, capture_output=True)
    cpu, count = (after - before for after, before in zip(so_far(), (cpu, count), strict=True))
    return {
        "reads_per_second": round(count / SECONDS),
        "results_cpu_s_per_million": round(cpu / count * 1e6, 1),
        "standing_bytes": exchange(started["results"], f"GET {path} HTTP/1.1\r\n{head}\r\n", 200),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin-dir", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, default=MEASURED)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, services(options.bin_dir, pathlib.Path(folder), {}) as started:
        redis = Redis(started["redis"])
        tool = [options.bin_dir / "votectl", "--redis", started["redis"]]
        subprocess.run(
            ["redis-cli", "-p", redis.port, "CONFIG", "SET", "auto-aof-rewrite-percentage", "0"],
            check=True,
            capture_output=True,
        )
        keys = measure_keys(tool, redis, started)
        rounds = [
            [measure(tool, redis, started, rate, shards, turn) for rate, shards in CASES] for turn in range(ROUNDS)
        ]
        cases = [medians(turns) for turns in zip(*rounds, strict=True)]
        info = redis.info()
        found = {
            "date": datetime.datetime.now(datetime.UTC).strftime("%-d %B %Y"),
            "machine": f"a virtual machine with {os.cpu_count()} cores, which load, both services, Redis and other work shared",
            "redis": f"Redis {info['redis_version']} with an append-only file",
            "commit": subprocess.run(
                ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
                capture_output=True,
                text=True,
                check=True,
            ).stdout.strip(),
            "rounds": ROUNDS,
            "answer_bytes": answer_bytes(started),
            "reads": reads(started),
            "keys": keys,
            "cases": cases,
        }
    options.out.write_text(json.dumps(found, indent=2) + "\n")
    print(options.out.read_text())


if __name__ == "__main__":
    main()
