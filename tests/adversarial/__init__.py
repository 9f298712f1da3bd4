"""Hostile programs against the real kernel: each test is named after an attack or a promise."""
