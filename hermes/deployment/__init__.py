"""Putting the units of a deployment in place, starting them, and taking them away again."""
