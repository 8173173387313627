"""Derivatives that users write: `Function` and `custom_op`."""
