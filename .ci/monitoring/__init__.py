"""The parts of `make monitoring-check`; ../monitoring_check.py puts them together."""
