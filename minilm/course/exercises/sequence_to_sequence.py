"""Exercises of notebook 04."""

from minilm.course.check import Exercise

EXERCISES: list[Exercise] = []
