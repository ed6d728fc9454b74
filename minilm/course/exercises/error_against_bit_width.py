"""Exercises of notebook 07."""

from minilm.course.check import Exercise

EXERCISES: list[Exercise] = []
