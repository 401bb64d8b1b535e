// Single answers: metrics, scores and gradients of parameters that are given.
#include "engine/evaluator.hpp"
#include "engine/step.hpp"

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

template <class T>
void gradient(const Models<T>& models, const Rows<T>& rows, const T* parameters, T* dparameters,
              int n_threads) {
    Network<T> network(models, &rows), dnetwork(models);
    network.pack(parameters);
    const int team = team_size(n_threads);
    Step<T> step(models, rows, network, rows.n, team);
    if (rows.sparse()) step.reserve(elements_of(rows, {rows.index, 0, rows.n}));
    step.begin();
    const Buffer<std::uint8_t> active(models.m);
    for (Index model = 0; model < models.m; ++model) active[model] = 1;
    const CostGradient<T> to_gradient{*models.kernels, network, dnetwork, models.l2};
    const Batch all{.places = nullptr, .in_X = rows.index, .rows = rows.n};
    Barrier barrier;
    parallel(team, [&](int thread, int crew) {
        const Slice members(team, thread, crew);
        const auto each = [&](auto&& f) {
            for (Index member = members.begin; member < members.end; ++member) f(static_cast<int>(member));
        };
        each([&](int member) { step.forward_first(0, all, active.data(), member); });
        barrier.wait(crew);
        each([&](int member) { step.forward_backward(0, all, active.data(), member); });
        if (step.shares_rows()) barrier.wait(crew);
        each([&](int member) { step.update(to_gradient, all, Batch{}, active.data(), member); });
    });
    dnetwork.unpack(dparameters);
}

#define GRADSTEP_INSTANTIATE(T)                                                                         \
    template void evaluate<T>(const Models<T>&, const Rows<T>&, const T*, Metrics, int, EarlierPieces); \
    template void scores<T>(const Models<T>&, const Rows<T>&, const T*, T*, int);                       \
    template void gradient<T>(const Models<T>&, const Rows<T>&, const T*, T*, int);
GRADSTEP_INSTANTIATE(float)
GRADSTEP_INSTANTIATE(double)

}  // namespace gradstep
