"""Every method against every other: `python -m minilm study --methods [fewer-weights]`.

    bench          what each is tried on: a trained model, and what training data say of it
    trained        methods that train, a row each: TRAINED
    whole          methods over whole models, a row each: WHOLE
    attention      of those, what has no weight: attention, its cache
    table          these and METHODS in one form: TRIED
    pruned         fewer weights: single ones pruned; with training, with fewer bits for the rest
    narrower       fewer neurons, heads, units; two thin factors
    students       half the width, taught
    kinds          the sorts of all these
    comparisons    which of the tables a study is of, and how it is told: COMPARISONS
    cell           one method, measured
    ranking        in the order of damage; what is a tie
    plots, page    the figures, the report
    words          the tables of docs/methods.md
    pruning_words  those that docs/fewer-weights.md alone has
"""
