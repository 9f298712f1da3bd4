"""Measurements beside what else could be used, and an endurance run: scripts, no part of the product."""
