"""Exercises of notebook 13."""

from minilm.course.check import Exercise

EXERCISES: list[Exercise] = []
