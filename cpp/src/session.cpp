// The training loop, and what it keeps between calls.
#include <algorithm>
#include <chrono>
#include <optional>

#include "forward.hpp"
#include "step.hpp"

namespace gradstep {
namespace {

// Thread 0 asks the caller now and then, before a barrier; behind it everyone knows the update to stop at.
class Interruption {
public:
    explicit Interruption(Poll poll) : poll_(poll), last_(Clock::now()) {}

    void ask_if_due(Index t) {
        const Clock::time_point now = Clock::now();
        if (now - last_ < std::chrono::milliseconds(50)) return;
        last_ = now;
        if (poll_.ask && poll_.ask(poll_.context)) stop_at_.store(t, std::memory_order_relaxed);
    }
    bool is_at(Index t) const { return stop_at_.load(std::memory_order_relaxed) <= t; }

private:
    using Clock = std::chrono::steady_clock;
    Poll poll_;
    Clock::time_point last_;
    std::atomic<Index> stop_at_{INT64_MAX};
};

// None behind the last.
Batch batch_of(const Stretch& stretch, Index t) {
    if (t >= stretch.updates) return {};
    return {stretch.which + stretch.starts[t], stretch.starts[t + 1] - stretch.starts[t]};
}

template <class T>
Coefficients<T> descent(double learning_rate, double l2) {
    return {static_cast<T>(1 - 2 * learning_rate * l2), T(1), static_cast<T>(-learning_rate)};
}

// What a thread knows of the models; every thread derives the same.
template <class T>
struct Knowledge {
    Buffer<std::uint8_t> active;  // (m,)
    Buffer<Index> updates, rows;  // (m,)
    Buffer<double> loss, correct;  // (m,)
    Buffer<Coefficients<T>> coefficients;  // (m,)

    explicit Knowledge(Index m) : active(m), updates(m), rows(m), loss(m), correct(m), coefficients(m) {}

    void begin(const std::uint8_t* finite) {
        std::copy(finite, finite + active.size(), active.data());
        for (Buffer<Index>* counts : {&updates, &rows}) std::fill_n(counts->data(), counts->size(), Index{0});
        for (Buffer<double>* sums : {&loss, &correct}) std::fill_n(sums->data(), sums->size(), 0.0);
    }

    bool any_active() const {
        return std::any_of(active.data(), active.data() + active.size(),
                           [](std::uint8_t a) { return a != 0; });
    }

    // A batch was seen: a model goes on if its loss is finite.
    void see(Index model, BatchSums sums, Index count, double learning_rate, double l2) {
        active[model] = std::isfinite(sums.loss);
        if (!active[model]) return;
        ++updates[model];
        rows[model] += count;
        loss[model] += sums.loss;
        correct[model] += sums.correct;
        coefficients[model] = descent<T>(learning_rate, l2);
    }
};

}  // namespace

template <class T>
class Session<T>::Parts {
public:
    Parts(const Models<T>& models, const Rows<T>& rows, Index most_rows, const Rows<T>* evaluated,
          Index count, int n_threads)
        : models_(models), rows_(rows), evaluated_(evaluated, evaluated + count), most_rows_(most_rows),
          n_threads_(n_threads), network_(models_) {}

    void train(const Stretch& stretch, const Progress<T>& progress, Poll poll) {
        prepare_team();
        if (!step_) {
            step_.emplace(models_, rows_, network_, most_rows_, team_);
            for (int thread = 0; thread < team_; ++thread) knowledge_.emplace_back(models_.m);
        }
        network_.pack(progress.parameters);
        step_->begin();
        for (Knowledge<T>& each : knowledge_) each.begin(progress.finite);
        Interruption interruption(poll);
        Barrier barrier;
        parallel(team_, [&](int thread, int) { run(stretch, interruption, barrier, thread); });
        network_.unpack(progress.parameters);
        const Knowledge<T>& known = knowledge_.front();
        for (Index model = 0; model < models_.m; ++model) {
            progress.updates[model] += known.updates[model];
            progress.finite[model] = known.active[model];
            progress.loss[model] += known.loss[model];
            progress.correct[model] += known.correct[model];
            progress.rows[model] += known.rows[model];
        }
    }

    void evaluate(const T* parameters, const Figures* figures) {
        prepare_team();
        if (!forward_)
            forward_.emplace(models_, network_, evaluated_.data(), static_cast<Index>(evaluated_.size()),
                             team_);
        forward_->evaluate(parameters, figures);
    }

private:
    // A forked child has a team of one, whatever its parent had.
    void prepare_team() {
        const int team = team_size(n_threads_);
        if (team == team_) return;
        step_.reset();
        forward_.reset();
        knowledge_.clear();
        team_ = team;
    }

    void run(const Stretch& stretch, Interruption& interruption, Barrier& barrier, int thread) {
        Step<T>& step = *step_;
        Knowledge<T>& known = knowledge_[static_cast<std::size_t>(thread)];
        for (Index t = 0; t < stretch.updates && known.any_active(); ++t) {
            const Batch batch = batch_of(stretch, t);
            if (thread == 0) interruption.ask_if_due(t);
            step.forward_first(t, batch, known.active.data(), thread);
            barrier.wait(team_);
            if (interruption.is_at(t)) return;
            step.forward_backward(t, batch, known.active.data(), thread);
            if (step.shares_rows()) barrier.wait(team_);
            for (Index model = 0; model < models_.m; ++model)
                if (known.active[model])
                    known.see(model, step.sums(model, batch.rows, thread), batch.rows,
                              stretch.learning_rate[model * stretch.updates + t], models_.l2[model]);
            step.update(network_, known.coefficients.data(), batch, batch_of(stretch, t + 1),
                        known.active.data(), thread);
        }
    }

    const Models<T> models_;
    const Rows<T> rows_;
    const std::vector<Rows<T>> evaluated_;
    const Index most_rows_;
    const int n_threads_;
    int team_ = 0;
    Network<T> network_;
    std::optional<Step<T>> step_;
    std::optional<Forward<T>> forward_;
    std::vector<Knowledge<T>> knowledge_;  // by thread
};

template <class T>
Session<T>::Session(const Models<T>& models, const Rows<T>& rows, Index most_rows, const Rows<T>* evaluated,
                    Index count, int n_threads)
    : parts_(std::make_unique<Parts>(models, rows, most_rows, evaluated, count, n_threads)) {}

template <class T>
Session<T>::~Session() = default;

template <class T>
void Session<T>::train(const Stretch& stretch, const Progress<T>& progress, Poll poll) {
    parts_->train(stretch, progress, poll);
}

template <class T>
void Session<T>::evaluate(const T* parameters, const Figures* figures) {
    parts_->evaluate(parameters, figures);
}

template class Session<float>;
template class Session<double>;

}  // namespace gradstep
