"""The kinds of files that can be run: a module each, which bears the name of the suffix."""
