// Models that some threads train update by update, beside other threads with other models.
#pragma once

#include <algorithm>
#include <vector>

#include "step.hpp"

namespace gradstep {

// None behind the last.
inline Batch batch_of(const Stretch& stretch, Index t) {
    if (t >= stretch.updates) return {};
    const Index start = stretch.starts[t];
    return {stretch.which + start, stretch.starts[t + 1] - start,
            stretch.coins ? stretch.coins + 3 * start : nullptr};
}

template <class T>
Coefficients<T> descent(double learning_rate, double l2) {
    return {static_cast<T>(1 - 2 * learning_rate * l2), T(1), static_cast<T>(-learning_rate)};
}

// What a thread knows of the models; every thread of a track derives the same.
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

template <class T>
class Track {
public:
    // The models `share` of all; of the whole network it works on their part.
    Track(const Models<T>& models, const Rows<T>& rows, const Network<T>& network, Share share,
          Index most_rows, int team, std::optional<Images> images)
        : first_(share.begin), models_(part_of(models, share)), rows_(part_of(rows, share)),
          network_(network, share), step_(models_, rows_, network_, most_rows, team, images), team_(team) {
        for (int thread = 0; thread < team; ++thread) knowledge_.emplace_back(models_.m);
    }
    Track(const Track&) = delete;
    Track& operator=(const Track&) = delete;

    // By one thread, before all the others begin. `packed`: the network has the parameters already.
    void begin(const Progress<T>& progress, bool packed) {
        if (!packed) network_.pack(progress.parameters + first_ * models_.layers.parameters);
        step_.begin();
        for (Knowledge<T>& each : knowledge_) each.begin(progress.finite + first_);
    }

    // The updates t0 <= t < t1, by every thread of the team.
    void train(const Stretch& stretch, Index t0, Index t1, int thread) {
        Knowledge<T>& known = knowledge_[static_cast<std::size_t>(thread)];
        for (Index t = t0; t < t1 && known.any_active(); ++t) {
            const Batch batch = batch_of(stretch, t);
            step_.forward_first(t, batch, known.active.data(), thread);
            barrier_.wait(team_);
            step_.forward_backward(t, batch, known.active.data(), thread);
            if (step_.shares_rows()) barrier_.wait(team_);
            for (Index model = 0; model < models_.m; ++model)
                if (known.active[model])
                    known.see(model, step_.sums(model, batch.rows, thread), batch.rows,
                              stretch.learning_rate[(first_ + model) * stretch.updates + t],
                              models_.l2[model]);
            step_.update(network_, known.coefficients.data(), batch, batch_of(stretch, t + 1),
                         known.active.data(), thread);
        }
    }

    // By one thread, after all the others ended.
    void end(const Progress<T>& progress) const {
        network_.unpack(progress.parameters + first_ * models_.layers.parameters);
        const Knowledge<T>& known = knowledge_.front();
        for (Index model = 0; model < models_.m; ++model) {
            const Index place = first_ + model;
            progress.updates[place] += known.updates[model];
            progress.finite[place] = known.active[model];
            progress.loss[place] += known.loss[model];
            progress.correct[place] += known.correct[model];
            progress.rows[place] += known.rows[model];
        }
    }

private:
    static Models<T> part_of(Models<T> models, Share share) {
        models.m = share.end - share.begin;
        models.l2 += share.begin;
        return models;
    }
    static Rows<T> part_of(Rows<T> rows, Share share) {
        rows.weight = rows.weight_of(share.begin);
        return rows;
    }

    const Index first_;
    const Models<T> models_;
    const Rows<T> rows_;
    const Network<T> network_;
    Step<T> step_;
    const int team_;
    Barrier barrier_;
    std::vector<Knowledge<T>> knowledge_;  // by thread
};

}  // namespace gradstep
