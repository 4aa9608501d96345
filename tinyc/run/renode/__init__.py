"""Renode: the files of a project that it runs, the program itself, and it as an emulator."""
