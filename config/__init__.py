"""Settings and logging: read once, at start, by programs."""
