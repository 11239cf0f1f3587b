#!/usr/bin/env python3
"""Checks what deploy/local.sh decides and calls, with stand-ins for kubectl, helm, docker, make and the clusters' tools.

There is no cluster here, and none is needed for this: a stand-in writes down how it was called and answers as it is
told. What the chart then renders is the real chart's. That a real cluster takes it is not seen by this.
"""

import pathlib
import shlex
import shutil
import subprocess
import tempfile

import helm_python as helm
import yaml

from chart.render import CHART, containers, merged, pods, render
from lib import ROOT, report
from lib.report import Failed, passed, title

SCRIPT = ROOT / "deploy" / "local.sh"
TOOLS = ("kubectl", "helm", "docker", "make", "kind", "k3d", "minikube")
# Of the real system the script may use these and nothing else.
REAL = ("bash", "cat", "dirname", "tail")
IMAGES = ("vote-ingest", "vote-results", "votectl")

# FAIL is the beginning of a call that fails. Each image has an id made of its name.
STAND_IN = """#!/bin/sh
call="${0##*/} $*"
echo "$call" >> "$CALLS"
case $call in "${FAIL:-nothing}"*) echo "stand-in: $call fails" >&2; exit 1 ;; esac
case $call in
  "kubectl config current-context") [ -n "$CURRENT" ] || exit 1; echo "$CURRENT" ;;
  "docker image inspect"*vote-ingest:*) echo sha256:1111111111111111 ;;
  "docker image inspect"*vote-results:*) echo sha256:2222222222222222 ;;
  "docker image inspect"*votectl:*) echo sha256:3333333333333333 ;;
esac
"""


class Run:
    """One run of the script: how it ended, what it said, and what it called."""

    def __init__(self, current: str = "kind-dev", without: tuple = (), fail: str = "", **environment: str):
        with tempfile.TemporaryDirectory(prefix="deploy-local-") as folder:
            folder = pathlib.Path(folder)
            for name in set(TOOLS) - set(without):
                (folder / name).write_text(STAND_IN)
                (folder / name).chmod(0o755)
            for name in REAL:
                (folder / name).symlink_to(shutil.which(name))
            calls = folder / "calls"
            calls.touch()
            done = subprocess.run(
                [SCRIPT],
                env={"PATH": str(folder), "CALLS": str(calls), "CURRENT": current, "FAIL": fail, **environment},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=60,
            )
            self.code, self.said, self.error = done.returncode, done.stdout, done.stderr
            self.calls = calls.read_text().splitlines()

    def called(self, start: str) -> list[str]:
        return [call for call in self.calls if call.startswith(start)]


def require(holds: bool, what: str, run: Run) -> None:
    if not holds:
        called = "\n    ".join(run.calls)
        raise Failed(f"{what}\n  exit {run.code}, said:\n{run.said}{run.error}\n  called:\n    {called}")


def refused(what: str, says: str, run: Run) -> None:
    """Ends with one line, before anything is built or changed."""
    require(run.code == 1, f"{what}: is refused", run)
    require(run.error.count("\n") == 1 and says in run.error, f"{what}: says {says!r} in one line", run)
    require(not run.called("make") and not run.called("helm"), f"{what}: nothing is built or installed", run)
    passed(f"{what}: {run.error.strip()}")


def lacks() -> None:
    for tool in ("kubectl", "helm", "docker"):
        refused(f"no {tool}", f"needs {tool}: https://", Run(without=(tool,)))
    for tool, context in (("kind", "kind-dev"), ("k3d", "k3d-dev"), ("minikube", "minikube")):
        refused(f"context {context} without {tool}", f"needs {tool}: https://", Run(context, without=(tool,)))
    refused("no context", "no current context", Run(current=""))
    refused("no cluster", "can't be reached", Run(fail="kubectl --context kind-dev --request-timeout=10s get --raw"))
    refused("no engine", "engine can't be reached", Run(fail="docker version"))


def foreign() -> None:
    for context in ("production", "arn:aws:eks:sa-east-1:1:cluster/show", "gke_show_kind-prod", "kind-", "my-minikube"):
        refused(f"context {context}", f"{context} is not known to be local", Run(context))
    run = Run("production", CONTEXT="lab")
    require(run.code == 0, "a context that is named is taken", run)
    used = [shlex.split(call) for call in run.called("helm upgrade") + run.called("helm test")]
    require(len(used) == 2 and all("lab" in call for call in used), "helm is given that context", run)
    require("production" not in " ".join(run.calls), "the current context is not touched", run)
    require("none are pushed" in run.said, "it says that images are not pushed", run)
    passed("a context that is named by CONTEXT is taken, and no other")


def order() -> None:
    """Build, then load, then install, then test; whatever the cluster is."""
    for context, load in (
        ("kind-dev", "kind load docker-image paredao/vote-ingest:local-111111111111 --name dev"),
        ("k3d-dev", "k3d image import paredao/vote-ingest:local-111111111111 --cluster dev"),
        ("minikube", "minikube --profile minikube image load paredao/vote-ingest:local-111111111111"),
        ("docker-desktop", None),
        ("rancher-desktop", None),
        ("orbstack", None),
    ):
        run = Run(context)
        require(run.code == 0, f"{context}: succeeds", run)
        steps = ["make", "docker image inspect", "docker tag", load, "helm upgrade", "helm test"]
        found = [run.calls.index(next(iter(run.called(step)), "")) for step in steps if step and run.called(step)]
        require(len(found) == len([step for step in steps if step]), f"{context}: makes each of {steps}", run)
        require(found == sorted(found), f"{context}: in this order", run)
        loads = run.called("kind load") + run.called("k3d") + run.called("minikube")
        require(len(loads) == (len(IMAGES) if load else 0), f"{context}: loads each image where it has to", run)
        for call in run.called("kubectl --") + run.called("helm "):
            require(context in shlex.split(call), f"{context}: is named in every call", run)
        for service, port in (("ingest", 8080), ("results", 8081)):
            require(f"service/paredao-{service} {port}:80" in run.said, f"{context}: says how to reach {service}", run)
    passed("builds, loads, installs and tests, in this order, in six kinds of cluster")


def failures() -> None:
    for fail, says, after in (
        ("make", "stand-in: make", ("kind load", "helm")),
        ("docker image inspect", "stand-in: docker image", ("kind load", "helm")),
        ("docker tag", "stand-in: docker tag", ("kind load", "helm")),
        ("kind load", "stand-in: kind load", ("helm",)),
        ("helm upgrade", "helm has rolled back", ("helm test",)),
        ("helm test", "'helm test' failed", ()),
    ):
        run = Run(fail=fail)
        require(run.code != 0, f"a failed `{fail}` fails the whole", run)
        require(says in run.error, f"a failed `{fail}` says {says!r}", run)
        require(not any(run.called(call) for call in after), f"nothing follows a failed `{fail}`", run)
        require("port-forward" not in run.said, f"a failed `{fail}` claims no success", run)
    passed("what fails ends it, and nothing follows")


def chart() -> None:
    """What is installed passes the chart's schema, runs the images that were loaded, and has the named services."""
    run = Run(IMAGE_PREFIX="registry.example.com/show", IMAGE_TAG="x")
    require("IMAGE_PREFIX=registry.example.com/show IMAGE_TAG=x" in run.called("make")[0], "images are built so", run)
    (call,) = run.called("helm upgrade")
    words = shlex.split(call)
    require(words[-2:] == ["paredao", "chart"] and "--atomic" in words, "the release is paredao, of the chart", run)
    values = yaml.safe_load((ROOT / words[words.index("--values") + 1]).read_text())
    for word, setting in zip(words, words[1:]):
        if word == "--set-string":
            path, value = setting.split("=", 1)
            for key in reversed(path.split(".")):
                value = {key: value}
            values = merged(values, value)
    rendered = render(helm.Chart.load(CHART), "local", values)
    loaded = {shlex.split(load)[3] for load in run.called("kind load")}
    ours = {
        container["image"]: container["imagePullPolicy"]
        for _, pod in pods(rendered)
        for container in containers(pod)
        if "redis" not in container["image"]
    }
    require(loaded >= set(ours) and len(ours) >= 2, f"runs what was loaded: {sorted(ours)}, {sorted(loaded)}", run)
    require(set(ours.values()) == {"IfNotPresent"}, "pulls no image of ours", run)
    for name in ("paredao-ingest", "paredao-results"):
        service = rendered.named("Service", name)
        require(bool(service) and service["spec"]["ports"][0]["port"] == 80, f"service/{name} has port 80", run)
    passed(f"its values pass the chart's schema, and what runs is what was loaded: {', '.join(sorted(ours))}")


def check() -> None:
    title("deploy/local.sh with stand-ins for all tools and no cluster, which alone could say whether it takes it")
    for one in (lacks, foreign, order, failures, chart):
        one()


if __name__ == "__main__":
    raise SystemExit(report.main("deploy-local-check", check))
