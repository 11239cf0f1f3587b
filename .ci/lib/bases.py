"""The images that containers are built on and run beside, and where an engine of our own keeps its data."""

import os
import pathlib
import re

from lib import ROOT

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "paredao-containers"
# Not said twice: Dependabot raises them in the Dockerfile alone.
BASES = {
    stage: image
    for image, stage in re.findall(r"^FROM (\S+) AS default-(\w+)$", (ROOT / "docker/Dockerfile").read_text(), re.MULTILINE)
}
RUNTIME = BASES["runtime"]
BUILDER = BASES["builder"]
REDIS = "redis:8.2-alpine"
PROXY = "haproxy:3.2-alpine"
