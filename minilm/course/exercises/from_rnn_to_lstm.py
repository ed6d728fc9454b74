"""Exercises of notebook 03."""

from minilm.course.check import Exercise

EXERCISES: list[Exercise] = []
