"""What Prometheus and Grafana get: rules, the jobs that they ask for, dashboards."""

import copy
import json
import re
from collections.abc import Iterator

import yaml

from chart.render import CHART, Rendered, name_of, pods
from lib import ROOT

from . import SERVICES, breaks, component, pod, rule

DEPLOY = ROOT / "deploy"
# What names of series begin with that the services export and nobody else.
OURS = ("vote_", "http_server_")


def given(rendered: Rendered, name: str) -> dict:
    """Values of `metrics.<name>`, over their defaults."""
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())["metrics"][name]
    return defaults | rendered.values.get("metrics", {}).get(name, {})


def alerts_and_records(rendered: Rendered) -> list[dict]:
    groups = [group for found in rendered.of_kind("PrometheusRule") for group in found["spec"]["groups"]]
    return [one for group in groups for one in group["rules"]]


@rule("the PrometheusRule has the groups of deploy/prometheus without what is left out, and links to the runbook")
def prometheus_rule(rendered: Rendered) -> Iterator[str]:
    asked = given(rendered, "rules")
    found = rendered.of_kind("PrometheusRule")
    if len(found) != asked["enabled"]:
        yield f"there are {len(found)} PrometheusRules, and metrics.rules.enabled is {asked['enabled']}"
    if not found:
        return
    wanted = []
    for path in sorted((DEPLOY / "prometheus" / "rules").glob("*.yaml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            kept = [one for one in group["rules"] if one.get("alert") not in asked["leaveOut"]]
            for one in kept:
                if runbook := one.get("annotations", {}).get("runbook_url"):
                    one["annotations"]["runbook_url"] = asked["runbookBase"] * ("://" not in runbook) + runbook
            if kept and group["name"] not in asked["leaveOut"]:
                wanted.append(group | {"rules": kept})
    if found[0]["spec"]["groups"] != wanted:
        yield f"{name_of(found[0])}: its groups are not those of deploy/prometheus/rules without {asked['leaveOut']}"


@breaks("observability", "a rule whose braces were taken for Helm's")
def _(rendered):
    alerts = {one.get("alert"): one for one in alerts_and_records(rendered)}
    annotations = alerts["LaneQueueFull"]["annotations"]
    annotations["summary"] = annotations["summary"].replace("{{ $labels.poll }}", "")


@breaks("small-show", "the rules of an exporter that isn't there")
def _(rendered):
    rendered.values["metrics"]["rules"]["leaveOut"] = []


def readings(expression: str) -> list[set[str]]:
    """The series of each part of an expression that has a value without the others; of Prometheus' own, with the job."""
    text = re.sub(r"\b(?:by|on|without|ignoring|group_left|group_right) *\([^)]*\)", "", expression)
    # Those of our services that are up are ours.
    text = re.sub(r'\bup\{job=~?"vote-', 'vote_up{job="', text)
    text = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\"[^\"]*\"", "", text)
    parts = re.split(r"\bor\b", text)
    return [set(re.findall(r"\b[a-z]+[_:][a-z0-9_:]+\b(?! *\()", part)) for part in parts]


@rule("what is left out by default speaks of others: nothing of it can be said by our services alone")
def left_out(rendered: Rendered) -> Iterator[str]:
    if not rendered.of_kind("PrometheusRule") or "leaveOut" in rendered.values["metrics"]["rules"]:
        return
    there = {one.get("alert") or one["record"] for one in alerts_and_records(rendered)}
    groups = [
        group
        for path in sorted((DEPLOY / "prometheus" / "rules").glob("*.yaml"))
        for group in yaml.safe_load(path.read_text())["groups"]
    ]
    # What is recorded of our series alone is ours, too.
    records = {one["record"]: one["expr"] for group in groups for one in group["rules"] if "record" in one}

    def ours(series: set[str]) -> bool:
        known = [name.startswith(OURS) or name in records and any(map(ours, readings(records[name]))) for name in series]
        return bool(known) and all(known)

    for group in groups:
        for one in group["rules"]:
            name = one.get("alert") or one["record"]
            if name not in there and any(map(ours, readings(str(one["expr"])))):
                yield f"{name} of {group['name']} is left out, and needs no exporter: {one['expr']}"


@breaks("small-show", "an alert on Redis that our services raise, in a group that is left out")
def _(rendered):
    for group in rendered.of_kind("PrometheusRule")[0]["spec"]["groups"]:
        group["rules"] = [one for one in group["rules"] if one.get("alert") != "RedisMisconfigured"]


@breaks("small-show", "an alert on a service that does not answer")
def _(rendered):
    for group in rendered.of_kind("PrometheusRule")[0]["spec"]["groups"]:
        group["rules"] = [one for one in group["rules"] if one.get("alert") != "IngestInstanceDown"]


@breaks("small-show", "an alert on what is recorded of our services' series")
def _(rendered):
    for group in rendered.of_kind("PrometheusRule")[0]["spec"]["groups"]:
        group["rules"] = [one for one in group["rules"] if one.get("alert") != "SnapshotStale"]


@rule("what alerts read is recorded by the rules that are there")
def recorded(rendered: Rendered) -> Iterator[str]:
    rules = alerts_and_records(rendered)
    made = {one["record"] for one in rules if "record" in one}
    for one in rules:
        # Names of recorded series have colons, and nothing else but a text between quotes has.
        expression = re.sub(r'"[^"]*"', "", str(one["expr"]))
        for name in sorted(set(re.findall(r"\b[a-z_]+(?::[a-z0-9_]+)+", expression)) - made):
            yield f"{one.get('alert') or one['record']}: reads {name}, which no rule records any more"


@breaks("small-show", "alerts without the series that they read")
def _(rendered):
    spec = rendered.of_kind("PrometheusRule")[0]["spec"]
    spec["groups"] = [group for group in spec["groups"] if group["name"] != "ingest"]


def relabeled(labels: dict[str, str]) -> str:
    """The job that README.md's relabeling gives a pod that has these labels."""
    text = re.search(r"<!-- relabeling -->\n```yaml\n(.*?)```", (CHART / "README.md").read_text(), re.DOTALL)
    job = "kubernetes-pods"
    metas = {"__meta_kubernetes_pod_label_" + re.sub(r"\W", "_", name): value for name, value in labels.items()}
    for step in yaml.safe_load(text[1])["relabel_configs"]:
        value = ";".join(metas.get(name, "") for name in step["source_labels"])
        if (matched := re.fullmatch(step["regex"], value)) and step["target_label"] == "job":
            job = matched.expand(step["replacement"].replace("$", "\\"))
    return job


def jobs(rendered: Rendered) -> dict[str, set[str]]:
    """The job that each service is scraped as."""
    found = {}
    for monitor in rendered.of_kind("ServiceMonitor", "PodMonitor"):
        spec = monitor["spec"]
        for endpoint in spec.get("endpoints", []) + spec.get("podMetricsEndpoints", []):
            steps = [step for step in endpoint.get("relabelings", []) if step["targetLabel"] == "job"]
            found.setdefault(component(monitor), set()).add(steps[-1]["replacement"] if steps else name_of(monitor))
    for _, one in pods(rendered):
        if one["metadata"].get("annotations", {}).get("prometheus.io/scrape") == "true":
            labels = one["metadata"]["labels"]
            found.setdefault(labels["app.kubernetes.io/component"], set()).add(relabeled(labels))
    return found


@rule("each service is scraped as the job that rules ask for, so that none of them fires for want of it")
def asked_jobs(rendered: Rendered) -> Iterator[str]:
    found = jobs(rendered)
    for name, made in found.items():
        if made != {f"vote-{name}"}:
            yield f"{name}: is scraped as {sorted(made)}, not as vote-{name}"
    if found and set(found) != set(SERVICES):
        yield f"scraped are only {sorted(found)}"
    there = {job for made in found.values() for job in made}
    for one in alerts_and_records(rendered):
        for metric, matchers in re.findall(r"absent\w*\((\w+)(\{[^}]*\})?", str(one["expr"])):
            job = re.search(r'\bjob="([^"]+)"', matchers)
            if job[1] not in there if job else not metric.startswith(OURS):
                yield f"{one['alert']}: may fire for ever: {metric}{matchers} is none of {sorted(there)}"


@breaks("observability", "monitors that leave the job to the Operator")
def _(rendered):
    for monitor in rendered.of_kind("ServiceMonitor"):
        del monitor["spec"]["endpoints"][0]["relabelings"]


@breaks("external-cluster", "a pod that the relabeling doesn't know")
def _(rendered):
    pod(rendered, "results")["metadata"]["labels"]["app.kubernetes.io/part-of"] = "show"


@breaks("small-show", "an alert on a job that isn't there")
def _(rendered):
    alert = copy.deepcopy(alerts_and_records(rendered)[0])
    alert["expr"] = 'absent(up{job="redis"})'
    rendered.of_kind("PrometheusRule")[0]["spec"]["groups"][0]["rules"].append(alert)


@breaks("small-show", "an alert on a series that isn't there")
def _(rendered):
    alert = copy.deepcopy(alerts_and_records(rendered)[0])
    alert["expr"] = "absent(redis_up)"
    rendered.of_kind("PrometheusRule")[0]["spec"]["groups"][0]["rules"].append(alert)


@rule("each dashboard of deploy/grafana is a ConfigMap with the labels that a sidecar looks for")
def dashboards(rendered: Rendered) -> Iterator[str]:
    asked = given(rendered, "dashboards")
    found = [one for one in rendered.of_kind("ConfigMap") if component(one) == "monitoring"]
    data = {name: json.loads(text) for one in found for name, text in one["data"].items()}
    sources = (DEPLOY / "grafana" / "dashboards").glob("*.json") if asked["enabled"] else []
    wanted = {f"paredao-{path.name}": json.loads(path.read_text()) for path in sources}
    if data != wanted:
        yield f"the dashboards {sorted(data)} are not those of deploy/grafana, {sorted(wanted)}"
    for one in found:
        if not asked["labels"].items() <= one["metadata"]["labels"].items():
            yield f"{name_of(one)}: has not the labels {asked['labels']}"


@breaks("observability", "a dashboard that is missing")
def _(rendered):
    rendered.resources.remove(rendered.named("ConfigMap", f"{rendered.prefix}-monitoring-show"))


@breaks("observability", "a dashboard that no sidecar finds")
def _(rendered):
    del rendered.named("ConfigMap", f"{rendered.prefix}-monitoring-slo")["metadata"]["labels"]["grafana_dashboard"]
