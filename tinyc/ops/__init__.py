"""The operators: one file each, found and registered by `tinyc.op.all_ops`."""
