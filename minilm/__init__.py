"""Small language models and their compression, in NumPy that can be read."""
