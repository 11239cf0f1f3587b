"""The chart through the programs that people run: helm 4 and 3, and kubectl. See tools.txt."""

import pathlib
import subprocess
import tempfile

import yaml

from chart.manifests import KUBERNETES
from chart.render import CHART, NAMESPACE, RELEASE, Rendered, name_of

Problems = list[str]

HELMS = ("helm-4", "helm-3")
LIMIT_S = 60
# What helm lets pass, and kubectl must not.
TWICE = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {b: c, b: d}}\n"


def run(program: pathlib.Path, *words: object) -> subprocess.CompletedProcess:
    """One call, which knows nothing of the plugins, caches and clusters of who runs it."""
    with tempfile.TemporaryDirectory() as home:
        return subprocess.run(
            [program, *map(str, words)],
            env={"HOME": home, "PATH": "/usr/bin:/bin", "KUBECONFIG": f"{home}/none"},
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_S,
        )


def resources(text: str) -> dict[str, dict]:
    """What was rendered, by kind and name; passwords that were made are no part of it."""
    found = {}
    for resource in yaml.safe_load_all(text):
        if resource:
            if resource["kind"] == "Secret":
                resource.pop("data")
            found[name_of(resource)] = resource
    return found


def programs(tools: pathlib.Path | None, rendered: dict[str, Rendered]) -> tuple[Problems, str]:
    """Both helms take and package the chart, and render what the checks look at; kubectl reads it."""
    if not tools or not (tools / HELMS[0]).exists():
        return [], "left out: there is no helm and no kubectl for this machine (.ci/chart/tools.txt)"
    problems, calls = [], 0
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        if not read(tools, root / "twice", TWICE):
            problems.append("kubectl takes a key that is there twice: it proves nothing")
        for helm in HELMS:
            packed = run(tools / helm, "package", CHART, "--destination", root / helm)
            archives = [*(root / helm).glob("*.tgz")]
            if packed.returncode or len(archives) != 1:
                problems.append(f"{helm} package: {packed.stderr.strip()}")
                continue
            for name, one in rendered.items():
                values = root / f"{name}.yaml"
                values.write_text(yaml.safe_dump(one.values))
                given = ("--namespace", NAMESPACE, "--values", values, "--kube-version", KUBERNETES[0])
                linted = run(tools / helm, "lint", "--strict", CHART, *given)
                calls += 2
                if linted.returncode:
                    problems.append(f"{name}: {helm} lint: {linted.stdout.strip()}{linted.stderr.strip()}")
                made = run(tools / helm, "template", RELEASE, archives[0], *given)
                if made.returncode:
                    problems.append(f"{name}: {helm} template: {made.stderr.strip()}")
                    continue
                problems += [f"{name}: {helm}: {text}" for text in differences(one, made.stdout)]
                problems += [f"{name}: kubectl: {text}" for text in read(tools, root / name, made.stdout)]
                calls += 1
    return (
        problems,
        f"helm 4 and 3 package, lint and render {len(rendered)} scenarios alike; kubectl reads them: {calls} calls",
    )


def differences(rendered: Rendered, text: str) -> list[str]:
    wanted = resources(yaml.safe_dump_all(rendered.resources))
    found = resources(text)
    return [
        f"{name} is not what the checks look at"
        for name in sorted(wanted.keys() | found.keys())
        if wanted.get(name) != found.get(name)
    ]


def read(tools: pathlib.Path, folder: pathlib.Path, text: str) -> list[str]:
    """kubectl's kustomize reads strictly what helm lets pass: no key twice in a map, no object twice."""
    folder.mkdir(exist_ok=True)
    (folder / "all.yaml").write_text(text)
    (folder / "kustomization.yaml").write_text("resources: [all.yaml]\n")
    done = run(tools / "kubectl", "kustomize", folder)
    return [done.stderr.strip()] if done.returncode else []
