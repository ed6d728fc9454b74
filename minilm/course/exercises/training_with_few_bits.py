"""Exercises of notebook 10."""

from minilm.course.check import Exercise

EXERCISES: list[Exercise] = []
