"""Recipes and coded files are found where a person looks for them: in minilm.compression."""

from minilm import compression
from minilm.compression import coding, recipes


def test_each_public_name_is_there_and_the_lists_are_in_order():
    for part in (compression, coding, recipes):
        assert all(hasattr(part, name) for name in part.__all__)
        assert len({*part.__all__}) == len(part.__all__)


def test_a_recipe_is_written_with_what_compression_exports():
    names = {"Recipe", "stage", "pareto_front", "save_coded"}
    assert names <= {*compression.__all__}
    assert compression.Recipe is recipes.Recipe and compression.save_coded is coding.save_coded
    recipe = compression.Recipe(
        compression.stage("prune", sparsity=0.5),
        compression.stage("quantize", bits=3),
        compression.stage("code"),
    )
    assert [each.do for each in recipe.stages] == ["prune", "quantize", "code"]
