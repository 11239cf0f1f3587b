"""Counts the instructions of the hot parts by callgrind, and compares them with the baseline that is checked in.

Unlike times, counts are the same on a busy machine. Each subject is run some times and twice as often: the difference is
what it takes, without what a process does once. Another compiler makes other instructions, so a baseline holds for one
compiler on one architecture; with another there is nothing to compare, which is said, and no failure.
"""

import argparse
import json
import os
import pathlib
import platform
import re
import subprocess
import sys

from lib import ROOT
from lib.report import Failed, left_out, main, passed, say, wrong

BASELINE = pathlib.Path(__file__).resolve().parent / "baseline.json"
PROFILE = pathlib.Path(__file__).resolve().parent / "profile.toml"
# How much more than the baseline is too much.
MOST = 1.05
# The subject, how often it is done, and of how many of what that is (a batch has 500 votes).
SUBJECTS = (
    ("parse-and-answer", 4000, 1, "a vote, from its bytes to those of its answer"),
    ("build-batch", 40, 500, "a keyed vote, from its lane to its outcome"),
    ("render-revision", 10, 1, "a revision, from its figures to its pages"),
)
# Each takes seconds; more is a subject that hangs.
PATIENCE_S = 300


def said(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def here() -> dict[str, str]:
    """What counts depend on beside the code."""
    return {"rustc": said("rustc", "--version"), "architecture": platform.machine()}


def build() -> str:
    """The benchmark's program. All of the workspace is named, so that features, and with them dependencies, are the tests'."""
    command = [os.environ.get("CARGO", "cargo"), "bench", "--locked", "--profile", "dev", "--config", str(PROFILE), "--workspace", "--bench", "bench"]
    done = subprocess.run(
        [*command, "--no-run", "--message-format=json-render-diagnostics"],
        cwd=ROOT,
        env=os.environ | {"CARGO_INCREMENTAL": "0"},
        check=False,
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        raise Failed("the benchmark does not compile, see above")
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    found = [each["executable"] for each in messages if each.get("executable") and each["target"]["name"] == "bench"]
    if len(found) != 1:
        raise Failed(f"there is not one program of that name: {found}")
    return found[0]


def instructions(program: str, subject: str, times: int) -> int:
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, "count", subject]
    done = subprocess.run(
        [*command, "--times", str(times)], check=False, capture_output=True, text=True, timeout=PATIENCE_S
    )
    collected = re.search(r"Collected\s*:\s*(\d+)", done.stderr)
    if done.returncode or not collected:
        raise Failed(f"{subject}: exit status {done.returncode}: {done.stdout}{done.stderr[-2000:]}")
    return int(collected[1])


def counts() -> dict[str, int]:
    program = build()
    found = {}
    for subject, times, of, _ in SUBJECTS:
        once, twice = (instructions(program, subject, times * factor) for factor in (1, 2))
        found[subject] = round((twice - once) / (times * of))
        say(f"  {subject}: {found[subject]:,} instructions")
    return found


def compare(was: dict[str, int], now: dict[str, int]) -> None:
    say(f"\n  {'instructions of':<50} {'was':>12} {'is':>12} {'ratio':>7}")
    for subject, _, _, what in SUBJECTS:
        ratio = now[subject] / was[subject]
        say(f"  {what:<50} {was[subject]:>12,} {now[subject]:>12,} {ratio:>7.3f}")
        if ratio > MOST:
            wrong(
                subject,
                f"{what} takes {now[subject]:,} instructions, {ratio:.3f} times those of the baseline",
                f"at most {MOST} times {was[subject]:,}; if it has to be, `make callgrind-baseline` writes the new ones",
            )
        else:
            passed(f"{subject}: {ratio:.3f} times the baseline")


def check() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the baseline instead")
    options = parser.parse_args()
    if options.write:
        BASELINE.write_text(json.dumps(here() | {"instructions": counts()}, indent=2) + "\n")
        return passed(f"written to {BASELINE.relative_to(ROOT)}")
    baseline = json.loads(BASELINE.read_text())
    for what, own in here().items():
        if baseline[what] != own:
            return left_out(f"the baseline is of {baseline[what]}, here is {own}: counts of the two can't be compared")
    return compare(baseline["instructions"], counts())


if __name__ == "__main__":
    sys.exit(main("callgrind-check", check))
