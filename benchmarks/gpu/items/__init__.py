"""What the sections of the GPU report measure and check."""
