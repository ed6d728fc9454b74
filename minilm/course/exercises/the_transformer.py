"""Exercises of notebook 05."""

from minilm.course.check import Exercise

EXERCISES: list[Exercise] = []
