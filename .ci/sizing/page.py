"""docs/sizing.md: its tables, from what was measured (measured.json) and what the presets of the chart render to.

`make chart-docs` writes them, and `make chart-check` compares; it also fails where a preset has less than its size needs.
"""

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

import yaml

from lib import ROOT

PAGE = ROOT / "docs" / "sizing.md"
MEASURED = ROOT / ".ci" / "sizing" / "measured.json"
DEFAULTS = ROOT / "crates" / "runtime" / "src" / "defaults.toml"
REMEMBERED = ROOT / "crates" / "store" / "src" / "commit" / "remembered.rs"
# Twice what was measured is planned for, and one pod may be away.
HEADROOM = 2
# How busy the one core of a Redis master may be: as planned, and once the autoscaler has added all pods.
REDIS_PLANNED, REDIS_AT_MOST = 0.6, 0.8
# More memory than keys take: for all else, and for what is freed late.
MEMORY_RESERVE = 1.5
# Of a key (`commit.lua`).
RECORD_BYTES = 16
# What a phone's request to vote has, head and body: assumed, for it depends on the client.
REQUEST_BYTES = 600
MIB = 1024 * 1024


class Size(NamedTuple):
    """A size of a show: its peak, and the Redis that it is for."""

    name: str
    votes: int
    # Of readers that reach the pods: behind a CDN.
    reads: int
    shards: int
    masters: int
    replicas: int


SIZES = (
    Size("2k", 2_000, 1_000, 1, 1, 0),
    Size("20k", 20_000, 5_000, 1, 1, 2),
    Size("60k", 60_000, 20_000, 3, 3, 3),
)


class Pods(NamedTuple):
    """The pods of a component, as rendered."""

    least: int
    most: int
    target: int | None
    surge: int
    cpu: float
    memory_mib: float
    limit_mib: float


def cores(quantity: str) -> float:
    return float(quantity.removesuffix("m")) / 1000 if quantity.endswith("m") else float(quantity)


def mib(quantity: str) -> float:
    number, unit = re.fullmatch(r"([0-9.]+)(Mi|Gi)", quantity).groups()
    return float(number) * (1024 if unit == "Gi" else 1)


def of_pod(spec: dict) -> tuple[float, float, float]:
    """What the scheduler and a quota count of a pod: its containers together, or an init container that wants more."""

    def wants(made: dict) -> tuple[float, float, float]:
        requests, limits = made["resources"]["requests"], made["resources"]["limits"]
        return cores(requests["cpu"]), mib(requests["memory"]), mib(limits["memory"])

    together = [sum(one) for one in zip(*map(wants, spec["containers"]), strict=True)]
    first = [max(one) for one in zip(*map(wants, spec.get("initContainers", [])), strict=True)] or [0, 0, 0]
    return tuple(max(one) for one in zip(together, first, strict=True))


def pods(rendered, component: str) -> Pods:
    name = f"{rendered.prefix}-{component}"
    spec = rendered.named("Deployment", name)["spec"]
    scaler = rendered.named("HorizontalPodAutoscaler", name)
    least = scaler["spec"]["minReplicas"] if scaler else spec["replicas"]
    most = scaler["spec"]["maxReplicas"] if scaler else spec["replicas"]
    target = scaler["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] if scaler else None
    surge = str(spec["strategy"]["rollingUpdate"]["maxSurge"])
    extra = math.ceil(most * int(surge[:-1]) / 100) if surge.endswith("%") else int(surge)
    return Pods(least, most, target, extra, *of_pod(spec["template"]["spec"]))


class Costs:
    """What was measured."""

    def __init__(self):
        self.measured = json.loads(MEASURED.read_text())
        self.cases = sorted(self.measured["cases"], key=lambda case: case["votes_per_second_and_lane"])

    def at(self, figure: str, lane: float) -> float:
        """
        The figure at that many votes a second and lane: on the line between two that were measured, in logarithms. Of two
        with the same number a lane, of one shard and of several, the greater one.
        """
        points = {}
        for case in self.cases:
            place = case["votes_per_second_and_lane"]
            points[place] = max(points.get(place, 0), case[figure])
        return between(sorted(points.items()), lane)

    def of_a_key(self, keys: float) -> float:
        """The memory of a key where there are so many, in bytes: at the most that of the most keys that were measured."""
        return between([(case["keys"], case["bytes"]) for case in self.measured["keys"]], keys)


def between(points: list[tuple[float, float]], place: float) -> float:
    """What it is there, by the nearest points; beyond the last one as at the last one."""
    if place <= points[0][0]:
        return points[0][1]
    for (low, before), (high, after) in zip(points, points[1:], strict=False):
        if place <= high:
            part = math.log(place / low) / math.log(high / low)
            return math.exp(math.log(before) + part * (math.log(after) - math.log(before)))
    return points[-1][1]


def setting(section: str, name: str) -> int:
    """The default of a setting that is a number."""
    text = DEFAULTS.read_text().split(f"\n[{section}]\n")[1].split("\n[")[0]
    return int(re.search(rf"^{name} = (\d+)$", text, re.MULTILINE)[1])


def fields_of_a_shard(shards: int) -> int:
    """Among so many fields the keys of a shard are spread."""
    text = REMEMBERED.read_text()
    shared, least = (
        int(re.search(rf"^const {name}: u32 = (\d+);$", text, re.MULTILINE)[1]) for name in ("ALL_FIELDS", "FIELDS_OF_A_SHARD")
    )
    return 2 ** max(shared - int(math.log2(shards)), least)


class Plan:
    """All that the page says of one size."""

    def __init__(self, size: Size, rendered, costs: Costs):
        self.size, self.rendered, self.costs = size, rendered, costs
        self.ingest, self.results = pods(rendered, "ingest"), pods(rendered, "results")
        settings = yaml.safe_load(rendered.named("ConfigMap", f"{rendered.prefix}-ingest")["data"]["settings.yaml"])
        commit = settings.get("commit", {})
        self.replay_mib = commit.get("replay_window_mib", setting("commit", "replay_window_mib"))
        self.replay_s = commit.get("replay_window_s", setting("commit", "replay_window_s"))
        # A key is forgotten a quarter after its window.
        self.keys_s = 1.25 * commit.get("idempotency_window_s", setting("commit", "idempotency_window_s"))

    def lane(self, count: int) -> float:
        return self.size.votes / (count * self.size.shards)

    def ingest_cores(self) -> float:
        return self.size.votes * self.of_a_vote("ingest_cpu_s_per_million") / 1e6

    def redis_core(self, count: int) -> float:
        """How busy the core of a master is with so many pods."""
        return self.size.votes * self.costs.at("redis_cpu_s_per_million", self.lane(count)) / 1e6 / self.size.masters

    def results_cores(self) -> float:
        return self.size.reads * self.costs.measured["reads"]["results_cpu_s_per_million"] / 1e6

    def keys(self) -> float:
        """Of all masters."""
        return self.size.votes * self.keys_s

    def keys_mib(self) -> float:
        """Of a master."""
        return self.keys() * self.costs.of_a_key(self.keys()) / MIB / self.size.masters

    def file_bytes(self) -> float:
        """What a vote writes to the file and to each replica: its key's field has the records of others too, and is written whole."""
        others = self.keys() / (self.size.shards * fields_of_a_shard(self.size.shards))
        return self.of_a_vote("file_bytes") + others * RECORD_BYTES

    def maxmemory_mib(self) -> int:
        return 64 * math.ceil(self.keys_mib() * MEMORY_RESERVE / 64)

    def replay_needed_mib(self) -> float:
        """Of a pod, while one is away."""
        rate = self.size.votes / (self.ingest.least - 1)
        return rate * self.replay_s * self.costs.at("replay_window_bytes", rate / self.size.shards) / MIB

    def of_a_vote(self, figure: str) -> float:
        return self.costs.at(figure, self.lane(self.ingest.least))

    def mbit(self, bytes_a_vote: float) -> float:
        """Of a master."""
        return self.size.votes / self.size.masters * bytes_a_vote * 8 / 1e6

    def quota(self) -> dict[str, float]:
        wanted = [
            (found.most + found.surge, found.cpu, found.memory_mib, found.limit_mib)
            for found in (self.ingest, self.results)
        ]
        for resource in self.rendered.of_kind("StatefulSet", "Job", "Pod"):
            spec = resource["spec"] if resource["kind"] == "Pod" else resource["spec"]["template"]["spec"]
            wanted.append((1, *of_pod(spec)))
        return {
            "pods": sum(count for count, *_ in wanted),
            "requests.cpu": sum(count * cpu for count, cpu, _, _ in wanted),
            "requests.memory": sum(count * memory for count, _, memory, _ in wanted),
            "limits.memory": sum(count * limit for count, _, _, limit in wanted),
        }

    def problems(self) -> Iterator[str]:
        """Where the preset has less than its size needs."""
        where = f"presets/{self.size.name}.yaml"
        for name, found, needed in (
            ("ingest", self.ingest, self.ingest_cores()),
            ("results", self.results, self.results_cores()),
        ):
            has = (found.least - 1) * found.cpu
            if has < HEADROOM * needed:
                yield f"{where}: {name} needs {HEADROOM * needed:.2f} cores with one pod away, and has {has:.2f}"
            if found.most <= found.least:
                yield f"{where}: {name} can't scale beyond {found.least} pods"
        for count, bound in ((self.ingest.least, REDIS_PLANNED), (self.ingest.most, REDIS_AT_MOST)):
            if self.redis_core(count) > bound:
                yield f"{where}: with {count} pods of ingest a master is {self.redis_core(count):.0%} busy, above {bound:.0%}"
        if self.replay_needed_mib() > self.replay_mib:
            yield f"{where}: the replay window takes {self.replay_needed_mib():.0f} MiB, and may have {self.replay_mib}"
        if self.replay_mib > self.ingest.limit_mib / 2:
            yield f"{where}: the replay window may have more than half of ingest's memory"
        config = self.rendered.named("ConfigMap", f"{self.rendered.prefix}-redis")
        if (
            config
            and (has := int(re.search(r"^maxmemory (\d+)mb$", config["data"]["redis.conf"], re.MULTILINE)[1]))
            < self.maxmemory_mib()
        ):
            yield f"{where}: Redis needs maxmemory {self.maxmemory_mib()}mb, and has {has}mb"
        if bool(config) != (self.size.replicas == 0):
            yield f"{where}: the chart's own Redis has no replicas, and an external one has"
        shards = [poll["shards"] for poll in self.rendered.values.get("polls", [])]
        if shards != [self.size.shards]:
            yield f"ci/preset-{self.size.name}-values.yaml: its poll has {shards} shards, not {self.size.shards}"


def thousands(number: float) -> str:
    return f"{number:,.0f}"


def costs_table(costs: Costs) -> str:
    columns = (
        ("votes a second", "votes_per_second"),
        ("shards", "shards"),
        ("votes a second and lane", "votes_per_second_and_lane"),
        ("votes a batch", "votes_per_batch"),
        ("ingest, CPU s a million", "ingest_cpu_s_per_million"),
        ("Redis, CPU s a million", "redis_cpu_s_per_million"),
        ("Redis commands a vote", "redis_calls"),
        ("to Redis, bytes a vote", "redis_in_bytes"),
        ("from Redis, bytes a vote", "redis_out_bytes"),
        ("append-only file, bytes a vote", "file_bytes"),
        ("replay window, bytes a vote", "replay_window_bytes"),
    )
    lines = ["| " + " | ".join(title for title, _ in columns) + " |", "| " + " | ".join("---:" for _ in columns) + " |"]
    for case in costs.cases:
        lines.append("| " + " | ".join(f"{case[key]:,}" for _, key in columns) + " |")
    reads, measured = costs.measured["reads"], costs.measured
    return "\n".join(lines) + (
        f"\n\nMeasured on {measured['date']} by `make sizing-measure` of commit {measured['commit']}, with {measured['redis']}, on "
        f"{measured['machine']}; one ingest process, medians of {measured['rounds']} rounds. Each vote had a key. A key takes "
        + ", ".join(f"{case['bytes']} bytes of Redis' memory with {thousands(case['keys'])} of them" for case in measured["keys"])
        + ". Its field is written whole: in the cases above there are few keys, and a vote writes "
        + ", ".join(f"{case['file_bytes']} bytes with {thousands(case['keys'])}" for case in measured["keys"])
        + f". An answer to a vote has {measured['answer_bytes']} bytes. A read of a standing that is made anew costs "
        f"`vote-results` {reads['results_cpu_s_per_million']} CPU seconds a million and has {reads['standing_bytes']} bytes "
        f"compressed; one process answered {thousands(reads['reads_per_second'])} a second there.\n"
    )


def sizes_table(plans: list[Plan]) -> str:
    def scaling(found: Pods) -> str:
        return f"{found.least} to {found.most} at {found.target} %"

    # Title, the figure of a plan, how it is known.
    rows: list[tuple[str, Callable[[Plan], str], str]] = [
        ("votes a second, at the peak", lambda plan: thousands(plan.size.votes), "given"),
        ("reads a second that reach the pods", lambda plan: thousands(plan.size.reads), "given"),
        ("preset", lambda plan: f"[{plan.size.name}](../chart/presets/{plan.size.name}.yaml)", ""),
        ("`shards:` of the poll", lambda plan: str(plan.size.shards), "chosen"),
        ("Redis", lambda plan: redis(plan.size), "chosen"),
        (
            "votes a second and lane",
            lambda plan: thousands(plan.lane(plan.ingest.least)),
            "computed: votes ÷ (pods × shards)",
        ),
        ("**ingest**: pods, autoscaler", lambda plan: scaling(plan.ingest), "preset"),
        ("cores a pod (request)", lambda plan: f"{plan.ingest.cpu:g}", "preset"),
        (
            "cores that the peak takes in all",
            lambda plan: f"{plan.ingest_cores():.2f}",
            "computed, CPU a vote measured",
        ),
        (
            "memory a pod: request, limit, MiB",
            lambda plan: f"{plan.ingest.memory_mib:g}, {plan.ingest.limit_mib:g}",
            "preset",
        ),
        (
            "of it replay window: needed, allowed, MiB",
            lambda plan: f"{plan.replay_needed_mib():.0f}, {plan.replay_mib}",
            "computed, bytes a vote measured",
        ),
        ("**results**: pods, autoscaler", lambda plan: scaling(plan.results), "preset"),
        ("cores a pod (request)", lambda plan: f"{plan.results.cpu:g}", "preset"),
        (
            "cores that the reads take in all",
            lambda plan: f"{plan.results_cores():.2f}",
            "computed, CPU a read measured",
        ),
        (
            "**a Redis master**: of its one core, planned",
            lambda plan: f"{100 * plan.redis_core(plan.ingest.least):.0f} %",
            "computed, CPU a vote measured",
        ),
        (
            "the same with all pods of the autoscaler",
            lambda plan: f"{100 * plan.redis_core(plan.ingest.most):.0f} %",
            "computed, CPU a vote measured",
        ),
        ("keys in its memory, MiB", lambda plan: thousands(plan.keys_mib()), "computed, bytes a key measured"),
        ("`maxmemory` at least, MiB", lambda plan: thousands(plan.maxmemory_mib()), "computed"),
        ("memory of its machine, MiB", lambda plan: thousands(2 * plan.maxmemory_mib()), "computed"),
        ("votes to it, Mbit/s", lambda plan: f"{plan.mbit(plan.of_a_vote('redis_in_bytes')):.1f}", "computed, bytes a vote measured"),
        (
            "to each of its replicas, Mbit/s",
            lambda plan: f"{plan.mbit(plan.file_bytes()):.0f}" if plan.size.replicas else "none",
            "computed, bytes a vote and a record measured",
        ),
        (
            "append-only file, GiB an hour of peak",
            lambda plan: f"{plan.mbit(plan.file_bytes()) * 3600 / 8 * 1e6 / 1024**3:.1f}",
            "computed, bytes a vote and a record measured",
        ),
        (
            "**clients**: to ingest, Mbit/s",
            lambda plan: thousands(plan.size.votes * REQUEST_BYTES * 8 / 1e6),
            f"computed, {REQUEST_BYTES} bytes a request assumed",
        ),
        (
            "from ingest, Mbit/s",
            lambda plan: thousands(plan.size.votes * plan.costs.measured["answer_bytes"] * 8 / 1e6),
            "computed, bytes an answer measured",
        ),
        ("**quota**: pods", lambda plan: str(plan.quota()["pods"]), "computed from the preset"),
        ("`requests.cpu`", lambda plan: f"{plan.quota()['requests.cpu']:.2f}", "computed from the preset"),
        ("`requests.memory`, MiB", lambda plan: thousands(plan.quota()["requests.memory"]), "computed from the preset"),
        ("`limits.memory`, MiB", lambda plan: thousands(plan.quota()["limits.memory"]), "computed from the preset"),
    ]
    lines = [
        "| | " + " | ".join(plan.size.name for plan in plans) + " | how it is known |",
        "| --- |" + " ---: |" * len(plans) + " --- |",
    ]
    for title, figure, known in rows:
        lines.append(f"| {title} | " + " | ".join(figure(plan) for plan in plans) + f" | {known} |")
    return "\n".join(lines) + "\n"


def redis(size: Size) -> str:
    if not size.replicas:
        return "the chart's own"
    masters = "1 master" if size.masters == 1 else f"{size.masters} masters"
    return f"{masters}, {size.replicas} replicas"


def plans(rendered: dict) -> list[Plan]:
    costs = Costs()
    return [Plan(size, rendered[f"preset-{size.name}"], costs) for size in SIZES]


def text(made: list[Plan]) -> str:
    """The page as it should be."""
    page = PAGE.read_text()
    for name, table in (("costs", costs_table(made[0].costs)), ("sizes", sizes_table(made))):
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->\n"
        before, rest = page.split(begin)
        page = f"{before}{begin}\n{table}\n{end}{rest.split(end)[1]}"
    return page


def problems(rendered: dict) -> tuple[list[str], str]:
    made = plans(rendered)
    found = [problem for plan in made for problem in plan.problems()]
    if PAGE.read_text() != text(made):
        found.append("docs/sizing.md: its tables are not those of presets and measurement: run `make chart-docs`")
    return found, f"{len(made)} presets have what their size needs, and docs/sizing.md says what they have"
