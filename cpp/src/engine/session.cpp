// A training: who trains which models, and what is kept between calls. A team of threads is cut into groups,
// each of which has models of its own, in one shard or several:
//
//     until all updates are done, or somebody wants to stop:
//         for each shard of my group:  train up to the next meeting       one update after the other
//         meet                                                            all threads, after about 20 ms
//
// Why so: docs/adr/0012 and docs/adr/0015.
#include <algorithm>
#include <atomic>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "engine/crew.hpp"
#include "engine/evaluator.hpp"
#include "engine/stop_timer.hpp"
#include "engine/thread_groups.hpp"
#include "system/flush_to_zero.hpp"

namespace gradstep {

template <class T>
class Session<T>::Impl {
public:
    Impl(const Models<T>& models, const Rows<T>& rows, Index most_rows, const Rows<T>* evaluated, Index count,
         int n_threads, std::optional<Images> images)
        : models_(models), rows_(rows), evaluated_(evaluated, evaluated + count), most_rows_(most_rows),
          team_(team_size(n_threads)), flushes_(!has_tiny_inputs(rows)), images_(images),
          network_(models_, &rows_, models.slots()) {}

    void train(const UpdateRange& range, const TrainingState<T>& state, StopCallback should_stop) {
        if (thread_groups_.empty()) form_groups();
        const LocatedRange located{range, located_rows(range), models_.layers.count};
        if (rows_.sparse()) reserve(located);
        // Threads that wait for each other must not run out of memory.
        for (ThreadGroup<T>& group : thread_groups_) group.reserve_parts(range.parts);
        timer_.begin(should_stop, range.updates, times().clock);
        do {
            parallel(crew_.size(), [&](int thread, int crew) { run(located, state, thread, crew); });
        } while (!timer_.is_over());
    }

    void evaluate(const T* parameters, const Metrics* metrics, T* const* scores) {
        if (!evaluator_)
            evaluator_.emplace(models_, network_, evaluated_.data(), static_cast<Index>(evaluated_.size()),
                               team_, Output::metrics);
        evaluator_->use(crew_.size());
        const bool packed = has(parameters);
        if (!packed || evaluator_->packs_factor())
            for (ThreadGroup<T>& group : thread_groups_) group.forget();
        evaluator_->evaluate(parameters, metrics, scores, packed);
    }

    int threads() const { return crew_.size(); }

private:
    // Whether the network has them already.
    bool has(const T* parameters) const {
        return !thread_groups_.empty() &&
               std::all_of(thread_groups_.begin(), thread_groups_.end(),
                           [=](const ThreadGroup<T>& group) { return group.has(parameters); });
    }

    // Where in X the rows of all updates lie.
    const std::int32_t* located_rows(const UpdateRange& range) {
        if (!rows_.index) return range.row_indices;
        in_X_.resize(static_cast<std::size_t>(range.starts[range.updates]));
        std::transform(range.row_indices, range.row_indices + in_X_.size(), in_X_.begin(),
                       [this](std::int32_t place) { return rows_.index[place]; });
        return in_X_.data();
    }

    // Room for the batch of most elements.
    void reserve(const LocatedRange& range) {
        Index most = 0;
        for (Index t = 0; t < range.updates; ++t) {
            const Batch batch = batch_of(range, t);
            most = std::max(most, elements_of(rows_, {batch.in_X, 0, batch.rows}));
        }
        for (ThreadGroup<T>& group : thread_groups_) group.reserve(most);
    }

    void form_groups() {
        const int groups = thread_groups_of(models_.m, team_);
        std::deque<ThreadGroup<T>> formed;
        for (int group = 0; group < groups; ++group)
            formed.emplace_back(models_, rows_, network_, Slice(models_.m, group, groups), most_rows_,
                                Slice(team_, group, groups), images_);
        thread_groups_.swap(formed);
    }

    // f(group, part of it) of every group that a thread of the crew has a part of.
    template <class F>
    void each_group(int thread, int crew, F&& f) {
        for (ThreadGroup<T>& group : thread_groups_) {
            const auto part = group.part_of(team_, thread, crew);
            if (part.members.begin < part.members.end) f(group, part);
        }
    }

    // Goes on until the range is done or another number of threads is to do the rest.
    void run(const LocatedRange& range, const TrainingState<T>& state, int thread, int crew) {
        const int wanted = crew_.size();
        if (timer_.is_at_start()) {
            each_group(thread, crew, [&](ThreadGroup<T>& group, const auto& part) {
                if (part.leads) group.begin(state, range.parts);
            });
            meeting_.wait(crew);
        }
        for (double on_core = on_core_now(); !timer_.is_over() && crew_.size() == wanted;) {
            each_group(thread, crew, [&](ThreadGroup<T>& group, const auto& part) {
                const FlushToZero mode(flushes_);
                group.train(range, timer_.updates(), part);
            });
            const double before = std::exchange(on_core, on_core_now());
            on_cores_.fetch_add(on_core - before, std::memory_order_relaxed);
            meeting_.wait(crew);
            if (thread == 0) meet(crew);
            meeting_.wait(crew);
        }
        if (!timer_.is_over()) return;
        each_group(thread, crew, [&](ThreadGroup<T>& group, const auto& part) {
            if (part.leads) group.end(state);
        });
    }

    // One thread has nobody to wait for.
    double on_core_now() const { return team_ == 1 ? 0 : times().on_core; }

    void meet(int crew) {
        const Slice done = timer_.updates();
        const double now = times().clock, seconds = timer_.meet(now), on_cores = on_cores_.exchange(0);
        const int size = crew_.size();
        if (crew_.note({static_cast<double>(done.end - done.begin), seconds, crew * seconds, on_cores}))
            finding.note(crew_.size(), now);
        if (crew_.size() != size) timer_.hurry();
    }

    const Models<T> models_;
    const Rows<T> rows_;
    const std::vector<Rows<T>> evaluated_;
    const Index most_rows_;
    const int team_;
    const bool flushes_;
    const std::optional<Images> images_;
    Network<T> network_;
    std::deque<ThreadGroup<T>> thread_groups_;
    Barrier meeting_;
    StopTimer timer_;
    Crew crew_{team_, finding.size(team_, times().clock)};
    std::atomic<double> on_cores_{0};  // of the crew since the last meeting, in seconds
    std::optional<Evaluator<T>> evaluator_;
    std::vector<std::int32_t> in_X_;
};

template <class T>
Session<T>::Session(const Models<T>& models, const Rows<T>& rows, Index most_rows, const Rows<T>* evaluated,
                    Index count, int n_threads, std::optional<Images> images)
    : impl_(std::make_unique<Impl>(models, rows, most_rows, evaluated, count, n_threads, images)) {}

template <class T>
Session<T>::~Session() = default;

template <class T>
void Session<T>::train(const UpdateRange& range, const TrainingState<T>& state, StopCallback should_stop) {
    impl_->train(range, state, should_stop);
}

template <class T>
void Session<T>::evaluate(const T* parameters, const Metrics* metrics, T* const* scores) {
    impl_->evaluate(parameters, metrics, scores);
}

template <class T>
int Session<T>::threads() const {
    return impl_->threads();
}

template class Session<float>;
template class Session<double>;

}  // namespace gradstep
