"""What nodes keep for backward, and the hooks on it."""
