"""What the checks share. Each runs as `python -m TOPIC.check` with this folder's parent in PYTHONPATH (the Makefile)."""

import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
