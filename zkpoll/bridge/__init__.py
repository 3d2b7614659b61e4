"""Door 3: databases of vendor software, read and never written."""
