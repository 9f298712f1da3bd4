"""Every command of `promptmill`."""
