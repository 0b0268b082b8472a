"""A Debian 13 machine with systemd and enforced limits, under QEMU's software emulation."""
