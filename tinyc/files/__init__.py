"""What tinyc reads and writes: its own resources, the user's files, the folders that it makes."""
