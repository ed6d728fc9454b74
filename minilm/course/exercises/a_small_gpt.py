"""Exercises of notebook 06."""

from minilm.course.check import Exercise

EXERCISES: list[Exercise] = []
