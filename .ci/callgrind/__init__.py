"""How many instructions the hot parts take, compared with a baseline: `make callgrind-check`."""
