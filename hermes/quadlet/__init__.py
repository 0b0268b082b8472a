"""Units for systemd and Quadlet, made of the settings. Pure: text in, text out."""
