#!/usr/bin/env python3
"""Tries .ci/delivery.sh without a registry or a cluster: stand-ins of docker, helm, cosign and curl note how they were
called and answer what the scenario says. What the real tools make of it is seen only where the workflows run.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
SCRIPT = ROOT / ".ci/delivery.sh"
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

HISTORY = [
    {"revision": 1, "status": "superseded"},
    {"revision": 2, "status": "superseded"},
    {"revision": 3, "status": "failed"},
    {"revision": 4, "status": "deployed"},
]
FOUND = ("imagetools inspect", json.dumps({"digest": DIGEST}), 0)
KNOWN = ("helm history", json.dumps(HISTORY), 0)
NEW = ("helm history", "Error: release: not found", 1)
OPEN = {"kind": "live", "state": "open", "id": "paredao-01", "closes_at": "2999-01-01T00:00:00.000Z"}
OVER = OPEN | {"closes_at": "2001-01-01T00:00:00.000Z"}


def polls(*several: dict, stale: bool = False) -> tuple:
    return ("curl", json.dumps({"stale": stale, "polls": several}), 0)


# What is called, what the tools answer, the exit status, what has to be said, done or put out, and what must not be.
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
        ["upgrade", "1.2.3", "chart"], [FOUND, KNOWN], 0,
        [
            "before=4", "kubeconfig: 0o600 a kubeconfig",
            "helm upgrade show chart --install --namespace votes --create-namespace --atomic --timeout 10m",
            "--set tests.enabled=true --set-string image.registry=ghcr.io/example",
            f"--set-string ingest.image.digest={DIGEST} --set-string results.image.digest={DIGEST}",
            f"--set-string votectl.image.digest={DIGEST}", "release.yml@refs/tags/v1.2.3",
        ],
        [],
    ),
    (["upgrade", "1.2.3", "chart"], [FOUND, NEW], 0, ["before=0", "helm upgrade"], []),
    # What is not known to be signed, or whose state is not known, is not touched.
    (["upgrade", "1.2.3", "chart"], [FOUND, KNOWN, ("cosign", "no signatures", 1)], 1, ["no signatures"], ["helm"]),
    (["upgrade", "1.2.3", "chart"], [("imagetools", "not found", 1), KNOWN], 1, [], ["helm", "cosign"]),
    (["upgrade", "1.2.3", "chart"], [FOUND, ("helm history", "no route", 1)], 1, ["no route"], ["helm upgrade"]),
    (["upgrade", "v1.2.3", "chart"], [FOUND, KNOWN], 1, ["is not a version"], ["helm"]),
    (["upgrade", "1.2.3", "chart"], [FOUND, KNOWN, ("helm upgrade", "timed out", 1)], 1, ["before=4", "timed out"], []),
    (["smoke"], [], 0, ["helm test show --namespace votes --logs --timeout 10m"], []),
    (["smoke"], [("helm test", "no vote", 1)], 1, ["no vote"], []),
    (["rollback", "2"], [KNOWN], 0, ["helm rollback show 2 --namespace votes --wait --timeout 10m"], []),
    (["rollback", ""], [KNOWN], 0, ["helm rollback show 2"], []),
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


def main() -> int:
    failed = 0
    for arguments, answers, wanted, parts, absent in SCENARIOS:
        with tempfile.TemporaryDirectory() as folder:
            status, said = play(arguments, answers, pathlib.Path(folder))
            # Its own folder has another name each time.
            plain = "\n".join(
                " ".join("TMP/" + word.rsplit("/", 1)[1] if f"{folder}/temporary/" in word else word for word in line.split(" "))
                for line in said.splitlines()
            )
        wrong = [f"exit status {status}, not {wanted}"] if status != wanted else []
        wrong += [f"lacks: {part}" for part in parts if part not in plain]
        wrong += [f"has: {part}" for part in (*absent, "left behind") if part in plain]
        if wrong:
            failed += 1
            print(f"delivery.sh {' '.join(arguments)}: {'; '.join(wrong)}\n{said}", file=sys.stderr)
    if not failed:
        print(f"delivery.sh: does what it should in {len(SCENARIOS)} scenarios")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
