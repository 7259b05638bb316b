"""Benchmarks: `make bench` prints ours beside a peer or reference measured in the same run, and the limit."""
