"""Stages in a row: distil, shrink, factorize, prune, quantize, train in between, code.

    recipe = Recipe(
        stage("prune", sparsity=0.5),
        stage("tune", steps=150),
        stage("quantize", bits=3, grid="lloyd_max", train="levels"),
        stage("tune", steps=150),
        stage("code"),
    )
    rows = recipe.run(bench, "small.npz").rows              or Recipe.read("small.toml").run(…)

    recipe.py      Recipe: run, a file and a row for each stage
    checks.py      stage: written down, and checked before any time is spent
    stages.py      STAGES: what each does to the state
    state.py       State: what earlier stages fixed, and how it is seen, packed and written
    roundings.py   what quantized weights are trained by: straight-through, steps, levels
    bench.py       Bench: the model, its data and its judge; Rehearsal: all but the training
    front.py       rows that no other row beats in bytes, loss and time: pareto_front
"""

from minilm.compression.recipes.bench import Bench
from minilm.compression.recipes.checks import Stage, stage
from minilm.compression.recipes.front import pareto_front
from minilm.compression.recipes.recipe import Outcome, Recipe
from minilm.compression.recipes.stages import STAGES
from minilm.compression.recipes.state import State

__all__ = ["STAGES", "Bench", "Outcome", "Recipe", "Stage", "State", "pareto_front", "stage"]
