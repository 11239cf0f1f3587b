"""Everything in deploy/ that watches the services: `make monitoring-check`."""
