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
import tempfile
from concurrent.futures import ThreadPoolExecutor

import yaml

from lib import ROOT, report
from lib.report import Failed, title, wrong
from monitoring import collectors, dashboards, receivers, rules, runbook
from monitoring.inventory import Inventory
from monitoring.live import Live
from monitoring.processes import POLL

DEPLOY = ROOT / "deploy"
NEEDED = {
    "promtool": "prometheus (Debian, Ubuntu: apt-get install prometheus)",
    "prometheus": "prometheus (Debian, Ubuntu: apt-get install prometheus)",
    "amtool": "Alertmanager's amtool (Debian, Ubuntu: apt-get install prometheus-alertmanager)",
    "redis-server": "redis-server (make setup)",
}


def main() -> int:
    arguments = parse()
    return report.main("monitoring-check", lambda: check(arguments))


def check(arguments: argparse.Namespace) -> None:
    missing = sorted({what for command, what in NEEDED.items() if not shutil.which(command)})
    if missing:
        raise Failed(f"needs {'; '.join(missing)}")
    all_rules = rules.Rules(DEPLOY / "prometheus")
    boards = dashboards.Dashboards(DEPLOY / "grafana")
    pipeline = collectors.Pipeline(DEPLOY / "loki/config.alloy")
    with ThreadPoolExecutor(2) as pool:
        title("files")
        rules.check_files(all_rules)
        receivers.check_syntax(all_rules.folder)
        rules.check_runbook(all_rules)
        tests = rules.start_tests(all_rules, pool)
        tests.append(pool.submit(receivers.check, all_rules))
        dashboards.check_structure(boards, pipeline.all_labels())
        dashboards.check_schema(boards, arguments.node_modules)
        pipeline.check()
        collectors.check_files(DEPLOY, boards.sources)
        live(all_rules, boards, pipeline, arguments.bin_dir)
        for test in tests:
            test.result()


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


def live(all_rules, boards, pipeline, bin_dir: pathlib.Path) -> None:
    """Against real services, and so what can only be told with them."""
    configuration = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    jobs = {scrape["job_name"] for scrape in configuration["scrape_configs"]}
    inventory = Inventory(jobs, recording=all_rules.recording)
    listed = yaml.safe_load((DEPLOY / "prometheus/exporters.yaml").read_text())
    title("live")
    with (
        tempfile.TemporaryDirectory(prefix="vote-monitoring-") as folder,
        Live(inventory, DEPLOY, bin_dir, pathlib.Path(folder)) as run,
    ):
        try:
            run.start()
            run.scrape(listed)
            compare(all_rules, boards, inventory, listed)
            runbook.check(bin_dir / "votectl", all_rules, boards, inventory)
            run.health(all_rules)
            run.panels(boards, all_rules, listed)
            run.outage()
            collectors.check_lines(pipeline, run.logs())
        except Failed as error:
            wrong("the live run", str(error), "what was waited for; the rest was left out")


def compare(all_rules, boards, inventory: Inventory, listed: dict) -> None:
    """What rules and dashboards name, with what is exported."""
    rules.check_expressions(all_rules, inventory)
    dashboards.check_expressions(boards, inventory, {"poll": POLL})
    for metrics in listed.values():
        for name in set(metrics) - inventory.used:
            wrong("deploy/prometheus/exporters.yaml", f"nothing uses {name}", "no entry")


if __name__ == "__main__":
    raise SystemExit(main())
