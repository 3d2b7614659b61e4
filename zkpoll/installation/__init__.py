"""What makes an installation ready: a first inventory, and systemd's units."""
