"""A query set through both sides: per-query measures, their deltas, intervals and bounds."""
