#!/usr/bin/env python3
"""Attacks both live services with requests made from their OpenAPI documents.

Starts Redis and both services by `votectl dev` on free ports and in a folder of its own, puts two
polls and a vote in, runs schemathesis on each service (on the results also as production, with a
token), and stops everything again. Bounded: a seed, a number of examples, a time limit.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

from lib import ROOT, report
from lib.processes import ask_json
from lib.report import passed, title, wrong
from lib.services import START_PATIENCE_S, services
from lib.wait import until

HERE = pathlib.Path(__file__).resolve().parent
REHEARSAL = ROOT / "deploy" / "polls" / "rehearsal.yaml"
PRODUCTION_TOKEN = "schemathesis-production-token"
RUN_LIMIT_S = 300


def main() -> int:
    arguments = parse()
    return report.main("schemathesis", lambda: check(arguments))


def check(arguments: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="vote-schemathesis-") as folder:
        folder = pathlib.Path(folder)
        with services(arguments.bin_dir, folder, {"VOTE__ACCESS__PRODUCTION_TOKEN": PRODUCTION_TOKEN}) as addresses:
            prepare(arguments.bin_dir, folder, addresses)
            production = ["--header", f"Authorization: Bearer {PRODUCTION_TOKEN}"]
            token = pathlib.Path(addresses["gateway_token_file"]).read_text().strip()
            gateway = ["--header", f"Authorization: Bearer {token}"]
            for name, url, options in (
                # Nobody but a gateway sends batches.
                ("ingest", addresses["vote"], ["--exclude-operation-id", "castBatch"]),
                ("ingest as a gateway", addresses["vote"], ["--include-operation-id", "castBatch", *gateway]),
                # Nobody but production has anything of the desk: that would be a warning.
                ("results", addresses["results"], ["--exclude-operation-id", "getDesk"]),
                ("results as production", addresses["results"], production),
            ):
                run(name, url, options, arguments.examples, folder)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin-dir", type=pathlib.Path, required=True, help="where the binaries are")
    parser.add_argument("--examples", type=int, default=50, help="most requests of a fuzzed operation")
    arguments = parser.parse_args()
    arguments.bin_dir = arguments.bin_dir.resolve()
    return arguments


def prepare(bin_dir: pathlib.Path, folder: pathlib.Path, addresses: dict) -> None:
    """A second poll, a draft that the public doesn't see, and a vote with a genuine receipt."""
    apply = [bin_dir / "votectl", "--redis", addresses["redis"], "--output", "json", "poll", "apply"]
    # A draft beside those that are open: one that only production sees.
    draft = REHEARSAL.read_text().replace("id: ensaio-01", "id: ensaio-geral")
    applied = subprocess.run([*apply, "-"], check=True, input=draft, stdout=subprocess.PIPE, text=True)
    polls = [addresses["poll"], addresses["rehearsal"], json.loads(applied.stdout)["poll"]]
    _, answer = ask_json(f"{addresses['vote']}/v1/polls/{addresses['poll']}/votes", {"candidate": "ana"})
    for file in ("schemathesis.toml", "batches.py"):
        shutil.copy(HERE / file, folder)
    dictionary(folder / "polls.dict", polls)
    dictionary(folder / "rehearsals.dict", [addresses["rehearsal"]])
    dictionary(folder / "receipts.dict", [answer["receipt"]])
    # As production sees them.
    token = {"authorization": f"Bearer {PRODUCTION_TOKEN}"}

    def all_are_read() -> bool:
        return len(ask_json(f"{addresses['results']}/v1/polls", headers=token)[1]["polls"]) == len(polls)

    until(f"results shows {len(polls)} polls", all_are_read, START_PATIENCE_S)


def dictionary(path: pathlib.Path, words: list[str]) -> None:
    path.write_text("".join(f'"{word}"\n' for word in words))


def run(name: str, url: str, options: list[str], examples: int, folder: pathlib.Path) -> None:
    """One run of schemathesis. One that has tested nothing is no success."""
    title(name)
    written = folder / "report.json"
    written.unlink(missing_ok=True)
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", folder / "schemathesis.toml"),
        *("run", f"{url}/openapi.json", "--url", url, "--max-examples", str(examples)),
        *("--generation-database", "none", "--report", "json", "--report-json-path", written),
        *options,
    ]
    try:
        code = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, timeout=RUN_LIMIT_S, check=False
        ).returncode
    except subprocess.TimeoutExpired:
        wrong(name, f"not finished within {RUN_LIMIT_S} s")
        return
    outcome = json.loads(written.read_text())
    cases, tested = outcome["test_cases"]["generated"], outcome["operations"]["tested"]
    if code == 0 and cases > 0 and tested > 0:
        passed(f"{name}: {cases} requests for {tested} operations")
    else:
        wrong(name, f"exit {code} after {cases} requests for {tested} operations, see above")


if __name__ == "__main__":
    raise SystemExit(main())
