"""How the crates and their files may use each other: `make architecture`."""
