"""Prometheus' and Alertmanager's files: syntax, tests, runbook, and which metrics and labels rules use."""

import pathlib
import re
import subprocess
from concurrent.futures import Future, ThreadPoolExecutor

import yaml

from lib.report import passed, wrong

from . import promql

SEVERITIES = {"page", "ticket", "notice"}
ANNOTATIONS = ("summary", "description", "runbook_url")
# Where only our services are scraped: there every alert has to be silent, which is not the silence that its own cases show.
ONLY_SERVICES = "only-services.yaml"
# Fires as long as anything does.
ALWAYS = "DeadMansSwitch"
# About one of them, and there is no other: Compose has one proxy, and nothing else is scraped as one.
ONLY_ONE = {"ProxyDown"}


class Rules:
    """All rules of a folder, with the name of their file."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.files = sorted(folder.glob("rules/*.yaml"))
        self.recording: dict[str, list[dict]] = {}
        self.alerts: dict[str, dict] = {}
        self.twice: list[str] = []
        for file in self.files:
            for group in yaml.safe_load(file.read_text())["groups"]:
                for rule in group["rules"]:
                    rule |= {"file": f"{file.relative_to(folder.parents[1])}, group {group['name']}"}
                    if "record" in rule:
                        self.recording.setdefault(rule["record"], []).append(rule)
                    else:
                        if rule["alert"] in self.alerts:
                            self.twice.append(rule["alert"])
                        self.alerts[rule["alert"]] = rule

    def all(self) -> list[dict]:
        return [rule for rules in self.recording.values() for rule in rules] + list(self.alerts.values())


def tool(where: str, command: list, cwd: pathlib.Path) -> bool:
    """Runs a checker; what it says is the finding."""
    # Cases take over a minute of one core, and a busy machine gives little of one.
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=400
    )
    if done.returncode != 0:
        wrong(
            where, f"{command[0]} {command[1]} {command[2]} says:\n{done.stdout}{done.stderr}".rstrip()
        )
    return done.returncode == 0


def check_files(rules: Rules) -> None:
    folder = rules.folder
    # Includes every rule file that the configuration names.
    tool("deploy/prometheus", ["promtool", "check", "config", "prometheus.yml"], folder)
    configuration = yaml.safe_load((folder / "prometheus.yml").read_text())
    named = {path for pattern in configuration["rule_files"] for path in folder.glob(pattern)}
    for file in set(rules.files) - named:
        wrong("deploy/prometheus/prometheus.yml", f"rule_files does not reach {file.name}")
    routes(rules)
    passed(
        f"promtool: configuration, {len(rules.files)} rule files with {len(rules.all())} rules"
    )


def routes(rules: Rules) -> None:
    """Alertmanager's file names only alerts and severities that exist."""
    where = "deploy/prometheus/alertmanager.yml"
    text = yaml.safe_load((rules.folder / "alertmanager.yml").read_text())
    matchers = [
        m for r in text["inhibit_rules"] for key in ("source_matchers", "target_matchers") for m in r[key]
    ]
    matchers += [m for r in text["route"]["routes"] for m in r["matchers"]]
    known = {
        "alertname": set(rules.alerts),
        "severity": SEVERITIES,
        "service": {a["labels"]["service"] for a in rules.alerts.values()},
    }
    for matcher in matchers:
        label, _, value = re.match(r'(\w+)\s*(=~|!=|!~|=)\s*"?(.*?)"?$', matcher).groups()
        for word in value.split("|"):
            if label in known and word not in known[label]:
                wrong(
                    where, f"{matcher!r} names {word}, which no rule has", f"one of {sorted(known[label])}"
                )


def sent_links(rules: Rules) -> str:
    """Whoever is told of an alert gets its runbook as a link: by one template, which says in one place where that is."""
    where = "deploy/prometheus/alertmanager.yml"
    text = (rules.folder / "alertmanager.yml").read_text()
    templates = re.findall(r"'(.*\{\{ \.CommonAnnotations\.runbook_url \}\}.*)'", text)
    if len(templates) != 1 or not re.match(r"https://[^{/]+/([^{]+/)?\{\{", templates[0]):
        wrong(where, f"it writes the runbook as {templates}", "one address, before the path in this repository")
        return ""
    for receiver in yaml.safe_load(text)["receivers"]:
        for kind, configurations in receiver.items():
            # A webhook is a program's: it is sent everything.
            if kind not in ("name", "webhook_configs") and any(templates[0] not in str(one) for one in configurations):
                wrong(where, f"{kind} of {receiver['name']} sends no link to the runbook", templates[0])
    return templates[0].split("{{")[0]


def start_tests(rules: Rules, pool: ThreadPoolExecutor) -> list[Future]:
    """`promtool test rules`, a file at a time, beside the rest. Also: every alert has both kinds of cases."""
    fires, silent, alone = set(), set(), set()
    files = sorted(rules.folder.glob("tests/*.yaml"))
    cases = 0
    for file in files:
        for test in yaml.safe_load(file.read_text())["tests"]:
            cases += 1
            for case in test["alert_rule_test"]:
                kind = alone if file.name == ONLY_SERVICES else fires if case["exp_alerts"] else silent
                kind.add(case["alertname"])
    for alert in rules.alerts:
        if alert not in fires:
            wrong("deploy/prometheus/tests", f"no case in which {alert} fires")
        if alert not in silent and alert != ALWAYS:
            wrong("deploy/prometheus/tests", f"no case in which {alert} stays silent")
        if alert not in alone:
            wrong(f"deploy/prometheus/tests/{ONLY_SERVICES}", f"does not ask for {alert}")
    for alert in (fires | silent | alone) - set(rules.alerts):
        wrong(
            "deploy/prometheus/tests", f"cases for {alert}, which is no alert", "one of the alerts in rules/"
        )
    passed(
        f"promtool test rules: {cases} cases for {len(rules.alerts)} alerts, each firing and silent (running beside the rest)"
    )
    return [
        pool.submit(
            tool,
            f"deploy/prometheus/tests/{file.name}",
            ["promtool", "test", "rules", file.name],
            file.parent,
        )
        for file in files
    ]


def check_runbook(rules: Rules) -> None:
    """Each alert leads to its heading, each heading to its alert, each link of the page to a heading."""
    path = "deploy/prometheus/RUNBOOK.md"
    text = (rules.folder / "RUNBOOK.md").read_text()
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    for alert in rules.twice:
        wrong("deploy/prometheus/rules", f"the alert {alert} is defined twice")
    for alert, rule in rules.alerts.items():
        where = f"{rule['file']}, {alert}"
        labels, annotations = rule.get("labels", {}), rule.get("annotations", {})
        if labels.get("severity") not in SEVERITIES or "service" not in labels:
            wrong(
                where, f"its labels are {labels}", f"a service, and a severity of {sorted(SEVERITIES)}"
            )
        for name in ANNOTATIONS:
            if not annotations.get(name):
                wrong(where, f"it has no {name}")
        right = f"{path}#{alert.lower()}"
        if annotations.get("runbook_url") != right:
            wrong(where, f"runbook_url is {annotations.get('runbook_url')}", right)
        if alert not in headings:
            wrong(path, f"no heading for {alert}", f"## {alert}")
    for heading in headings:
        if heading not in rules.alerts:
            wrong(
                path,
                f"the heading {heading} is no alert",
                "the name of an alert, or a heading of the first level",
            )
    anchors = {heading.lower() for heading in headings}
    for link in re.findall(r"\]\(#([^)]+)\)", text):
        if link not in anchors:
            wrong(path, f"the link #{link} leads nowhere", f"one of {sorted(anchors)}")
    # The services' users may not do what it asks for, and none is without a password.
    for call in re.findall(r"`(redis-cli\s[^`]*)`", text):
        if option := re.search(r"\s(--user|--pass|-a)\b", call):
            wrong(path, f"{call!r} has {option[1]}", "the call that its first page says redis-cli stands for")
    for alert in headings:
        body = text.split(f"## {alert}\n", 1)[1].split("\n#", 1)[0]
        if len(body.split()) < 20:
            wrong(path, f"{alert} says too little", "what it means, where to look, what to do")
    passed(f"runbook: {len(headings)} headings for {len(rules.alerts)} alerts, linked both ways")


def check_expressions(rules: Rules, inventory) -> None:
    """Every metric, label and fixed label value of the rules exists."""
    of_alerts: dict[str, set[str]] = {}
    for rule in rules.all():
        where = f"{rule['file']}, {rule.get('record') or rule.get('alert')}"
        result = inventory.check(where, rule["expr"])
        if result is None:
            continue
        if "alert" in rule:
            of_alerts[rule["alert"]] = set(result)
        result |= set(rule.get("labels", {}))
        for name, text in rule.get("annotations", {}).items():
            for label in promql.TEMPLATE.findall(text):
                if label not in result:
                    wrong(where, f"{name} uses $labels.{label}", f"one of {sorted(result)}")
    passed(f"rules: metrics, labels and label values of {len(rules.all())} expressions")
    check_sources(rules, of_alerts)
    check_equal(rules, of_alerts)


def named(rules: Rules, matchers: list[str]) -> set[str]:
    """The alerts that an inhibition's matchers name."""
    return set(re.findall(r"\w+", " ".join(matchers))) & set(rules.alerts)


def check_sources(rules: Rules, of_alerts: dict[str, set[str]]) -> None:
    """What mutes others everywhere is about all there is: one server that is away says nothing of the rest."""
    where = "deploy/prometheus/alertmanager.yml"
    text = yaml.safe_load((rules.folder / "alertmanager.yml").read_text())
    sources = {
        name: inhibition["target_matchers"]
        for inhibition in text["inhibit_rules"]
        for name in named(rules, inhibition["source_matchers"])
        if not inhibition.get("equal") and name not in ONLY_ONE
    }
    about = {name: sorted(of_alerts.get(name, set()) - {"job"}) for name in sources}
    for name in filter(about.get, sources):
        wrong(where, f"{name} is about one {about[name][0]}, and mutes {sources[name]} of all", "`equal`, or an alert about all")
    if not any(about.values()):
        passed(f"inhibitions: {', '.join(sorted(sources))} mute others everywhere, and are about no single one of several")


def check_equal(rules: Rules, of_alerts: dict[str, set[str]]) -> None:
    """A label that only one of two alerts has is never equal, and mutes nothing; one that neither has is always equal."""
    where = "deploy/prometheus/alertmanager.yml"
    inhibitions = yaml.safe_load((rules.folder / "alertmanager.yml").read_text())["inhibit_rules"]
    pairs = without = 0
    for inhibition in inhibitions:
        for label in inhibition.get("equal", []):
            for name in named(rules, inhibition["source_matchers"] + inhibition["target_matchers"]):
                pairs += 1
                if name in of_alerts and label not in of_alerts[name] | set(rules.alerts[name]["labels"]):
                    without += 1
                    wrong(where, f"{inhibition['source_matchers']} mutes where {label} is equal, and {name} has no {label}", "a label of both")
    if not without:
        passed(f"inhibitions: each of {pairs} alerts has the label that is to be equal")
