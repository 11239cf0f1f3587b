#!/usr/bin/env python3
"""Checks the workflows in .github: by zizmor, by actionlint's fork jactionlint (with shellcheck on their scripts), and by
rules of our own. Then the check itself: mistakes are made in a copy, and each has to be found.

Nothing here asks the network: that a pinned commit is the version which its comment names is looked up by Dependabot.
"""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import yaml

from lib import ROOT, report
from lib.report import passed, wrong
from workflows import delivery

BIN = pathlib.Path(sys.executable).parent


def tracked(*patterns: str) -> list[str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.split()


DOCKERFILES = tracked("*Dockerfile")
REQUIREMENTS = tracked("*requirements.txt")
# What the chart carries into a container has no first line that says for which shell it is.
SCRIPTS = [".ci/run", *tracked("*.sh", ":!chart")]
# What the rules and the linters read.
READ = (".github", "Makefile", *SCRIPTS, *DOCKERFILES)

PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
OWN_ACTION = "$/.github/actions/"


# ---- rules ----------------------------------------------------------------------------------------------------------


def findings(root: pathlib.Path) -> list[str]:
    found = []
    files = sorted(root.glob(".github/workflows/*.yml")) + sorted(root.glob(".github/actions/*/action.yml"))
    targets = set(re.findall(r"^([a-z][a-z-]*):", (root / "Makefile").read_text(), re.MULTILINE))
    pins = {}
    for file in files:
        name, text = file.relative_to(root), file.read_text()
        for use in re.findall(r"^[ -]*uses: (.*)$", text, re.MULTILINE):
            if use.startswith(OWN_ACTION):
                if not (root / use.removeprefix("$/") / "action.yml").is_file():
                    found.append(f"{name}: there is no {use}")
            elif not PINNED.fullmatch(use):
                found.append(f"{name}: {use} is not pinned by commit, with its version behind it")
            elif pins.setdefault(use.split("@")[0], use) != use:
                found.append(f"{name}: {use}, but elsewhere {pins[use.split('@')[0]]}")
        document = yaml.safe_load(text)
        for step in steps(document):
            for target in made(step.get("run", "")):
                if target not in targets:
                    found.append(f"{name}: the Makefile has no target {target}")
            if "${{" in step.get("run", ""):
                found.append(f"{name}: a script has an expression in it, not an environment variable: {step['run']}")
        if "jobs" in document:
            found += [f"{name}: {problem}" for problem in limits(document)]
    return [*found, *differences(root), *bases(root)]


def steps(document: dict) -> list[dict]:
    """Of a workflow, or of an action."""
    jobs = document["jobs"].values() if "jobs" in document else [document["runs"]]
    return [step for job in jobs for step in job.get("steps", [])]


def made(script: str) -> list[str]:
    return re.findall(r"\bmake (?:-o [\w-]+ )*([a-z][a-z-]*)", script)


def limits(workflow: dict):
    if workflow.get("permissions") not in ({}, {"contents": "read"}):
        yield "what all its jobs may is more than `contents: read`: give it to the job that needs it"
    if "concurrency" not in workflow:
        yield "says nothing of runs at the same time"
    for name, job in workflow["jobs"].items():
        if "timeout-minutes" not in job:
            yield f"{name} may run for six hours: it has no timeout-minutes"


def differences(root: pathlib.Path):
    """`.ci/run` and ci.yml are two lists of the same things."""
    here = set(made(re.sub(r"^ *#.*$", "", (root / ".ci/run").read_text(), flags=re.MULTILINE)))
    workflow = yaml.safe_load((root / ".github/workflows/ci.yml").read_text())
    there = {target for step in steps(workflow) for target in made(step.get("run", ""))}
    # What only prepares another target is that target's own prerequisite.
    for target in sorted(target for target in here - there if not target.endswith("-setup")):
        yield f"ci.yml lacks `make {target}`, which .ci/run has"
    for target in sorted(there - here):
        yield f".ci/run lacks `make {target}`, which ci.yml has"


def bases(root: pathlib.Path):
    """Each base of an image, and each Python package, is one that Dependabot finds: it looks only where it is told to, and at no variable."""
    updates = yaml.safe_load((root / ".github/dependabot.yml").read_text())["updates"]
    for ecosystem, names in (("docker", DOCKERFILES), ("pip", REQUIREMENTS)):
        each = (update["directories"] for update in updates if update["package-ecosystem"] == ecosystem)
        looked_at = {folder for folders in each for folder in folders}
        for name in names:
            if f"/{pathlib.PurePath(name).parent}" not in looked_at:
                yield f"dependabot.yml does not look at {name}"
    for name in DOCKERFILES:
        text = (root / name).read_text()
        defaults = dict(re.findall(r"^ARG (\w+)=(\S+)$", text, re.MULTILINE))
        stages = set()
        for image, stage in re.findall(r"^FROM (?:--\S+ )?(\S+)(?: AS (\S+))?$", text, re.MULTILINE):
            variable = re.fullmatch(r"\$\{(\w+)\}", image)
            if variable and defaults.get(variable[1]) not in stages:
                yield f"{name}: the default of {variable[1]} is no stage above, with a base that Dependabot sees"
            elif not variable and image not in stages and not re.search(r":[\w.-]+$", image):
                yield f"{name}: {image} has no version that Dependabot could raise"
            stages.add(stage)


# ---- linters --------------------------------------------------------------------------------------------------------


def linters(root: pathlib.Path) -> dict[str, list]:
    return {
        "zizmor": [BIN / "zizmor", "--offline", "--persona=auditor", "--no-progress", "--color=never", "--quiet", root / ".github"],
        "jactionlint": [BIN / "jactionlint", "--no-color", "--no-hints", "--strict-exit"],
        "shellcheck": [BIN / "shellcheck", *(root / name for name in SCRIPTS)],
    }


def lint(name: str, root: pathlib.Path) -> str:
    """What it found, or nothing."""
    done = subprocess.run(
        linters(root)[name],
        cwd=root, env={"PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(root)}, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    return done.stdout or f"exit status {done.returncode}" if done.returncode else ""


# ---- the check itself -----------------------------------------------------------------------------------------------

CI, RELEASE, DEPLOY = (f".github/workflows/{name}.yml" for name in ("ci", "release", "deploy"))
DEPENDABOT, DOCKERFILE, DELIVERY = ".github/dependabot.yml", "docker/Dockerfile", ".github/scripts/delivery.sh"
CHECKOUT = re.search(r"actions/checkout@.*", (ROOT / CI).read_text()).group()
# Who has to find it, where, what is replaced by what, and a part of what has to be said.
MISTAKES = (
    ("rules", CI, CHECKOUT, "actions/checkout@v6", "not pinned"),
    ("rules", CI, CHECKOUT, CHECKOUT.split(" #")[0], "not pinned"),
    ("rules", CI, CHECKOUT, re.sub("@.", "@0", CHECKOUT), "but elsewhere"),
    ("rules", CI, "actions/rust", "actions/rost", "there is no"),
    ("rules", CI, "\npermissions:\n  contents: read\n", "\npermissions: write-all\n", "more than"),
    ("rules", RELEASE, "\npermissions:\n  contents: read\n", "\n", "more than"),
    ("rules", DEPLOY, "concurrency:", "x-concurrency:", "same time"),
    ("rules", DEPLOY, "    timeout-minutes: 90", "", "six hours"),
    ("rules", DEPLOY, '"$VERSION"', "${{ inputs.version }}", "expression"),
    ("rules", CI, "make lint", "make linted", "no target linted"),
    ("rules", CI, "      - run: make chaos-quick\n", "      - run: echo\n", "ci.yml lacks `make chaos-quick`"),
    ("rules", ".ci/run", "step fmt make fmt-check\n", "", ".ci/run lacks `make fmt-check`"),
    ("rules", DEPENDABOT, "/.ci/compose, ", "", "does not look at .ci/compose/requirements.txt"),
    ("rules", DEPENDABOT, "/deploy/otel, ", "", "does not look at deploy/otel/Dockerfile"),
    ("rules", DOCKERFILE, "BUILDER_IMAGE=default-builder", "BUILDER_IMAGE=rust:1.95-bookworm", "default of BUILDER_IMAGE"),
    ("rules", DOCKERFILE, "FROM alpine:3.22 AS", "FROM alpine AS", "alpine has no version"),
    ("zizmor", DEPLOY, '"$VERSION"', "${{ inputs.version }}", "template-injection"),
    ("zizmor", CI, "persist-credentials: false", "persist-credentials: true", "artipacked"),
    ("jactionlint", CI, "cache: lint", "cahce: lint", "cahce"),
    ("jactionlint", RELEASE, "needs.build.outputs.amd64", "needs.build.outputs.amd46", "amd46"),
    ("jactionlint", RELEASE, "needs: build\n", "needs: built\n", "built"),
    ("jactionlint", RELEASE, 'if [ "$passed" = 0 ]', "if [ $passed = 0 ]", "SC2086"),
    ("shellcheck", DELIVERY, 'echo "$*" >&2', "echo $* >&2", "SC2048"),
)  # fmt: skip


def copied(target: pathlib.Path) -> None:
    # By which jactionlint finds the root.
    (target / ".git").mkdir()
    for name in READ:
        source, copy = ROOT / name, target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, copy) if source.is_dir() else shutil.copy(source, copy)


def overlooked(mistake: tuple) -> str | None:
    who, name, right, wrong, part = mistake
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        copied(root)
        text = (root / name).read_text()
        if right not in text:
            return f"a mistake can't be made: {name} has no {right!r}"
        (root / name).write_text(text.replace(right, wrong, 1))
        said = "\n".join(findings(root)) if who == "rules" else lint(who, root)
    if part in said:
        return None
    return f"{who} overlooked that {name} has {wrong!r} instead of {right!r}: {said or 'nothing found'}"


def check() -> None:
    problems = findings(ROOT)
    with tempfile.TemporaryDirectory() as folder:
        # Apart from what else lies about here, such as other people's actions in a virtual environment.
        copied(pathlib.Path(folder))
        problems += filter(None, (lint(name, pathlib.Path(folder)) for name in linters(ROOT)))
    problems += filter(None, map(overlooked, MISTAKES))
    for problem in problems:
        wrong(problem)
    if not problems:
        passed(f"nothing found by our rules, {', '.join(linters(ROOT))}; {len(MISTAKES)} mistakes were found")
    delivery.check()


if __name__ == "__main__":
    raise SystemExit(report.main("workflows-check", check))
