"""What a real Alertmanager sends to whom, by alertmanager.yml.

Each message has a link to the runbook, and says what is wrong: also where two alerts of a group differ, which then have
no summary in common. One server of Redis that is away keeps none of them back; that none answers does; and a lane that
is stalled only what its own queue says.
"""

import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

import yaml

from lib.processes import ask, free_port
from lib.report import Failed, passed, wrong
from lib.wait import TooLate, until

from . import promql, rules
from .processes import System

# By its Debian package, and as it is published.
PROGRAMS = ("prometheus-alertmanager", "alertmanager")
WAIT = "1s"
# What voters and readers get where no Redis answers.
FOLLOWS = (
    "CommitStalled", "LaneQueueFilling", "LaneQueueFull", "SnapshotStale", "PollsUnread", "PollDocumentUnread",
    "SnapshotReadsFail", "NoVotesOnOpenPoll", "IngestErrorRatioHigh", "IngestLatencyHigh", "ErrorBudgetBurnsFast", "ErrorBudgetBurnsSlowly",
)  # fmt: skip


def check(all_rules: rules.Rules) -> None:
    base = rules.sent_links(all_rules)
    program = next(filter(shutil.which, PROGRAMS), None)
    if not (base and program):
        passed("Alertmanager: nothing was sent" + ("" if program else ", it is not installed"))
        return
    with tempfile.TemporaryDirectory(prefix="vote-alertmanager-") as folder, System(pathlib.Path(), pathlib.Path(folder)) as system:
        try:
            # One that pages and one that does not; each as one alert, and as two of a group.
            for alert in ("RedisDown", "IngestInstanceDown"):
                for count in (1, 2):
                    send(system, all_rules, program, alert, base, count)
            switch(system, all_rules, program)
            one_server(system, all_rules, program)
            no_server(system, all_rules, program)
            one_lane(system, all_rules, program)
        except Failed as error:
            wrong("deploy/prometheus/alertmanager.yml", f"no Alertmanager runs by it: {error}")


def send(system: System, all_rules: rules.Rules, program: str, alert: str, base: str, count: int) -> None:
    rule = all_rules.alerts[alert]
    severity = rule["labels"]["severity"]
    sent = [firing(rule, f"server-{number}") for number in range(1, count + 1)]
    path, body = first_message(system, all_rules, program, f"{alert}-{count}", sent)
    where = f"deploy/prometheus/alertmanager.yml, {alert} of {count} to {path}"
    link = base + rule["annotations"]["runbook_url"]
    if f'"{link}"' not in body:
        wrong(where, f"what is sent has no link {link}: {body}")
    texts = {"/pagerduty": page_texts, "/slack": chat_texts}[path](json.loads(body))
    for name, text in texts.items():
        for one in sent:
            summary = one["annotations"]["summary"]
            if name != "title" and summary not in text:
                wrong(where, f"{name} is {text!r}", f"with {summary!r}")
        if not text.strip().strip(":"):
            wrong(where, f"{name} is empty", "what is wrong: PagerDuty refuses a page without")
    passed(f"a real Alertmanager sends {alert} of {count} as {severity}, with the link {link}: {next(iter(texts.values()))!r}")


def page_texts(body: dict) -> dict[str, str]:
    payload = body["payload"]
    return {"summary": payload["summary"]}


def chat_texts(body: dict) -> dict[str, str]:
    attachment = body["attachments"][0]
    return {name: attachment.get(name, "") for name in ("fallback", "title")}


def switch(system: System, all_rules: rules.Rules, program: str) -> None:
    """The alert that always fires goes to who calls when it ends, and to nobody else."""
    alert = "DeadMansSwitch"
    path, _ = first_message(system, all_rules, program, alert, [firing(all_rules.alerts[alert], "")])
    if path != "/switch":
        wrong("deploy/prometheus/alertmanager.yml", f"{alert} is sent to {path}", "dead-mans-switch")
    passed(f"a real Alertmanager sends {alert} to who calls when it ends")


def one_server(system: System, all_rules: rules.Rules, program: str) -> None:
    """A node of a cluster may be away for hours, while another has taken over: what then fires is sent."""
    sent = following(all_rules, "RedisDown", *(name for name in FOLLOWS if name != "CommitStalled"))
    url, bodies = alertmanager(system, all_rules, program, "one-server")
    # It keeps back what only follows from it, for reasons of its own: so it comes when the others are through.
    for some in (sent, following(all_rules, "CommitStalled")):
        tell(url, [alert for group in some.values() for alert in group])
        try:
            until("all are sent", lambda some=some: not unsent(bodies, some), 15)
        except TooLate:
            wrong(
                "deploy/prometheus/alertmanager.yml",
                f"beside RedisDown of one server it does not send {', '.join(unsent(bodies, some))}; muted are {sorted(muted(url))}",
                "all that voters and readers get: the other servers may be all right, and something else wrong",
            )
            return
    passed(f"a real Alertmanager sends {len(FOLLOWS)} alerts about voters and readers beside RedisDown of one server")


def unsent(bodies: list[tuple[str, str]], sent: dict[str, list[dict]]) -> list[str]:
    said = "".join(body for _, body in bodies)
    return [name for name, (one,) in sent.items() if json.dumps(one["annotations"]["summary"])[1:-1] not in said]


def no_server(system: System, all_rules: rules.Rules, program: str) -> None:
    """What follows from having no Redis is not sent beside that."""
    source, targets = "NoRedisAnswers", ("RedisDown", *FOLLOWS)
    url, bodies = alertmanager(system, all_rules, program, "no-server")
    tell(url, [alert for group in following(all_rules, source, *targets).values() for alert in group])
    until(f"{source} is sent", lambda: bodies, 20)
    # Each is a group of its own, and would have been sent by then.
    time.sleep(3)
    where, summary = "deploy/prometheus/alertmanager.yml", all_rules.alerts[source]["annotations"]["summary"]
    if left := set(targets) - muted(url):
        wrong(where, f"{source} does not mute {', '.join(sorted(left))}", "one page for one failure")
    elif len(bodies) != 1 or summary not in bodies[0][1]:
        wrong(where, f"beside {source} {len(bodies)} messages were sent: {bodies}", "its own")
    else:
        passed(f"a real Alertmanager sends {source} alone, and keeps {len(targets)} alerts back that follow from it")


def one_lane(system: System, all_rules: rules.Rules, program: str) -> None:
    """A lane that is stalled keeps its own queue back: not that of another process or poll, nor what is said of all votes."""
    lane = ("server-1", "p1")
    stalled = firing(all_rules.alerts["CommitStalled"], *lane)
    own, *others = (firing(all_rules.alerts["LaneQueueFilling"], *of) for of in (lane, ("server-2", "p1"), ("server-1", "p2")))
    slow = firing(all_rules.alerts["IngestLatencyHigh"], "server-1")
    # Of all processes: it names none.
    del slow["labels"]["instance"]
    url, bodies = alertmanager(system, all_rules, program, "one-lane")
    tell(url, [stalled, own, *others, slow])
    where = "deploy/prometheus/alertmanager.yml"
    sent = {f"{alert['labels']}": [alert] for alert in (stalled, *others, slow)}
    try:
        until("all others are sent", lambda: not unsent(bodies, sent), 15)
    except TooLate:
        wrong(where, f"beside CommitStalled of {lane} it does not send {unsent(bodies, sent)}", "what is about another lane, or about all")
        return
    # It is a group of its own, and would have been sent by then.
    time.sleep(3)
    if not unsent(bodies, {"own": [own]}):
        wrong(where, f"beside CommitStalled of {lane} it sends LaneQueueFilling of the same lane", "one page for one failure")
        return
    passed(f"a real Alertmanager sends {len(sent) - 1} alerts about other lanes and all votes beside CommitStalled of one lane, and keeps its queue back")


def following(all_rules: rules.Rules, *names: str) -> dict[str, list[dict]]:
    return {name: [firing(all_rules.alerts[name], "server-1")] for name in names}


def muted(url: str) -> set[str]:
    """What Alertmanager itself says that it keeps back."""
    alerts = json.loads(ask(f"{url}/api/v2/alerts")[2])
    return {one["labels"]["alertname"] for one in alerts if one["status"]["inhibitedBy"]}


def firing(rule: dict, instance: str, poll: str = "poll-1") -> dict:
    """An alert as Prometheus sends it: with its labels in its texts."""
    labels = {"alertname": rule["alert"], "instance": instance} | rule["labels"]
    if "$labels.poll" in str(rule["annotations"]):
        labels["poll"] = poll
    for label in promql.TEMPLATE.findall(str(rule["annotations"])):
        labels.setdefault(label, f"{label}-1")
    annotations = {
        name: re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda label: labels[label[1]], text)
        for name, text in rule["annotations"].items()
    }
    return {"labels": labels, "annotations": annotations}


def first_message(
    system: System, all_rules: rules.Rules, program: str, name: str, alerts: list[dict]
) -> tuple[str, str]:
    """Where an Alertmanager by alertmanager.yml sends these first, and what."""
    url, bodies = alertmanager(system, all_rules, program, name)
    tell(url, alerts)
    return until(f"{name} is sent", lambda: bodies, 20)[0]


def alertmanager(system: System, all_rules: rules.Rules, program: str, name: str) -> tuple[str, list[tuple[str, str]]]:
    """One by alertmanager.yml: its address, and what it sends."""
    port, (sink, bodies) = free_port(), system.sink()
    path = system.folder / f"{name}.yml"
    path.write_text(configuration(all_rules.folder, system.folder, f"http://127.0.0.1:{sink}"))
    system.start(
        name,
        [
            program, f"--config.file={path}", f"--storage.path={system.folder}/{name}", "--cluster.listen-address=",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    until("Alertmanager", lambda: ask(f"{url}/-/ready")[0] == 200, 20)
    return url, bodies


def tell(url: str, alerts: list[dict]) -> None:
    status, _, said = ask(f"{url}/api/v2/alerts", {"content-type": "application/json"}, json.dumps(alerts).encode())
    if status != 200:
        raise Failed(f"it refuses an alert: {said}")


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
        for one in receiver.get("webhook_configs", []):
            del one["url_file"]
            one["url"] = f"{sink}/switch"
    return yaml.safe_dump(document)


def check_syntax(source: pathlib.Path) -> None:
    """By amtool. One older than 0.26, as Debian 12 has, knows no `url_file` of a webhook: it is given a `url`."""
    done = subprocess.run(["amtool", "--version"], capture_output=True, text=True)
    version = re.search(r"version (\d+)\.(\d+)", done.stdout + done.stderr)
    text = (source / "alertmanager.yml").read_text()
    if version and (int(version[1]), int(version[2])) < (0, 26):
        text = re.sub(r"- url_file: .*", "- url: http://127.0.0.1/", text)
    with tempfile.TemporaryDirectory(prefix="vote-amtool-") as folder:
        (pathlib.Path(folder) / "alertmanager.yml").write_text(text)
        rules.tool(
            "deploy/prometheus/alertmanager.yml", ["amtool", "check-config", "alertmanager.yml"], pathlib.Path(folder)
        )
