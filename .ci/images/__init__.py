"""The container images: `make images-check`, `make reproducible-check`."""
