"""`check_device`: runs a function on the strict device and names each hidden copy and wait."""
