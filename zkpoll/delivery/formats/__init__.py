"""The formats of requests: one module each, and the table of them."""
