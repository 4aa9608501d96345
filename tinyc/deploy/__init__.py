"""What leaves tinyc: flashing, exports, new projects, and the tools that are there."""
