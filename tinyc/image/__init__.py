"""Library and board -> Image: the linked firmware, measured."""
