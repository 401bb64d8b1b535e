// What the core does for m models at once. One model is m = 1.
#pragma once

#include <limits>
#include <memory>
#include <optional>

#include "gradstep/kernels.hpp"
#include "gradstep/types.hpp"

namespace gradstep {

// Consecutive updates: batch t is rows row_indices[starts[t]] ... row_indices[starts[t + 1]], by their places
// in the data set.
struct UpdateRange {
    Index updates;                    // T
    const std::int32_t* row_indices;  // (starts[T],)
    const Index* starts;              // (T + 1,) from 0
    const double* numbers;            // (m, T, 2, r) of the rule: those for weights, then those for biases
    // (starts[T], 3) flip, dy and dx of each row, or null to leave all as they are
    const std::int16_t* draws = nullptr;
    // (m, T) that the sum of the losses of a batch's rows is divided by, 0 where a model passes the batch
    // over; null: the rows of the batch
    const double* divisors = nullptr;
    // (m, T) that the sum of squares of every weight before the update is multiplied by, to be part of the
    // loss that a training tells, or null
    const double* penalties = nullptr;
    const std::uint64_t* drop_keys = nullptr;  // (T, l) of dropout, or null where nothing is dropped
    const double* decays = nullptr;  // (m, T) of weights, in gradients that are clipped, or null
    const double* shares = nullptr;  // (m, T) of the new weights in their averages, or null
    // (parts,) ascending, where parts with sums of their own end, the last of them at T, or null for one
    const Index* part_ends = nullptr;
    Index parts = 1;
};

// How large gradients of the cost may be, infinite where there is no limit, or null where there are none at
// all: each element of a model's, and then the norm of all of them together.
struct GradientLimits {
    const double* value = nullptr;  // (m,)
    const double* norm = nullptr;   // (m,)
};

// A limit that no word is below.
constexpr std::int32_t kDropsNothing = std::numeric_limits<std::int32_t>::min();

// Asked by the calling thread about every 50 ms; true stops at the next update's boundary.
struct StopCallback {
    bool (*ask)(void* context);
    void* context;
};

template <class T>
struct Models {
    const Kernels<T>* kernels;
    Layers layers;
    Index m;
    const double* l2;  // (m,)
    const Loss<T>* loss;
    const double* loss_numbers;               // (m, p), p being the loss's own count
    const Activation<T>* const* activations;  // (l - 1,)
    const double* activation_numbers;         // (m, l - 1)
    const Rule<T>* rule;
    // Of the inputs of every layer, (m, l), or null where nothing is dropped; those of the first layer are
    // the same for all models. Only trainings look at them.
    const std::int32_t* drop_limits = nullptr;
    const double* drop_scales = nullptr;
    GradientLimits limits{};
    bool averages = false;  // of weights are kept, in a slot behind those of the rule

    Index slots() const { return rule->slots + (averages ? 1 : 0); }
    const double* loss_numbers_of(Index model) const { return loss_numbers + model * loss->numbers; }
    // Of the activation behind a hidden layer.
    T activation_number(Index model, Index layer) const {
        return static_cast<T>(activation_numbers[model * (layers.count - 1) + layer]);
    }
    // Whether a model drops inputs of a layer.
    bool drops(Index layer) const {
        for (Index model = 0; drop_limits && model < m; ++model)
            if (drop_limits[model * layers.count + layer] > kDropsNothing) return true;
        return false;
    }
    // What a model drops of the inputs of a layer, from a row of a batch on.
    Drop<T> drop(Index layer, Index model, const std::uint64_t* keys, Index row) const {
        const Index place = model * layers.count + layer;
        return {keys[layer], row, drop_limits[place], static_cast<T>(drop_scales[place])};
    }
};

// Means over the rows of loss and hits, weighted, and loss + l2 * sum(W^2); each (m,).
struct Metrics {
    double* loss;
    double* cost;
    double* hits;
};

// What training changes. A model whose batch loss is not finite has finite set to 0 and stops there.
template <class T>
struct TrainingState {
    T* parameters;         // (m, P)
    T* slots;              // (m, s, P), or null where there are none
    Index* updates;        // (m,) counts up by what was done
    std::uint8_t* finite;  // (m,)
    double* loss;          // (m, parts) grows by the loss of every row of a batch, times its weight,
    double* hits;          // (m, parts) by the weight of every row that is answered right,
    Index* rows;           // (m, parts) and by the rows
};

// Rows, network and scratch of a training, kept between calls: only the first of each kind allocates.
// Calls follow each other; what the arguments of the constructor point to outlives the session.
template <class T>
class Session {
public:
    // `evaluated` are `count` sets of rows; batches have at most `most_rows`. Update ranges have draws if
    // `images` are given, and only then.
    Session(const Models<T>& models, const Rows<T>& rows, Index most_rows, const Rows<T>* evaluated,
            Index count, int n_threads, std::optional<Images> images = std::nullopt);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    // Trains in place.
    void train(const UpdateRange& range, const TrainingState<T>& state, StopCallback should_stop);

    // Writes the metrics of each set of evaluated rows and, where `scores` is not null, to scores[set] the
    // scores (m, n, k) that they come from.
    void evaluate(const T* parameters, const Metrics* metrics, T* const* scores = nullptr);

    // That work now: all, or those that get most done beside other programs.
    int threads() const;

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

// Losses and hits of rows are added up chunk by chunk: pieces of so many rows, or of multiples, have the bits
// of the whole.
constexpr Index kChunkRows = 96;

// What the pieces before have come to: sums of loss and hits, each (m,), or null where there are none.
struct EarlierPieces {
    double* loss = nullptr;
    double* hits = nullptr;
    Index rows = 0;
};

// Metrics of the rows and of those before, to whose sums theirs are added.
template <class T>
void evaluate(const Models<T>& models, const Rows<T>& rows, const T* parameters, Metrics metrics,
              int n_threads, EarlierPieces earlier = {});

// Scores of every row, (m, n, k).
template <class T>
void scores(const Models<T>& models, const Rows<T>& rows, const T* parameters, T* scores__mnk, int n_threads);

// All rows as one batch, of which loss and gradient are asked again and again: network and scratch are kept
// between calls, which follow each other. What the arguments of the constructor point to outlives it.
template <class T>
class FullBatch {
public:
    // Of at least one row.
    FullBatch(const Models<T>& models, const Rows<T>& rows, int n_threads);
    ~FullBatch();
    FullBatch(const FullBatch&) = delete;
    FullBatch& operator=(const FullBatch&) = delete;

    // Writes the metrics, and the gradient (m, P) of the cost, of the models that are active (m,); nothing of
    // the others is read or written.
    void loss_and_gradient(const T* parameters, const std::uint8_t* active, const Metrics& metrics,
                           T* dparameters);

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace gradstep
