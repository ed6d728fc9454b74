import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm.compression import calibrate, compose, quantize, straight_through
from minilm.compression.low_rank import break_even, factorize, in_factors, joined, split_factors
from minilm.models import (
    LSTMLanguageModel,
    Seq2SeqLSTM,
    Seq2SeqTransformer,
    TransformerClassifier,
    TransformerLanguageModel,
)
from minilm.training import cross_entropy_loss, fit
from minilm.weights import Product, Weight, load, nbytes, save, thaw

MODELS = [
    TransformerLanguageModel(vocab_size=11, width=16, layers=1, heads=2, context=8),
    LSTMLanguageModel(vocab_size=11, width=16, embedding_width=12),
]
kinds = pytest.mark.parametrize("model", MODELS, ids=lambda m: type(m).__name__)


def normal(*shape, seed=0, decay=0.0):
    """Numbers whose columns shrink, so that some directions matter more."""
    x = np.random.default_rng(seed).normal(size=shape)
    return x * np.exp(-decay * np.arange(shape[-1]))


def error(x, w, product):
    """‖X W − X A B‖²"""
    return float(np.square(x @ w - x @ product.dense()).sum())


def test_by_hand():
    # σ = 5 along (0.6, 0.8)ᵀ (1, 0, 0) and σ = 1 along (0.8, −0.6)ᵀ (0, 1, 0): the first is kept
    w = np.array([[3.0, 0.8, 0], [4.0, -0.6, 0]])
    product = factorize(w, rank=1)
    np.testing.assert_allclose(product.dense(), [[3, 0, 0], [4, 0, 0]], atol=1e-12)
    assert (product.a.shape, product.b.shape) == ((2, 1), (1, 3))


@settings(max_examples=60)
@given(st.integers(2, 12), st.integers(2, 12), st.integers(0, 99), st.data())
def test_what_is_cut_off_is_what_is_lost(m, n, seed, data):
    """Eckart and Young: the error is the sum of the squared singular values that are dropped."""
    most = int(np.ceil(break_even((m, n)))) - 1
    w = normal(m, n, seed=seed, decay=0.2)
    if most < 1:
        with pytest.raises(ValueError, match="below mn / "):
            factorize(w, rank=1)
        return
    r = data.draw(st.integers(1, most))
    product = factorize(w, rank=r)
    sigma = np.linalg.svd(w, compute_uv=False)
    lost = float(np.square(sigma[r:]).sum())
    assert error(np.eye(m), w, product) == pytest.approx(lost, rel=1e-9, abs=1e-12)
    assert product.nbytes < w.nbytes


@settings(max_examples=60)
@given(st.integers(1, 40), st.integers(3, 10), st.integers(3, 10), st.integers(0, 99))
def test_with_calibration_the_output_error_is_what_is_cut_off_and_the_least(N, m, n, seed):
    """Also where X has fewer rows than columns, and H no inverse."""
    w, x = normal(m, n, seed=seed), normal(N, m, seed=seed + 1, decay=0.5)
    r = int(np.ceil(break_even((m, n)))) - 1
    aware, plain = factorize(w, rank=r, calibration=x), factorize(w, rank=r)
    lost = float(np.square(np.linalg.svd(x @ w, compute_uv=False)[r:]).sum())
    scale = float(np.square(x @ w).sum())
    assert error(x, w, aware) == pytest.approx(lost, rel=1e-6, abs=1e-10 * scale)
    assert error(x, w, aware) <= error(x, w, plain) * (1 + 1e-9) + 1e-10 * scale


def test_it_is_the_whitened_svd_without_the_inverse():
    """SVD-LLM: S Sᵀ = XᵀX, the SVD of Sᵀ W cut off, and S⁻ᵀ in front of it."""
    w, x = normal(8, 10), normal(50, 8, seed=1, decay=0.4)
    s = np.linalg.cholesky(x.T @ x)
    u, sigma, v_t = np.linalg.svd(s.T @ w, full_matrices=False)
    theirs = np.linalg.solve(s.T, u[:, :3] * sigma[:3]) @ v_t[:3]
    ours = factorize(w, rank=3, calibration=x)
    np.testing.assert_allclose(ours.dense(), theirs, atol=1e-9)


def test_calibration_with_equal_directions_is_the_plain_svd():
    w = normal(8, 10)
    aware = factorize(w, rank=3, calibration=3 * np.eye(8))
    np.testing.assert_allclose(aware.dense(), factorize(w, rank=3).dense(), atol=1e-12)


def test_calibration_that_never_met_anything_is_the_plain_svd():
    w = normal(8, 10)
    aware = factorize(w, rank=3, calibration=np.zeros((5, 8)))
    np.testing.assert_allclose(aware.dense(), factorize(w, rank=3).dense(), atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 3), st.integers(0, 99), st.floats(-3, 3))
def test_what_few_rows_leave_open_the_plain_svd_decides(rows, seed, exponent):
    """Nothing is lost of X W, and of all Ŵ of which that is true the nearest to W is chosen."""
    w, x = normal(9, 10, seed=seed), 10**exponent * normal(rows, 9, seed=seed + 1)
    product = factorize(w, rank=4, calibration=x)
    assert error(x, w, product) <= 1e-9 * np.square(x @ w).sum()
    _, _, v_t = np.linalg.svd(x @ w, full_matrices=False)
    rest = w - w @ v_t.T @ v_t
    lost = np.square(np.linalg.svd(rest, compute_uv=False)[4 - rows :]).sum()
    assert error(np.eye(9), w, product) == pytest.approx(lost, rel=1e-5)


def test_calibration_matters_where_the_inputs_are_not_alike():
    w, x = normal(16, 16), normal(200, 16, seed=1, decay=0.5)
    aware, plain = factorize(w, rank=4, calibration=x), factorize(w, rank=4)
    assert error(x, w, aware) < 0.2 * error(x, w, plain)


def test_break_even_is_named_and_refused():
    assert break_even((6, 3)) == 2
    assert factorize(normal(6, 3), rank=1).nbytes == 9 * 8
    for rank in (2, 3):  # 2 (6 + 3) = 18 = 6 · 3: nothing is gained
        message = rf"rank of x \(6, 3\) must be below .* = 2, .* {rank}"
        with pytest.raises(ValueError, match=message):
            factorize(normal(6, 3), rank=rank)
    with pytest.raises(ValueError, match=r"rank of head.w \(12, 4\) must be below .* = 3.* got 3"):
        factorize({"l.w": normal(16, 16), "head.w": normal(12, 4)}, rank=3)


def test_share_and_energy():
    w = normal(20, 30, decay=0.3)
    assert factorize(w, share=0.5).a.shape == (20, 6)  # break-even 12
    assert factorize(w, share=0.58).a.shape == (20, 6)  # 6.96: at most this share
    assert factorize(w, share=0.01).a.shape == (20, 1)
    squares = np.square(np.linalg.svd(w, compute_uv=False))
    for energy in (0.1, 0.9, 0.97):
        r = factorize(w, energy=energy).a.shape[1]
        assert squares[:r].sum() >= energy * squares.sum()
        assert r == 1 or squares[: r - 1].sum() < energy * squares.sum()
    with pytest.raises(ValueError, match=r"x \(20, 30\) must need a rank below .* = 12"):
        factorize(normal(20, 30), energy=0.99)
    assert not factorize(np.zeros((5, 5)), energy=0.9).dense().any()
    params = {"flat.w": normal(20, 30), "steep.w": w, "thin.w": normal(1, 9), "b": np.ones(3)}
    of_all = factorize(params, energy=0.99)  # what would not become smaller stays as it is
    assert [type(p).__name__ for p in of_all.values()] == ["ndarray", "Product", *["ndarray"] * 2]
    assert of_all["flat.w"] is params["flat.w"]
    assert isinstance(factorize(params, share=0.5)["thin.w"], np.ndarray)
    by_name = factorize(params, share={"flat.w": 0.5, "steep.w": 0.25})
    assert [by_name[n].a.shape[1] for n in ("flat.w", "steep.w")] == [6, 3]
    only = factorize(params, rank={"steep.w": 2})
    assert [name for name, w in only.items() if w is not params[name]] == ["steep.w"]


def test_a_table_keeps_its_axes():
    """E[ids] and h @ E.T; calibration is of the h."""
    table, h = normal(40, 12), normal(100, 12, seed=1, decay=0.4)
    params = factorize({"token_embedding": table}, rank=4, calibration={"token_embedding": h})
    product = params["token_embedding"]
    assert product.shape == (40, 12)
    assert product.a.flags.c_contiguous
    assert product.b.flags.c_contiguous
    ids = np.array([[3, 3], [39, 0]])
    np.testing.assert_allclose(product[ids], product.dense()[ids], atol=1e-12)
    np.testing.assert_allclose(h @ product.T, h @ product.dense().T, atol=1e-12)
    lost = np.square(np.linalg.svd(h @ table.T, compute_uv=False)[4:]).sum()
    assert np.square(h @ table.T - h @ product.T).sum() == pytest.approx(lost)


@pytest.mark.parametrize(
    "model",
    [
        *MODELS, Seq2SeqTransformer(11, width=16, layers=1, heads=2, context=8),
        Seq2SeqLSTM(11, width=16), TransformerClassifier(11, 3, width=16, layers=1, heads=2),
    ],
    ids=lambda m: type(m).__name__,
)  # fmt: skip
def test_models_run_unchanged(model, tmp_path):
    tokens = np.random.default_rng(0).integers(1, 11, (2, 5))
    inputs = (tokens, tokens) if "Seq2Seq" in type(model).__name__ else (tokens,)
    params = model.init(0)
    factorized = factorize(params, share=0.6)
    assert nbytes(factorized) < 0.75 * nbytes(params)
    logits, cache = model.forward(factorized, *inputs)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, model.forward(thaw(factorized), *inputs)[0], atol=1e-5)
    save(tmp_path / "model.npz", factorized)
    np.testing.assert_array_equal(
        model.forward(load(tmp_path / "model.npz"), *inputs)[0], logits
    )
    assert model.backward(np.ones_like(logits), cache).keys() == params.keys()


@kinds
def test_calibrated_models(model):
    """With what a model reads: each layer's output error is at most the plain one's."""
    params = model.init(0)
    tokens = np.random.default_rng(0).integers(0, 11, (8, 8))
    seen = calibrate(model, params, [tokens])
    aware, plain = factorize(params, share=0.5, calibration=seen), factorize(params, share=0.5)
    for name, own in seen.items():
        change = [as_multiplied(name, params[name] - p[name].dense()) for p in (aware, plain)]
        ours, theirs = (np.vdot(e, own.cost @ e) for e in change)
        assert ours <= theirs * (1 + 1e-4)


def test_a_tied_table_is_read_in_all_directions():
    """Its rows are the tokens' vectors too: what the head never looks at is not free to go."""
    model = MODELS[0]
    params = model.init(0)
    seen = calibrate(model, params, [np.random.default_rng(0).integers(0, 11, (8, 8))])
    own = seen["token_embedding"]
    ours, of_head = (
        factorize(params["token_embedding"].T, rank=5, calibration=cost)
        for cost in (as_rows(own.cost), as_rows(own.gram))
    )
    made = factorize(params, rank={"token_embedding": 5}, calibration=seen)["token_embedding"]
    np.testing.assert_allclose(made.dense().T, ours.dense(), atol=1e-5)
    assert np.abs(made.dense().T - of_head.dense()).max() > 1e-3


def as_rows(cost):
    """Rows X with XᵀX = cost."""
    values, vectors = np.linalg.eigh(cost)
    return np.sqrt(np.maximum(values, 0))[:, None] * vectors.T


def as_multiplied(name, w):
    return w.T if name.endswith("embedding") else w


def text(step):
    """A text with a rule: the next letter is two further on."""
    start = np.random.default_rng(step).integers(0, 11, (8, 1))
    tokens = ((start + 2 * np.arange(9)) % 11).astype(np.int32)
    return tokens[:, :-1], tokens[:, 1:]


def loss_of(model, params):
    total, _, count = cross_entropy_loss(model, params, text(10**6), None)
    return total / count


@kinds
def test_factors_are_trained_and_quantized(model):
    params = factorize(model.init(0), share=0.6)
    parts = split_factors(params)
    how = {"steps": 60, "schedule": lambda step: 0.02}
    trained, _ = fit(model, parts, text, view=in_factors(), **how)
    assert loss_of(model, joined(trained)) < 0.3 * loss_of(model, params)
    eight = joined(quantize(trained, 8))
    assert all(isinstance(w.a, Weight) and isinstance(w.b, Weight)
               for w in eight.values() if isinstance(w, Product))
    assert nbytes(eight) < 0.5 * nbytes(joined(trained))
    assert loss_of(model, eight) == pytest.approx(loss_of(model, joined(trained)), abs=0.05)
    # factors that are trained while they are seen rounded
    view = compose(straight_through(3), in_factors())
    rounded, _ = fit(model, trained, text, view=view, **how)
    three = loss_of(model, joined(quantize(rounded, 3)))
    assert three < loss_of(model, joined(quantize(trained, 3)))


def test_gradients_of_the_factors():
    model = MODELS[0]
    parts = split_factors(factorize(model.init(0), share=0.6))
    parts = {n: p.astype(np.float64) for n, p in parts.items()}

    def total(parts):
        return cross_entropy_loss(model, in_factors()(parts, 0)[0], text(0), None)[0]

    seen, pullback = in_factors()(parts, 0)
    grads = pullback(cross_entropy_loss(model, seen, text(0), None)[1])
    assert grads.keys() == parts.keys()
    rng = np.random.default_rng(0)
    for name, p in parts.items():
        d = rng.standard_normal(p.shape) * 1e-6
        up, down = total({**parts, name: p + d}), total({**parts, name: p - d})
        assert np.vdot(grads[name], d) == pytest.approx((up - down) / 2, rel=1e-5, abs=1e-11)


def test_factors_that_are_compressed_are_seen_and_not_trained():
    model = MODELS[0]
    parts = split_factors(factorize(model.init(0), share=0.6))
    frozen = next(name for name in parts if name.startswith("right."))
    parts[frozen] = quantize(parts[frozen], 8)
    seen, pullback = in_factors()(parts, 0)
    grads = pullback(cross_entropy_loss(model, seen, text(0), None)[1])
    assert parts.keys() - grads.keys() == {frozen}


def test_a_name_that_is_taken_is_no_factors():
    product = factorize(normal(6, 8), rank=1)
    for side in ("left", "right"):
        with pytest.raises(ValueError, match=rf"must not have {side}\.w, .* of a factor of w"):
            split_factors({f"{side}.w": np.ones((2, 2)), "w": product})


def test_split_and_joined_are_inverse():
    params = factorize(MODELS[0].init(0), share=0.6)
    again = joined(split_factors(params))
    assert again.keys() == params.keys()
    for name, w in params.items():
        assert type(again[name]) is type(w)
    parts = split_factors(params)
    for side in ("left", "right"):
        lacking = {n: w for n, w in parts.items() if n != f"{side}.token_embedding"}
        with pytest.raises(ValueError, match="both factors"):
            joined(lacking)


def test_dtypes_and_inputs_left_alone():
    w = normal(6, 8).astype(np.float32)
    kept = w.copy()
    product = factorize(w[::-1].T, rank=2, calibration=normal(5, 8).astype(np.float32))
    assert {product.a.dtype, product.b.dtype} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(w, kept)
    assert factorize(w.astype(np.float16), rank=2).a.dtype == np.float32
    assert factorize(np.ones((4, 4), int), rank=1).a.dtype == np.float32


@pytest.mark.parametrize(
    ("x", "how", "kind", "message"),
    [
        (np.ones((4, 4)), {}, ValueError, "one of rank, share and energy"),
        (np.ones((4, 4)), {"rank": 1, "share": 0.5}, ValueError, "one of"),
        (np.ones((4, 4)), {"rank": 0}, ValueError, "rank of x .* got 0"),
        (np.ones((4, 4)), {"rank": True}, ValueError, "rank of x .* got True"),
        (np.ones((4, 4)), {"rank": 1.5}, ValueError, "rank of x .* got 1.5"),
        (np.ones((4, 4)), {"rank": {"x": 1}}, TypeError, "dict"),
        (np.ones((4, 4)), {"share": 1}, ValueError, "share"),
        (np.ones((4, 4)), {"energy": float("nan")}, ValueError, "energy"),
        (np.full((4, 4), np.nan), {"rank": 1}, ValueError, "x must be finite"),
        (np.ones(4), {"rank": 1}, ValueError, r"x must be a matrix, got shape \(4,\)"),
        (np.ones((0, 4)), {"rank": 1}, ValueError, "x"),
        (np.ones((4, 4), complex), {"rank": 1}, TypeError, "real"),
        (np.ones((4, 4)), {"rank": 1, "calibration": np.ones((3, 5))}, ValueError, "width 4"),
        (np.ones((4, 4)), {"rank": 1, "calibration": np.full((3, 4), np.inf)}, ValueError,
         "finite"),
        ({"w": np.ones((4, 4))}, {"rank": {"v": 1}}, ValueError, "rank must name .* got v"),
        ({"w": np.ones((4, 4))}, {"rank": 1, "calibration": {"v": np.ones((3, 4))}}, ValueError,
         "calibration must name .* got v"),
        ({"w": np.ones((4, 4))}, {"rank": 1, "calibration": np.ones((3, 4))}, TypeError, "dict"),
        ({"w": np.ones((4, 4)), "w:step": np.ones(4)}, {"rank": 1}, ValueError, "w:step"),
        ({"w": quantize(np.ones((4, 4)), 4)}, {"rank": 1}, TypeError, "compressed already"),
    ],
)  # fmt: skip
def test_bad_input(x, how, kind, message):
    with np.errstate(invalid="ignore"), pytest.raises(kind, match=message):
        factorize(x, **how)
