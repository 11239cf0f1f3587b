"""What a real Alertmanager sends to whom, by alertmanager.yml: each message has a link to the runbook."""

import json
import pathlib
import shutil
import tempfile

import yaml

from . import rules
from .findings import Findings
from .processes import RunError, System, free_port, get, wait_for

# By its Debian package, and as it is published.
PROGRAMS = ("prometheus-alertmanager", "alertmanager")
WAIT = "1s"


def check(findings: Findings, all_rules: rules.Rules) -> None:
    base = rules.sent_links(findings, all_rules)
    program = next(filter(shutil.which, PROGRAMS), None)
    if not (base and program):
        findings.note("Alertmanager: nothing was sent" + ("" if program else ", it is not installed"))
        return
    with tempfile.TemporaryDirectory(prefix="vote-alertmanager-") as folder, System(pathlib.Path(), pathlib.Path(folder)) as system:
        try:
            for alert in ("IngestDown", "ReplayGap"):
                send(findings, system, all_rules, program, alert, base)
        except (RunError, TimeoutError) as error:
            findings.add("deploy/prometheus/alertmanager.yml", f"no Alertmanager runs by it: {error}")


def send(findings: Findings, system: System, all_rules: rules.Rules, program: str, alert: str, base: str) -> None:
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
    wait_for("Alertmanager", lambda: get(f"{url}/-/ready")[0] == 200, 20)
    alerts = [{"labels": {"alertname": alert} | rule["labels"], "annotations": rule["annotations"]}]
    status, _, said = get(f"{url}/api/v2/alerts", {"content-type": "application/json"}, json.dumps(alerts).encode())
    if status != 200:
        raise RunError(f"it refuses an alert: {said}")
    body = wait_for(f"{alert} is sent", lambda: bodies, 20)[0]
    link = base + rule["annotations"]["runbook_url"]
    if f'"{link}"' not in body:
        findings.add("deploy/prometheus/alertmanager.yml", f"what is sent of {alert} has no link {link}: {body}")
    findings.note(f"a real Alertmanager sends {alert} as {severity}, with the link {link}")


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
