"""Logs and traces: Alloy, Loki, Tempo, the OpenTelemetry Collector, and Grafana's provisioning.

These servers are not run here. So: syntax, names and addresses are checked, and
the log pipeline is followed step by step, with the same expressions, on lines of real services.
"""

import datetime
import json
import pathlib
import re

import jmespath
import yaml

from lib.report import passed, wrong

from . import alloy, stage_match
from .processes import POLL

# What our components take, from Alloy's reference. A name that is not here is a slip, or belongs here.
ALLOY = {
    "logging": {"level", "format"},
    "discovery.docker": {"host", "refresh_interval"},
    "filter": {"name", "values"},
    "discovery.relabel": {"targets"},
    "rule": {"source_labels", "target_label", "regex", "replacement", "action", "separator", "modulus"},
    "loki.source.docker": {"host", "targets", "forward_to", "labels", "relabel_rules", "refresh_interval"},
    "loki.process": {"forward_to"},
    "stage.match": {"selector", "action", "pipeline_name", "drop_counter_reason"},
    "stage.json": {"expressions", "source", "drop_malformed"},
    "stage.timestamp": {"source", "format", "fallback_formats", "location", "action_on_failure"},
    "stage.labels": {"values"},
    "stage.structured_metadata": {"values"},
    "loki.write": {"external_labels", "max_streams"},
    "endpoint": {"url", "name", "batch_wait", "batch_size", "remote_timeout", "tenant_id"},
}
EXPORTS = {
    "discovery.docker": {"targets"},
    "discovery.relabel": {"output", "rules"},
    "loki.process": {"receiver"},
    "loki.write": {"receiver"},
}
# Few and small, or Loki's index grows with the voters.
LABELS = {"service", "level", "container"}
TRACE = {"trace_id": re.compile(r"^[0-9a-f]{32}$"), "span_id": re.compile(r"^[0-9a-f]{16}$")}
LOKI_SECTIONS = {
    "auth_enabled",
    "server",
    "common",
    "schema_config",
    "limits_config",
    "compactor",
    "analytics",
    "storage_config",
    "ruler",
    "query_range",
}
TEMPO_SECTIONS = {
    "server",
    "distributor",
    "storage",
    "usage_report",
    "overrides",
    "query_frontend",
    "metrics_generator",
}


class Pipeline:
    """The stages of `loki.process`, as far as they concern our lines."""

    def __init__(self, path: pathlib.Path) -> None:
        self.where = "deploy/loki/config.alloy"
        self.root = alloy.Block("", None, 1)
        try:
            self.root = alloy.parse(path.read_text())
        except alloy.AlloyError as error:
            wrong(self.where, str(error))
        self.labels: dict[str, str] = self.stage("stage.labels", "values")
        self.metadata: dict[str, str] = self.stage("stage.structured_metadata", "values")
        self.expressions = {
            name: jmespath.compile(text) for name, text in self.stage("stage.json", "expressions").items()
        }
        self.match: stage_match.Selector | None = None
        try:
            self.match = stage_match.parse(self.stage("stage.match", "selector", "") or "")
        except stage_match.SelectorError as error:
            wrong(f"{self.where}, stage.match", f"Alloy does not start with its selector: {error}")
        self.timestamp = self.stage("stage.timestamp", "source", "")

    def stage(self, name: str, attribute: str, default=None):
        block = self.root.find(name)
        return block.attributes.get(attribute, {}) if block else ({} if default is None else default)

    def all_labels(self) -> set[str]:
        """Those that stages set, and those that come from Docker."""
        relabel = self.root.find("discovery.relabel")
        rules = [block.attributes.get("target_label") for block in relabel.blocks] if relabel else []
        return set(self.labels) | {label for label in rules if label}

    def check(self) -> None:
        components = {f"{block.name}.{block.label}": block for block in self.root.blocks if block.label}
        for block in self.root.walk():
            where = f"{self.where}, line {block.line}, {block.name}"
            known = ALLOY.get(block.name)
            if known is None:
                wrong(
                    where,
                    "is no component or block that we know",
                    f"one of {sorted(ALLOY)}, or an entry in ALLOY",
                )
                continue
            for name, value in block.attributes.items():
                if name not in known:
                    wrong(where, f"takes no {name}", f"one of {sorted(known)}")
                for reference in references(value):
                    component, _, export = reference.name.rpartition(".")
                    if component not in components or export not in EXPORTS.get(
                        components[component].name, set()
                    ):
                        wrong(
                            where, f"{name} names {reference.name}", f"an export of {sorted(components)}"
                        )
        if self.all_labels() - LABELS:
            wrong(
                self.where,
                f"the labels {sorted(self.all_labels() - LABELS)} may have many values",
                f"structured metadata; labels are {sorted(LABELS)}",
            )
        if not set(TRACE) <= set(self.metadata):
            wrong(
                self.where, f"structured metadata is {sorted(self.metadata)}", f"with {sorted(TRACE)}"
            )
        for stage, names in (
            ("stage.labels", self.labels),
            ("stage.structured_metadata", self.metadata),
            ("stage.timestamp", {"source": self.timestamp}),
        ):
            for source in names.values():
                if source not in self.expressions:
                    wrong(
                        self.where,
                        f"{stage} takes {source}, which stage.json does not extract",
                        f"one of {sorted(self.expressions)}",
                    )

    def run(self, labels: dict[str, str], line: str) -> tuple[dict, dict, datetime.datetime | None] | None:
        """Labels, metadata and time of a container's line; `None` where the pipeline lets it pass as it is."""
        if not (self.match and self.match.takes(labels, line)):
            return None
        document = json.loads(line)
        extracted = {name: expression.search(document) for name, expression in self.expressions.items()}

        def pick(names: dict[str, str]) -> dict[str, str]:
            return {
                label: extracted[source]
                for label, source in names.items()
                if extracted.get(source) is not None
            }

        try:
            # RFC3339Nano of Go: what the stage is told to expect.
            time = datetime.datetime.fromisoformat(extracted[self.timestamp].replace("Z", "+00:00"))
        except (ValueError, KeyError, AttributeError):
            time = None
        return pick(self.labels), pick(self.metadata), time


def references(value):
    if isinstance(value, alloy.Reference):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from references(item)
    elif isinstance(value, dict):
        yield from references(list(value.values()))


def check_lines(pipeline: Pipeline, logs: dict[str, list[str]]) -> None:
    """The pipeline on the lines that real services have written."""
    if pipeline.run({"service": "redis"}, "1:M 24 Nov 2026 20:00:00.000 * Ready to accept connections"):
        wrong(pipeline.where, "the pipeline takes a line of Redis for one of ours")
    count = with_trace = blocked = 0
    for service, lines in logs.items():
        for line in lines:
            where = f"a log line of {service}"
            result = pipeline.run({"service": service, "container": f"paredao-{service}-1"}, line)
            if result is None:
                wrong(
                    where,
                    f"the pipeline does not take it for one of ours: {line[:200]}",
                    "a JSON object that begins with its timestamp",
                )
                continue
            count += 1
            document = json.loads(line)
            if document["message"] in ("lane blocked", "lane unblocked"):
                blocked += 1
                if document.get("poll") != POLL:
                    wrong(where, f"it does not name the poll: {line[:300]}", f'"poll":"{POLL}"')
            labels, metadata, time = result
            if labels.get("service") != service or labels.get("level") not in (
                "ERROR",
                "WARN",
                "INFO",
                "DEBUG",
                "TRACE",
            ):
                wrong(
                    where, f"its labels are {labels}: {line[:200]}", f"service={service} and a level"
                )
            if time is None or time.tzinfo is None:
                wrong(
                    where,
                    f"its time can't be read: {line[:200]}",
                    "an RFC 3339 timestamp under the name that stage.timestamp takes",
                )
            for name, pattern in TRACE.items():
                if name in metadata and not pattern.match(metadata[name]):
                    wrong(where, f"{name} is {metadata[name]!r}", pattern.pattern)
            with_trace += "trace_id" in metadata
            if '"trace_id"' in line and "trace_id" not in metadata:
                wrong(where, f"its trace_id is not extracted: {line[:300]}")
    if blocked == 0:
        wrong("the services' logs", "no lane says that it is blocked", "`lane blocked`, while Redis hangs")
    if with_trace == 0:
        wrong(
            "the services' logs",
            "no line with a trace_id was seen",
            "`lane blocked` has one, when the batch that is stuck carries a traced vote",
        )
    passed(
        f"log pipeline: {count} lines of real services by the expressions of config.alloy, {with_trace} of them with a trace id"
    )


def check_files(deploy: pathlib.Path, sources: dict[str, dict]) -> None:
    loki, tempo, collector = (
        yaml.safe_load((deploy / path).read_text())
        for path in ("loki/loki.yaml", "otel/tempo.yaml", "otel/collector.yaml")
    )

    for path, document, known in (
        ("loki/loki.yaml", loki, LOKI_SECTIONS),
        ("otel/tempo.yaml", tempo, TEMPO_SECTIONS),
    ):
        for section in set(document) - known:
            wrong(f"deploy/{path}", f"the section {section} is not known", f"one of {sorted(known)}")
    newest = loki["schema_config"]["configs"][-1]
    if (newest["store"], newest["schema"]) != ("tsdb", "v13") or not loki["limits_config"][
        "allow_structured_metadata"
    ]:
        wrong(
            "deploy/loki/loki.yaml",
            "structured metadata is not possible",
            "store tsdb, schema v13, allow_structured_metadata true",
        )
    if loki["compactor"]["retention_enabled"] and "delete_request_store" not in loki["compactor"]:
        wrong("deploy/loki/loki.yaml", "retention has no delete_request_store")

    check_collector(collector)
    handed_on(deploy)
    linked_back(deploy)
    addresses(deploy, sources, loki, tempo, collector)
    provisioning(deploy, sources)
    passed(
        "Loki, Tempo, OpenTelemetry Collector: YAML, sections, pipelines, addresses of each other; Alloy: its syntax, components, references"
    )


def handed_on(deploy: pathlib.Path) -> None:
    """What Compose's profile sets reaches the services: compose.yaml names it, and its protocol is that of the port."""
    lines = (deploy / "compose/observability.env").read_text().splitlines()
    settings = dict(line.split("=", 1) for line in lines if line.startswith("OTEL_"))
    environment = yaml.safe_load((deploy.parent / "compose.yaml").read_text())["x-vote-environment"]
    for name in settings:
        if environment.get(name, "").startswith(f"${{{name}:-") is False:
            wrong("compose.yaml, x-vote-environment", f"does not hand on {name}", f"{name}: ${{{name}:-}}")
    protocol = {"4317": "grpc", "4318": "http/protobuf"}.get(settings["OTEL_EXPORTER_OTLP_ENDPOINT"].rpartition(":")[2])
    if settings.get("OTEL_EXPORTER_OTLP_PROTOCOL") != protocol:
        wrong(
            "deploy/compose/observability.env",
            f"the protocol is {settings.get('OTEL_EXPORTER_OTLP_PROTOCOL')}",
            f"{protocol}, which the collector takes on that port",
        )


def linked_back(deploy: pathlib.Path) -> None:
    """What links in alerts lead to is where people are, and not the name of a container."""
    services = yaml.safe_load((deploy.parent / "compose.yaml").read_text())["services"]
    for name in ("prometheus", "alertmanager"):
        urls = [word for word in services[name]["command"] if word.startswith("--web.external-url=")]
        if len(urls) != 1 or f"{name.upper()}_URL" not in urls[0]:
            wrong(f"compose.yaml, {name}", f"its external URL is {urls}", f"--web.external-url=${{{name.upper()}_URL:-…}}")


def check_collector(collector: dict) -> None:
    where = "deploy/otel/collector.yaml"
    pipelines = collector["service"]["pipelines"]
    for kind in ("receivers", "processors", "exporters"):
        used = {name for pipeline in pipelines.values() for name in pipeline.get(kind, [])}
        defined = set(collector.get(kind, {}))
        for name in used - defined:
            wrong(where, f"a pipeline names the {kind[:-1]} {name}", f"one of {sorted(defined)}")
        for name in defined - used:
            wrong(where, f"the {kind[:-1]} {name} is in no pipeline")
    for name in set(collector["service"].get("extensions", [])) ^ set(collector.get("extensions", {})):
        wrong(where, f"the extension {name} is defined or named, and not both")
    for name, pipeline in pipelines.items():
        if pipeline["processors"][0] != "memory_limiter" or pipeline["processors"][-1] != "batch":
            wrong(
                where,
                f"the processors of {name} are {pipeline['processors']}",
                "memory_limiter first, batch last",
            )
    if set(collector["receivers"]["otlp"]["protocols"]) != {"grpc", "http"}:
        wrong(where, "OTLP is not taken by both protocols", "grpc and http")


def addresses(
    deploy: pathlib.Path, sources: dict, loki: dict, tempo: dict, collector: dict
) -> None:
    """Who sends where: both ends have to name the same port."""
    ports = {
        "loki": loki["server"]["http_listen_port"],
        "tempo": tempo["server"]["http_listen_port"],
        "prometheus": 9090,
    }
    for uid, source in sources.items():
        if source["url"] != f"http://{uid}:{ports.get(uid)}":
            wrong(
                "deploy/grafana/provisioning/datasources",
                f"{uid} is at {source['url']}",
                f"http://{uid}:{ports.get(uid)}",
            )
    push = re.search(r'url = "(.*)"', (deploy / "loki/config.alloy").read_text())
    if not push or push.group(1) != f"http://loki:{ports['loki']}/loki/api/v1/push":
        wrong(
            "deploy/loki/config.alloy",
            f"loki.write sends to {push and push.group(1)}",
            f"http://loki:{ports['loki']}/loki/api/v1/push",
        )
    listens = tempo["distributor"]["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"].rpartition(":")[2]
    for name, exporter in collector["exporters"].items():
        if exporter["endpoint"] != f"tempo:{listens}":
            wrong(
                "deploy/otel/collector.yaml", f"{name} sends to {exporter['endpoint']}", f"tempo:{listens}"
            )


def provisioning(deploy: pathlib.Path, sources: dict) -> None:
    where = "deploy/grafana/provisioning/datasources"
    fields = sources["loki"]["jsonData"]["derivedFields"]
    for field in fields:
        if (
            field["datasourceUid"] not in sources
            or field.get("matcherType") != "label"
            or field["matcherRegex"] not in TRACE
        ):
            wrong(
                where,
                f"the derived field {field['name']} is {field}",
                "by label, on trace_id, into a data source that is provisioned",
            )
        if field["url"] != "$${__value.raw}":
            wrong(
                where,
                f"the url of {field['name']} is {field['url']}",
                "$${__value.raw}: $$ stands for one $ in provisioning",
            )
    target = sources["tempo"]["jsonData"]["tracesToLogsV2"]["datasourceUid"]
    if target not in sources:
        wrong(where, f"traces lead to {target}", f"one of {sorted(sources)}")
    providers = yaml.safe_load((deploy / "grafana/provisioning/dashboards/dashboards.yaml").read_text())[
        "providers"
    ]
    if [provider["type"] for provider in providers] != ["file"]:
        wrong("deploy/grafana/provisioning/dashboards", "dashboards do not come from files")
