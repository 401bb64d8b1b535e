// Forward passes over all rows: figures and scores. Rows are shared out in chunks of a fixed length,
// and figures are summed in the order of chunks.
#include <vector>

#include "gradstep/parallel.hpp"
#include "network.hpp"

namespace gradstep {
namespace {

constexpr Index kChunkRows = 96;

// What one thread needs for one chunk.
template <class T>
struct Workspace {
    Buffer<T> tile;
    Activations<T> A;
    Buffer<double> losses;
    Buffer<double> correct;

    Workspace(const Network<T>& network, Index m, const InputBlocks& blocks)
        : tile(kChunkRows * blocks.width()), A(network, m, kChunkRows), losses(kChunkRows),
          correct(kChunkRows) {}
};

// Runs f(workspace, first row, rows, chunk) with the scores of the chunk in workspace.A.
template <class T, class F>
void for_each_chunk(const Models<T>& models, const Rows<T>& rows, const T* parameters, int n_threads, F&& f) {
    const Kernels<T>& k = *models.kernels;
    Network<T> network(models);
    network.pack(parameters);
    const InputBlocks blocks(rows.d);
    const LayerShape& first = network.shape(0);
    const int team = team_size(n_threads);
    std::vector<Workspace<T>> workspaces;
    for (int thread = 0; thread < team; ++thread) workspaces.emplace_back(network, models.m, blocks);

    parallel(team, [&](int thread, int) {
        Workspace<T>& w = workspaces[static_cast<std::size_t>(thread)];
        const Share share((rows.n + kChunkRows - 1) / kChunkRows, thread, team);
        for (Index chunk = share.begin; chunk < share.end; ++chunk) {
            const Index row = chunk * kChunkRows;
            const Index b = rows.n - row < kChunkRows ? rows.n - row : kChunkRows;
            for (Index block = 0; block < blocks.count; ++block) {
                const Index i0 = blocks.begin(block), i1 = blocks.end(block);
                k.gather(w.tile.data(), blocks.width(), rows, nullptr, row, b, i0, i1);
                for (Index model = 0; model < models.m; ++model)
                    k.product(w.A.of(0, model), first.width, w.tile.data(), blocks.width(), b,
                              network.panel(0, model), first.in, first.out, i0, i1, 0, first.groups,
                              block > 0);
            }
            for (Index model = 0; model < models.m; ++model) {
                T* Z = w.A.of(0, model);
                k.finish(Z, first.width, Z, 1, 0, network.bias(0, model), b, first.out, network.depth() > 1);
                forward_upper(k, network, w.A, model, 0, b);
            }
            f(w, network, row, b, chunk);
        }
    });
}

// Sum of squares of every weight, in eight interleaved chains.
template <class T>
double sum_of_squares(const Layers& layers, const T* block) {
    constexpr Index kChains = 8;
    double chains[kChains] = {};
    for (Index l = 0; l < layers.count; ++l) {
        const T* W = block + layers.offsets[2 * l];
        const Index count = layers.sizes[l] * layers.sizes[l + 1];
        Index i = 0;
        for (; i + kChains <= count; i += kChains)
            for (Index chain = 0; chain < kChains; ++chain) {
                const double w = static_cast<double>(W[i + chain]);
                chains[chain] += w * w;
            }
        for (; i < count; ++i) chains[0] += static_cast<double>(W[i]) * static_cast<double>(W[i]);
    }
    double sum = 0;
    for (const double chain : chains) sum += chain;
    return sum;
}

}  // namespace

template <class T>
void evaluate(const Models<T>& models, const Rows<T>& rows, const T* parameters, Figures figures,
              int n_threads) {
    const Index chunks = (rows.n + kChunkRows - 1) / kChunkRows;
    const Buffer<double> losses(checked_product(models.m, chunks)),
        correct(checked_product(models.m, chunks));
    for_each_chunk(models, rows, parameters, n_threads,
                   [&](Workspace<T>& w, const Network<T>& network, Index row, Index b, Index chunk) {
                       const Index top = network.depth() - 1;
                       for (Index model = 0; model < models.m; ++model) {
                           models.kernels->softmax(w.losses.data(), w.correct.data(), nullptr,
                                                   w.A.of(top, model), network.shape(top).width, b,
                                                   network.shape(top).out, rows, nullptr, row, 0.0);
                           double& loss = losses[model * chunks + chunk];
                           double& right = correct[model * chunks + chunk];
                           for (Index r = 0; r < b; ++r) {
                               loss += w.losses[r];
                               right += w.correct[r];
                           }
                       }
                   });
    for (Index model = 0; model < models.m; ++model) {
        double loss = 0, right = 0;
        for (Index chunk = 0; chunk < chunks; ++chunk) {
            loss += losses[model * chunks + chunk];
            right += correct[model * chunks + chunk];
        }
        const double n = static_cast<double>(rows.n);
        figures.loss[model] = loss / n;
        figures.accuracy[model] = right / n;
        figures.cost[model] =
            loss / n +
            models.l2[model] * sum_of_squares(models.layers, parameters + model * models.layers.parameters);
    }
}

template <class T>
void scores(const Models<T>& models, const Rows<T>& rows, const T* parameters, T* scores__mnk,
            int n_threads) {
    const Index classes = models.layers.sizes[models.layers.count];
    for_each_chunk(models, rows, parameters, n_threads,
                   [&](Workspace<T>& w, const Network<T>& network, Index row, Index b, Index) {
                       const Index top = network.depth() - 1, width = network.shape(top).width;
                       for (Index model = 0; model < models.m; ++model)
                           for (Index r = 0; r < b; ++r)
                               std::memcpy(scores__mnk + (model * rows.n + row + r) * classes,
                                           w.A.of(top, model) + r * width,
                                           sizeof(T) * static_cast<std::size_t>(classes));
                   });
}

#define GRADSTEP_INSTANTIATE(T)                                                          \
    template void evaluate<T>(const Models<T>&, const Rows<T>&, const T*, Figures, int); \
    template void scores<T>(const Models<T>&, const Rows<T>&, const T*, T*, int);
GRADSTEP_INSTANTIATE(float)
GRADSTEP_INSTANTIATE(double)

}  // namespace gradstep
