#!/usr/bin/env python3
"""Writes calibrate_answers.h: what scikit-learn makes of the shares of test_calibrate.c.

Usage: calibrate_answers.py > calibrate_answers.h.  No test runs this; see linear_answers.py.
"""
import numpy as np
import sklearn
from sklearn.calibration import _SigmoidCalibration
from sklearn.isotonic import IsotonicRegression

MASK = (1 << 64) - 1


class Random:
    """unit_random and unit_uniform of unit.h"""

    def __init__(self, seed):
        self.state = seed

    def integer(self):
        self.state = x = (self.state + 0x9E3779B97F4A7C15) & MASK
        x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
        return x ^ (x >> 31)

    def uniform(self):
        return (self.integer() >> 11) / 9007199254740992.0


random = Random(11)
share, label, weight = [], [], []
for _ in range(300):
    s = int(random.uniform() * 64) / 64		# some are tied
    share.append(s)
    label.append(int(random.uniform() < s * s))
    weight.append(np.float32(0.5 + random.uniform()))
share, label = np.array(share), np.array(label)
grid = np.arange(-2, 23) / 20.0


def show(name, values):
    print("static const double %s[] = {%s};" % (name, ", ".join(repr(float(v)) for v in values)))


print("/*\n * calibrate_answers.h\n *\t  What scikit-learn makes of the shares of test_calibrate.c.\n *\n"
      " * Written by calibrate_answers.py with scikit-learn %s; do not edit.\n */\n" % sklearn.__version__)
for name, w in (("plain", np.ones(300)), ("weighted", np.array(weight, dtype=float) / np.mean(weight, dtype=float))):
    fitted = _SigmoidCalibration().fit(share, label, w)
    show("sigmoid_" + name, fitted.predict(grid))
    fitted = IsotonicRegression(out_of_bounds="clip").fit(share, label, w)
    show("isotonic_" + name, fitted.predict(grid))
