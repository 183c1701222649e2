"""Training of one network: set up, loop, judge, estimate; on many devices, with checkpoints."""
