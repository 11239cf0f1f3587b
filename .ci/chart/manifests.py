"""Checks of what the chart renders by what others know of Kubernetes: its schemas, and checkov's rules of security."""

import functools
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
from typing import NamedTuple

import jsonschema
import kubernetes_validate
import kubernetes_validate.utils
import yaml

from chart.render import Rendered, name_of

HERE = pathlib.Path(__file__).resolve().parent
# The oldest that Chart.yaml allows, one in between, and the newest that the schemas know.
KUBERNETES = ("1.30", "1.34", "1.37")
EXCEPTIONS = HERE / "checkov-exceptions.yaml"
CRDS = HERE / "crds.json"
CHECKOV_LIMIT_S = 120

Problems = list[str]


def kubernetes(scenarios: dict[str, Rendered]) -> tuple[Problems, str]:
    kubernetes_validate.utils.schema_contents = functools.cache(kubernetes_validate.utils.schema_contents)
    crds = json.loads(CRDS.read_text())
    custom = {
        kind: jsonschema.Draft7Validator(schema | {"definitions": crds["definitions"]})
        for kind, schema in crds["schemas"].items()
    }
    problems, seen, used = [], set(), set()
    for name, rendered in scenarios.items():
        for resource in rendered.resources:
            text = json.dumps(resource, sort_keys=True)
            kind = f"{resource['apiVersion']}/{resource['kind']}"
            if text in seen:
                continue
            seen.add(text)
            if kind in custom:
                used.add(kind)
                for error in custom[kind].iter_errors(resource):
                    problems.append(f"{name}: {name_of(resource)}: {error.json_path}: {error.message}")
                continue
            for version in KUBERNETES:
                problems += invalid(name, resource, version)
    problems += [f"{CRDS.name}: no scenario renders {kind}" for kind in sorted(set(custom) - used)]
    return problems, (
        f"{len(seen)} resources, strict, against {', '.join(KUBERNETES)}; "
        f"{len(used)} kinds of CRDs against schemas of our own ({CRDS.name})"
    )


def invalid(scenario: str, resource: dict, version: str) -> Problems:
    where = f"{scenario}: {name_of(resource)}, Kubernetes {version}"
    try:
        kubernetes_validate.validate(resource, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        path = ".".join(str(part) for part in error.path)
        return [f"{where}: {path}: {error.message}"]
    except kubernetes_validate.SchemaNotFoundError as error:
        return [f"{where}: {error.message}: give it a schema in .ci/chart/{CRDS.name}"]
    return []


class Finding(NamedTuple):
    check: str
    scenario: str
    # kind/name
    resource: str
    title: str


class Argued(NamedTuple):
    """An argued exception: `resources` and `scenarios` are regular expressions of the whole."""

    check: str
    resources: str
    why: str
    scenarios: str = ".*"

    def covers(self, finding: Finding) -> bool:
        is_named = re.fullmatch(self.resources, finding.resource) and re.fullmatch(self.scenarios, finding.scenario)
        return self.check == finding.check and bool(is_named)


def checkov(scenarios: dict[str, Rendered]) -> tuple[Problems, str]:
    exceptions = [Argued(**one) for one in yaml.safe_load(EXCEPTIONS.read_text())]
    with tempfile.TemporaryDirectory() as folder:
        seen = set()
        for name, rendered in scenarios.items():
            (pathlib.Path(folder) / name).mkdir()
            for resource in rendered.resources:
                text = yaml.safe_dump(resource)
                if text not in seen:
                    seen.add(text)
                    (pathlib.Path(folder) / name / f"{len(seen)}.yaml").write_text(text)
        findings, passed = run_checkov(folder)
    listed = f".ci/chart/{EXCEPTIONS.name}"
    problems = [
        f"{found.scenario}: {found.resource}: {found.check}: {found.title}: mend it, or argue it in {listed}"
        for found in sorted(findings)
        if not any(one.covers(found) for one in exceptions)
    ]
    for one in exceptions:
        if not any(one.covers(found) for found in findings):
            problems.append(f"{listed}: {one.check} for {one.resources} isn't needed any more: take it out")
        if len(one.why) < 20:
            problems.append(f"{listed}: {one.check} for {one.resources} has no reason")
    return problems, f"{len(seen)} resources: {passed} checks passed, {len(findings)} findings argued in {listed}"


def run_checkov(folder: str) -> tuple[set[Finding], int]:
    """What it finds, and how many of its checks passed."""
    options = f"--directory {folder} --framework kubernetes --output json --compact --quiet --skip-download"
    done = subprocess.run(
        [sys.executable, "-m", "checkov.main", *options.split()],
        env=os.environ | {"LOG_LEVEL": "ERROR"},
        capture_output=True,
        text=True,
        check=False,
        timeout=CHECKOV_LIMIT_S,
    )
    try:
        report = json.loads(done.stdout)
    except json.JSONDecodeError:
        sys.exit(f"checkov made no report (exit {done.returncode}): {done.stderr[-2000:]}")
    if report["summary"]["parsing_errors"] or not report["summary"]["passed"]:
        sys.exit(f"checkov could not read what was rendered: {report['summary']}")
    findings = set()
    for found in report["results"]["failed_checks"]:
        kind, _, name = found["resource"].partition(".")
        scenario = found["file_path"].strip("/").split("/")[0]
        resource = f"{kind}/{name.rsplit('.', 1)[-1]}"
        findings.add(Finding(found["check_id"], scenario, resource, found["check_name"]))
    return findings, report["summary"]["passed"]
