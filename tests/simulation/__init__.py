"""Simulation tests: the vote path in one process, under one seeded scheduler (docs/simulation.md)."""
