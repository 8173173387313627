"""The ops, each with its derivative beside it, by kind."""
