"""Renders the chart as Helm does, for the checks: scenarios, their resources, their snapshots."""

import dataclasses
import re
import textwrap

import helm_python as helm
import yaml

from lib import ROOT

CHART = ROOT / "chart"
SNAPSHOTS = CHART / "ci" / "snapshots"
PRESETS = CHART / "presets"
RELEASE, NAMESPACE = "paredao", "show"


@dataclasses.dataclass
class Rendered:
    """What an install would apply: resources, and the text of every template's output by its path."""

    name: str
    values: dict
    resources: list[dict]
    texts: dict[str, str]

    @property
    def prefix(self) -> str:
        """What names of objects begin with."""
        name = self.values.get("nameOverride", "")
        return self.values.get("fullnameOverride") or (f"{RELEASE}-{name}" if name not in RELEASE else RELEASE)

    def of_kind(self, *kinds: str) -> list[dict]:
        return [resource for resource in self.resources if resource["kind"] in kinds]

    def named(self, kind: str, name: str) -> dict | None:
        return next((found for found in self.of_kind(kind) if found["metadata"]["name"] == name), None)

    def snapshot(self) -> str:
        """The whole as one YAML text, notes as a comment. Passwords that were made are no part of it."""
        parts = []
        for path, text in sorted(self.texts.items()):
            if path.endswith("NOTES.txt"):
                text = "".join(f"# {line}".rstrip() + "\n" for line in text.strip().splitlines())
            text = re.sub(r"^---\n", "", text.strip() + "\n")
            if text.strip():
                parts.append(f"---\n# Source: {path}\n{text}")
        text = "".join(parts)
        for secret in self.of_kind("Secret"):
            for value in secret["data"].values():
                text = text.replace(value, "MADE-AT-INSTALL")
        # Nor is what is copied from deploy/ and compared with it: rules are named, dashboards left out.
        for rules in self.of_kind("PrometheusRule"):
            names = [
                f"    # {group['name']}: {', '.join(rule.get('alert') or rule['record'] for rule in group['rules'])}\n"
                for group in rules["spec"]["groups"]
            ]
            groups = re.compile(r"(kind: PrometheusRule\n.*?\n  groups:\n).*?(?=---\n|\Z)", flags=re.DOTALL)
            text = groups.sub(lambda found, names=names: found[1] + "".join(names), text)
        for path in (CHART / "files" / "grafana").glob("*.json"):
            text = text.replace(textwrap.indent(path.read_text(), " " * 4), f"    # chart/files/grafana/{path.name}\n")
        return re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)


def name_of(resource: dict) -> str:
    return f"{resource['kind']}/{resource['metadata']['name']}"


def scenarios() -> dict[str, dict]:
    """The values of each scenario by its name, read as Helm reads them; those of a preset over the preset itself."""
    found = {}
    for path in sorted((CHART / "ci").glob("*-values.yaml")):
        name = path.name.removesuffix("-values.yaml")
        values = helm.values_from_yaml(path.read_text()) or {}
        if name.startswith("preset-"):
            preset = PRESETS / f"{name.removeprefix('preset-')}.yaml"
            values = merged(helm.values_from_yaml(preset.read_text()), values)
        found[name] = values
    return found


def render(chart: helm.Chart, name: str, values: dict, release: str = RELEASE) -> Rendered:
    """Renders; raises `helm.HelmError` where schema or templates refuse the values."""
    texts = chart.render(values, name=release, namespace=NAMESPACE)
    resources = []
    for path, text in texts.items():
        if not path.endswith("NOTES.txt"):
            resources += [resource for resource in yaml.safe_load_all(text) if resource]
    return Rendered(name, values, resources, texts)


def merged(base: dict, change: dict) -> dict:
    """Values over values, as `helm -f base -f change`."""
    result = dict(base)
    for key, value in change.items():
        both_are_maps = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both_are_maps else value
    return result


def pod_of(resource: dict) -> dict | None:
    """The pod template of a workload, or the pod itself: something with `metadata` and `spec`."""
    match resource["kind"]:
        case "Deployment" | "StatefulSet" | "Job":
            return resource["spec"]["template"]
        case "Pod":
            return resource
    return None


def pods(rendered: Rendered) -> list[tuple[str, dict]]:
    """Every pod that would run, with the name of what makes it."""
    found = [(name_of(resource), pod_of(resource)) for resource in rendered.resources]
    return [(name, pod) for name, pod in found if pod]


def containers(pod: dict) -> list[dict]:
    return pod["spec"].get("initContainers", []) + pod["spec"]["containers"]


def matches(selector: dict, labels: dict) -> bool:
    """Whether a label selector selects these labels."""
    wanted = selector.get("matchLabels", {})
    return not selector.get("matchExpressions") and all(labels.get(key) == value for key, value in wanted.items())
