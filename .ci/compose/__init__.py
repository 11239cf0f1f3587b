"""compose.yaml and what is beside it: `make compose-check`."""
