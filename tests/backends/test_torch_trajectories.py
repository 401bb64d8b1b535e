"""Every optimizer, loss and activation beside PyTorch's, where that is installed: 200 updates in float64."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cases import Case, case_id, relative_error, train
from gradstep.backends import Backend
from gradstep.nn.averaging import EMA, LastEpochs
from gradstep.nn.optimizers import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop
from members import ACTIVATIONS, AVERAGES, LOSSES, OPTIMIZERS

torch = pytest.importorskip("torch")
# Its threads would keep ours from their cores, for products of a few rows.
torch.set_num_threads(1)

_PLAIN = Case(
    "plain", n=40, d=6, k=3, hidden=(7, 5), batch_size=8, epochs=40, l2=(0.01,), rate=0.02, activation="tanh"
)
# Those in another convention are scikit-learn's.
_THEIRS = [
    each
    for each in OPTIMIZERS
    if not (getattr(each, "rate_in_velocity", False) or getattr(each, "epsilon_hat", False))
]
ALL = (
    *(replace(_PLAIN, name=f"{each!r}", optimizer=each) for each in _THEIRS),
    *(replace(_PLAIN, name=f"{each!r} without l2", optimizer=each, l2=(0.0,)) for each in _THEIRS),
    *(replace(_PLAIN, name=f"{each!r}", loss=each) for each in LOSSES),
    *(replace(_PLAIN, name=f"{each!r}", activation=each) for each in ACTIVATIONS),
)

CLIPPED = tuple(replace(_PLAIN, name=f"{each!r}", optimizer=each, clips=True) for each in _THEIRS)
AVERAGED = tuple(replace(_PLAIN, name=f"{each!r}", average=each, optimizer="adam") for each in AVERAGES)

# Each by its name in PyTorch; what is not there, from its own parts.
LOSS_OF = {
    "softmax": lambda loss, s, y: torch.nn.functional.cross_entropy(
        s, y, label_smoothing=loss.label_smoothing
    ),
    "sigmoid": lambda loss, s, y: torch.nn.functional.binary_cross_entropy_with_logits(
        s, torch.nn.functional.one_hot(y, s.shape[1]).double()
    ),
    "multilabel": lambda loss, s, y: torch.nn.functional.binary_cross_entropy_with_logits(s, y),
    "squared": lambda loss, s, y: torch.nn.functional.mse_loss(s, y) / 2,
    # The deviance differs from the likelihood by what does not depend on the scores.
    "poisson": lambda loss, s, y: torch.nn.functional.poisson_nll_loss(s, y, log_input=True),
}
ACTIVATION_OF: dict[str, Callable[..., Any]] = {
    "relu": lambda activation, z: torch.relu(z),
    "tanh": lambda activation, z: torch.tanh(z),
    "logistic": lambda activation, z: torch.sigmoid(z),
    "identity": lambda activation, z: z,
    "leaky_relu": lambda activation, z: torch.nn.functional.leaky_relu(z, activation.negative_slope),
    "selu": lambda activation, z: torch.nn.functional.selu(z),
}


def optimizer_of(optimizer: Optimizer, weights: list[Any], biases: list[Any], l2: float) -> Any:
    """Return PyTorch's optimizer: its decay is 2 * l2, of the weights alone."""
    groups = [{"params": weights, "weight_decay": 2 * l2}, {"params": biases, "weight_decay": 0.0}]
    # Its rates are set before every step.
    options: dict[str, Any] = {"lr": 1.0}
    if isinstance(optimizer, SGD):
        options |= {"momentum": optimizer.momentum, "nesterov": optimizer.nesterov}
        return torch.optim.SGD(groups, **options)
    if isinstance(optimizer, RMSprop):
        return torch.optim.RMSprop(groups, alpha=optimizer.decay, eps=optimizer.epsilon, **options)
    if isinstance(optimizer, Adagrad):
        return torch.optim.Adagrad(groups, eps=optimizer.epsilon, **options)
    assert isinstance(optimizer, Adam)
    options |= {"betas": (optimizer.beta1, optimizer.beta2), "eps": optimizer.epsilon}
    if isinstance(optimizer, AdamW):
        # Its decay stands beside the gradient; that of l2 is then added to the gradient by hand.
        groups[0]["weight_decay"] = optimizer.weight_decay
        return torch.optim.AdamW(groups, **options)
    return torch.optim.Adam(groups, **options)


def trained_by_torch(case: Case) -> npt.NDArray[np.float64]:
    """Return the parameters (1, P) after all updates."""
    data, plan, layers = case.data(), case.plan(), case.layers
    block = case.parameters("float64")[0]
    X = torch.tensor((data.X - data.standardization.mean) / data.standardization.scale)
    targets = torch.tensor(data.targets, dtype=torch.long if data.targets.ndim == 1 else torch.double)
    weights = [
        torch.tensor(layers.weights(block, layer), requires_grad=True) for layer in range(layers.count)
    ]
    biases = [torch.tensor(layers.biases(block, layer), requires_grad=True) for layer in range(layers.count)]
    (l2,), (optimizer,) = case.l2, plan.optimizers
    loss, (activations,) = plan.objective.loss, plan.objective.activations
    # What is clipped includes the gradient of the penalty, which is then a term of the cost.
    steps = optimizer_of(optimizer, weights, biases, 0.0 if case.clips else l2)
    parameters = [part for pair in zip(weights, biases, strict=True) for part in pair]
    average, after, every = average_of(case, parameters)
    updates = [
        updates.row_indices[start:end]
        for updates in plan.ranges(0, case.updates)
        for start, end in zip(updates.starts, updates.starts[1:], strict=False)
    ]
    for done, (rows, rate) in enumerate(zip(updates, plan.learning_rate[0], strict=True), start=1):
        A = X[torch.tensor(rows, dtype=torch.long)]
        for layer, (W, b) in enumerate(zip(weights, biases, strict=True)):
            A = A @ W + b
            if layer < len(activations):
                A = ACTIVATION_OF[activations[layer].name](activations[layer], A)
        cost = LOSS_OF[loss.name](loss, A, targets[torch.tensor(rows, dtype=torch.long)])
        if isinstance(optimizer, AdamW) or case.clips:
            cost = cost + l2 * sum((W**2).sum() for W in weights)
        steps.zero_grad()
        cost.backward()
        if plan.limits is not None:
            value, norm = plan.limits[:, 0].tolist()
            torch.nn.utils.clip_grad_value_(parameters, value)
            torch.nn.utils.clip_grad_norm_(parameters, norm)
        for group in steps.param_groups:
            group["lr"] = rate
        steps.step()
        if average is not None and done % every == 0 and done > after:
            average.update_parameters(torch.nn.ParameterList(parameters))
    if average is not None:
        parameters = list(average.module)
    return np.concatenate([part.detach().numpy() for part in parameters], axis=None)[None]


def average_of(case: Case, parameters: list[Any]) -> tuple[Any, int, int]:
    """Return PyTorch's average, or None, after how many updates it takes weights, and how often."""
    module, swa = torch.nn.ParameterList(parameters), torch.optim.swa_utils
    if isinstance(case.average, EMA):
        rule = swa.get_ema_multi_avg_fn(case.average.decay)
        return swa.AveragedModel(module, multi_avg_fn=rule), 0, 1
    if isinstance(case.average, LastEpochs):
        every = case.updates // case.epochs
        return swa.AveragedModel(module), (case.epochs - case.average.epochs) * every, every
    return None, 0, 1


@pytest.mark.parametrize("case", ALL, ids=case_id)
def test_the_trajectory_is_that_of_pytorch(backend: Backend, case: Case) -> None:
    assert case.updates == 200
    state = case.state("float64")
    train(backend, case.plan(), case.data(), state, 0, case.updates)
    assert relative_error(case.layers, state.parameters, trained_by_torch(case)) < 1e-10


@pytest.mark.parametrize("case", CLIPPED, ids=case_id)
def test_clipped_trajectories_are_those_of_pytorch(backend: Backend, case: Case) -> None:
    state = case.state("float64")
    train(backend, case.plan(), case.data(), state, 0, case.updates)
    # PyTorch adds 1e-6 to the norm.
    assert relative_error(case.layers, state.parameters, trained_by_torch(case)) < 1e-3
    unclipped = case.state("float64")
    train(backend, replace(case, clips=False).plan(), case.data(), unclipped, 0, case.updates)
    assert relative_error(case.layers, state.parameters, unclipped.parameters) > 1e-2


@pytest.mark.parametrize("case", AVERAGED, ids=case_id)
def test_averages_are_those_of_pytorch(backend: Backend, case: Case) -> None:
    plan, state = case.plan(), case.state("float64")
    train(backend, plan, case.data(), state, 0, case.updates)
    assert relative_error(case.layers, plan.described(state), trained_by_torch(case)) < 1e-10
