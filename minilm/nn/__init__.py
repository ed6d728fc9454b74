"""Operations and their derivatives: `y, cache = op(...)` and, below it, `op_backward(dy, cache)`.

    linear.py       x w + b, and how derivatives pass through any kind of weight
    embedding.py    rows of a table
    activations.py  relu, gelu, silu, tanh, sigmoid, softmax
    exact_gelu.py   gelu as it is defined, by the normal distribution
    norm.py         LayerNorm, RMSNorm
    swiglu.py       the feed-forward layer with gates
    dropout.py      leaving values out
    positions.py    sinusoidal and rotary positions
    attention.py    masks, scaled dot-product attention
    multi_head_attention.py   several attentions side by side
    cross_attention.py   queries of one sequence, keys and values of another
    grouped_attention.py   query heads that share keys and values
    additive_attention.py  attention whose scores a small network gives
    rnn.py          the plain recurrent network, one step and over time
    lstm.py         the LSTM, one step and over time
    losses.py       cross-entropy, binary logistic loss, squared error
    gradcheck.py    is it really the derivative?
    sums.py         sums over rows and columns as matrix products
    small_products.py   products that OpenBLAS computes from where their operands lie
    checks.py       what the operations refuse

Everything is a pure function of arrays; float32 in, float32 out, and no input is changed. Several
keep their result y in the cache, so y must not be changed before the backward pass either.
"""

from minilm.nn.activations import (
    gelu,
    gelu_backward,
    relu,
    relu_backward,
    sigmoid,
    sigmoid_backward,
    silu,
    silu_backward,
    softmax,
    softmax_backward,
    tanh,
    tanh_backward,
)
from minilm.nn.additive_attention import additive_attention, additive_attention_backward
from minilm.nn.attention import (
    attention,
    attention_backward,
    attention_weights,
    causal_mask,
    padding_mask,
)
from minilm.nn.cross_attention import (
    cross_attention,
    cross_attention_backward,
    memory_keys_values,
    memory_keys_values_backward,
    read_memory,
    read_memory_backward,
)
from minilm.nn.dropout import dropout, dropout_backward
from minilm.nn.embedding import embedding, embedding_backward
from minilm.nn.exact_gelu import exact_gelu, exact_gelu_backward
from minilm.nn.gradcheck import check_gradient, check_model_gradient
from minilm.nn.grouped_attention import (
    grouped_query_attention,
    grouped_query_attention_backward,
)
from minilm.nn.linear import (
    input_gradient,
    linear,
    linear_backward,
    unpacked,
    weight_gradient,
)
from minilm.nn.losses import (
    IGNORED,
    binary_logistic_loss,
    binary_logistic_loss_backward,
    cross_entropy,
    cross_entropy_backward,
    squared_error,
    squared_error_backward,
)
from minilm.nn.lstm import lstm, lstm_backward, lstm_step, lstm_step_backward
from minilm.nn.multi_head_attention import (
    multi_head_attention,
    multi_head_attention_backward,
)
from minilm.nn.norm import layer_norm, layer_norm_backward, rms_norm, rms_norm_backward
from minilm.nn.positions import rotary, rotary_backward, sinusoidal_positions
from minilm.nn.rnn import rnn, rnn_backward, rnn_step, rnn_step_backward
from minilm.nn.sums import flat, sum_to_last
from minilm.nn.swiglu import swiglu, swiglu_backward

__all__ = [
    "IGNORED",
    "additive_attention",
    "additive_attention_backward",
    "attention",
    "attention_backward",
    "attention_weights",
    "binary_logistic_loss",
    "binary_logistic_loss_backward",
    "causal_mask",
    "check_gradient",
    "check_model_gradient",
    "cross_attention",
    "cross_attention_backward",
    "cross_entropy",
    "cross_entropy_backward",
    "dropout",
    "dropout_backward",
    "embedding",
    "embedding_backward",
    "exact_gelu",
    "exact_gelu_backward",
    "flat",
    "gelu",
    "gelu_backward",
    "grouped_query_attention",
    "grouped_query_attention_backward",
    "input_gradient",
    "layer_norm",
    "layer_norm_backward",
    "linear",
    "linear_backward",
    "lstm",
    "lstm_backward",
    "lstm_step",
    "lstm_step_backward",
    "memory_keys_values",
    "memory_keys_values_backward",
    "multi_head_attention",
    "multi_head_attention_backward",
    "padding_mask",
    "read_memory",
    "read_memory_backward",
    "relu",
    "relu_backward",
    "rms_norm",
    "rms_norm_backward",
    "rnn",
    "rnn_backward",
    "rnn_step",
    "rnn_step_backward",
    "rotary",
    "rotary_backward",
    "sigmoid",
    "sigmoid_backward",
    "silu",
    "silu_backward",
    "sinusoidal_positions",
    "softmax",
    "softmax_backward",
    "squared_error",
    "squared_error_backward",
    "sum_to_last",
    "swiglu",
    "swiglu_backward",
    "tanh",
    "tanh_backward",
    "unpacked",
    "weight_gradient",
]
