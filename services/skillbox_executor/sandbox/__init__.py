"""Sandboxes: one driver interface, a driver per engine, and the runner protocol."""
