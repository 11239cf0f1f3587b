"""Which metrics there are, with their labels and values: from live services, from rules, from lists."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import promql_parser as pq

from lib.report import wrong

from . import promql

SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? \S+")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
TYPE = re.compile(r"^# TYPE (\S+) (\S+)")
# Prometheus adds these to whatever it scrapes.
TARGET = frozenset({"job", "instance"})


@dataclass
class Metric:
    """A metric's labels, and the values that were seen; `None`: any."""

    labels: frozenset[str] | None
    values: dict[str, set[str]] = field(default_factory=dict)
    jobs: set[str] = field(default_factory=set)
    is_gauge: bool = False


@dataclass
class Inventory:
    """All metrics that rules and dashboards may name."""

    jobs: set[str]
    metrics: dict[str, Metric] = field(default_factory=dict)
    recording: dict[str, list[dict]] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    resolved: dict[str, frozenset[str] | None] = field(default_factory=dict)

    def scraped(self, job: str, text: str) -> set[str]:
        """Takes over what a target exports, and gives the names."""
        names = set()
        gauges = set()
        for line in text.splitlines():
            if (kind := TYPE.match(line)) and kind.group(2) == "gauge":
                gauges.add(kind.group(1))
            if line.startswith("#") or not (sample := SAMPLE.match(line)):
                continue
            name, pairs = sample.group(1), LABEL.findall(sample.group(2) or "")
            names.add(name)
            metric = self.metrics.setdefault(name, Metric(TARGET))
            metric.labels |= {label for label, _ in pairs}
            metric.jobs.add(job)
            metric.is_gauge = name in gauges
            for label, value in pairs:
                metric.values.setdefault(label, set()).add(value)
        return names

    def listed(self, job: str, name: str, labels: Iterable[str]) -> None:
        """Takes over a metric of a checked-in list."""
        if name not in self.metrics:
            self.metrics[name] = Metric(TARGET | frozenset(labels), jobs={job})

    def labels_of(self, name: str) -> frozenset[str] | None:
        if name in ("ALERTS", "ALERTS_FOR_STATE"):
            return None
        if name == "up":
            return TARGET
        if name in self.metrics:
            return self.metrics[name].labels
        if name in self.recording:
            if name not in self.resolved:
                self.resolved[name] = None
                self.resolved[name] = self.labels_of_recorded(name)
            return self.resolved[name]
        return None

    def labels_of_recorded(self, name: str) -> frozenset[str] | None:
        found: frozenset[str] = frozenset()
        for rule in self.recording[name]:
            one = promql.labels(promql.parse(rule["expr"]), self.labels_of, lambda _: None)
            if one is None:
                return None
            found |= one | set(rule.get("labels", {}))
        return found

    def exists(self, name: str) -> bool:
        return name in self.metrics or name in self.recording or name in ("up", "ALERTS", "ALERTS_FOR_STATE")

    def check(self, where: str, expression: str) -> set[str] | None:
        """Looks at every metric, label and fixed value of an expression, and gives the labels of its
        result; `None` where they can't be known."""
        try:
            tree = promql.parse(expression)
        except ValueError as error:
            wrong(where, f"{expression!r} is no PromQL: {error}")
            return None
        unknown = False
        for selector in promql.selectors(tree):
            unknown |= not self.selector(where, selector)
        for selector in promql.rated(tree):
            name = promql.name_of(selector)
            if name in self.metrics and self.metrics[name].is_gauge:
                wrong(where, f"{name} is a gauge, and has no rate", "deriv, delta, or another metric")
        if unknown:
            return None
        result = promql.labels(
            tree, self.labels_of, lambda what: wrong(f"{where}", f"{what} (in {expression.strip()!r})")
        )
        return None if result is None else set(result)

    def selector(self, where: str, selector) -> bool:
        name = promql.name_of(selector)
        self.used.add(name)
        if not self.exists(name):
            wrong(where, f"nothing exports {name}", self.nearest(name))
            return False
        labels = self.labels_of(name)
        for matcher in promql.matchers(selector):
            if matcher.name == "__name__" or labels is None:
                continue
            if matcher.name not in labels:
                wrong(where, f"{name} has no label {matcher.name}", f"one of {sorted(labels)}")
            elif matcher.op == pq.MatchOp.Equal:
                self.value(where, name, matcher)
        return True

    def value(self, where: str, name: str, matcher) -> None:
        """A fixed value has to be one that can occur."""
        values: set[str] | None = None
        metric = self.metrics.get(name)
        if matcher.name == "job":
            exporting = metric.jobs if metric else set()
            values = exporting or (self.jobs if name == "up" or name in self.recording else None)
        elif metric:
            values = metric.values.get(matcher.name)
        elif name in self.recording:
            fixed = [rule.get("labels", {}).get(matcher.name) for rule in self.recording[name]]
            values = set(fixed) if all(fixed) else self.values_behind(name, matcher.name)
        if values and matcher.value not in values:
            wrong(
                where, f"{name} has no {matcher.name}={matcher.value!r}", f"one of {sorted(values)[:20]}"
            )

    def values_behind(self, recorded: str, label: str) -> set[str] | None:
        """The values of a label that a recording rule hands through from what it reads."""
        found: set[str] = set()
        for rule in self.recording[recorded]:
            for selector in promql.selectors(promql.parse(rule["expr"])):
                metric = self.metrics.get(promql.name_of(selector))
                if metric is None or label not in metric.values:
                    return None
                found |= metric.values[label]
        return found

    def nearest(self, name: str) -> str:
        import difflib

        everything = [*self.metrics, *self.recording]
        close = difflib.get_close_matches(name, everything, n=3, cutoff=0.5)
        return (
            " or ".join(close)
            or "a metric that a service exports, a recording rule, or one of exporters.yaml"
        )
