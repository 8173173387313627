"""What a thread may be in: grad mode, default device, observers, transform levels."""
