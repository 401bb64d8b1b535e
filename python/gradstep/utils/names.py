"""What a user meant by a name that is not known: a table of the words of others, and a search for typos."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NoReturn, ParamSpec, Self, TypeVar

from gradstep.errors import InvalidParameterError

P = ParamSpec("P")
R = TypeVar("R")

# Names that mean the same here, in scikit-learn, PyTorch, Keras, XGBoost and the like. Which of a row is the
# right one says the object that is asked: only names that it has are ever suggested.
_SAME: tuple[tuple[str, ...], ...] = (
    # What is trained.
    ("hidden", "hidden_layer_sizes", "hidden_layers", "hidden_sizes", "hidden_units", "units", "n_hidden"),
    ("hidden", "layers", "layer_sizes", "n_units", "neurons", "architecture"),
    ("activation", "activations", "activation_function", "nonlinearity", "act"),
    ("loss", "criterion", "objective", "loss_fn", "loss_function", "cost_function"),
    ("l2", "alpha", "weight_decay", "reg_lambda", "lambda_", "lam", "lmbda", "lambda", "reg", "l2_reg"),
    ("l2", "C", "penalty", "regularization", "regularizer", "kernel_regularizer", "wd"),
    ("weight_decay", "wd", "l2", "alpha"),
    # How it is trained.
    ("optimizer", "solver", "optim", "opt", "algorithm", "optimiser"),
    ("learning_rate", "lr", "eta", "eta0", "learning_rate_init", "rate", "learningrate", "step_length"),
    ("learning_rate", "schedule", "scheduler", "lr_scheduler", "lr_schedule", "learning_rate_schedule"),
    ("learning_rate", "power_t", "lr_policy"),
    ("dropout", "dropout_rate", "dropout_p", "p_dropout", "drop_rate", "dropout_prob", "dropout_ratio"),
    ("dropout", "hidden_dropout", "hidden_dropout_ratios", "keep_prob", "dropouts", "drop"),
    ("input_dropout", "input_dropout_ratio", "dropout_inputs", "dropout_in", "visible_dropout"),
    ("clip_norm", "global_clipnorm", "clipnorm", "clip_grad_norm", "max_grad_norm", "max_norm", "grad_clip"),
    ("clip_norm", "gradient_clip_val", "gradient_clip", "gradient_clipping", "clip", "clip_gradient"),
    ("clip_value", "clipvalue", "clip_grad_value", "max_grad_value"),
    ("average", "use_ema", "ema", "ema_momentum", "swa", "averaging", "polyak", "ema_decay"),
    ("batch_size", "minibatch_size", "mini_batch_size", "batchsize", "bs", "n_batch", "batch"),
    ("epochs", "max_iter", "n_epochs", "num_epochs", "nb_epoch", "max_epochs", "n_iter", "epoch"),
    ("epochs", "n_estimators", "num_boost_round", "iterations", "max_iterations", "num_iterations", "passes"),
    ("standardize", "normalize", "scale", "scaling", "scaler", "normalise", "standardization"),
    ("augment", "augmentation", "augmentations", "transform", "transforms", "data_augmentation"),
    ("init", "initializer", "kernel_initializer", "weight_init", "initialization", "init_weights"),
    ("metrics", "metric", "eval_metric", "eval_metrics", "scoring"),
    ("early_stopping", "patience", "n_iter_no_change", "early_stopping_rounds", "early_stop", "tol"),
    ("precision", "dtype", "dtypes", "float_type"),
    ("backend", "device", "engine"),
    ("n_threads", "n_jobs", "num_workers", "nthread", "num_threads", "threads", "n_workers", "jobs"),
    ("random_state", "seed", "random_seed", "rng", "manual_seed", "random"),
    ("callbacks", "callback"),
    ("eval_set", "validation_data", "val_set", "valid_set", "validation_set", "eval_data", "valid_sets"),
    ("eval_set", "X_val", "X_valid", "X_test", "y_val", "y_valid"),
    ("validation_fraction", "validation_split", "validation_share", "val_size", "val_split", "test_size"),
    ("validation_share", "validation_fraction", "test_size", "validation_split", "val_size"),
    ("sample_weight", "weights", "sample_weights", "weight"),
    ("class_weight", "class_weights", "scale_pos_weight", "pos_weight", "is_unbalance", "auto_class_weights"),
    # Schedules, rules and optimizers.
    ("low", "base_lr", "lr_min", "eta_min", "min_lr", "minimum", "min", "lower", "a", "loc"),
    ("high", "max_lr", "lr_max", "eta_max", "learning_rate", "lr", "maximum", "max", "upper", "b"),
    ("start", "lr", "learning_rate", "initial", "initial_lr", "eta0", "lr0", "initial_learning_rate"),
    ("value", "lr", "learning_rate", "rate", "constant"),
    ("end", "final", "final_lr", "end_lr", "stop", "end_learning_rate", "min_lr"),
    ("factor", "gamma", "decay", "decay_rate", "drop", "T_mult", "t_mult"),
    ("every", "step_size", "step", "decay_steps", "drop_every", "decay_every", "epochs"),
    ("step_size", "stepsize", "step", "step_size_up", "n_s", "ns", "half_cycle"),
    ("period", "T_0", "t_0", "T_max", "t_max", "cycle", "restart"),
    ("boundaries", "milestones", "steps", "bounds"),
    ("rates", "values", "lrs", "learning_rates"),
    ("min_rate", "min_lr", "eta_min", "low"),
    ("min_delta", "threshold", "tol", "delta"),
    ("monitor", "metric", "figure", "watch"),
    ("restore_best", "restore_best_weights", "keep_best", "use_best_model"),
    ("momentum", "mu", "beta"),
    ("nesterov", "nesterovs_momentum", "use_nesterov"),
    ("beta1", "betas", "beta_1", "b1"),
    ("beta2", "betas", "beta_2", "b2"),
    ("decay", "rho", "alpha", "smoothing", "momentum", "ema_momentum", "ema_decay"),
    ("epsilon", "eps"),
    ("history", "maxcor", "history_size", "memory", "m", "n_corrections"),
    ("gtol", "tol", "pgtol", "tolerance_grad", "gradient_tolerance"),
    ("ftol", "factr", "tolerance_change", "tolerance"),
    ("max_fun", "maxfun", "max_eval", "maxfev", "max_evaluations"),
    ("label_smoothing", "smoothing"),
    ("negative_slope", "alpha", "slope", "leak"),
    ("std", "stddev", "sigma", "scale", "deviation"),
    ("seed", "random_state", "random_seed"),
    ("p", "prob", "probability"),
    ("pixels", "max_shift", "shift", "padding", "pad"),
    # Searches and tools.
    ("trainer", "estimator", "model", "clf", "base_estimator", "net", "network"),
    ("estimator", "trainer", "model", "clf", "base_estimator"),
    ("trainers", "estimators", "models", "members"),
    ("space", "param_grid", "param_distributions", "params", "parameters", "grid", "search_space"),
    ("param_grid", "space", "params", "parameters", "grid"),
    ("n_trials", "n_iter", "trials", "num_samples", "max_evals", "n_samples", "n_settings"),
    ("n_iter", "n_trials", "trials"),
    ("folds", "cv", "n_splits", "n_folds", "k_folds", "kfold", "k"),
    ("cv", "folds", "n_splits", "n_folds", "k_folds"),
    ("metric", "scoring", "figure", "score", "criterion", "objective", "metrics"),
    ("scoring", "metric", "score", "scorer"),
    ("pruner", "stopping", "scheduler", "early_stopping"),
    ("keep_trainers", "keep_models"),
    ("seeds", "n_seeds", "n_repeats", "repeats", "runs", "n_runs", "random_state", "n_times"),
    ("test_set", "test_data", "test"),
    ("delimiter", "sep", "separator", "delim"),
    ("categorical", "categorical_features", "cat_features", "categories"),
    ("target", "label", "label_column", "target_column", "y_column"),
    ("tolerance", "tol", "atol", "rtol"),
    ("step", "eps", "h", "delta"),
    ("verbose", "verbosity", "silent", "quiet"),
    # Classes and functions.
    ("Trainer", "Classifier", "MLP", "MLPClassifier", "SGDClassifier", "LogisticRegression", "Model", "Net"),
    ("Trainer", "Network", "NeuralNetwork", "SoftmaxRegression", "Sequential"),
    ("Regressor", "MLPRegressor", "SGDRegressor", "LinearRegression"),
    ("FusedSearchCV", "GridSearchCV", "RandomizedSearchCV", "GridSearch", "RandomSearch"),
    ("Sweep", "Search", "Tuner", "Study"),
    ("LogUniform", "log", "LogNormal", "reciprocal", "logspace", "log_uniform"),
    ("loguniform", "log", "lognormal", "reciprocal", "logspace", "geomspace", "log10", "logunif"),
    ("Uniform", "linspace", "Float", "quniform"),
    ("uniform", "linspace", "float", "lin", "linear", "range"),
    ("IntUniform", "randint", "Integer", "Int", "int", "RandInt"),
    ("int", "randint", "integer", "intuniform", "range"),
    ("Choice", "Categorical", "choice"),
    ("SuccessiveHalving", "Halving", "ASHA", "HalvingGridSearchCV"),
    ("Hyperband", "HyperBand", "HyperbandPruner", "HyperBandScheduler", "BOHB"),
    ("MedianStopping", "MedianPruner", "Median"),
    ("VotingEnsemble", "Ensemble", "VotingClassifier", "Voting"),
    ("He", "Kaiming", "HeNormal", "he_normal", "kaiming_normal", "KaimingNormal"),
    ("Xavier", "Glorot", "GlorotNormal", "xavier_normal", "glorot_normal"),
    ("Normal", "Gaussian", "RandomNormal"),
    ("load_model", "load", "read_model", "from_file", "from_pretrained"),
    ("gradient_check", "gradcheck", "check_gradients", "check_grad", "grad_check", "check_gradient"),
    ("gradient", "grad", "gradients", "compute_gradients", "backward"),
    ("learning_rate_range_test", "lr_find", "lr_finder", "range_test", "lr_range_test", "LRFinder"),
    ("CyclicTriangular", "Cyclic", "CyclicLR", "Triangular", "CyclicalLearningRate", "cyclical"),
    ("StepDecay", "StepLR", "ExponentialDecay", "Step", "ExponentialLR"),
    ("Geometric", "Exponential", "ExponentialDecay", "ExponentialLR"),
    ("Piecewise", "MultiStepLR", "PiecewiseConstantDecay", "MultiStep"),
    ("Cosine", "CosineAnnealing", "CosineAnnealingLR", "CosineDecay", "CosineAnnealingWarmRestarts", "SGDR"),
    ("OneCycle", "OneCycleLR", "OneCyclePolicy"),
    ("ReduceOnPlateau", "ReduceLROnPlateau", "Plateau", "plateau"),
    ("Linear", "LinearLR", "PolynomialDecay", "LinearDecay"),
    ("PerEpoch", "LambdaLR", "LearningRateScheduler", "Lambda", "Epochs"),
    ("Softmax", "CrossEntropy", "CrossEntropyLoss", "categorical_crossentropy", "SoftmaxCrossEntropy"),
    ("Sigmoid", "BCE", "BCELoss", "BCEWithLogitsLoss", "BinaryCrossEntropy", "binary_crossentropy"),
    ("Squared", "MSE", "MSELoss", "mse", "mean_squared_error", "SquaredError"),
    ("softmax", "cross_entropy", "crossentropy", "categorical_crossentropy", "log_loss", "nll"),
    ("sigmoid", "bce", "binary_crossentropy", "binary_cross_entropy"),
    ("squared", "mse", "mean_squared_error", "squared_error", "l2_loss"),
    ("logistic", "sigmoid"),
    ("accuracy", "acc", "categorical_accuracy", "binary_accuracy"),
    ("mean_absolute_error", "mae", "l1"),
    ("identity", "linear", "none"),
    ("he", "kaiming", "he_normal", "kaiming_normal", "he_uniform"),
    ("xavier", "glorot", "glorot_normal", "xavier_normal", "glorot_uniform"),
    ("sgd", "gd", "momentum", "nesterov"),
    ("lbfgs", "l-bfgs-b", "bfgs", "lbfgsb", "quasi_newton"),
    ("EMA", "ExponentialMovingAverage", "MovingAverage", "Polyak", "AveragedModel", "ModelEMA"),
    ("LastEpochs", "SWA", "StochasticWeightAveraging", "SWALR"),
    ("ema", "polyak", "moving_average", "exponential_moving_average"),
    ("last_epochs", "swa", "stochastic_weight_averaging"),
    ("HorizontalFlip", "RandomHorizontalFlip", "RandomFlip", "Flip"),
    ("Translate", "RandomCrop", "RandomTranslation", "RandomAffine", "Shift"),
    ("curves", "plot", "plot_history", "history", "loss_curve", "learning_curve", "learning_curves"),
)

# What is a part of another parameter.
_PARTS = {
    "momentum": "optimizer=SGD(momentum=...)",
    "nesterov": "optimizer=SGD(momentum=..., nesterov=True)",
    "nesterovs_momentum": "optimizer=SGD(momentum=..., nesterov=True)",
    "beta_1": "optimizer=Adam(beta1=...)",
    "beta_2": "optimizer=Adam(beta2=...)",
    "beta1": "optimizer=Adam(beta1=...)",
    "beta2": "optimizer=Adam(beta2=...)",
    "betas": "optimizer=Adam(beta1=..., beta2=...)",
    "epsilon": "optimizer=Adam(epsilon=...)",
    "eps": "optimizer=Adam(epsilon=...)",
    "patience": "early_stopping=EarlyStopping(patience=...)",
    "n_iter_no_change": "early_stopping=EarlyStopping(patience=...)",
    "early_stopping_rounds": "early_stopping=EarlyStopping(patience=...)",
    "tol": "early_stopping=EarlyStopping(min_delta=...)",
    "label_smoothing": "loss=Softmax(label_smoothing=...)",
}


def near(name: str, known: Iterable[str]) -> list[str]:
    """Return which of the known names a user may have meant, the likeliest first; none where nothing is near.

    >>> near("lr", ["l2", "learning_rate"]), near("epoks", ["l2", "epochs"]), near("zzz", ["l2"])
    (['learning_rate'], ['epochs'], [])
    """
    own = {_fold(one): one for one in known}
    part = _PARTS.get(name, "")
    if part.partition("=")[0] in own.values():
        return [part]
    folded = _fold(name)
    if folded in own:
        return [own[folded]]
    same = [own[row[0]] for row in _folded() if folded in row and row[0] in own]
    return list(dict.fromkeys(same)) or [own[one] for one in _alike(folded, own)]


def hint(name: str, known: Iterable[str], written: Mapping[str, str] | None = None) -> str:
    """Return "did you mean ...?" of the names that are near, as they are written, or nothing."""
    found = [(written or {}).get(one, one) for one in near(name, known)]
    return f"did you mean {' or '.join(found)}?" if found else ""


def raise_unknown_parameter(whose: str, name: str, known: Collection[str]) -> NoReturn:
    """Raise InvalidParameterError for a name that is not known, with the names near it or else all."""
    said = hint(name.partition("__")[0], known) or f"it has {', '.join(known) or 'none'}"
    raise InvalidParameterError(f"{whose} has no parameter {name!r}; {said}")


def missing_attribute(
    owner: str, name: str, known: Iterable[str], written: Mapping[str, str] | None = None
) -> AttributeError:
    """Return the error of a name that a module does not have, with the names near it, as they are written."""
    said = hint(name, known, written)
    return AttributeError(f"module {owner!r} has no attribute {name!r}" + (f"; {said}" if said else ""))


def module_getattr(owner: str, known: Collection[str]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a module, which says what was meant by a name that it does not have."""

    def __getattr__(name: str) -> Any:
        # Python and its tools ask modules for names with underscores: nobody reads the answer.
        raise missing_attribute(owner, name, () if name.startswith("_") else known)

    return __getattr__


def known_parameters(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function tell what was meant by a name that it does not know; the error stays a TypeError."""
    names = list(inspect.signature(function).parameters)
    owner = function.__qualname__

    @functools.wraps(function)
    def asked(*args: P.args, **kwargs: P.kwargs) -> R:
        for name in kwargs:
            if name not in names:
                _raise_unknown_name(owner, name, [own for own in names if own != "self"], args)
        return function(*args, **kwargs)

    return asked


def _raise_unknown_name(owner: str, name: str, names: Collection[str], args: Sequence[Any]) -> NoReturn:
    """Raise InvalidParameterError; of a method, say where its object has a parameter of that name."""
    of_object = _parameters(type(args[0]))[0] if args and "." in owner else ()  # type: ignore[arg-type]
    if of_object and name in of_object:
        whose = type(args[0]).__name__
        raise InvalidParameterError(f"{owner} has no parameter {name!r}; it is one of {whose} itself")
    raise_unknown_parameter(owner, name, names)


class KnownParameters:
    """Base of classes whose constructors tell what was meant by a name that they do not know.

    The signature stays that of ``__init__``, and the error stays a TypeError.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Refuse names that ``__init__`` does not take, and more values than it takes without names."""
        names, without_names = _parameters(cls)  # type: ignore[arg-type]
        if names is not None:
            for name in kwargs:
                if name not in names:
                    raise_unknown_parameter(cls.__name__, name, names)
            if len(args) > without_names:
                _raise_too_many(cls.__name__, args, names, without_names)
        return super().__new__(cls)


@cache
def _parameters(cls: Hashable) -> tuple[tuple[str, ...] | None, int]:
    """Return the names that a constructor takes, None for any, and how many may be given without them."""
    own = [*inspect.signature(cls.__init__).parameters.values()][1:]  # type: ignore[misc]
    kinds = [parameter.kind for parameter in own]
    if inspect.Parameter.VAR_KEYWORD in kinds or inspect.Parameter.VAR_POSITIONAL in kinds:
        return None, 0
    return tuple(parameter.name for parameter in own), kinds.count(inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _raise_too_many(owner: str, args: Sequence[Any], names: Sequence[str], without_names: int) -> NoReturn:
    listed = ", ".join(names) or "none"
    if without_names:
        raise InvalidParameterError(
            f"{owner} takes at most {without_names} values without names, got {len(args)}; it has {listed}"
        )
    example = f", as {owner}({names[0]}=...)" if names else ""
    raise InvalidParameterError(f"{owner} takes its parameters by name{example}, got {len(args)} without one")


def _alike(name: str, known: Iterable[str]) -> list[str]:
    """Return the names that are spelt alike, and about as much as the one that is most."""
    # A wrong hint is worse than none; of two letters one may be another.
    found = difflib.get_close_matches(name, known, n=3, cutoff=0.65 if len(name) > 3 else 0.5)
    ratios = [difflib.SequenceMatcher(None, one, name).ratio() for one in found]
    return [one for one, ratio in zip(found, ratios, strict=True) if ratio > max(ratios) - 0.1]


def _fold(name: str) -> str:
    """Return a name without what typing it differently changes."""
    return name.lower().replace("_", "").replace("-", "")


@cache
def _folded() -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(map(_fold, row)) for row in _SAME)
