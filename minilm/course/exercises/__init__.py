"""The exercises of the course: for each notebook a page of checks that has the notebook's name.

    NOTEBOOKS["00_bits_losses_floors"]    ->  its exercises
    EXERCISES["entropy_rate"]             ->  the one of that name, in whichever notebook
"""

from minilm.course.check import Exercise
from minilm.course.exercises import (
    a_real_bert,
    a_small_gpt,
    bits_losses_floors,
    error_against_bit_width,
    from_rnn_to_lstm,
    pruning_distillation_low_rank,
    published_formulas,
    quantized_inference,
    sequence_to_sequence,
    small_embeddings,
    the_pareto_front,
    the_transformer,
    training_with_few_bits,
    word2vec_by_hand,
)

NOTEBOOKS: dict[str, list[Exercise]] = {
    "00_bits_losses_floors": bits_losses_floors.EXERCISES,
    "01_word2vec_by_hand": word2vec_by_hand.EXERCISES,
    "02_small_embeddings": small_embeddings.EXERCISES,
    "03_from_rnn_to_lstm": from_rnn_to_lstm.EXERCISES,
    "04_sequence_to_sequence": sequence_to_sequence.EXERCISES,
    "05_the_transformer": the_transformer.EXERCISES,
    "06_a_small_gpt": a_small_gpt.EXERCISES,
    "07_error_against_bit_width": error_against_bit_width.EXERCISES,
    "08_published_formulas": published_formulas.EXERCISES,
    "09_quantized_inference": quantized_inference.EXERCISES,
    "10_training_with_few_bits": training_with_few_bits.EXERCISES,
    "11_pruning_distillation_low_rank": pruning_distillation_low_rank.EXERCISES,
    "12_a_real_bert": a_real_bert.EXERCISES,
    "13_the_pareto_front": the_pareto_front.EXERCISES,
}
EXERCISES: dict[str, Exercise] = {e.name: e for page in NOTEBOOKS.values() for e in page}

__all__ = ["EXERCISES", "NOTEBOOKS"]
