#!/usr/bin/env python3
"""Writes distance_answers.h: what scipy says of the samples of test_distance.c.

Usage: distance_answers.py > distance_answers.h.  No test runs this; see linear_answers.py.
"""
import numpy as np
import scipy
from scipy import special, stats
from scipy.spatial.distance import jensenshannon

MASK = (1 << 64) - 1


class Random:
    """unit_random and unit_uniform of unit.h"""

    def __init__(self, seed):
        self.state = seed

    def uniform(self):
        self.state = x = (self.state + 0x9E3779B97F4A7C15) & MASK
        x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
        return ((x ^ (x >> 31)) >> 11) / 9007199254740992.0


def numbers(random, n, grid, shift):
    """n numbers between 0 and 1, or on a grid of so many steps, and then moved"""
    values = []
    for _ in range(n):
        u = random.uniform()
        values.append((int(u * u * grid) / grid if grid else u * u) + shift)
    return np.array(values)


def counts(random, n, scale):
    return np.array([int(random.uniform() * random.uniform() * scale) for _ in range(n)])


random = Random(7)
print("/*\n * distance_answers.h\n *\t  What scipy makes of the samples of test_distance.c.\n *\n"
      " * Made by distance_answers.py with scipy %s: do not edit.\n */" % scipy.__version__)
print("/* of numbers: na, nb, grid, shift; ks, its p in the limit and exactly, wasserstein */")
print("static const double number_answers[][8] = {")
for na, nb, grid, shift in ((200, 300, 0, 0.0), (200, 300, 0, 0.1), (1, 5, 0, 0.0), (1000, 1000, 10, 0.0),
                            (1000, 700, 10, 0.1), (5000, 4000, 0, 0.01), (50, 50, 1, 0.0), (300, 200, 4, 5.0)):
    a, b = numbers(random, na, grid, 0), numbers(random, nb, grid, shift)
    ks = stats.ks_2samp(a, b, method="asymp").statistic
    scaled = ks * np.sqrt(na * nb / (na + nb))
    p = special.kolmogorov(scaled)
    exact = stats.ks_2samp(a, b, method="exact").pvalue if scaled <= 8 else p
    print("\t{%d, %d, %d, %r, %r, %r, %r, %r}," % (na, nb, grid, shift, ks, p, exact, stats.wasserstein_distance(a, b)))
print("};")
print("/* of samples too large to be exact: na, nb, ks, its exact p */")
print("static const double large_answers[][4] = {")
for na, nb in ((10007, 10009), (12000, 11000), (20000, 20000), (60000, 10001), (200003, 1000)):
    for scaled in (0.6, 1.36, 2.0, 2.9):
        steps = np.lcm(na, nb)
        ks = round(scaled * np.sqrt((na + nb) / (na * nb)) * steps) / steps
        _, ks, p = stats._stats_py._attempt_exact_2kssamp(na, nb, np.gcd(na, nb), ks, "two-sided")
        print("\t{%d, %d, %r, %r}," % (na, nb, float(ks), float(p)))
print("};")
print("/* of counts: cells, scale of a, scale of b; chi-squared, its p, js */")
print("static const double count_answers[][6] = {")
for n, first, second in ((2, 100, 100), (2, 20, 2000), (3, 10000, 10000), (12, 50, 90), (64, 1000, 300), (255, 40, 4000),
                         (2, 100000, 100000), (700, 8, 8)):
    a, b = counts(random, n, first), counts(random, n, second)
    both = (a + b) > 0
    chi2, p = stats.chi2_contingency([a[both], b[both]])[:2]
    print("\t{%d, %d, %d, %r, %r, %r}," % (n, first, second, chi2, p, jensenshannon(a, b)))
print("};")
