"""What the lessons are made with, and nothing else in the house needs.

    published/    formulas as articles print them, run beside the right ones
"""
