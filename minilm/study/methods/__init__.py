"""Every method against every other: `python -m minilm study --methods`.

    bench          what each is tried on: a trained model, and what training data say of it
    trained        methods that train, a row each: TRAINED
    whole          methods over whole models, a row each: WHOLE
    attention      of those, what has no weight: attention, its cache
    table          these and METHODS in one form: TRIED
    cell           one of them, measured
    ranking        in the order of damage; what is a tie
    plots, page    the figures, the report
    words          the tables of docs/methods.md
"""
