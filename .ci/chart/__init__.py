"""The Helm chart: `make chart-check`, `make chart-docs`, `make deploy-local-check`."""
