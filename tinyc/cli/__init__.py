"""The command line: data on stdout, messages and progress on stderr, one line for an error.

Nothing heavy is imported at module level here: each verb imports what it runs.
"""
