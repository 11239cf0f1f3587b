#!/usr/bin/env python3
"""Builds the images, then their binaries once more from nothing: they have to be the same to the bit.

What a final stage adds to its base is that binary and a file that it copies from the builder's base (check.py
sees that nothing else is there), so that one commit on the same bases makes the same images.
"""

import hashlib
import io
import subprocess
import tarfile
import time

from images.check import BUILD_LIMIT_S, IMAGES, build, image_of, unique
from lib import ROOT, report
from lib.bases import BUILDER, RUNTIME
from lib.docker import Docker
from lib.engine import with_engine
from lib.report import passed, title, wrong


def check(docker: Docker) -> None:
    docker.provide(BUILDER, RUNTIME)
    build(docker)
    again = unique("builder")
    title("once more, from nothing")
    start = time.monotonic()
    docker.run(
        "build", "--no-cache", "--file=docker/Dockerfile", "--target=builder", f"--tag={again}", ".",
        cwd=ROOT, limit_s=BUILD_LIMIT_S,
    )  # fmt: skip
    passed(f"built in {time.monotonic() - start:.0f} s")
    try:
        for name in IMAGES:
            first = file(docker, image_of(name), f"/usr/local/bin/{name}")
            second = file(docker, again, f"/out/{name}")
            if first != second:
                wrong(name, f"differs: {first}; then {second}")
            else:
                passed(f"{name}: {first}")
    finally:
        docker.run("image", "rm", again, check=False)
    docker.trim_cache()


def file(docker: Docker, image: str, path: str) -> str:
    """What identifies a file of an image: its bytes, its mode and owner, its time."""
    container = docker.out("create", image, "never-started")
    try:
        archive = subprocess.run(
            [docker.client, "cp", f"{container}:{path}", "-"], capture_output=True, env=docker.environment, check=True, timeout=60
        ).stdout
    finally:
        docker.run("rm", container)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        (member,) = tar.getmembers()
        digest = hashlib.sha256(tar.extractfile(member).read()).hexdigest()
    return f"sha256 {digest}, mode {member.mode:o} of {member.uid}:{member.gid}, time {member.mtime:.0f}"


if __name__ == "__main__":
    raise SystemExit(report.main("reproducible-check", with_engine(check)))
