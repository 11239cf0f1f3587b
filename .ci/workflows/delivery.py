#!/usr/bin/env python3
"""Tries .github/scripts/delivery.sh without a registry or a cluster: stand-ins of docker, helm, cosign and curl note how they were
called and answer what the scenario says. What the real tools make of it is seen only where the workflows run.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

from lib import ROOT
from lib.report import passed, wrong

SCRIPT = ROOT / ".github/scripts/delivery.sh"
VERSION = subprocess.run([SCRIPT, "version"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
DIGEST = "sha256:" + "ab" * 32
ELSE = "sha256:" + "cd" * 32

# Answers by the first of $ANSWERS whose `call` is in the command line; without one, with nothing.
STAND_IN = f"""#!{sys.executable}
import json, os, pathlib, re, sys
line = " ".join([pathlib.Path(sys.argv[0]).name, *sys.argv[1:]])
with open(os.environ["CALLS"], "a") as calls:
    print(line, file=calls)
    if os.environ.get("KUBECONFIG"):
        config = pathlib.Path(os.environ["KUBECONFIG"])
        print("kubeconfig:", oct(config.stat().st_mode & 0o777), config.read_text().strip(), file=calls)
metadata = re.search(r"--metadata-file (\\S+)", line)
if metadata:
    pathlib.Path(metadata[1]).write_text(json.dumps({{"containerimage.digest": "{DIGEST}"}}))
for call, answer, status in json.loads(os.environ["ANSWERS"]):
    if call in line:
        print(answer, file=sys.stderr if status else sys.stdout)
        sys.exit(status)
"""


def history(*states: str, version: str = "1.2.2") -> tuple:
    """Of the release: the status of each revision, and what its description says, where it says something."""
    return (
        "helm history",
        json.dumps(
            [
                {"revision": revision, "status": status, "description": said or "Upgrade complete", "app_version": version}
                for revision, (status, _, said) in enumerate((state.partition(": ") for state in states), start=1)
            ]
        ),
        0,
    )


def runs(ingest: str = ELSE, results: str = ELSE, registry: str = "ghcr.io/example") -> tuple:
    """The values that are deployed, the chart's defaults included."""
    chosen = {"ingest": ingest, "results": results, "votectl": results}
    images = {name: {"image": {"digest": digest, "tag": ""}} for name, digest in chosen.items()}
    return ("helm get values", json.dumps({"image": {"registry": registry}} | images), 0)


FOUND = ("imagetools inspect", json.dumps({"digest": DIGEST}), 0)
KNOWN = history("superseded", "superseded", "failed", "deployed")
NEW = ("helm history", "Error: release: not found", 1)
# The upgrade of the first half, which says that it is one.
HALF = "--description half of 1.2.3"
# Deployed in two steps; then gone back from there, in two as well.
TWICE = ("superseded", "superseded: half of 1.2.3", "deployed")
BACK = ("superseded", "superseded: half of 1.2.3", "superseded", "superseded: Rollback to 2", "deployed: Rollback to 1")
OPEN = {"kind": "live", "state": "open", "id": "paredao-01", "closes_at": "2999-01-01T00:00:00.000Z"}
OVER = OPEN | {"closes_at": "2001-01-01T00:00:00.000Z"}


def polls(*several: dict, stale: bool = False) -> tuple:
    return ("curl", json.dumps({"stale": stale, "polls": several}), 0)


# What is called, what the tools answer, the exit status, what has to be said, done or put out, and what must not be. Of
# several in a tuple each has to follow the one before.
SCENARIOS = (
    (["version"], [], 0, [VERSION], []),
    (["version", f"v{VERSION}"], [], 0, [VERSION], []),
    (["version", "v99.0.0"], [], 1, ["the tag is v99.0.0"], []),
    (["version", VERSION], [], 1, [f"its tag is v{VERSION}"], []),
    # The registry's name without capitals, the password on no command line.
    (["login"], [], 0, ["docker login ghcr.io --username someone", "helm registry login ghcr.io"], ["secret"]),
    (
        ["build", "arm64"], [], 0,
        [
            "--target votectl --platform linux/arm64", "--sbom=true --provenance=mode=max",
            "name=ghcr.io/example/paredao/vote-ingest,push-by-digest=true", "rewrite-timestamp=true",
            f"docker run --rm --pull always ghcr.io/example/paredao/vote-results@{DIGEST} --version",
            f'arm64={{"vote-ingest":"{DIGEST}","vote-results":"{DIGEST}","votectl":"{DIGEST}"}}',
        ],
        ["--tag"],
    ),
    (["build", "arm64"], [("docker run", "exec format error", 1)], 1, [], ["arm64={"]),
    (
        ["publish", json.dumps(dict.fromkeys(("vote-ingest", "vote-results", "votectl"), DIGEST)),
         json.dumps(dict.fromkeys(("vote-ingest", "vote-results", "votectl"), ELSE))],
        [FOUND, ("helm push", f"Pushed: x\nDigest: {ELSE}", 0)], 0,
        [
            f"create --tag ghcr.io/example/paredao/votectl:{VERSION} "
            f"ghcr.io/example/paredao/votectl@{DIGEST} ghcr.io/example/paredao/votectl@{ELSE}",
            f"cosign sign --yes ghcr.io/example/paredao/votectl@{DIGEST}",
            f"helm push TMP/paredao-{VERSION}.tgz oci://ghcr.io/example/paredao/charts",
            f"cosign sign --yes ghcr.io/example/paredao/charts/paredao@{ELSE}",
            f"release.yml@refs/tags/v{VERSION}",
        ],
        [],
    ),
    # An architecture that has lost an image.
    (["publish", json.dumps({"vote-ingest": DIGEST}), "{}"], [FOUND], 1, [], ["imagetools create", "cosign sign"]),
    (["publish", json.dumps(dict.fromkeys(("vote-ingest", "vote-results", "votectl"), DIGEST))],
     [FOUND, ("cosign verify", "no signatures", 1)], 1, ["no signatures"], ["helm push"]),
    (["live"], [polls()], 0, ["no live poll is open", "https://votes.example/v1/polls"], []),
    (["live"], [polls(OVER, OPEN | {"kind": "rehearsal"}, OPEN | {"state": "closed"})], 0, ["no live poll is open"], []),
    (["live"], [polls(OVER, OPEN)], 1, ["a live poll is open: paredao-01"], []),
    (["live"], [polls(OPEN | {"state": "paused"})], 1, ["a live poll is open"], []),
    (["live"], [polls(stale=True)], 1, ["can't read which polls are open"], []),
    (["live"], [("curl", "502", 22)], 1, ["does not say which polls are open"], []),
    (
        ["upgrade", "1.2.3", "chart"], [FOUND, KNOWN, runs()], 0,
        [
            "before=4", "kubeconfig: 0o600 a kubeconfig",
            "helm upgrade show chart --install --namespace votes --create-namespace --atomic --timeout 10m",
            "--set tests.enabled=true --set-string image.registry=ghcr.io/example", "release.yml@refs/tags/v1.2.3",
            # First what reads, with ingest as it is; then ingest.
            (
                f"--set-string ingest.image.digest={DIGEST} --set-string results.image.digest={DIGEST} "
                f"--set-string votectl.image.digest={DIGEST} {HALF} "
                f"--set-string ingest.image.digest={ELSE} --set-string ingest.image.tag=1.2.2\n",
                f"--set-string ingest.image.digest={DIGEST} --set-string results.image.digest={DIGEST} "
                f"--set-string votectl.image.digest={DIGEST}\n",
            ),
        ],
        ["helm rollback", "::warning::"],
    ),
    # By hand it was installed without digests.
    (["upgrade", "1.2.3", "chart"], [FOUND, KNOWN, runs(ingest="")], 0,
     [f"{HALF} --set-string ingest.image.digest= --set-string ingest.image.tag=1.2.2\n"], []),
    # To an older version the other way round, also from one to its own candidate.
    *(
        (["upgrade", version, "chart"], [FOUND, history("deployed", version=now), runs()], 0,
         [(f"half of {version} --set-string results.image.digest={ELSE} --set-string results.image.tag={now} "
           f"--set-string votectl.image.digest={ELSE} --set-string votectl.image.tag={now}\n", "helm upgrade")],
         [f"ingest.image.digest={ELSE}"])
        for version, now in (("1.2.3", "1.2.10"), ("1.2.3-rc.1", "1.2.3"))
    ),
    (["upgrade", "1.2.3", "chart"], [FOUND, history("deployed", version="1.2.3-rc.1"), runs()], 0,
     [f"{HALF} --set-string ingest."], [f"results.image.digest={ELSE}"]),
    # The same one, built again.
    (["upgrade", "1.2.3", "chart"], [FOUND, history("deployed", version="1.2.3"), runs()], 0,
     [f"{HALF} --set-string ingest."], [f"results.image.digest={ELSE}"]),
    # One step, where there is no order to keep, or none can be kept.
    (["upgrade", "1.2.3", "chart"], [FOUND, NEW], 0, ["before=0", "helm upgrade"], [HALF, "helm get values"]),
    (["upgrade", "1.2.3", "chart"], [FOUND, KNOWN, runs(ingest=DIGEST)], 0, ["helm upgrade"], [HALF]),
    (["upgrade", "1.2.3", "chart"], [FOUND, KNOWN, runs(registry="ghcr.io/other")], 0,
     ["::warning::all is upgraded at once", "helm upgrade"], [HALF]),
    # What is not known to be signed, or whose state is not known, is not touched.
    (["upgrade", "1.2.3", "chart"], [FOUND, KNOWN, ("cosign", "no signatures", 1)], 1, ["no signatures"], ["helm"]),
    (["upgrade", "1.2.3", "chart"], [("imagetools", "not found", 1), KNOWN], 1, [], ["helm", "cosign"]),
    (["upgrade", "1.2.3", "chart"], [FOUND, ("helm history", "no route", 1)], 1, ["no route"], ["helm upgrade"]),
    (["upgrade", "v1.2.3", "chart"], [FOUND, KNOWN], 1, ["is not a version"], ["helm"]),
    (["upgrade", "1.2.3", "chart"], [FOUND, KNOWN, ("helm get values", "no route", 1)], 1, ["no route"], ["helm upgrade"]),
    # Helm has gone back by itself.
    (["upgrade", "1.2.3", "chart"], [FOUND, NEW, ("helm upgrade", "timed out", 1)], 1, ["before=0", "timed out"],
     ["helm rollback"]),
    (["upgrade", "1.2.3", "chart"], [FOUND, KNOWN, runs(), (HALF, "timed out", 1)], 1, ["before=4", "timed out"],
     ["helm rollback", "half of version 1.2.3 runs"]),
    # By itself only to the first half.
    (["upgrade", "1.2.3", "chart"], [FOUND, KNOWN, runs(), (HALF, "", 0), ("helm upgrade", "timed out", 1)], 1,
     [("half of version 1.2.3 runs", "timed out", "back to revision 4", "is not upgraded to version 1.2.3"),
      "helm rollback show 4 --namespace votes --wait --timeout 10m"], []),
    (["upgrade", "1.2.3", "chart"],
     [FOUND, KNOWN, runs(), (HALF, "", 0), ("helm upgrade", "timed out", 1), ("helm rollback", "no way back", 1)], 1,
     ["back to revision 4", "no way back"], []),
    (["smoke"], [], 0, ["helm test show --namespace votes --logs --timeout 10m"], []),
    (["smoke"], [("helm test", "no vote", 1)], 1, ["no vote"], []),
    (["rollback", "2"], [KNOWN], 0, ["helm rollback show 2 --namespace votes --wait --timeout 10m", "::warning::all is"], []),
    (["rollback", ""], [KNOWN], 0, ["helm rollback show 2"], []),
    # What was done in two steps is undone in two; and done again in two.
    (["rollback"], [history(*TWICE)], 0, [("helm rollback show 2 ", "helm rollback show 1 ")], ["::warning::"]),
    (["rollback", "1"], [history(*TWICE)], 0, [("helm rollback show 2 ", "helm rollback show 1 ")], ["::warning::"]),
    (["rollback"], [history(*BACK)], 0, [("helm rollback show 4 ", "helm rollback show 3 ")], ["::warning::"]),
    # From where there is nothing half-way.
    (["rollback", "1"], [history(*BACK)], 0, ["::warning::all is changed at once", "helm rollback show 1 "], ["show 4 "]),
    (["rollback", "1"], [history("superseded", *TWICE)], 0, ["::warning::all is", "helm rollback show 1 "], ["show 3 "]),
    # From the half itself, where a deployment was cut short, there is one step to what was before.
    (["rollback"], [history("superseded", "deployed: half of 1.2.3")], 0, ["helm rollback show 1 "], ["::warning::", "show 2 "]),
    (["rollback", "1"], [history("superseded", "superseded", "deployed: half of 1.2.3")], 0,
     ["::warning::all is", "helm rollback show 1 "], ["show 2 "]),
    # No half is gone back to, unless it is named.
    (["rollback"], [history("superseded", "superseded: half of 1.2.3", "failed", "deployed: Rollback to 2")], 0,
     ["helm rollback show 1 "], ["show 2 "]),
    (["rollback", "2"], [history(*TWICE)], 0, ["::warning::all is", "helm rollback show 2 "], ["show 1 "]),
    # To arrive is worth more than to arrive in order.
    (["rollback"], [history(*TWICE), ("helm rollback show 2", "timed out", 1)], 0,
     [("helm rollback show 2 ", "helm rollback show 1 "), "::warning::revision 2 was not reached"], []),
    (["rollback"], [history(*TWICE), ("helm rollback", "timed out", 1)], 1, ["timed out"], ["back at what"]),
    (["rollback"], [NEW], 1, ["no revision to go back to"], ["helm rollback"]),
    (["rollback", "0"], [KNOWN], 1, ["no revision to go back to"], ["helm rollback"]),
    (["rollback", "1; true"], [KNOWN], 1, ["is not a revision"], ["helm rollback"]),
    (["else"], [], 1, ["usage"], []),
)  # fmt: skip


def play(arguments: list, answers: list, folder: pathlib.Path) -> tuple[int, str]:
    """Its exit status; and all it said, wrote and called."""
    for name in ("docker", "helm", "cosign", "curl"):
        (folder / name).write_text(STAND_IN)
        (folder / name).chmod(0o755)
    temporary = folder / "temporary"
    temporary.mkdir()
    (folder / "calls").touch()
    (folder / "output").touch()
    done = subprocess.run(
        [SCRIPT, *arguments], text=True, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={
            "PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(folder), "TMPDIR": str(temporary),
            "CALLS": str(folder / "calls"), "ANSWERS": json.dumps(answers), "GITHUB_OUTPUT": str(folder / "output"),
            "GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "Example/paredao",
            "REGISTRY": "ghcr.io/Example", "REGISTRY_USER": "someone", "REGISTRY_PASSWORD": "secret",
            "RESULTS_URL": "https://votes.example/", "RELEASE": "show", "NAMESPACE": "votes", "TIMEOUT": "10m",
            "KUBECONFIG_DATA": "a kubeconfig",
        },
    )  # fmt: skip
    left = [path.name for path in temporary.rglob("*")]
    said = done.stdout + (folder / "calls").read_text() + (folder / "output").read_text()
    if left:
        said += f"\nleft behind: {left}"
    return done.returncode, said


def follow(text: str, parts: list) -> bool:
    """Whether it has each, behind the one before."""
    at = 0
    for part in parts:
        found = text.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return True


def check() -> None:
    failed = 0
    for arguments, answers, wanted, parts, absent in SCENARIOS:
        with tempfile.TemporaryDirectory() as folder:
            status, said = play(arguments, answers, pathlib.Path(folder))
            # Its own folder has another name each time.
            plain = "\n".join(
                " ".join("TMP/" + word.rsplit("/", 1)[1] if f"{folder}/temporary/" in word else word for word in line.split(" "))
                for line in said.splitlines()
            )
        amiss = [f"exit status {status}, not {wanted}"] if status != wanted else []
        amiss += [f"lacks: {part}" for part in parts if not follow(plain, [part] if isinstance(part, str) else part)]
        amiss += [f"has: {part}" for part in (*absent, "left behind") if part in plain]
        if amiss:
            failed += 1
            wrong(f"delivery.sh {' '.join(arguments)}", f"{'; '.join(amiss)}\n{said}")
    if not failed:
        passed(f"delivery.sh: does what it should in {len(SCENARIOS)} scenarios")
