"""What sorts of methods there are: their names in the tables, and whether they train."""

# of quantization
POST_TRAINING_KIND, TRAINED_KIND, WHOLE_KIND = "post-training", "trained", "whole model"
# of fewer weights
PRUNED, PRUNED_ROUNDED = "pruned", "pruned and rounded"
PRUNED_TRAINED, PRUNED_TRAINED_ROUNDED = "pruned, trained", "pruned, trained and rounded"
SHRUNK, SHRUNK_TRAINED = "shrunk", "shrunk, trained"
LOW_RANK, LOW_RANK_TRAINED = "low rank", "low rank, trained"
STUDENT = "student"

TRAINING_KINDS = frozenset({
    TRAINED_KIND, PRUNED_TRAINED, PRUNED_TRAINED_ROUNDED, SHRUNK_TRAINED, LOW_RANK_TRAINED, STUDENT,
})  # fmt: skip
