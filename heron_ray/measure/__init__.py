"""Meters: FLOPs, peak memory, traffic, accuracy. Pure torch; a meter never reads a method's name."""
