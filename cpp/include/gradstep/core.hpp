// What the core does for m models at once. One model is m = 1.
#pragma once

#include <memory>
#include <optional>

#include "gradstep/kernels.hpp"
#include "gradstep/types.hpp"

namespace gradstep {

// Consecutive updates: batch t is rows which[starts[t]] ... which[starts[t + 1]].
struct Stretch {
    Index updates;                // T
    const std::int32_t* which;    // (starts[T],)
    const Index* starts;          // (T + 1,) from 0
    const double* learning_rate;  // (m, T)
    // (starts[T], 3) flip, dy and dx of each row, or null to leave all as they are
    const std::int16_t* coins = nullptr;
};

// Asked by the calling thread about every 50 ms; true stops at the next update's boundary.
struct Poll {
    bool (*ask)(void* context);
    void* context;
};

template <class T>
struct Models {
    const Kernels<T>* kernels;
    Layers layers;
    Index m;
    const double* l2;  // (m,)
    Loss loss;
};

// Mean loss and share of correct rows, weighted, and loss + l2 * sum(W^2); each (m,).
struct Figures {
    double* loss;
    double* cost;
    double* accuracy;
};

// What training changes. A model whose batch loss is not finite has finite set to 0 and stops there.
template <class T>
struct Progress {
    T* parameters;         // (m, P)
    Index* updates;        // (m,) counts up by what was done
    std::uint8_t* finite;  // (m,)
    double* loss;          // (m,) grows by the loss of every row of a batch, times its weight,
    double* correct;       // (m,) by the weight of every row that is answered right,
    Index* rows;           // (m,) and by the rows
};

// Rows, network and scratch of a training, kept between calls: only the first of each kind allocates.
// Calls follow each other; what the arguments of the constructor point to outlives the session.
template <class T>
class Session {
public:
    // `evaluated` are `count` sets of rows; batches have at most `most_rows`. Stretches have coins if
    // `images` are given, and only then.
    Session(const Models<T>& models, const Rows<T>& rows, Index most_rows, const Rows<T>* evaluated,
            Index count, int n_threads, std::optional<Images> images = std::nullopt);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    // Trains in place.
    void train(const Stretch& stretch, const Progress<T>& progress, Poll poll);

    // Writes the figures of each set of evaluated rows.
    void evaluate(const T* parameters, const Figures* figures);

private:
    class Parts;
    std::unique_ptr<Parts> parts_;
};

template <class T>
void evaluate(const Models<T>& models, const Rows<T>& rows, const T* parameters, Figures figures,
              int n_threads);

// Scores of every row, (m, n, k).
template <class T>
void scores(const Models<T>& models, const Rows<T>& rows, const T* parameters, T* scores__mnk, int n_threads);

// Gradient of the cost over all rows as one batch, (m, P).
template <class T>
void gradient(const Models<T>& models, const Rows<T>& rows, const T* parameters, T* dparameters,
              int n_threads);

}  // namespace gradstep
