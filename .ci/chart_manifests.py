"""Checks of what the chart renders by what others know of Kubernetes: its schemas, and checkov's rules of security."""

import functools
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import jsonschema
import kubernetes_validate
import kubernetes_validate.utils
import yaml

from chart_render import Rendered, name_of

HERE = pathlib.Path(__file__).resolve().parent
# The oldest that Chart.yaml allows, one in between, and the newest that the schemas know.
KUBERNETES = ("1.30", "1.34", "1.37")
EXCEPTIONS = HERE / "checkov-exceptions.yaml"
CRDS = HERE / "chart_crds.json"
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
        return [f"{where}: {error.message}: give it a schema in .ci/{CRDS.name}"]
    return []


def checkov(scenarios: dict[str, Rendered]) -> tuple[Problems, str]:
    exceptions = yaml.safe_load(EXCEPTIONS.read_text())
    with tempfile.TemporaryDirectory() as folder:
        seen = set()
        for name, rendered in scenarios.items():
            for resource in rendered.resources:
                text = yaml.safe_dump(resource)
                if text not in seen:
                    seen.add(text)
                    (pathlib.Path(folder) / f"{name}-{len(seen)}.yaml").write_text(text)
        findings, passed = run_checkov(folder)
    problems, used = [], set()
    for check, resource, title in sorted(findings):
        allowed = [
            one["check"] for one in exceptions if one["check"] == check and re.fullmatch(one["resources"], resource)
        ]
        used |= {
            (check, one["resources"])
            for one in exceptions
            if one["check"] == check and re.fullmatch(one["resources"], resource)
        }
        if not allowed:
            problems.append(f"{check}: {resource}: {title}: mend it, or argue it in .ci/{EXCEPTIONS.name}")
    for one in exceptions:
        if (one["check"], one["resources"]) not in used:
            problems.append(
                f".ci/{EXCEPTIONS.name}: {one['check']} for {one['resources']} isn't needed any more: take it out"
            )
        if len(one.get("why", "")) < 20:
            problems.append(f".ci/{EXCEPTIONS.name}: {one['check']} for {one['resources']} has no reason")
    return (
        problems,
        f"{len(seen)} resources: {passed} checks passed, {len(findings)} argued by {len(exceptions)} exceptions",
    )


def run_checkov(folder: str) -> tuple[set[tuple[str, str, str]], int]:
    """Findings as check, resource (kind/name) and title, and how many checks passed."""
    command = [
        sys.executable,
        "-m",
        "checkov.main",
        "--directory",
        folder,
        "--framework",
        "kubernetes",
        "--output",
        "json",
        "--compact",
        "--quiet",
        "--skip-download",
    ]
    env = os.environ | {"LOG_LEVEL": "ERROR", "CHECKOV_RUN_SCA_PACKAGE_SCAN_V2": "false"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=CHECKOV_LIMIT_S, env=env)
    try:
        report = json.loads(done.stdout)
    except json.JSONDecodeError:
        sys.exit(f"checkov made no report (exit {done.returncode}): {done.stderr[-2000:]}")
    findings = set()
    for found in report["results"]["failed_checks"]:
        kind, _, name = found["resource"].partition(".")
        findings.add((found["check_id"], f"{kind}/{name.rsplit('.', 1)[-1]}", found["check_name"]))
    if report["summary"]["parsing_errors"] or not report["summary"]["passed"]:
        sys.exit(f"checkov could not read what was rendered: {report['summary']}")
    return findings, report["summary"]["passed"]
