"""Exercises of notebook 09."""

from minilm.course.check import Exercise

EXERCISES: list[Exercise] = []
