"""What RUNBOOK.md, OPERATIONS.md and docs/sizing.md tell somebody to do: each command, option, setting, value of the chart,
service of Compose, command of Redis, metric, panel and log line exists.
"""

import contextlib
import functools
import json
import pathlib
import re
import subprocess
import tempfile
from collections.abc import Iterator

import yaml

from lib import ROOT
from lib.processes import free_port, stop
from lib.report import passed, wrong
from lib.wait import until

PAGES = ("deploy/prometheus/RUNBOOK.md", "OPERATIONS.md", "docs/sizing.md")
SPAN = re.compile(r"`([^`]+)`")
FENCE = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
# "the log line `lane blocked`", "the log of results says `no snapshot could be read`"
LOGGED = re.compile(r"(?:log line|log of (?:results|ingest) says|its log for)\s+`([^`]+)`")
# *Ingest*, panel "Votes by how they end"; *Redis*, "CPU"; on *Ingest*, "Commit latency"
PANEL = re.compile(r'\*([A-Z][\w ]+)\*,\s+(?:panel\s+)?"([^"]+)"')
# What a quota of Kubernetes names.
QUOTAS = {"limits.cpu", "limits.memory"}
METRIC = re.compile(r"^(vote|http_server|process|redis|slo)_[a-z_0-9]+$")
# A call of Compose with its options, and the services that it names.
COMPOSE = re.compile(
    r"docker compose (?:--\S+ )*(ps|logs|up|exec|run|restart|stop)(?: --?[\w-]+(?:=\S+)?)*((?: [a-z][\w-]*)*)"
)
# What stands for the reader's own.
OWN = re.compile(r"^[^a-z]*$|…")


@functools.cache
def helped(votectl: pathlib.Path, *commands: str) -> str:
    """What the tool says of itself; nothing where it has no such command."""
    done = subprocess.run([votectl, *commands, "--help"], capture_output=True, text=True, timeout=20)
    return done.stdout if done.returncode == 0 else ""


def subcommands(text: str) -> set[str]:
    listed = re.search(r"^Commands:\n((?:  .*\n)+)", text, re.MULTILINE)
    return set(re.findall(r"^  (\w[\w-]*)", listed[1], re.MULTILINE)) if listed else set()


def check_call(where: str, votectl: pathlib.Path, call: str) -> None:
    """One `votectl …`: its commands one after the other, and its options."""
    commands: list[str] = []
    words = re.split(r"\s[<>]\s", call)[0].split()[1:]
    asked: list[str] = []
    while words:
        word = words.pop(0)
        known = subcommands(helped(votectl, *commands))
        if word.startswith("--"):
            asked.append(word)
            # Its value, where it takes one: options of all commands are in the help of each.
            if words and re.search(rf"{word} (?:\[=)?<", helped(votectl, *commands, *words_that_are_commands(votectl, words))):
                words.pop(0)
        elif known and not OWN.search(word):
            alternatives = set(word.split("|"))
            # `load` takes options of its own, or a command.
            if not alternatives <= known:
                wrong(where, f"{call!r}: votectl {' '.join(commands)} has no {word}", f"one of {sorted(known)}")
                return
            commands.append(min(alternatives))
    for option in asked:
        if option not in re.findall(r"--[\w-]+", helped(votectl, *commands)):
            wrong(where, f"{call!r}: votectl {' '.join(commands)} takes no {option}", "an option of its help")


def words_that_are_commands(votectl: pathlib.Path, words: list[str]) -> list[str]:
    """The command that is still to come, behind an option that goes before it."""
    return [word for word in words if word in subcommands(helped(votectl))][:1]


class Deployed:
    """What the pages may name of Compose, of the chart and of a Redis."""

    def __init__(self, redis_port: int):
        self.services = set(yaml.safe_load((ROOT / "compose.yaml").read_text())["services"])
        self.values = yaml.safe_load((ROOT / "chart/values.yaml").read_text())
        self.redis_port = redis_port

    def redis(self, *words: str) -> str:
        call = ["redis-cli", "-p", str(self.redis_port), *words]
        return subprocess.run(call, capture_output=True, text=True, timeout=20, check=True).stdout.strip()

    def problems(self, text: str) -> Iterator[str]:
        """What is wrong with a call, or a name; nothing where it is none of these."""
        if found := COMPOSE.match(text):
            named = found[2].split()
            for service in named[:1] if found[1] in ("exec", "run") else named:
                if service not in self.services:
                    yield f"compose.yaml has no service {service}"
        for service in re.findall(r"--scale ([\w-]+)=", text):
            if service not in self.services:
                yield f"compose.yaml has no service {service}"
        for path in re.findall(r"--set(?:-string)? ([\w.]+)=", text):
            if not self.has_value(path):
                yield f"chart/values.yaml has no {path}"
        is_name = re.fullmatch(r"[a-z]\w*(\.[a-z]\w*)+(?<!\.acl|yaml)", text)
        if is_name and text.split(".")[0] in self.values and not self.has_value(text):
            yield f"chart/values.yaml has no {text}"
        if text.startswith("redis-cli ") and not OWN.search(text.split()[1][:1].lower()):
            yield from self.of_redis(text.split()[1:])

    def has_value(self, path: str) -> bool:
        found = self.values
        for name in path.split("."):
            if not isinstance(found, dict) or name not in found:
                return False
            found = found[name]
        return True

    def of_redis(self, words: list[str]) -> Iterator[str]:
        has_subcommands = words[0].upper() in ("ACL", "CLUSTER", "CONFIG", "CLIENT", "SLOWLOG", "LATENCY", "MEMORY")
        command = "|".join(words[:2]) if has_subcommands else words[0]
        if not self.redis("COMMAND", "INFO", command.lower()):
            yield f"Redis has no command {command.replace('|', ' ')}"
        elif command.lower() in ("config|get", "config|set") and len(words) > 2 and not self.redis("CONFIG", "GET", words[2]):
            yield f"Redis has no directive {words[2]}"


# Each must be found, or the check of the pages proves nothing.
MISTAKES = (
    "docker compose ps prometheus alertmanger",
    "docker compose logs --follow proxi",
    "docker compose up --detach blackbox",
    "docker compose exec alert-manager amtool alert",
    "docker compose up --scale ingests=3",
    "helm upgrade paredao CHART --set ingest.replica=6",
    "metrics.rules.runbook",
    "redis-cli CLUSTER NODE",
    "redis-cli CONFIG SET maxmemory-policies noeviction",
    "redis-cli BGREWRITE",
)


@contextlib.contextmanager
def deployed() -> Iterator[Deployed]:
    """With a Redis that is asked what it knows."""
    with tempfile.TemporaryDirectory(prefix="vote-runbook-") as folder:
        port = free_port()
        call = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        server = subprocess.Popen(call, stdout=subprocess.DEVNULL)
        try:
            found = Deployed(port)
            until("a Redis", lambda: found.redis("PING") == "PONG", patience_s=20)
            yield found
        finally:
            stop(server, patience_s=10)


def check(votectl: pathlib.Path, rules, boards, inventory) -> None:
    """After the services were asked for their metrics."""
    with deployed() as things:
        for mistake in MISTAKES:
            if not [*things.problems(mistake)]:
                wrong("runbook.py", f"it does not find what is wrong with {mistake!r}", "that it does")
        check_pages(votectl, rules, boards, inventory, things)


def check_pages(votectl: pathlib.Path, rules, boards, inventory, things: Deployed) -> None:
    settings = {
        f"{section}.{key}"
        for section, schema in json.loads((ROOT / "openapi/settings.schema.json").read_text())["properties"].items()
        for key in schema["properties"]
    }
    sections = {name.split(".")[0] for name in settings}
    panels = {(document["title"], panel["title"]) for _, document, panel in boards.panels()}
    titles = {document["title"] for document in boards.documents.values()}
    source = "\n".join(file.read_text() for file in ROOT.glob("crates/*/src/**/*.rs"))
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    counts = dict.fromkeys(("calls", "settings", "metrics", "panels", "log lines", "paths"), 0)
    for page in PAGES:
        text = (ROOT / page).read_text()
        lines = [line for block in FENCE.findall(text) for line in block.splitlines()]
        prose = FENCE.sub("", text)
        spans = [" ".join(span.split()) for span in SPAN.findall(prose)]
        # A command that goes on in the next line is one.
        lines = "\n".join(lines).replace("\\\n", " ").splitlines()
        for span in spans + lines:
            span = re.sub(r"^(?:[A-Z_]+=\S+ )+", "", span)
            for problem in () if span in settings else things.problems(span):
                wrong(page, f"{span!r}: {problem}", "what there is")
            if span.startswith("votectl ") and "=" not in span.split()[0]:
                counts["calls"] += 1
                check_call(page, votectl, span)
            elif (name := span.split(" ")[0]).split(".")[0] in sections and re.fullmatch(r"[a-z_]+\.[a-z_]+", name):
                counts["settings"] += 1
                # The chart has values whose names begin like a section of the settings, and so has a quota of Kubernetes.
                if name not in settings | QUOTAS and not things.has_value(name):
                    wrong(page, f"there is no setting {name}", "one of docs/settings.md")
            elif METRIC.match(span) and not span.startswith("redis_"):
                counts["metrics"] += 1
                if not inventory.exists(span) and not inventory.exists(f"{span}_bucket"):
                    wrong(page, f"nothing exports {span}", inventory.nearest(span))
            elif span.startswith("make ") and span.split()[1] not in targets:
                wrong(page, f"there is no {span!r}", "a target of the Makefile")
            elif re.match(r"^(deploy|docs|docker|chart|\.github)/[\w./-]+", span):
                counts["paths"] += 1
                path = span.split()[0]
                # Secrets are made where it is installed.
                if "/secrets/" not in path and not (ROOT / path).exists():
                    wrong(page, f"there is no {path}", "a path in this repository")
            elif re.fullmatch(r"(?:[A-Z][a-z]+){2,}", span) and span not in rules.alerts and f"{span}:" not in source:
                if span not in ("LimitNOFILE",):
                    wrong(page, f"there is no alert {span}", "an alert of rules/")
        for line in LOGGED.findall(prose):
            counts["log lines"] += 1
            if f'"{" ".join(line.split())}' not in re.sub(r"\s+", " ", source):
                wrong(page, f"no service logs {line!r}", "the message of a log line")
        for board, panel in PANEL.findall(prose):
            counts["panels"] += 1
            panel = " ".join(panel.split())
            if board not in titles or (board, panel) not in panels:
                wrong(page, f"there is no panel {panel!r} on {board}", f"one of {sorted(p for b, p in panels if b == board)}")
    passed(
        f"{', '.join(PAGES)} name only what there is ({len(MISTAKES)} mistakes made on purpose are found): "
        + ", ".join(f"{count} {what}" for what, count in counts.items())
    )
