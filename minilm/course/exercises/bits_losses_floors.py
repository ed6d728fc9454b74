"""Exercises of notebook 00."""

from minilm.course.check import Exercise

EXERCISES: list[Exercise] = []
