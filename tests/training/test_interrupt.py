"""Ctrl-C during a fit: it stops at an update's boundary and keeps what was learned."""

import signal
import threading

import numpy as np
import pytest
from sklearn.datasets import make_blobs

import gradstep as gs
import makers
from gradstep import backends
from gradstep.training.status import Status
from gradstep.utils import interrupt
from makers import HERE

X, Y = make_blobs(n_samples=100, centers=3, random_state=0)


def trainer(**parameters):
    return makers.trainer(**{"batch_size": 10, "epochs": 40, "learning_rate": 0.01} | parameters)


@pytest.fixture(autouse=True)
def ctrl_c(python_own_handler):
    """Run with Python's handler of Ctrl-C."""


class PressesAfter:
    """The NumPy backend, with Ctrl-C pressed when it asks for the n-th time whether to stop."""

    name = "numpy"

    def __init__(self, press):
        self.inner, self.asked, self.press = backends.get("numpy"), 0, press
        self.evaluate, self.sums_of_bytes = self.inner.evaluate, self.inner.sums_of_bytes
        self.lacks = self.inner.lacks

    def session(self, *arguments, **options):
        session = self.inner.session(*arguments, **options)
        train = session.train

        def pressed_train(*arguments, should_stop):
            def pressed():
                self.asked += 1
                if self.asked == self.press:
                    signal.raise_signal(signal.SIGINT)
                return should_stop()

            return train(*arguments, should_stop=pressed)

        session.train = pressed_train
        return session


def press_after(monkeypatch, press):
    backend = PressesAfter(press)
    monkeypatch.setattr(backends, "get", lambda name: backend)


def test_stops_inside_an_epoch_with_model_and_history(monkeypatch):
    press_after(monkeypatch, 14)
    model = trainer()
    with pytest.warns(RuntimeWarning, match="training interrupted at update 13") as caught:
        assert model.fit(X, Y) is model
    assert caught[0].filename == __file__
    assert model.interrupted_
    assert model.status_ is Status.INTERRUPTED
    assert model.history_["update"].tolist() == [10, 13]
    assert model.history_["epoch"].tolist() == [1.0, 1.3]
    assert model.n_iter_ == 2
    monkeypatch.undo()
    assert model.evaluate(X, Y).loss == model.history_["train_loss"][-1]
    again = trainer(evaluate_every=13, callbacks=(lambda model, row: True,)).fit(X, Y)
    np.testing.assert_array_equal(again.coefs_[0], model.coefs_[0])


@pytest.mark.parametrize("evaluate_every, updates", [("running", [10, 13]), (None, [13])])
def test_running_metrics_are_those_of_the_updates_done(monkeypatch, evaluate_every, updates):
    press_after(monkeypatch, 14)
    with pytest.warns(RuntimeWarning, match="training interrupted at update 13"):
        model = trainer(evaluate_every=evaluate_every).fit(X, Y)
    monkeypatch.undo()
    each = trainer(evaluate_every=1, epochs=2).fit(X, Y).history_
    for name in ("running_loss", "running_accuracy"):
        pieces = zip([0, *updates], updates, strict=False)
        wanted = [each[name][first:last].mean() for first, last in pieces]
        np.testing.assert_allclose(model.history_[name], wanted, rtol=1e-12)
    assert model.history_["update"].tolist() == updates
    np.testing.assert_array_equal(model.history_["train_loss"], np.nan)


def test_before_the_first_update_the_estimator_stays_as_it_was(monkeypatch):
    fresh, model = trainer(), trainer(epochs=2).fit(X, Y)
    before = dict(vars(model))
    press_after(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        fresh.fit(X, Y)
    assert not hasattr(fresh, "coefs_")
    press_after(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X[:50], Y[:50])
    assert vars(model) == before


def test_between_evaluations():
    def press(model, row):
        if row["epoch"] == 3:
            signal.raise_signal(signal.SIGINT)

    with pytest.warns(RuntimeWarning, match="training interrupted at update 30"):
        model = trainer(callbacks=(press,)).fit(X, Y)
    assert model.history_["epoch"].tolist() == [1, 2, 3]


def test_early_stopping_restores_its_best_after_an_interrupt():
    def press(model, row):
        if row["epoch"] == 4:
            signal.raise_signal(signal.SIGINT)

    rule = gs.EarlyStopping(patience=30)
    model = trainer(early_stopping=rule, callbacks=(press,), learning_rate=lambda t: 0.1 if t < 20 else 50.0)
    with pytest.warns(RuntimeWarning, match="interrupted"):
        model.fit(X, Y, eval_set=(X, Y))
    assert model.n_iter_ == model.history_["validation_loss"].argmin() + 1 < 4


def test_a_second_ctrl_c_raises_at_once(monkeypatch):
    press_after(monkeypatch, 14)

    def press_again(model, row):
        if row["update"] == 13:
            signal.raise_signal(signal.SIGINT)

    model = trainer(callbacks=(press_again,))
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y)
    assert model.history_["update"].tolist() == [10, 13]


class PressesWithin:
    """Any backend, with Ctrl-C pressed from outside once it has asked whether to stop."""

    def __init__(self, name):
        self.inner, self.name = backends.get(name), name
        self.evaluate, self.sums_of_bytes = self.inner.evaluate, self.inner.sums_of_bytes
        self.lacks = self.inner.lacks

    def session(self, *arguments, **options):
        session = self.inner.session(*arguments, **options)
        inner_train = session.train_parts
        session.train_parts = lambda *arguments, should_stop: self.train(inner_train, arguments, should_stop)
        return session

    def train(self, inner_train, arguments, should_stop):
        asked = threading.Event()

        def press():
            asked.wait()
            signal.raise_signal(signal.SIGINT)

        def answer():
            asked.set()
            return should_stop()

        presser = threading.Thread(target=press)
        presser.start()
        running = inner_train(*arguments, should_stop=answer)
        asked.set()
        presser.join()
        return running


@pytest.mark.parametrize("name", HERE)
def test_every_backend_stops_inside_a_long_range(name, monkeypatch):
    # Two million updates without an evaluation: half a minute of work at best.
    rows = np.random.default_rng(0).integers(256, size=(40_000, 200), dtype=np.uint8)
    backend = PressesWithin(name)
    monkeypatch.setattr(backends, "get", lambda name: backend)
    model = trainer(hidden=(200,), batch_size=1, epochs=50, evaluate_every=None, learning_rate=1e-6)
    with pytest.warns(RuntimeWarning, match="training interrupted at update"):
        model.fit(rows, rows[:, 0] > 127)
    assert len(model.history_) <= 1
    assert model.n_iter_ < 50


def test_a_handler_of_the_program_stays_in_charge():
    seen = []

    def handler(number, frame):
        seen.append(number)

    signal.signal(signal.SIGINT, handler)
    try:
        press = (lambda model, row: signal.raise_signal(signal.SIGINT),)
        model = trainer(callbacks=press, epochs=2).fit(X, Y)
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    assert seen == [signal.SIGINT] * 2
    assert not model.interrupted_
    assert model.status_ is Status.COMPLETED


def test_ctrl_c_after_the_last_update_changes_nothing():
    def press(model, row):
        if row["epoch"] == 2:
            signal.raise_signal(signal.SIGINT)

    model = trainer(callbacks=(press,), epochs=2).fit(X, Y)
    assert model.status_ is Status.COMPLETED
    assert not model.interrupted_
    np.testing.assert_array_equal(model.coefs_[0], trainer(epochs=2).fit(X, Y).coefs_[0])


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_regressor_keeps_what_it_has_learned_too(monkeypatch, optimizer):
    press_after(monkeypatch, 14)
    with pytest.warns(RuntimeWarning, match="training interrupted at update 13") as caught:
        model = makers.regressor(batch_size=10, optimizer=optimizer).fit(X, X[:, 0])
    assert caught[0].filename == __file__
    assert model.status_ is Status.INTERRUPTED
    assert model.history_["update"].tolist() == [10, 13]
    monkeypatch.undo()
    assert model.evaluate(X, X[:, 0]).r2 == model.history_["train_r2"][-1]


def test_the_handler_comes_back_after_an_error():
    handlers = []

    def fail():
        with interrupt.deferred() as stop:
            handlers.append(signal.getsignal(signal.SIGINT))
            assert handlers == [stop.handle]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_other_threads_leave_the_handler_alone():
    handlers = []

    def run():
        with interrupt.deferred():
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert handlers == [signal.default_int_handler]


def test_a_block_inside_another_one_shares_its_interrupt():
    with interrupt.deferred() as outer:
        with interrupt.deferred() as inner:
            assert inner is outer
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) == outer.handle
        assert outer()
    assert not outer.is_in_charge


@pytest.mark.parametrize("inside", ["the block", "its end"])
def test_a_second_press_hands_the_handler_back_wherever_it_comes(monkeypatch, inside):
    def pressed_again(self):
        signal.raise_signal(signal.SIGINT)

    def run():
        with interrupt.deferred() as stop:
            signal.raise_signal(signal.SIGINT)
            assert stop.requested
            if inside == "the block":
                signal.raise_signal(signal.SIGINT)
            monkeypatch.setattr(interrupt.Interrupt, "pass_on", pressed_again)

    with pytest.raises(KeyboardInterrupt):
        run()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert interrupt.Interrupt.in_charge() is None


def test_a_handler_that_was_left_behind_takes_no_press():
    """As what is raised between two lines of a block's end may leave it."""
    left = interrupt.Interrupt(type("Block", (), {})())
    signal.signal(signal.SIGINT, left.handle)
    with interrupt.deferred() as stop:
        assert stop is not left
        signal.raise_signal(signal.SIGINT)
        assert stop.requested
    assert not left.requested
    signal.signal(signal.SIGINT, left.handle)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


class Clock:
    """Seconds that tests set."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(interrupt.time, "monotonic", lambda: self.now)


def press_in_a_fit(clock, seconds):
    """Press Ctrl-C so many seconds later, in the first epoch of a fit; return its trainer."""

    def press(model, row):
        if row["epoch"] == 1:
            clock.now += seconds
            signal.raise_signal(signal.SIGINT)

    return trainer(callbacks=(press,), epochs=3).fit(X, Y)


@pytest.mark.filterwarnings("ignore:training interrupted")
@pytest.mark.parametrize(
    "seconds, ends", [(0.05, False), (0.2, True), (0.7, True), (1.0, True), (1.1, False)]
)
def test_the_second_of_two_presses_ends_a_loop_over_fits(monkeypatch, seconds, ends):
    clock = Clock(monkeypatch)
    assert press_in_a_fit(clock, 0).interrupted_
    if not ends:
        assert press_in_a_fit(clock, seconds).interrupted_
        return
    with pytest.raises(KeyboardInterrupt):
        press_in_a_fit(clock, seconds)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.filterwarnings("ignore:training interrupted")
def test_two_presses_in_two_programs_end_no_loop(monkeypatch):
    clock = Clock(monkeypatch)
    program = compile("interrupted.append(run(clock, 0.5).interrupted_)", "elsewhere.py", "exec")
    interrupted = []
    for _ in range(2):
        exec(
            program,
            {"run": lambda *given: press_in_a_fit(*given), "clock": clock, "interrupted": interrupted},
        )
    assert interrupted == [True, True]


def test_a_press_that_ended_nothing_is_no_first_one(monkeypatch):
    clock = Clock(monkeypatch)
    press = (lambda model, row: signal.raise_signal(signal.SIGINT),)
    assert not trainer(epochs=1, callbacks=press).fit(X, Y).interrupted_
    with pytest.warns(RuntimeWarning, match="training interrupted at update 10"):
        assert press_in_a_fit(clock, 0.5).interrupted_
