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

from monitoring import collectors, dashboards, receivers, rules
from monitoring.findings import Findings
from monitoring.inventory import Inventory
from monitoring.live import Live
from monitoring.processes import POLL, RunError

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
        tests.append(pool.submit(receivers.check, findings, all_rules))
        dashboards.check_structure(findings, boards, pipeline.all_labels())
        dashboards.check_schema(findings, boards, arguments.node_modules)
        pipeline.check(findings)
        collectors.check_files(findings, DEPLOY, boards.sources)
        live(findings, all_rules, boards, pipeline, arguments.bin_dir)
        for test in tests:
            test.result()
    print()
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
    inventory = Inventory(jobs, recording=all_rules.recording)
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
            run.health(all_rules)
            run.panels(boards, all_rules, listed)
            run.outage()
            collectors.check_lines(findings, pipeline, run.logs())
        except (RunError, TimeoutError) as error:
            findings.add("the live run", str(error), "what was waited for; the rest was left out")


def compare(findings: Findings, all_rules, boards, inventory: Inventory, listed: dict) -> None:
    """What rules and dashboards name, with what is exported."""
    rules.check_expressions(findings, all_rules, inventory)
    dashboards.check_expressions(findings, boards, inventory, {"poll": POLL})
    for metrics in listed.values():
        for name in set(metrics) - inventory.used:
            findings.add("deploy/prometheus/exporters.yaml", f"nothing uses {name}", "no entry")


if __name__ == "__main__":
    sys.exit(main())
