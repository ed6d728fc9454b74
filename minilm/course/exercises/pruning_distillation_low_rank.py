"""Exercises of notebook 11."""

from minilm.course.check import Exercise

EXERCISES: list[Exercise] = []
