#include <algorithm>
#include <chrono>

#include "step.hpp"

namespace gradstep {
namespace {

// Thread 0 asks the caller now and then; everyone learns the answer between the two barriers.
class Interruption {
public:
    explicit Interruption(Poll poll) : poll_(poll), last_(Clock::now()) {}

    void ask_if_due() {
        const Clock::time_point now = Clock::now();
        if (now - last_ < std::chrono::milliseconds(50)) return;
        last_ = now;
        if (poll_.ask && poll_.ask(poll_.context)) stop_.store(true, std::memory_order_relaxed);
    }
    bool requested() const { return stop_.load(std::memory_order_relaxed); }

private:
    using Clock = std::chrono::steady_clock;
    Poll poll_;
    Clock::time_point last_;
    std::atomic<bool> stop_{false};
};

Index longest_batch(const Stretch& stretch) {
    Index longest = 0;
    for (Index t = 0; t < stretch.updates; ++t)
        longest = std::max(longest, stretch.starts[t + 1] - stretch.starts[t]);
    return longest;
}

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
struct Progress {
    Buffer<std::uint8_t> active;        // (m,)
    Buffer<Index> done;                 // (m,) updates
    Buffer<Coefficients<T>> coefficients;  // (m,)

    Progress(Index m, const std::uint8_t* finite) : active(m), done(m), coefficients(m) {
        std::copy(finite, finite + m, active.data());
    }

    bool any_active() const {
        return std::any_of(active.data(), active.data() + active.size(),
                           [](std::uint8_t a) { return a != 0; });
    }
};

}  // namespace

template <class T>
void train(const Models<T>& models, const Rows<T>& rows, const Stretch& stretch, T* parameters,
           Index* updates, std::uint8_t* finite, int n_threads, Poll poll) {
    const Index m = models.m;
    Network<T> network(models);
    network.pack(parameters);
    const int team = team_size(n_threads);
    Step<T> step(models, rows, network, longest_batch(stretch), team);
    std::vector<Progress<T>> progress;
    for (int thread = 0; thread < team; ++thread) progress.emplace_back(m, finite);
    Interruption interruption(poll);
    Barrier barrier;

    parallel(team, [&](int thread, int) {
        Progress<T>& mine = progress[static_cast<std::size_t>(thread)];
        for (Index t = 0; t < stretch.updates && mine.any_active(); ++t) {
            const std::int32_t* which = stretch.which + stretch.starts[t];
            const Index b = stretch.starts[t + 1] - stretch.starts[t];
            if (thread == 0) interruption.ask_if_due();
            step.forward_first(which, b, mine.active.data(), thread, team);
            barrier.wait(team);
            if (interruption.requested()) return;
            step.forward_backward(which, b, mine.active.data(), thread, team);
            barrier.wait(team);
            for (Index model = 0; model < m; ++model) {
                if (!mine.active[model]) continue;
                mine.active[model] = std::isfinite(step.batch_loss(model, b));
                if (!mine.active[model]) continue;
                mine.coefficients[model] =
                    descent<T>(stretch.learning_rate[model * stretch.updates + t], models.l2[model]);
                ++mine.done[model];
            }
            step.update(network, mine.coefficients.data(), b, batch_of(stretch, t + 1), mine.active.data(),
                        thread, team);
        }
    });

    network.unpack(parameters);
    for (Index model = 0; model < m; ++model) {
        updates[model] += progress[0].done[model];
        finite[model] = progress[0].active[model];
    }
}

template <class T>
void gradient(const Models<T>& models, const Rows<T>& rows, const T* parameters, T* dparameters,
              int n_threads) {
    Network<T> network(models), dnetwork(models);
    network.pack(parameters);
    const int team = team_size(n_threads);
    Step<T> step(models, rows, network, rows.n, team);
    const Buffer<std::uint8_t> active(models.m);
    const Buffer<Coefficients<T>> coefficients(models.m);
    for (Index model = 0; model < models.m; ++model) {
        active[model] = 1;
        coefficients[model] = {static_cast<T>(2 * models.l2[model]), T(0), T(1)};
    }
    Barrier barrier;
    parallel(team, [&](int thread, int) {
        step.forward_first(nullptr, rows.n, active.data(), thread, team);
        barrier.wait(team);
        step.forward_backward(nullptr, rows.n, active.data(), thread, team);
        barrier.wait(team);
        step.update(dnetwork, coefficients.data(), rows.n, Batch{}, active.data(), thread, team);
    });
    dnetwork.unpack(dparameters);
}

#define GRADSTEP_INSTANTIATE(T)                                                                              \
    template void train<T>(const Models<T>&, const Rows<T>&, const Stretch&, T*, Index*, std::uint8_t*, int, \
                           Poll);                                                                            \
    template void gradient<T>(const Models<T>&, const Rows<T>&, const T*, T*, int);
GRADSTEP_INSTANTIATE(float)
GRADSTEP_INSTANTIATE(double)

}  // namespace gradstep
