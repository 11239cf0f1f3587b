"""docs/measured.md: what `make bench`, `make bench-growth` and `make record-minute` have seen, and what it was to be."""
