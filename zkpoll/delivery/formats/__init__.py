"""What dashboards are sent: one module a format."""
