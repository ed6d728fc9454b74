"""Studies: recipe × setting × seed -> rows, figures, a report.

    settings        what a study is made of
    study           the main job, from an empty folder to its report
    cells, sweep    one measurement; all of them, on any executor, continued where they stopped
    subjects        what is studied: language_model and word_vectors
    measure         bytes and signal-to-noise ratios of compressed parameters
    baselines       n-grams, and the entropy of a known source
    limits          Shannon's bound and Lloyd–Max, for a Gaussian
    results, plots, report    the table, the figures, the page
"""

from minilm.study.settings import Settings, default, thorough
from minilm.study.study import run_study

__all__ = ["Settings", "default", "run_study", "thorough"]
