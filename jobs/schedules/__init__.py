"""Runs that start by the clock: when, what becomes of each instant, and what is kept of it."""
