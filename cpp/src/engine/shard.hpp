// Models that some threads train update by update, beside other threads with other models. Work is cut for a
// team; where fewer threads are there, each does the work of several of its members.
// Why so: docs/adr/0006, docs/adr/0015, docs/adr/0027 and docs/adr/0032.
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "engine/digest.hpp"
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

// What a member of the team knows of the models; all derive the same. Nothing that an update changes shares a
// cache line with what another thread has.
template <class T>
struct ThreadState {
    Buffer<std::uint8_t> active;  // (m,)
    Buffer<std::uint8_t> steps;   // (m,) those that do this update's step
    Buffer<Index> updates;        // (m,)
    Index parts = 1, part = 0;    // of the range; the one of this update
    Buffer<Index> rows;           // (m, parts)
    Buffer<double> loss, hits;    // (m, parts)
    Buffer<double> divisors;      // (m,) of this update, and penalties times rows
    Buffer<double> penalties;     // (m,)
    Index numbers_of_model;       // 2 r
    Buffer<T> numbers;            // (m, 2, r) of the rule at this update
    Buffer<T> shares;             // (m,) of weights in their averages
    Buffer<T> decays;             // (m,) of weights in gradients that are clipped
    Buffer<T> factors;            // (m,) of gradients that are clipped
    Buffer<std::uint8_t> passes;  // (m,) those that pass this update over

    ThreadState(Index m, Index r)
        : active(m), steps(m), updates(m), divisors(m), penalties(m), numbers_of_model(2 * r),
          numbers(2 * r * m), shares(m), decays(m), factors(m), passes(m) {}

    void reserve_parts(Index most) {
        const Index sums = checked_product(active.size(), most);
        if (rows.size() >= sums) return;
        rows = Buffer<Index>(sums);
        for (Buffer<double>* each : {&loss, &hits}) *each = Buffer<double>(sums);
    }

    void begin(const std::uint8_t* finite, Index parts_of_range) {
        parts = parts_of_range;
        part = 0;
        std::copy(finite, finite + active.size(), active.data());
        for (Buffer<std::uint8_t>* some : {&steps, &passes})
            std::fill_n(some->data(), some->size(), std::uint8_t{0});
        std::fill_n(updates.data(), updates.size(), Index{0});
        const Index sums = active.size() * parts;
        std::fill_n(rows.data(), sums, Index{0});
        for (Buffer<double>* each : {&loss, &hits}) std::fill_n(each->data(), sums, 0.0);
    }

    bool any_active() const {
        return std::any_of(active.data(), active.data() + active.size(),
                           [](std::uint8_t a) { return a != 0; });
    }

    // Which part an update is of, and what its batch is to be divided by, of models from `first` on.
    void look_at(const LocatedRange& range, Index t, Index first) {
        while (range.part_ends && range.part_ends[part] <= t) ++part;
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
        passes[model] = 1;
    }

    // A batch was seen: a model goes on if its loss is finite.
    void see(Index model, BatchSums sums, Index count) {
        active[model] = steps[model] = std::isfinite(sums.loss);
        passes[model] = 0;
        if (!active[model]) return;
        ++updates[model];
        const Index own = model * parts + part;
        rows[own] += count;
        loss[own] += sums.loss * (static_cast<double>(count) / divisors[model]);
        hits[own] += sums.hits;
    }

    // What model `place` of all goes by at an update.
    void take(const LocatedRange& range, Index t, Index model, Index place) {
        const Index update = place * range.updates + t;
        const double* of_update = range.numbers + update * numbers_of_model;
        std::transform(of_update, of_update + numbers_of_model, numbers.data() + model * numbers_of_model,
                       [](double number) { return static_cast<T>(number); });
        if (range.decays) decays[model] = static_cast<T>(range.decays[update]);
        if (range.shares) shares[model] = static_cast<T>(range.shares[update]);
    }
};

template <class T>
class ModelShard {
public:
    // The models `share` of all; of the whole network it works on their part.
    ModelShard(const Models<T>& models, const Rows<T>& rows, const Network<T>& network, Slice share,
               Index most_rows, int team, std::optional<Images> images)
        : first_(share.begin), models_(part_of(models, share)), rows_(part_of(rows, share)),
          network_(network, share), step_(models_, rows_, network_, most_rows, team, images) {
        if (models_.limits.value) {
            dnetwork_.emplace(models_);
            squares_ = step_.square_sums();
        }
        for (int thread = 0; thread < team; ++thread)
            thread_states_.emplace_back(models_.m, models_.rule->numbers);
    }
    ModelShard(const ModelShard&) = delete;
    ModelShard& operator=(const ModelShard&) = delete;

    // Before all of it, where rows are sparse: batches have up to so many elements.
    void reserve(Index elements) { step_.reserve(elements); }

    // Makes room for the sums of so many parts.
    void reserve_parts(Index parts) {
        step_.reserve_parts(parts);
        for (ThreadState<T>& each : thread_states_) each.reserve_parts(parts);
    }

    // By one thread, before all the others begin. The network may have parameters and slots already.
    void begin(const TrainingState<T>& state, Index parts) {
        if (!has(state.parameters)) network_.pack(blocks_of(state.parameters));
        if (!held_slots_.are(slots_of(state), elements_of_slots())) network_.pack_slots(slots_of(state));
        forget();
        held_slots_.forget();
        step_.begin(parts);
        for (ThreadState<T>& each : thread_states_) each.begin(state.finite + first_, parts);
    }

    // Whether the network has these parameters of all models already, as far as they are the shard's; and
    // that it has others from now on.
    bool has(const T* parameters) const { return held_.are(blocks_of(parameters), elements()); }
    void forget() { held_.forget(); }

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
            if (!step_.splits_rows()) barrier_.wait(crew);
            each([&](int member, ThreadState<T>& known) {
                known.look_at(range, t, first_);
                step_.forward_backward(t, batch, known.active.data(), member, known.divisors.data());
            });
            if (step_.shares_rows()) barrier_.wait(crew);
            each([&](int member, ThreadState<T>& known) { see(range, t, known, member); });
            if (dnetwork_)
                update_clipped(range, t, crew, each);
            else
                each([&](int member, ThreadState<T>& known) {
                    step_.update(by_rule(range, known, member), batch, batch_of(range, t + 1),
                                 known.steps.data(), member);
                });
            if (step_.splits_rows()) barrier_.wait(crew);
        }
    }

    // By one thread, after all the others ended.
    void end(const TrainingState<T>& state) {
        network_.unpack(blocks_of(state.parameters));
        network_.unpack_slots(slots_of(state));
        held_.hold(blocks_of(state.parameters), elements());
        held_slots_.hold(slots_of(state), elements_of_slots());
        const ThreadState<T>& known = thread_states_.front();
        for (Index model = 0; model < models_.m; ++model) {
            const Index place = first_ + model;
            state.updates[place] += known.updates[model];
            state.finite[place] = known.active[model];
            for (Index part = 0; part < known.parts; ++part) {
                const Index own = model * known.parts + part;
                const Index sum = place * known.parts + part;
                state.loss[sum] += known.loss[own] + step_.noted(model, part);
                state.hits[sum] += known.hits[own];
                state.rows[sum] += known.rows[own];
            }
        }
    }

private:
    // The step of gradients that are clipped, by `each` of this thread's members.
    template <class Each>
    void update_clipped(const LocatedRange& range, Index t, int crew, const Each& each) {
        const Batch batch = batch_of(range, t);
        each([&](int member, ThreadState<T>& known) {
            const T* decays = known.decays.data();
            step_.update(
                ClippedGradient<T>{*models_.kernels, models_, network_, *dnetwork_, squares_, decays}, batch,
                batch_of(range, t + 1), known.steps.data(), member);
        });
        barrier_.wait(crew);
        each([&](int member, ThreadState<T>& known) {
            shorten(known);
            step_.update(ClippedUpdate<T>{by_rule(range, known, member), *dnetwork_, known.factors.data()},
                         batch, Batch{}, known.steps.data(), member);
        });
    }

    // What the batch came to, and what the update goes by.
    void see(const LocatedRange& range, Index t, ThreadState<T>& known, int member) {
        const Batch batch = batch_of(range, t);
        for (Index model = 0; model < models_.m; ++model) {
            if (!known.active[model]) continue;
            if (known.divisors[model] == 0)
                known.pass_over(model);
            else
                known.see(model, step_.sums(model, batch.rows, member), batch.rows);
            known.take(range, t, model, first_ + model);
        }
        if (range.divisors && range.shares)
            step_.update(AverageAlone<T>{by_rule(range, known, member)}, batch, Batch{}, known.passes.data(),
                         member);
    }

    RuleUpdate<T> by_rule(const LocatedRange& range, const ThreadState<T>& known, int member) const {
        return step_.by_rule(known.numbers.data(), range.shares ? known.shares.data() : nullptr,
                             range.penalties ? known.penalties.data() : nullptr, known.part, member);
    }

    void shorten(ThreadState<T>& known) const {
        for (Index model = 0; model < models_.m; ++model)
            if (known.steps[model])
                known.factors[model] =
                    static_cast<T>(shortening(squares_.total(model), models_.limits.norm[model]));
    }

    template <class U>
    U* blocks_of(U* parameters) const {
        return parameters + first_ * models_.layers.parameters;
    }
    T* slots_of(const TrainingState<T>& state) const {
        return state.slots + first_ * network_.slots() * models_.layers.parameters;
    }
    Index elements() const { return models_.m * models_.layers.parameters; }
    Index elements_of_slots() const { return elements() * network_.slots(); }
    static Models<T> part_of(Models<T> models, Slice share) {
        models.m = share.end - share.begin;
        models.l2 += share.begin;
        if (models.limits.value) {
            models.limits.value += share.begin;
            models.limits.norm += share.begin;
        }
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
    Held<T> held_, held_slots_;
    Step<T> step_;
    std::optional<Network<T>> dnetwork_;  // gradients, where they are clipped, and their squares
    SquareSums squares_;
    Barrier barrier_;
    std::vector<ThreadState<T>> thread_states_;  // by member
};

}  // namespace gradstep
