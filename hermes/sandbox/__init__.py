"""Sandboxes: rootless containers, warmed in a pool, leased to one session each."""
