"""Studies: recipe × setting × seed -> rows, figures, a report.

    settings        what a study is made of
    study           the main job, from an empty folder to its report
    cells, sweep    one measurement; all of them, on any executor, continued where they stopped
    subjects        what is studied: language_models, word_vectors, tasks
    fitted          what those have in common that `fit` trains
    task_data, task_recipes    what a task's models learn from, and how
    measures        what a study is judged by: a loss or a score, and its limits
    measure         bytes and signal-to-noise ratios of compressed parameters
    baselines       n-grams, and the entropy of a known source
    limits          Shannon's bound, and what each quantizer reaches, for a Gaussian
    results, plots, report    the table, the figures, the page
    recipes         several recipes on one model: bytes, quality, time
    methods/        every method against every other, in the place of the bit sweeps
"""

from minilm.study.settings import Settings, default, methods_study, task_study, thorough
from minilm.study.study import run_study

__all__ = ["Settings", "default", "methods_study", "run_study", "task_study", "thorough"]
