#!/usr/bin/env python3
"""Checks the Helm chart in chart/ without a cluster and without the internet: see `make chart-check`.

Prints a line for each check. Exits 1 with what is wrong, where, and what would be right.
`--snapshots` writes the snapshots of the rendered scenarios instead; `--self-test` only proves that the rules can fail.
"""

import argparse
import concurrent.futures
import copy
import difflib
import hashlib
import json
import os
import pathlib
import re
import subprocess
import tempfile
import tomllib
import traceback

import helm_python as helm
import jsonschema
import yaml

from chart import cluster, docs, manifests, programs, redis
from chart.manifests import KUBERNETES, Problems
from chart.mistakes import MISTAKES, MISTAKES_OF_NAMES
from chart.render import CHART, NAMESPACE, PRESETS, RELEASE, SNAPSHOTS, Rendered, merged, render, scenarios
from chart.rules import RULES, SERVICES
from lib import ROOT, report
from lib.report import Failed, passed, wrong
from sizing import page as sizing

REFUSALS = pathlib.Path(__file__).resolve().parent / "refusals.yaml"


class Check:
    """Everything that checks look at: the chart, and what its scenarios render to."""

    def __init__(self, bin_dir: pathlib.Path | None, tools: pathlib.Path | None):
        self.bin_dir, self.tools = bin_dir, tools
        self.chart = helm.Chart.load(CHART)
        self.values = scenarios()
        self.rendered = {name: render(self.chart, name, values) for name, values in self.values.items()}
        # What is rendered under other names; the self-test takes one of them, and spoils it.
        self.releases = [(name, scenario) for name in RELEASES for scenario in ("minimal", "observability", "platform")]
        self.spoil = lambda rendered: None

    # ------------------------------------------------------------------------------------------------- the chart

    def lint(self) -> tuple[Problems, str]:
        problems = []
        for name, values in self.values.items():
            for version in KUBERNETES:
                report = helm.lint(CHART, values, strict=True, namespace=NAMESPACE, kube_version=f"v{version}.0")
                texts = {str(text) for text in report["errors"]}
                texts |= {f"{found['path']}: {found['error']}" for found in report["messages"] if found["severity"] > 1}
                problems += [f"{name}, Kubernetes {version}: {text}" for text in sorted(texts)]
                if report["total_charts_linted"] != 1:
                    problems.append(f"{name}: {report['total_charts_linted']} charts were linted, not one")
        if self.chart.metadata["kubeVersion"] != f">={KUBERNETES[0]}.0-0":
            problems.append(f"Chart.yaml: kubeVersion is not >={KUBERNETES[0]}.0-0, the oldest that is checked")
        return problems, f"{len(self.values)} scenarios, strict, for Kubernetes {', '.join(KUBERNETES)}"

    def documents(self) -> tuple[Problems, str]:
        schema = json.loads(docs.SCHEMA.read_text())
        values = yaml.safe_load((CHART / "values.yaml").read_text())
        rows = docs.rows(schema, schema, values)
        problems = docs.problems()
        for path, _, _ in rows:
            if not any(gives(given, path) for given in self.values.values()):
                problems.append(f"chart/ci: no scenario gives {path}: nobody knows whether it does anything")
        return (
            problems,
            f"{len(rows)} values in schema, values.yaml, README and a scenario; settings as in defaults.toml",
        )

    def schema(self) -> tuple[Problems, str]:
        """The schema is one of draft 7, which both Helm 3 and 4 read, is closed, and takes every scenario."""
        schema = json.loads(docs.SCHEMA.read_text())
        jsonschema.Draft7Validator.check_schema(schema)
        validator = jsonschema.Draft7Validator(schema)
        problems = [
            f"values.schema.json: {path} takes any key: say additionalProperties" for path in open_objects({"": schema})
        ]
        for name, values in self.values.items():
            for error in validator.iter_errors(self.chart.merge_values(values)):
                problems.append(f"{name}: {error.json_path}: {error.message}")
        rust = "".join(path.read_text() for path in sorted((ROOT / "crates/domain/src").rglob("*.rs")))
        for constant, part in (
            ("POLL", ["poll"]),
            ("CANDIDATE", ["poll", "candidates"]),
            ("CHANNEL", ["poll", "channels"]),
        ):
            fields = re.findall(
                r'"(\w+)"', re.search(rf"{constant}_FIELDS: &\[&str\] = &\[(.*?)\];", rust, re.DOTALL)[1]
            )
            found = schema["definitions"][part[0]]
            for name in part[1:]:
                found = found["properties"][name]["items"]
            if set(found["properties"]) != set(fields):
                problems.append(
                    f"values.schema.json: {'.'.join(part)} has {set(found['properties'])}, a poll file {fields}"
                )
        return problems, "valid draft 7, closed, takes all scenarios, knows the fields of a poll file"

    def refusals(self) -> tuple[Problems, str]:
        problems = []
        # Read as Helm reads values, so that numbers and times are what they would be there.
        cases = helm.values_from_yaml(
            "cases:\n" + "".join(f"  {line}\n" for line in REFUSALS.read_text().splitlines())
        )["cases"]
        for case in cases:
            values = merged(self.values[case.get("over", "minimal")], case["values"])
            try:
                render(self.chart, case["what"], values)
            except helm.HelmError as error:
                message = " ".join(str(error).split())
                if not re.search(case["says"], message):
                    problems.append(f"{case['what']}: refused, but not by /{case['says']}/: {message[:400]}")
            else:
                problems.append(f"{case['what']}: was taken: {json.dumps(case['values'])}")
        return problems, f"{len(cases)} wrong or impossible values, each for its own reason"

    def package(self) -> tuple[Problems, str]:
        problems = []
        with tempfile.TemporaryDirectory() as folder:
            archive = helm.package(CHART, destination=folder)
            size = pathlib.Path(archive).stat().st_size
            with helm.Chart.load(archive) as packed:
                names = [found["name"] for found in packed.files]
                again = {name: render(packed, name, values) for name, values in self.values.items()}
        for name, rendered in again.items():
            if rendered.snapshot() != self.rendered[name].snapshot():
                problems.append(f"{name}: the packaged chart renders something else than the folder: see .helmignore")
        if extra := [name for name in names if name.startswith("ci/")]:
            problems.append(f"the package has {extra}: .helmignore must leave out ci/")
        for preset in PRESETS.glob("*.yaml"):
            if f"presets/{preset.name}" not in names:
                problems.append(f"the package lacks presets/{preset.name}")
        version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
        if self.chart.metadata["appVersion"] != version:
            problems.append(f"Chart.yaml: appVersion is {self.chart.metadata['appVersion']}, Cargo.toml has {version}")
        return problems, f"{pathlib.Path(archive).name}, {size // 1024} KiB, renders the same; appVersion is Cargo's"

    # --------------------------------------------------------------------------------------------- what it renders

    def snapshots(self) -> tuple[Problems, str]:
        problems = []
        for name, rendered in self.rendered.items():
            path = SNAPSHOTS / f"{name}.yaml"
            before = path.read_text() if path.exists() else ""
            lines = [
                *difflib.unified_diff(
                    before.splitlines(), rendered.snapshot().splitlines(), str(path.name), "rendered", lineterm="", n=2
                )
            ]
            if lines:
                shown = "\n    ".join(lines[:40] + ["…"] * (len(lines) > 40))
                problems.append(f"{path.relative_to(ROOT)}: if this is meant, run `make chart-snapshots`:\n    {shown}")
        for path in set(SNAPSHOTS.glob("*.yaml")) - {SNAPSHOTS / f"{name}.yaml" for name in self.rendered}:
            problems.append(f"{path.relative_to(ROOT)}: there is no such scenario any more")
        return problems, f"{len(self.rendered)} rendered scenarios are as committed"

    def kubernetes(self) -> tuple[Problems, str]:
        return manifests.kubernetes(self.rendered)

    def checkov(self) -> tuple[Problems, str]:
        return manifests.checkov(self.rendered)

    def rules(self) -> tuple[Problems, str]:
        problems = [
            f"{name}: {text}"
            for name, rendered in self.rendered.items()
            for rule in RULES
            for text in rule.check(rendered)
        ]
        return problems, f"{len(RULES)} rules in {len(self.rendered)} scenarios"

    def self_test(self) -> tuple[Problems, str]:
        """Each rule must find each of the mistakes that are made for it."""
        problems, made = [], 0
        for rule in RULES:
            if not rule.breaks:
                problems.append(f"the rule `{rule.says}` has no change that it must find")
            for scenario, says, change in rule.breaks:
                rendered = copy.deepcopy(self.rendered[scenario])
                change(rendered)
                made += 1
                if not list(rule.check(rendered)):
                    problems.append(f"the rule `{rule.says}` does not find: {says}, in {scenario}")
        for name, scenario, says, change in MISTAKES:
            broken = copy.copy(self)
            broken.rendered = self.rendered | {scenario: copy.deepcopy(self.rendered[scenario])}
            change(broken.rendered[scenario])
            made += 1
            if not getattr(broken, name)()[0]:
                problems.append(f"the check {name} does not find: {says}, in {scenario}")
        for release, scenario, says, change in MISTAKES_OF_NAMES:
            broken = copy.copy(self)
            broken.releases, broken.spoil = [(release, scenario)], change
            made += 1
            found = broken.names()[0]
            if len(found) != 1 or not found[0].startswith(f"the release {release}, {scenario}: "):
                problems.append(f"the check names does not find just one: {says}, of {release} in {scenario}: {found}")
        return problems, f"{made} mistakes made on purpose are found"

    def independence(self) -> tuple[Problems, str]:
        """What is changed of one service changes objects of that service alone."""
        problems, tried = [], 0
        for service in SERVICES:
            other = next(name for name in SERVICES if name != service)
            for what, change, kinds in (
                (
                    "replicas",
                    {"replicas": 7, "autoscaling": {"enabled": False}},
                    {"Deployment", "HorizontalPodAutoscaler"},
                ),
                (
                    "autoscaling",
                    {"autoscaling": {"enabled": True, "minReplicas": 8, "maxReplicas": 90}},
                    {"Deployment", "HorizontalPodAutoscaler"},
                ),
                ("settings", {"settings": {"log": {"level": "debug"}}}, {"ConfigMap", "Deployment"}),
                ("image", {"image": {"tag": "9.9.9", "digest": ""}}, {"Deployment"}),
            ):
                for name in ("minimal", "production"):
                    tried += 1
                    values = merged(self.values[name], {service: change})
                    differing = changed(self.rendered[name], render(self.chart, what, values))
                    for kind, found in sorted(differing):
                        if kind not in kinds or found != f"{RELEASE}-{service}":
                            problems.append(f"{name}: other {what} of {service} change {kind}/{found}, and must not")
                    if not any(kind in kinds for kind, _ in differing):
                        problems.append(f"{name}: other {what} of {service} change nothing")
                    if any(other in found for _, found in differing):
                        problems.append(f"{name}: other {what} of {service} touch {other}")
        return (
            problems,
            f"{tried} changes of one service's scale, settings and image leave the other and Redis as they were",
        )

    def names(self) -> tuple[Problems, str]:
        """Whatever a release may be called, its objects have names that Kubernetes takes, or it says what to do."""
        problems = []
        for name, scenario in self.releases:
            found = render(self.chart, scenario, self.values[scenario], name)
            self.spoil(found)
            problems += [f"the release {name}, {scenario}: {text}" for text in bad_names(found)]
        for name, values in (("2026-show", {}), ("2026-show", {"nameOverride": "votes"})):
            try:
                render(self.chart, name, values, name)
                problems.append(f"the release {name} is taken, and no Service may begin with a digit")
            except helm.HelmError as error:
                if "set fullnameOverride" not in str(error):
                    problems.append(f"the release {name} is refused without a way out: {error}")
        render(self.chart, "2026-show", {"fullnameOverride": "show-2026"}, "2026-show")
        return (
            problems,
            f"{len(RELEASES)} names of releases, with dots and of {len(RELEASES[0])} characters; digits are refused",
        )

    def routes(self) -> tuple[Problems, str]:
        """The regular expression sends every path of ingest's API to ingest, and none of the results'."""
        problems, paths = [], 0
        route = self.rendered["production"].named("HTTPRoute", f"{RELEASE}-ingest")
        pattern = re.compile(route["spec"]["rules"][0]["matches"][0]["path"]["value"])
        for service in SERVICES:
            document = json.loads((ROOT / "openapi" / f"{service}.json").read_text())
            for path in document["paths"]:
                paths += 1
                is_for_ingest = service == "ingest" and path.startswith(("/v1/", "/polls/"))
                if bool(pattern.fullmatch(re.sub(r"\{\w+\}", "paredao-01", path))) != is_for_ingest:
                    problems.append(
                        f"{pattern.pattern}: {path} is an operation of {service}, and would go to the other service"
                    )
        for path in ("/v1/polls/p/votes/batch", "/v1/polls/p/challenge"):
            if not pattern.fullmatch(path):
                problems.append(f"{pattern.pattern}: {path} would not go to ingest")
        return problems, f"{paths} paths of the OpenAPI documents go where they belong"

    def metrics(self) -> tuple[Problems, str]:
        """Autoscalers' metrics are made by the README's rules from series that the services export."""
        problems = []
        exported = set()
        for source in (ROOT / "crates").glob("*/src/**/*.rs"):
            exported |= set(re.findall(r'"((?:vote|http_server)_[a-z_]+)"', source.read_text()))
        adapter = re.search(r"<!-- adapter -->\n```yaml\n(.*?)```", (CHART / "README.md").read_text(), re.DOTALL)
        made = {}
        for found in yaml.safe_load(adapter[1])["rules"]:
            series = found["seriesQuery"].split("{")[0]
            made[found["name"]["as"]] = series
            endings = "(_seconds|_bytes)?(_total|_count|_sum|_bucket)?"
            if not any(re.fullmatch(re.escape(name) + endings, series) for name in exported):
                problems.append(f"chart/README.md: no service exports {series}")
        values = yaml.safe_load((CHART / "values.yaml").read_text())
        used = {
            custom["metric"] for name in SERVICES for custom in values[name]["autoscaling"]["customMetrics"].values()
        }
        if used != set(made):
            problems.append(f"chart/README.md: its rules make {sorted(made)}, values.yaml scales by {sorted(used)}")
        return problems, f"{len(used)} metrics of autoscalers, made of series that the services export"

    def sizing(self) -> tuple[Problems, str]:
        problems, did = sizing.problems(self.rendered)
        known = {f"preset-{size.name}" for size in sizing.SIZES}
        there = {f"preset-{path.stem}" for path in PRESETS.glob("*.yaml")}
        scenarios = {name for name in self.values if name.startswith("preset-")}
        for name in sorted((there | scenarios) ^ known):
            problems.append(
                f"{name}: chart/presets, chart/ci and the sizes of docs/sizing.md have not the same presets"
            )
        return problems, did

    def acl(self) -> tuple[Problems, str]:
        return redis.users(self.rendered["minimal"])

    def programs(self) -> tuple[Problems, str]:
        return programs.programs(self.tools, self.rendered)

    def lookups(self) -> tuple[Problems, str]:
        with tempfile.TemporaryDirectory() as folder:
            problems, did = cluster.lookups(self.tools, pathlib.Path(folder))
            return problems + cluster.self_test(self.tools, pathlib.Path(folder)), did

    def services(self) -> tuple[Problems, str]:
        """The services themselves take the settings files that the scenarios render."""
        built = [self.bin_dir / f"vote-{name}" for name in SERVICES] if self.bin_dir else []
        if not built or not all(path.exists() for path in built):
            return [], "left out: the services are not built (`make build`)"
        for path in built:
            printed = subprocess.run([path, "--print-settings-schema"], stdout=subprocess.PIPE, text=True, check=False)
            if printed.stdout != docs.SETTINGS.read_text():
                return [], f"left out: {path.name} has other settings than {docs.SETTINGS.name} (`make build`)"
        problems, taken = [], 0
        with tempfile.TemporaryDirectory() as folder:
            for name, rendered in self.rendered.items():
                for service in SERVICES:
                    taken += 1
                    settings = rendered.named("ConfigMap", f"{rendered.prefix}-{service}")["data"]["settings.yaml"]
                    if said := refused_settings(self.bin_dir / f"vote-{service}", settings, pathlib.Path(folder)):
                        problems.append(f"{name}: vote-{service} refuses its settings: {said}")
        return problems, f"{taken} settings files are taken by `--check-config`"


CHECKS = (
    "lint", "documents", "schema", "refusals", "package", "snapshots", "kubernetes", "rules", "self_test", "independence",
    "names", "routes", "metrics", "sizing", "acl", "services", "programs", "lookups", "checkov",
)  # fmt: skip
BESIDE = ("checkov", "programs", "lookups")

# The longest that Helm takes, ones with dots where the chart cuts them, one that has the chart's name in it.
RELEASES = ("a" * 53, "show.2026", f"{'show' * 9}.2.3-{'a' * 11}", f"{'show' * 9}abc.2", "paredao.live")


def bad_names(rendered: Rendered) -> list[str]:
    problems = []
    for one in rendered.resources:
        name, kind = one["metadata"]["name"], one["kind"]
        if kind == "Service" and not re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", name):
            problems.append(f"Service/{name} is no name of a Service")
        # Pods get labels with the name, and what tells revisions apart after it.
        longest = {"StatefulSet": 52, "Deployment": 52, "Job": 63}.get(kind, 253)
        if len(name) > longest or not re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", name):
            problems.append(f"{kind}/{name} is no name, or too long")
        for key, value in one["metadata"].get("labels", {}).items():
            if len(value) > 63 or not re.fullmatch(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?", value):
                problems.append(f"{kind}/{name}: {key}: {value} is no label")
    return problems


def gives(values: object, path: str) -> bool:
    """Whether these values have something of that dotted name."""
    for name in path.split("."):
        if not isinstance(values, dict) or name not in values:
            return False
        values = values[name]
    return True


def open_objects(schema: dict, path: str = "") -> list[str]:
    """Objects of ours whose keys are not closed: those with properties. The others are Kubernetes' own."""
    found = []
    for key, part in schema.items():
        where = f"{path}/{key}"
        if isinstance(part, dict) and key not in ("if", "then", "else"):
            is_ours = part.get("type") == "object" and isinstance(part.get("properties"), dict)
            if is_ours and part.get("additionalProperties") is not False:
                found.append(where)
            found += open_objects(part, where)
    return found


def refused_settings(binary: pathlib.Path, settings: str, folder: pathlib.Path) -> str:
    """What a service says against a settings file, whose secrets are replaced by files that are there."""
    made = yaml.safe_load(settings)
    for section, key in [(section, key) for section, keys in made.items() for key in keys if key.endswith("_file")]:
        # Any secret that every setting takes, and no two the same; some are of their own kind.
        secret = folder / f"{section}.{key}"
        digest = hashlib.sha256(secret.name.encode()).hexdigest()
        kinds = {"url_file": "redis://redis:6379", "feed_tokens_file": f"obs:{digest}"}
        secret.write_text(kinds.get(key, digest))
        made[section][key] = str(secret)
    path = folder / "settings.yaml"
    path.write_text(yaml.safe_dump(made))
    env = {key: value for key, value in os.environ.items() if not key.startswith("VOTE__")}
    command = [binary, "--config", path, "--check-config"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=30)
    return done.stderr.strip() or "no reason given" if done.returncode != 0 else ""


def changed(before: Rendered, after: Rendered) -> set[tuple[str, str]]:
    """Kind and name of what differs. Secrets are made anew at every rendering without a cluster."""

    def by_name(rendered: Rendered) -> dict:
        found = {(one["kind"], one["metadata"]["name"]): one for one in rendered.resources if one["kind"] != "Secret"}
        return found

    one, two = by_name(before), by_name(after)
    return {key for key in one.keys() | two.keys() if one.get(key) != two.get(key)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--snapshots", action="store_true", help="write the snapshots of the rendered scenarios")
    parser.add_argument("--self-test", action="store_true", help="only prove that the rules can fail")
    parser.add_argument(
        "--bin-dir", type=pathlib.Path, help="where the built services are, to give them their settings"
    )
    parser.add_argument("--tools", type=pathlib.Path, help="where helm-4, helm-3 and kubectl are")
    arguments = parser.parse_args()
    is_whole = not (arguments.snapshots or arguments.self_test)
    return report.main("chart-check" if is_whole else "a part of chart-check", lambda: run(arguments))


def run(arguments: argparse.Namespace) -> None:
    try:
        check = Check(arguments.bin_dir, arguments.tools)
    except helm.HelmError as error:
        raise Failed(f"the chart does not render: {error}") from None
    if arguments.snapshots:
        write_snapshots(check)
        return
    names = ["self_test"] if arguments.self_test else CHECKS
    # What are processes of their own, and take longest, run beside the others.
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as beside:
        slow = {name: beside.submit(getattr(check, name)) for name in BESIDE if name in names}
        for name in names:
            try:
                problems, did = slow[name].result() if name in slow else getattr(check, name)()
            except (LookupError, TypeError, AttributeError, RuntimeError) as error:
                # What is checked is so wrong that the check stumbles over it.
                traceback.print_exc()
                problems, did = [f"could not be done: {error!r}, see above"], ""
            for problem in problems:
                wrong(name, problem)
            if not problems:
                passed(f"{name.replace('_', '-'):12} {did}")


def write_snapshots(check: Check) -> None:
    SNAPSHOTS.mkdir(exist_ok=True)
    for path in SNAPSHOTS.glob("*.yaml"):
        path.unlink()
    for name, rendered in check.rendered.items():
        (SNAPSHOTS / f"{name}.yaml").write_text(rendered.snapshot())


if __name__ == "__main__":
    raise SystemExit(main())
