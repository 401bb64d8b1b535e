// What the core does for m models at once. One model is m = 1.
#pragma once

#include "gradstep/kernels.hpp"
#include "gradstep/types.hpp"

namespace gradstep {

// Consecutive updates: batch t is rows which[starts[t]] ... which[starts[t + 1]].
struct Stretch {
    Index updates;                // T
    const std::int32_t* which;    // (starts[T],)
    const Index* starts;          // (T + 1,) from 0
    const double* learning_rate;  // (m, T)
};

// Asked by the calling thread at least every 50 ms; true stops at the next update's boundary.
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
};

// Trains in place. parameters (m, P); updates (m,) counts up by what was done; a model whose batch
// loss is not finite has finite (m,) set to 0 and stops there.
template <class T>
void train(const Models<T>& models, const Rows<T>& rows, const Stretch& stretch, T* parameters,
           Index* updates, std::uint8_t* finite, int n_threads, Poll poll);

// Mean loss and share of correct rows, weighted, and loss + l2 * sum(W^2); each (m,).
struct Figures {
    double* loss;
    double* cost;
    double* accuracy;
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
