"""What a real Alertmanager sends to whom, by alertmanager.yml: each message has a link to the runbook."""

import json
import pathlib
import shutil
import tempfile

import yaml

from lib.processes import ask, free_port
from lib.report import Failed, passed, wrong
from lib.wait import until

from . import rules
from .processes import System

# By its Debian package, and as it is published.
PROGRAMS = ("prometheus-alertmanager", "alertmanager")
WAIT = "1s"


def check(all_rules: rules.Rules) -> None:
    base = rules.sent_links(all_rules)
    program = next(filter(shutil.which, PROGRAMS), None)
    if not (base and program):
        passed("Alertmanager: nothing was sent" + ("" if program else ", it is not installed"))
        return
    with tempfile.TemporaryDirectory(prefix="vote-alertmanager-") as folder, System(pathlib.Path(), pathlib.Path(folder)) as system:
        try:
            for alert in ("IngestDown", "ReplayGap"):
                send(system, all_rules, program, alert, base)
        except Failed as error:
            wrong("deploy/prometheus/alertmanager.yml", f"no Alertmanager runs by it: {error}")


def send(system: System, all_rules: rules.Rules, program: str, alert: str, base: str) -> None:
    rule = all_rules.alerts[alert]
    severity = rule["labels"]["severity"]
    port, (sink, bodies) = free_port(), system.sink()
    path = system.folder / f"{alert}.yml"
    path.write_text(configuration(all_rules.folder, system.folder, f"http://127.0.0.1:{sink}"))
    system.start(
        alert,
        [
            program, f"--config.file={path}", f"--storage.path={system.folder}/{alert}", "--cluster.listen-address=",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    until("Alertmanager", lambda: ask(f"{url}/-/ready")[0] == 200, 20)
    alerts = [{"labels": {"alertname": alert} | rule["labels"], "annotations": rule["annotations"]}]
    status, _, said = ask(f"{url}/api/v2/alerts", {"content-type": "application/json"}, json.dumps(alerts).encode())
    if status != 200:
        raise Failed(f"it refuses an alert: {said}")
    body = until(f"{alert} is sent", lambda: bodies, 20)[0]
    link = base + rule["annotations"]["runbook_url"]
    if f'"{link}"' not in body:
        wrong("deploy/prometheus/alertmanager.yml", f"what is sent of {alert} has no link {link}: {body}")
    passed(f"a real Alertmanager sends {alert} as {severity}, with the link {link}")


def configuration(source: pathlib.Path, folder: pathlib.Path, sink: str) -> str:
    """alertmanager.yml with receivers on this machine, which are told at once."""
    document = yaml.safe_load((source / "alertmanager.yml").read_text())
    (folder / "key").write_text("key")
    (folder / "slack").write_text(f"{sink}/slack")
    document["global"] |= {"pagerduty_url": f"{sink}/pagerduty", "slack_api_url_file": str(folder / "slack")}
    for route in (document["route"], *document["route"]["routes"]):
        route["group_wait"] = WAIT
    for receiver in document["receivers"]:
        for one in receiver.get("pagerduty_configs", []):
            one["routing_key_file"] = str(folder / "key")
    return yaml.safe_dump(document)
