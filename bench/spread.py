"""Medians and quartiles, as `cola bench` prints them."""
import statistics


def spread(samples):
    if len(samples) == 1:
        return dict.fromkeys(("low", "median", "high"), samples[0])
    return dict(zip(("low", "median", "high"), statistics.quantiles(samples, n=4, method="inclusive")))


def text_of(figures, digits):
    return "{median:.{d}f} ({low:.{d}f} to {high:.{d}f})".format(d=digits, **figures)
