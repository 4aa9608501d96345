"""What changes a network's meaning: one file a technique."""
