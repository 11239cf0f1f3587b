#!/usr/bin/env python3
"""Checks everything in deploy/ that watches the services.

Configuration, rules and their tests, runbook, dashboards, log and trace pipelines; and the rules on a real
Prometheus that scrapes both real services under load. Every metric and label that a rule or a panel names is
compared with what the services really export: a renamed metric fails here. Exits 1 with what is wrong, where, and
what would be right. `make monitoring-check` runs it.
"""

import argparse
import pathlib
import shutil
import signal
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import yaml

from monitoring import collectors, dashboards, rules
from monitoring.findings import Findings
from monitoring.inventory import Inventory
from monitoring.live import Live
from monitoring.processes import POLL, RunError

# ======================================================================================================
# PENDING: metrics that rules and dashboards use and that the services do not export yet. It has to be
# empty in the end: take an entry out as soon as the metric is there, and the check compares it for real.
# name: labels (beside job and instance), and the fixed values that rules compare with.
# ======================================================================================================
PENDING = {
    # Both services, process-wide, by the names that every Prometheus client uses.
    "process_cpu_seconds_total": {
        "type": "counter",
        "services": ["vote-ingest", "vote-results"],
        "labels": [],
    },
    "process_resident_memory_bytes": {
        "type": "gauge",
        "services": ["vote-ingest", "vote-results"],
        "labels": [],
    },
    "process_open_fds": {"type": "gauge", "services": ["vote-ingest", "vote-results"], "labels": []},
    "process_max_fds": {"type": "gauge", "services": ["vote-ingest", "vote-results"], "labels": []},
    "process_start_time_seconds": {
        "type": "gauge",
        "services": ["vote-ingest", "vote-results"],
        "labels": [],
    },
    # Ingest: commit.queue_capacity, set once at start.
    "vote_lane_queue_capacity_votes": {"type": "gauge", "services": ["vote-ingest"], "labels": []},
    # Ingest: commit.replay_window_mib in bytes, set once at start.
    "vote_replay_window_limit_bytes": {"type": "gauge", "services": ["vote-ingest"], "labels": []},
    # Results: 1 for the state that each poll is in by the clock; no series for the others.
    "vote_poll_state": {
        "type": "gauge",
        "services": ["vote-results"],
        "labels": ["poll", "kind", "state"],
        "values": {
            "kind": {"live", "rehearsal"},
            "state": {"draft", "open", "paused", "closed", "sealed", "void"},
        },
    },
    # Results: open streams of events now, and events written to them.
    "vote_streams": {"type": "gauge", "services": ["vote-results"], "labels": ["poll"]},
    "vote_stream_events_total": {"type": "counter", "services": ["vote-results"], "labels": ["poll"]},
}
# ======================================================================================================

DEPLOY = pathlib.Path(__file__).resolve().parent.parent / "deploy"
NEEDED = {
    "promtool": "prometheus (Debian, Ubuntu: apt-get install prometheus)",
    "prometheus": "prometheus (Debian, Ubuntu: apt-get install prometheus)",
    "amtool": "Alertmanager's amtool (Debian, Ubuntu: apt-get install prometheus-alertmanager)",
    "redis-server": "redis-server (make setup)",
}


def main() -> int:
    arguments = parse()
    started = time.monotonic()
    # SIGTERM ends it by way of the context managers, which stop what was started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    missing = sorted({what for command, what in NEEDED.items() if not shutil.which(command)})
    if missing:
        print(f"monitoring-check needs {'; '.join(missing)}", file=sys.stderr)
        return 1

    findings = Findings()
    all_rules = rules.Rules(DEPLOY / "prometheus")
    boards = dashboards.Dashboards(DEPLOY / "grafana")
    pipeline = collectors.Pipeline(findings, DEPLOY / "loki/config.alloy")
    with ThreadPoolExecutor(2) as pool:
        findings.title("files")
        rules.check_files(findings, all_rules)
        rules.check_runbook(findings, all_rules)
        tests = rules.start_tests(findings, all_rules, pool)
        dashboards.check_structure(findings, boards, pipeline.all_labels())
        dashboards.check_schema(findings, boards, arguments.node_modules)
        pipeline.check(findings)
        collectors.check_files(findings, DEPLOY, boards.sources)
        live(findings, all_rules, boards, pipeline, arguments.bin_dir)
        for test in tests:
            test.result()
    print()
    for name in sorted(PENDING):
        print(f"PENDING {name}: not exported yet, see the list in .ci/monitoring_check.py")
    if findings.wrong:
        print(f"\nmonitoring-check: {len(findings.wrong)} findings, see WRONG above", file=sys.stderr)
        return 1
    print(f"monitoring-check: all is well, in {time.monotonic() - started:.0f} s")
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin-dir", type=pathlib.Path, required=True, help="where the binaries are")
    parser.add_argument(
        "--node-modules",
        type=pathlib.Path,
        default=pathlib.Path("/nonexistent"),
        help="where @grafana/schema is installed",
    )
    arguments = parser.parse_args()
    arguments.bin_dir = arguments.bin_dir.resolve()
    arguments.node_modules = arguments.node_modules.resolve()
    return arguments


def live(findings: Findings, all_rules, boards, pipeline, bin_dir: pathlib.Path) -> None:
    """Against real services, and so what can only be told with them."""
    configuration = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    jobs = {scrape["job_name"] for scrape in configuration["scrape_configs"]}
    inventory = Inventory(jobs, pending=PENDING, recording=all_rules.recording)
    listed = yaml.safe_load((DEPLOY / "prometheus/exporters.yaml").read_text())
    findings.title("live")
    with (
        tempfile.TemporaryDirectory(prefix="vote-monitoring-") as folder,
        Live(findings, inventory, DEPLOY, bin_dir, pathlib.Path(folder)) as run,
    ):
        try:
            run.start()
            run.scrape(listed)
            compare(findings, all_rules, boards, inventory, listed)
            run.health(all_rules, set(PENDING))
            run.panels(boards, all_rules, set(PENDING), listed)
            run.outage()
            collectors.check_lines(findings, pipeline, run.logs())
        except (RunError, TimeoutError) as error:
            findings.add("the live run", str(error), "what was waited for; the rest was left out")


def compare(findings: Findings, all_rules, boards, inventory: Inventory, listed: dict) -> None:
    """What rules and dashboards name, with what is exported."""
    for name in PENDING:
        if not inventory.still_pending(name):
            findings.note(f"{name} is exported now: take it off PENDING in .ci/monitoring_check.py")
    rules.check_expressions(findings, all_rules, inventory)
    dashboards.check_expressions(findings, boards, inventory, {"poll": POLL})
    for name in set(PENDING) - inventory.used:
        findings.add(".ci/monitoring_check.py, PENDING", f"nothing uses {name}", "no entry")
    for metrics in listed.values():
        for name in set(metrics) - inventory.used:
            findings.add("deploy/prometheus/exporters.yaml", f"nothing uses {name}", "no entry")


if __name__ == "__main__":
    sys.exit(main())
