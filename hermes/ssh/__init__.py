"""The front door: an SSH server that looks like the decoy's (the only user of asyncssh)."""
