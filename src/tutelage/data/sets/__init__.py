"""The built-in data sets: a file each, named in DATASETS; data/sources.py alone imports them."""
