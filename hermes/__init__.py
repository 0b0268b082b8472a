"""Hermes: a high-interaction SSH honeypot on rootless Podman containers."""

__version__ = "0.1.0"
