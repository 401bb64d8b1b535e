// Models that some threads train update by update, beside other threads with other models. Work is cut for a
// team; where fewer threads are there, each does the work of several of its members.
// Why so: docs/adr/0006 and docs/adr/0015.
#pragma once

#include <algorithm>
#include <vector>

#include "engine/step.hpp"

namespace gradstep {

// Updates of networks of so many layers, and where in X all their rows lie.
struct LocatedRange : UpdateRange {
    const std::int32_t* in_X;
    Index layers;
};

// None behind the last.
inline Batch batch_of(const LocatedRange& range, Index t) {
    if (t >= range.updates) return {};
    const Index start = range.starts[t];
    return {
        .places = range.row_indices + start,
        .in_X = range.in_X + start,
        .rows = range.starts[t + 1] - start,
        .draws = range.draws ? range.draws + 3 * start : nullptr,
        .drop_keys = range.drop_keys ? range.drop_keys + t * range.layers : nullptr,
    };
}

// What a member of the team knows of the models; all derive the same.
template <class T>
struct ThreadState {
    Buffer<std::uint8_t> active;  // (m,)
    Buffer<std::uint8_t> steps;   // (m,) those that do this update's step
    Buffer<Index> updates, rows;  // (m,)
    Buffer<double> loss, hits;    // (m,)
    Buffer<double> divisors;      // (m,) of this update, and penalties times rows
    Buffer<double> penalties;     // (m,)
    Index numbers_of_model;       // 2 r
    Buffer<T> numbers;            // (m, 2, r) of the rule at this update

    ThreadState(Index m, Index r)
        : active(m), steps(m), updates(m), rows(m), loss(m), hits(m), divisors(m), penalties(m),
          numbers_of_model(2 * r), numbers(2 * r * m) {}

    void begin(const std::uint8_t* finite) {
        std::copy(finite, finite + active.size(), active.data());
        std::fill_n(steps.data(), steps.size(), std::uint8_t{0});
        for (Buffer<Index>* counts : {&updates, &rows}) std::fill_n(counts->data(), counts->size(), Index{0});
        for (Buffer<double>* sums : {&loss, &hits}) std::fill_n(sums->data(), sums->size(), 0.0);
    }

    bool any_active() const {
        return std::any_of(active.data(), active.data() + active.size(),
                           [](std::uint8_t a) { return a != 0; });
    }

    // What the batch of an update is to be divided by, of models from `first` on.
    void look_at(const LocatedRange& range, Index t, Index first) {
        const double rows_of_batch = static_cast<double>(range.starts[t + 1] - range.starts[t]);
        for (Index model = 0; model < active.size(); ++model) {
            const Index place = (first + model) * range.updates + t;
            divisors[model] = range.divisors ? range.divisors[place] : rows_of_batch;
            penalties[model] = range.penalties ? range.penalties[place] * rows_of_batch : 0;
        }
    }

    void pass_over(Index model) {
        ++updates[model];
        steps[model] = 0;
    }

    // A batch was seen: a model goes on if its loss is finite, by these numbers (2, r).
    void see(Index model, BatchSums sums, Index count, const double* of_update) {
        active[model] = steps[model] = std::isfinite(sums.loss);
        if (!active[model]) return;
        ++updates[model];
        rows[model] += count;
        loss[model] += sums.loss * (static_cast<double>(count) / divisors[model]);
        hits[model] += sums.hits;
        std::transform(of_update, of_update + numbers_of_model, numbers.data() + model * numbers_of_model,
                       [](double number) { return static_cast<T>(number); });
    }
};

// What the network has of a training's state.
struct Packed {
    bool parameters;
    bool slots;
};

template <class T>
class ModelShard {
public:
    // The models `share` of all; of the whole network it works on their part.
    ModelShard(const Models<T>& models, const Rows<T>& rows, const Network<T>& network, Slice share,
               Index most_rows, int team, std::optional<Images> images)
        : first_(share.begin), models_(part_of(models, share)), rows_(part_of(rows, share)),
          network_(network, share), step_(models_, rows_, network_, most_rows, team, images) {
        for (int thread = 0; thread < team; ++thread)
            thread_states_.emplace_back(models_.m, models_.rule->numbers);
    }
    ModelShard(const ModelShard&) = delete;
    ModelShard& operator=(const ModelShard&) = delete;

    // Before all of it, where rows are sparse: batches have up to so many elements.
    void reserve(Index elements) { step_.reserve(elements); }

    // By one thread, before all the others begin. The network may have parameters and slots already.
    void begin(const TrainingState<T>& state, Packed packed) {
        if (!packed.parameters) network_.pack(state.parameters + first_ * models_.layers.parameters);
        if (!packed.slots) network_.pack_slots(slots_of(state));
        step_.begin();
        for (ThreadState<T>& each : thread_states_) each.begin(state.finite + first_);
    }

    // Some updates, by each of `crew` threads, which stands for some members of the team.
    void train(const LocatedRange& range, Slice updates, Slice members, int crew) {
        const auto each = [&](auto&& f) {
            for (Index member = members.begin; member < members.end; ++member)
                f(static_cast<int>(member), thread_states_[static_cast<std::size_t>(member)]);
        };
        const ThreadState<T>& first = thread_states_[static_cast<std::size_t>(members.begin)];
        for (Index t = updates.begin; t < updates.end && first.any_active(); ++t) {
            const Batch batch = batch_of(range, t);
            each([&](int member, ThreadState<T>& known) {
                step_.forward_first(t, batch, known.active.data(), member);
            });
            barrier_.wait(crew);
            each([&](int member, ThreadState<T>& known) {
                known.look_at(range, t, first_);
                step_.forward_backward(t, batch, known.active.data(), member, known.divisors.data());
            });
            if (step_.shares_rows()) barrier_.wait(crew);
            each([&](int member, ThreadState<T>& known) { update(range, t, known, member); });
        }
    }

    // By one thread, after all the others ended.
    void end(const TrainingState<T>& state) const {
        network_.unpack(state.parameters + first_ * models_.layers.parameters);
        network_.unpack_slots(slots_of(state));
        const ThreadState<T>& known = thread_states_.front();
        for (Index model = 0; model < models_.m; ++model) {
            const Index place = first_ + model;
            state.updates[place] += known.updates[model];
            state.finite[place] = known.active[model];
            state.loss[place] += known.loss[model] + step_.noted(model);
            state.hits[place] += known.hits[model];
            state.rows[place] += known.rows[model];
        }
    }

private:
    void update(const LocatedRange& range, Index t, ThreadState<T>& known, int member) {
        const Batch batch = batch_of(range, t);
        for (Index model = 0; model < models_.m; ++model) {
            if (!known.active[model]) continue;
            if (known.divisors[model] == 0)
                known.pass_over(model);
            else
                known.see(model, step_.sums(model, batch.rows, member), batch.rows,
                          range.numbers + ((first_ + model) * range.updates + t) * known.numbers_of_model);
        }
        const double* penalties = range.penalties ? known.penalties.data() : nullptr;
        step_.update(step_.by_rule(known.numbers.data(), penalties, member), batch, batch_of(range, t + 1),
                     known.steps.data(), member);
    }

    T* slots_of(const TrainingState<T>& state) const {
        return state.slots + first_ * network_.slots() * models_.layers.parameters;
    }
    static Models<T> part_of(Models<T> models, Slice share) {
        models.m = share.end - share.begin;
        models.l2 += share.begin;
        models.loss_numbers = models.loss_numbers_of(share.begin);
        models.activation_numbers += share.begin * (models.layers.count - 1);
        if (models.drop_limits) {
            models.drop_limits += share.begin * models.layers.count;
            models.drop_scales += share.begin * models.layers.count;
        }
        return models;
    }
    static Rows<T> part_of(Rows<T> rows, Slice share) {
        rows.weight = rows.weight_of(share.begin);
        return rows;
    }

    const Index first_;
    const Models<T> models_;
    const Rows<T> rows_;
    const Network<T> network_;
    Step<T> step_;
    Barrier barrier_;
    std::vector<ThreadState<T>> thread_states_;  // by member
};

}  // namespace gradstep
