// Single answers: metrics and scores of parameters that are given.
#include "engine/evaluator.hpp"

namespace gradstep {

template <class T>
void evaluate(const Models<T>& models, const Rows<T>& rows, const T* parameters, Metrics metrics,
              int n_threads, EarlierPieces earlier) {
    Network<T> network(models);
    Evaluator<T>(models, network, &rows, 1, team_size(n_threads), Output::metrics, earlier)
        .evaluate(parameters, &metrics);
}

template <class T>
void scores(const Models<T>& models, const Rows<T>& rows, const T* parameters, T* scores__mnk,
            int n_threads) {
    Network<T> network(models);
    Evaluator<T>(models, network, &rows, 1, team_size(n_threads), Output::scores)
        .scores(parameters, scores__mnk);
}

#define GRADSTEP_INSTANTIATE(T)                                                                         \
    template void evaluate<T>(const Models<T>&, const Rows<T>&, const T*, Metrics, int, EarlierPieces); \
    template void scores<T>(const Models<T>&, const Rows<T>&, const T*, T*, int);
GRADSTEP_INSTANTIATE(float)
GRADSTEP_INSTANTIATE(double)

}  // namespace gradstep
