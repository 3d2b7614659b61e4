"""What makes an installation ready to be used."""
