"""The operators: one file each, found and registered by `tinyc.ops.base.all_ops`."""
