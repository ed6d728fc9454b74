"""Exercises of notebook 01."""

from minilm.course.check import Exercise

EXERCISES: list[Exercise] = []
