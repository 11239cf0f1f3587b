#!/usr/bin/env python3
"""Attacks both live services with requests made from their OpenAPI documents.

Starts Redis and both services by `votectl dev` on free ports and in a folder of its own, puts two
polls and a vote in, runs schemathesis on each service (on the results also as production, with a
token), and stops everything again. Bounded: a seed, a number of examples, a time limit.
"""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
REHEARSAL = HERE.parent / "deploy" / "polls" / "rehearsal.yaml"
PRODUCTION_TOKEN = "schemathesis-production-token"
START_PATIENCE_S = 90
STOP_PATIENCE_S = 30
RUN_LIMIT_S = 300


def main() -> int:
    arguments = parse()
    # SIGTERM ends it by way of the context managers, which stop what was started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="vote-schemathesis-") as folder:
        folder = pathlib.Path(folder)
        with services(arguments.bin_dir, folder) as addresses:
            prepare(arguments.bin_dir, folder, addresses)
            vote, results = addresses["vote"], addresses["results"]
            runs = [
                run("ingest", vote, [], arguments.examples, folder),
                run("results", results, [], arguments.examples, folder),
                run(
                    "results as production",
                    results,
                    ["--header", f"Authorization: Bearer {PRODUCTION_TOKEN}"],
                    arguments.examples,
                    folder,
                ),
            ]
    print(f"\nschemathesis: {sum(cases for cases, _ in runs)} requests in {len(runs)} runs")
    return 0 if all(is_clean for _, is_clean in runs) else 1


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin-dir", type=pathlib.Path, required=True, help="where the binaries are")
    parser.add_argument("--examples", type=int, default=50, help="most requests of a fuzzed operation")
    arguments = parser.parse_args()
    arguments.bin_dir = arguments.bin_dir.resolve()
    return arguments


@contextlib.contextmanager
def services(bin_dir: pathlib.Path, folder: pathlib.Path):
    """Everything on this machine; gives the addresses."""
    ready = folder / "ready.json"
    environment = os.environ | {
        "VOTE__LOG__LEVEL": "warn",
        "VOTE__ACCESS__PRODUCTION_TOKEN": PRODUCTION_TOKEN,
    }
    with ready.open("w") as output:
        dev = subprocess.Popen(
            [bin_dir / "votectl", "--output", "json", "dev", "--data-dir", folder / "data"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            env=environment,
        )
    try:
        yield wait_until_ready(dev, ready)
    finally:
        dev.terminate()
        try:
            dev.wait(STOP_PATIENCE_S)
        except subprocess.TimeoutExpired:
            dev.kill()
            dev.wait()


def wait_until_ready(dev: subprocess.Popen, ready: pathlib.Path) -> dict:
    until = time.monotonic() + START_PATIENCE_S
    while time.monotonic() < until:
        if (text := ready.read_text()).endswith("\n"):
            return json.loads(text)
        if dev.poll() is not None:
            raise SystemExit(f"votectl dev ended by itself ({dev.returncode}), see above")
        time.sleep(0.05)
    raise SystemExit(f"the services were not ready within {START_PATIENCE_S} s")


def prepare(bin_dir: pathlib.Path, folder: pathlib.Path, addresses: dict) -> None:
    """A second poll, a draft that the public doesn't see, and a vote with a genuine receipt."""
    apply = [bin_dir / "votectl", "--redis", addresses["redis"], "--output", "json", "poll", "apply"]
    applied = subprocess.run([*apply, REHEARSAL], check=True, stdout=subprocess.PIPE, text=True)
    polls = [addresses["poll"], json.loads(applied.stdout)["poll"]]
    request = urllib.request.Request(
        f"{addresses['vote']}/v1/polls/{addresses['poll']}/votes",
        data=json.dumps({"candidate": "ana"}).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        receipt = json.load(answer)["receipt"]
    shutil.copy(HERE / "schemathesis.toml", folder)
    dictionary(folder / "polls.dict", polls)
    dictionary(folder / "receipts.dict", [receipt])
    wait_for(f"{addresses['results']}/v1/polls", len(polls))


def dictionary(path: pathlib.Path, words: list[str]) -> None:
    path.write_text("".join(f'"{word}"\n' for word in words))


def wait_for(url: str, count: int) -> None:
    """Until the results service has read all polls, as production sees them."""
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {PRODUCTION_TOKEN}"})
    until = time.monotonic() + START_PATIENCE_S
    while time.monotonic() < until:
        with urllib.request.urlopen(request, timeout=10) as answer:
            if len(json.load(answer)["polls"]) == count:
                return
        time.sleep(0.05)
    raise SystemExit(f"{url} did not show {count} polls within {START_PATIENCE_S} s")


def run(
    name: str, url: str, options: list[str], examples: int, folder: pathlib.Path
) -> tuple[int, bool]:
    """One run of schemathesis: how many requests it has made, and whether all was well."""
    print(f"\n--- {name}", flush=True)
    report = folder / "report.json"
    report.unlink(missing_ok=True)
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", folder / "schemathesis.toml"),
        *("run", f"{url}/openapi.json", "--url", url, "--max-examples", str(examples)),
        *("--generation-database", "none", "--report", "json", "--report-json-path", report),
        *options,
    ]
    try:
        code = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, timeout=RUN_LIMIT_S, check=False
        ).returncode
    except subprocess.TimeoutExpired:
        print(f"{name}: not finished within {RUN_LIMIT_S} s", file=sys.stderr)
        return 0, False
    outcome = json.loads(report.read_text())
    cases = outcome["test_cases"]["generated"]
    # A run that has tested nothing is no success.
    is_clean = code == 0 and cases > 0 and outcome["operations"]["tested"] > 0
    return cases, is_clean


if __name__ == "__main__":
    sys.exit(main())
