"""What systemd gives a service and is told by it; without systemd all of it does nothing."""
