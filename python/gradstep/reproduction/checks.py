"""The gradient checks of the five course reports, each as its report shows it."""

from __future__ import annotations

from gradstep.nn.initializers import Normal
from gradstep.reproduction.measures import largest
from gradstep.reproduction.schema import Check, DerivedResult, Expected, info

CHECK_000 = Check(
    ("array", "difference", "maximum"),
    (DerivedResult(Expected("largest |a - n|", high=1.5e-6), largest("maximum")),),
    "As numpy.testing.assert_array_almost_equal does it: to 6 decimals.",
    l2=0.0,
)

CHECK_001 = Check(
    ("array", "difference", "relative"),
    (
        DerivedResult(info("largest relative error, forward", 2.33e-7), largest("relative", "forward")),
        DerivedResult(
            Expected("largest relative error, central", (1.32e-9, 7.21e-8), high=1e-7), largest("relative")
        ),
    ),
    "Forward differences against central ones.",
    differences=("forward", "central"),
)

CHECK_002 = Check(
    ("array", "difference", "relative"),
    (DerivedResult(Expected("largest relative error", high=1e-6), largest("relative")),),
    "Every relative difference is below 1e-6.",
)

CHECK_003 = Check(
    ("array", "error_norm", "sum_of_norms", "norm_ratio"),
    (DerivedResult(Expected("largest ratio of norms", high=1e-7), largest("norm_ratio")),),
    "Two layers; numerator ||a - n|| and denominator ||a|| + ||n|| of every array.",
    hidden=(50,),
    l2=0.01,
    init="he",
    entries=100,
)

CHECK_004 = Check(
    ("array", "mean", "std", "maximum", "low", "high"),
    (DerivedResult(Expected("largest |a - n|", high=1e-6), largest("maximum")),),
    "Weights drawn with variance 4; mean, standard deviation and maximum of |a - n| beside the range "
    "of the gradient, from low to high.",
    init=Normal(2.0),
)
