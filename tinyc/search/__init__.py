"""The way to the smallest network that still does its job: compress, measure, search."""
