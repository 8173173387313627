"""What ops of several kinds share: dimensions, half precision, blocks that fit the cache, rules."""
