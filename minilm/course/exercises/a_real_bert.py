"""Exercises of notebook 12."""

from minilm.course.check import Exercise

EXERCISES: list[Exercise] = []
