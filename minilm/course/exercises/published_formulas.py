"""Exercises of notebook 08."""

from minilm.course.check import Exercise

EXERCISES: list[Exercise] = []
