"""Factories, casts, copies and moves."""
