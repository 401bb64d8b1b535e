"""How a network learns from gradients: optimizers, each of them a rule and the numbers of its updates.

What happens to a weight is one of the formulas in `gradstep.nn.rules`; what an optimizer adds are the numbers
in it for every update, bias corrections and decay included, evaluated in float64 as schedules are.
Conventions are PyTorch's, unless a parameter says otherwise. With g the gradient of the cost,
``2 * l2 * W`` included, and rate(t) the learning rate of update t = 1, 2, ...
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from gradstep.nn.lbfgs import MinimizerLimits
from gradstep.nn.rules import AdamRule, DescentRule, MomentumRule, Rule
from gradstep.utils.concepts import Concept
from gradstep.utils.constraints import FLAG, NUMBER, WHOLE, Constraint, at_least, below
from gradstep.utils.names import module_getattr

__all__ = ["LBFGS", "SGD", "Adagrad", "Adam", "AdamW", "Optimizer", "RMSprop"]

if not TYPE_CHECKING:  # who checks types shall know what is not there
    __getattr__ = module_getattr("gradstep.optimizers", __all__)

#: Short names, as type checkers know them.
OptimizerName = Literal["sgd", "adam", "adamw", "rmsprop", "adagrad", "lbfgs"]

Array = npt.NDArray[np.float64]

_SHARE = (NUMBER, at_least(0), below(1))
# Less would be 0 in float32, and divide nothing by nothing where a gradient never comes.
_EPSILON = (NUMBER, at_least(1e-30))


class Optimizer(Concept):
    """Base of all optimizers.

    Attributes
    ----------
    takes_all_rows : bool
        Whether a step takes all rows at once and is found by a line search, in place of a rule and a
        learning rate.
    """

    family = "optimizer"
    home = "gradstep.optimizers"
    takes_all_rows: ClassVar[bool] = False

    @property
    def rule(self) -> type[Rule]:
        """The formula of a step."""
        raise NotImplementedError

    def numbers(self, updates: npt.NDArray[np.int64], rates: Array, l2: Array) -> dict[str, Array | float]:
        """Return the numbers of the rule by name, for weights; the rule knows what biases have in place.

        Parameters
        ----------
        updates : ndarray of shape (T,), int64
            Update numbers, from 0.
        rates : ndarray of shape (m, T), float64
            Learning rates.
        l2 : ndarray of shape (m, 1) or (m, T), float64
            One for all updates, or that of each.

        Returns
        -------
        dict of str to float or ndarray that broadcasts to (m, T)
        """
        raise NotImplementedError

    @property
    def remembered(self) -> int:
        """Numbers of float64 for every parameter, beside the rule's slots."""
        return 0

    def usual_rate(self, squared_norm: float, *, is_bounded: bool) -> float:
        """Return the largest rate that ``learning_rate="auto"`` takes; steps of a normed size by default.

        Parameters
        ----------
        squared_norm : float
            Mean over the rows of their squared norm, >= 1, for standardised inputs their number d: one step
            of every weight changes a score by the sum of about so many products.
        is_bounded : bool
            Whether the gradient of a row is bounded, however wrong its scores are.
        """
        return min(0.01, 2 / squared_norm)


def table(optimizer: Optimizer, updates: npt.NDArray[np.int64], rates: Array, l2: Array) -> Array:
    """Return the numbers of every update, (m, T, 2, r): of weights, then of biases.

    Parameters
    ----------
    optimizer : Optimizer
    updates : ndarray of shape (T,), int64
        From 0.
    rates : ndarray of shape (m, T), float64
    l2 : ndarray of shape (m, 1) or (m, T), float64
    """
    rule, given = optimizer.rule, optimizer.numbers(updates, rates, l2)
    numbers = np.empty((*rates.shape, 2, len(rule.numbers)))
    for place, name in enumerate(rule.numbers):
        numbers[:, :, :, place] = np.asarray(given[name])[..., None]
        if name in rule.for_biases:
            numbers[:, :, 1, place] = rule.for_biases[name]
    return numbers


@dataclass(frozen=True)
class SGD(Optimizer):
    """Mini-batch gradient descent: ``W = W - rate(t) * g``.

    With momentum ``v = momentum * v + g`` stands in the place of g, with Nesterov's ``g + momentum * v``
    [1]_. With `rate_in_velocity` it is ``v = momentum * v - rate(t) * g; W = W + v``, with Nesterov's
    ``W = W + momentum * v - rate(t) * g`` [2]_: the same, unless the rate changes.

    Parameters
    ----------
    momentum : float, default=0.0
        In [0, 1).
    nesterov : bool, default=False
        Whether the step looks ahead; without momentum there is nothing to look along.
    rate_in_velocity : bool, default=False
        Whether the velocity remembers the rates of its steps, as in scikit-learn and Keras, or takes that of
        today for all of them, as in PyTorch.

    References
    ----------
    .. [1] I. Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML
       (2013), in the form of torch.optim.SGD.
    .. [2] The same in the form of the paper, of keras.optimizers.SGD and of scikit-learn's MLPClassifier.

    >>> SGD().rule.name, SGD(momentum=0.9).rule.name
    ('descent', 'momentum')
    """

    momentum: float = 0.0
    nesterov: bool = False
    rate_in_velocity: bool = False
    constraints: ClassVar[Mapping[str, tuple[Constraint, ...]]] = {
        "momentum": _SHARE,
        "nesterov": (FLAG,),
        "rate_in_velocity": (FLAG,),
    }

    @property
    def rule(self) -> type[Rule]:
        """Descent alone has a rule of its own: it needs no memory."""
        return MomentumRule if self.momentum else DescentRule

    def usual_rate(self, squared_norm: float, *, is_bounded: bool) -> float:
        """Return the largest rate that ``learning_rate="auto"`` takes.

        Descent is stable below 2 over the largest curvature, which is the squared norm at most, and far less
        where the probabilities of classes are sure; momentum adds up to 1 / (1 - momentum) steps.
        """
        return min(0.1, (30 if is_bounded else 1) / squared_norm) * (1 - self.momentum)

    def numbers(self, updates: npt.NDArray[np.int64], rates: Array, l2: Array) -> dict[str, Array | float]:
        """Return the numbers of the rule by name."""
        if not self.momentum:
            return {"keep": 1 - 2 * rates * l2, "scale": -rates}
        mu = float(self.momentum)
        along, at = (mu, 1.0) if self.nesterov else (1.0, 0.0)
        a, b = (-rates, along) if self.rate_in_velocity else (1.0, -rates * along)
        return {"decay": 2 * l2, "mu": mu, "a": a, "shrink": 1.0, "b": b, "c": -rates * at}


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adaptive moments [1]_.

    ``m = beta1 * m + (1 - beta1) * g; v = beta2 * v + (1 - beta2) * g**2;
    W = W - rate(t) * (m / (1 - beta1**t)) / (sqrt(v / (1 - beta2**t)) + epsilon)``.

    Parameters
    ----------
    beta1, beta2 : float, default=0.9 and 0.999
        How much is kept of the moments, in [0, 1).
    epsilon : float, default=1e-8
        Added to the root, >= 1e-30.
    epsilon_hat : bool, default=False
        Whether epsilon is added to the root before its bias is corrected, ``sqrt(v) + epsilon``, and the rate
        is ``rate(t) * sqrt(1 - beta2**t) / (1 - beta1**t)``: the form at the end of section 2 of [1]_, in
        which epsilon is called epsilon hat, and of scikit-learn and Keras. The other is PyTorch's.

    References
    ----------
    .. [1] D. Kingma, J. Ba, "Adam: a method for stochastic optimization", arXiv 1412.6980 (2014).

    >>> Adam(beta1=0.8)
    Adam(beta1=0.8, beta2=0.999, epsilon=1e-08, epsilon_hat=False)
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    epsilon_hat: bool = field(default=False, kw_only=True)
    constraints: ClassVar[Mapping[str, tuple[Constraint, ...]]] = {
        "beta1": _SHARE,
        "beta2": _SHARE,
        "epsilon": _EPSILON,
        "epsilon_hat": (FLAG,),
    }

    @property
    def rule(self) -> type[Rule]:
        """Two moments."""
        return AdamRule

    def numbers(self, updates: npt.NDArray[np.int64], rates: Array, l2: Array) -> dict[str, Array | float]:
        """Return the numbers of the rule by name: both bias corrections in rate and epsilon."""
        b1, b2, t = float(self.beta1), float(self.beta2), updates + 1.0
        root = np.sqrt(1 - b2**t)
        return {
            "decay": 2 * l2,
            "b1": b1,
            "r1": 1 - b1,
            "b2": b2,
            "r2": 1 - b2,
            "shrink": 1.0,
            "rate": rates * root / (1 - b1**t),
            "epsilon": float(self.epsilon) * (1.0 if self.epsilon_hat else root),
        }


@dataclass(frozen=True)
class AdamW(Adam):
    """`Adam` whose decay stands beside the gradient [1]_.

    Before the step W is multiplied by ``1 - rate(t) * weight_decay``; biases do
    not decay. `l2` of Trainer remains part of the gradient; both at once are rarely wanted.

    Parameters
    ----------
    beta1, beta2, epsilon, epsilon_hat
        As for `Adam`.
    weight_decay : float, default=0.01
        Decay of weights per unit of learning rate, >= 0.

    References
    ----------
    .. [1] I. Loshchilov, F. Hutter, "Decoupled weight decay regularization", ICLR (2019).

    >>> AdamW().weight_decay
    0.01
    """

    name = "adamw"
    weight_decay: float = 0.01
    constraints: ClassVar[Mapping[str, tuple[Constraint, ...]]] = {
        **Adam.constraints,
        "weight_decay": (NUMBER, at_least(0)),
    }

    def numbers(self, updates: npt.NDArray[np.int64], rates: Array, l2: Array) -> dict[str, Array | float]:
        """Return the numbers of the rule by name."""
        return super().numbers(updates, rates, l2) | {"shrink": 1 - rates * float(self.weight_decay)}


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """Steps divided by the root of the mean square of late gradients [1]_.

    ``v = decay * v + (1 - decay) * g**2; W = W - rate(t) * g / (sqrt(v) + epsilon)``.

    Parameters
    ----------
    decay : float, default=0.9
        How much is kept of the mean square, in [0, 1); PyTorch's `alpha`, 0.99 there.
    epsilon : float, default=1e-8
        Added to the root, >= 1e-30.

    References
    ----------
    .. [1] T. Tieleman, G. Hinton, "Lecture 6.5: rmsprop", Coursera (2012).

    >>> RMSprop().decay
    0.9
    """

    name = "rmsprop"
    decay: float = 0.9
    epsilon: float = 1e-8
    constraints: ClassVar[Mapping[str, tuple[Constraint, ...]]] = {"decay": _SHARE, "epsilon": _EPSILON}

    @property
    def rule(self) -> type[Rule]:
        """Two moments, the first of which is the gradient itself."""
        return AdamRule

    def numbers(self, updates: npt.NDArray[np.int64], rates: Array, l2: Array) -> dict[str, Array | float]:
        """Return the numbers of the rule by name."""
        decay = float(self.decay)
        moments = {"b1": 0.0, "r1": 1.0, "b2": decay, "r2": 1 - decay}
        return {"decay": 2 * l2, **moments, "shrink": 1.0, "rate": rates, "epsilon": float(self.epsilon)}


@dataclass(frozen=True)
class Adagrad(Optimizer):
    """Steps divided by the root of the sum of all squares so far [1]_.

    ``v = v + g**2; W = W - rate(t) * g / (sqrt(v) + epsilon)``.

    Parameters
    ----------
    epsilon : float, default=1e-10
        Added to the root, >= 1e-30.

    References
    ----------
    .. [1] J. Duchi, E. Hazan, Y. Singer, "Adaptive subgradient methods for online learning and stochastic
       optimization", JMLR 12 (2011).

    >>> Adagrad().rule.slots
    2
    """

    epsilon: float = 1e-10
    constraints: ClassVar[Mapping[str, tuple[Constraint, ...]]] = {"epsilon": _EPSILON}

    @property
    def rule(self) -> type[Rule]:
        """Two moments, the first of which is the gradient itself."""
        return AdamRule

    def numbers(self, updates: npt.NDArray[np.int64], rates: Array, l2: Array) -> dict[str, Array | float]:
        """Return the numbers of the rule by name."""
        moments = {"b1": 0.0, "r1": 1.0, "b2": 1.0, "r2": 1.0}
        return {"decay": 2 * l2, **moments, "shrink": 1.0, "rate": rates, "epsilon": float(self.epsilon)}


@dataclass(frozen=True)
class LBFGS(Optimizer):
    """Limited-memory BFGS: quasi-Newton steps of all rows, along lines that are searched [1]_.

    An epoch is an iteration: a direction from the last gradients, and a step along it that lowers the cost
    enough, mostly after one evaluation of all rows. So the learning rate, which is the step that is tried
    first, is 1, and batches are all rows. It goes the way of ``scipy.optimize.minimize(method="L-BFGS-B")``,
    in float64 whatever the precision of the model is. Best where rows are few: it comes closer to a minimum
    than steps of mini-batches do.

    Parameters
    ----------
    history : int, default=10
        Steps, and changes of the gradient, that are remembered, >= 1; scipy's `maxcor`.
    gtol : float, default=1e-5
        Converged where no derivative of the cost is larger, >= 0; scikit-learn's `tol`.
    ftol : float, default=2.2204460492503131e-09
        Converged where an iteration lowers the cost by no more than this share of the larger of the cost and
        1, >= 0.
    max_fun : int, default=15000
        Evaluations after which no further iteration begins, >= 1.

    References
    ----------
    .. [1] R. Byrd, P. Lu, J. Nocedal, C. Zhu, "A limited memory algorithm for bound constrained
       optimization", SIAM Journal on Scientific Computing 16 (1995).

    >>> LBFGS().history
    10
    """

    name = "lbfgs"
    takes_all_rows = True
    history: int = 10
    gtol: float = 1e-5
    ftol: float = 2.2204460492503131e-09
    max_fun: int = 15000
    constraints: ClassVar[Mapping[str, tuple[Constraint, ...]]] = {
        "history": (WHOLE, at_least(1)),
        "gtol": (NUMBER, at_least(0)),
        "ftol": (NUMBER, at_least(0)),
        "max_fun": (WHOLE, at_least(1)),
    }

    @property
    def rule(self) -> type[Rule]:
        """Descent, which has no slots; no backend ever takes a step of it."""
        return DescentRule

    @property
    def remembered(self) -> int:
        """The history, the two points and gradients of a search, and its direction."""
        return 2 * int(self.history) + 6

    @property
    def limits(self) -> MinimizerLimits:
        """When a minimisation ends; how many iterations there are at most is not said here."""
        return MinimizerLimits(float(self.gtol), float(self.ftol), evaluations=int(self.max_fun))

    def usual_rate(self, squared_norm: float, *, is_bounded: bool) -> float:
        """Return 1: what a line search tries first is the step of a quadratic function."""
        return 1.0
