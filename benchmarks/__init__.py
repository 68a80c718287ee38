"""Benchmarks: what `make bench` runs. Each result is checked against an oracle before its time counts."""
