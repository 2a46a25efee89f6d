"""sample.py -- what can be said about some numbers: medians, intervals, ratios by round."""
import collections
import random
import statistics

RESAMPLES = 2000
Interval = collections.namedtuple("Interval", "low middle high count")


def median(values):
    return statistics.median(values)


def bootstrap_median(values):
    """The interval that holds 95 % of the medians of resamples, and the middle one of them.

    The generator is seeded, so the same numbers give the same interval.
    """
    values = list(values)
    if not values:
        return None
    generator = random.Random(1)
    medians = sorted(statistics.median(generator.choices(values, k=len(values)))
                     for _ in range(RESAMPLES))
    at = [medians[round(share * (RESAMPLES - 1))] for share in (0.025, 0.5, 0.975)]
    return Interval(*at, len(values))


def pairs(ours, peer):
    """[(ours, peer)] of the rounds in which both were measured; arguments are {round: value}."""
    return [(ours[number], peer[number]) for number in sorted(ours) if number in peer]


def ratio(ours, peer):
    """The median of the ratios of each round, or None where there is none."""
    ratios = [a / b for a, b in pairs(ours, peer) if b > 0]
    return median(ratios) if ratios else None


def best(peers, better):
    """The name of the peer with the best median: {name: {round: value}}, "lower" or "higher"."""
    medians = {name: median(values.values()) for name, values in peers.items() if values}
    if not medians:
        return None
    return (min if better == "lower" else max)(medians, key=medians.get)


def plan_rounds(durations_s, always, rounds, most_s, enough=15, few=3, slow_s=2.0):
    """(how many rounds, {name: the rounds it takes part in}) after the first round's durations.

    Those in `always` take part in every round, the others as well, unless they are slow or rounds
    are many: then in `few`, spread over the whole, or in the first alone where there is no time for
    more.  The rounds shall end within most_s seconds, but not before there are `few`, or all that
    were asked for where that is `enough` or more.
    """
    seldom = {name for name, duration_s in durations_s.items()
              if name not in always and (duration_s > slow_s or rounds >= enough)}
    often_s = sum(duration_s for name, duration_s in durations_s.items() if name not in seldom)
    seldom_s = sum(durations_s[name] for name in seldom)
    least = rounds if rounds >= enough else min(few, rounds)
    times = few if least * often_s + few * seldom_s <= most_s else 1
    count = int((most_s - times * seldom_s) / often_s) if often_s > 0 else few
    count = max(least, min(count, rounds))
    spread = {0, count // 2, count - 1} if times == few else {0}
    return count, {name: spread if name in seldom else set(range(count)) for name in durations_s}


def show(value):
    """Four significant digits, no exponent."""
    if value is None:
        return "-"
    if abs(value) >= 1000 or abs(value) < 0.00005:
        return f"{round(value)}"
    return f"{value:.4g}" if abs(value) >= 0.001 else f"{value:.4f}"
