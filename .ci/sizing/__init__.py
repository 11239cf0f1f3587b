"""What a show costs: `make sizing-measure`, and the page docs/sizing.md, which `make chart-docs` writes."""
