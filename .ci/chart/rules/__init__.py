"""What must hold in every rendered scenario, beyond what a schema can say.

A rule yields a sentence for each violation. Each has at least one `breaks`: a change of a rendered scenario that the
rule must find, so that `check.py --self-test` proves that it can fail.
"""

import dataclasses
from collections.abc import Callable, Iterator

from chart.render import Rendered, containers, matches, pods

SERVICES = ("ingest", "results")

Breaks = Callable[[Rendered], None]


@dataclasses.dataclass
class Rule:
    says: str
    check: Callable[[Rendered], Iterator[str]]
    # Name of a scenario, and what to break in it.
    breaks: list[tuple[str, str, Breaks]]


RULES: list[Rule] = []


def rule(says: str):
    def register(check):
        RULES.append(Rule(says, check, []))
        return check

    return register


def breaks(scenario: str, says: str):
    """Adds a change that the rule above must find."""

    def register(change):
        RULES[-1].breaks.append((scenario, says, change))
        return change

    return register


def component(resource: dict) -> str:
    return resource["metadata"].get("labels", {}).get("app.kubernetes.io/component", "")


def workload(rendered: Rendered, name: str) -> dict:
    return next(found for found in rendered.of_kind("Deployment", "StatefulSet") if component(found) == name)


def pod(rendered: Rendered, name: str) -> dict:
    return workload(rendered, name)["spec"]["template"]


def selected(rendered: Rendered, selector: dict) -> list[tuple[str, dict]]:
    return [(name, found) for name, found in pods(rendered) if matches(selector, found["metadata"]["labels"])]


def port_names(found: dict) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for made in containers(found) for port in made.get("ports", [])}


# Each registers its rules.
from . import monitoring, network, objects, passed_on, running  # noqa: E402, F401
