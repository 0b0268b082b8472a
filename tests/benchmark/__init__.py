"""Speed and size beside OpenSSH's sshd on the same machine; `scripts/bench` runs it."""
