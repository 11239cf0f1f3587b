"""GitHub's workflows, and the script that they run: `make workflows-check`."""
