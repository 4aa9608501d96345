"""Boards, cores and toolchains."""
