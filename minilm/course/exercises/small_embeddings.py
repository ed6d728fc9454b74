"""Exercises of notebook 02."""

from minilm.course.check import Exercise

EXERCISES: list[Exercise] = []
