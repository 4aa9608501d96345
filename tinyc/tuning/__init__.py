"""The choice between backends, the search of schedules, and benchmarks."""
