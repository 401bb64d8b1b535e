#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "check.hpp"
#include "gradstep/buffer.hpp"
#include "gradstep/dispatch.hpp"

namespace gradstep::tests {
namespace {

// One layer W (in, out) on b rows, its padding zero as the kernels want it.
template <class T>
struct Layer {
    const Kernels<T>& k;
    const Index in, out, b;
    const Index width = k.padded(out), ldx = k.padded(in), size = k.panel_size(in, out);
    const Index groups = k.column_groups(in, out);
    Buffer<T> X{b * ldx}, dZ{b * width}, W{in * out}, panel{size};

    Layer(const std::string& isa, Index inputs, Index outputs, Index rows)
        : k(kernels_of<T>(isa)), in(inputs), out(outputs), b(rows) {
        std::mt19937 random(5);
        std::normal_distribution<T> normal;
        for (Index r = 0; r < b; ++r) {
            for (Index i = 0; i < in; ++i) X[r * ldx + i] = i % 5 == 3 ? T(0) : normal(random);
            for (Index o = 0; o < out; ++o) dZ[r * width + o] = normal(random);
        }
        for (Index i = 0; i < in * out; ++i) W[i] = normal(random);
        k.pack({panel.data(), in, out}, W.data(), nullptr);
    }

    Weights<const T> weights() const { return {panel.data(), in, out}; }
    Tile<const T> inputs(Index r, Index i) const { return {X.data() + r * ldx + i, ldx}; }
    Tile<const T> errors(Index r) const { return {dZ.data() + r * width, width}; }

    // Scores of all rows, `rows` at a time and one column group after the other where asked.
    Buffer<T> product(Index rows, bool by_group) const {
        Buffer<T> Z(b * width);
        for (Index r = 0; r < b; r += rows)
            for (Index g = 0; g < groups; g += by_group ? 1 : groups)
                k.product({Z.data() + r * width, width}, inputs(r, 0), std::min(rows, b - r), weights(),
                          {0, in}, {g, by_group ? g + 1 : groups}, false);
        return Z;
    }

    // New weights, `step` inputs at a time.
    Buffer<T> update(Index step) const {
        Buffer<T> to(size);
        for (Index i = 0; i < in; i += step)
            k.update(to.data(), weights(), {T(0.9), T(-0.1)}, {inputs(0, i)}, errors(0), b,
                     {i, std::min(in, i + step)}, {0, groups});
        return to;
    }

    // The same run by run, each in a place of its own first.
    Buffer<T> update_by_runs(Index step) const {
        Buffer<T> to(size);
        for (Index i = 0; i < in; i += step)
            for (Index g = 0; g < groups; ++g) {
                const Span span{i, std::min(in, i + step)};
                const Run run = k.run(in, out, span, g);
                const Buffer<T> one(run.count);
                k.gradient(one.data(), weights(), {T(0.9), T(-0.1)}, {inputs(0, i)}, errors(0), b, span, g);
                std::copy_n(one.data(), run.count, to.data() + run.start);
            }
        return to;
    }

    // dA of all rows, `rows` at a time.
    Buffer<T> backward(Index rows) const {
        Buffer<T> transposed(k.transposed_size(in, out)), dA(b * ldx);
        if (transposed.size() > 0)
            for (Index i = 0; i < in; i += 7)
                k.transpose(transposed.data(), weights(), {i, std::min(in, i + 7)});
        for (Index r = 0; r < b; r += rows)
            k.backward({dA.data() + r * ldx, ldx}, errors(r), std::min(rows, b - r), weights(),
                       transposed.data());
        return dA;
    }
};

template <class T>
bool same(const Buffer<T>& a, const Buffer<T>& b) {
    return a.size() == b.size() &&
           std::memcmp(a.data(), b.data(), sizeof(T) * static_cast<std::size_t>(a.size())) == 0;
}

template <class T>
void test_layer(const std::string& isa, Index in, Index out, Index b) {
    const Layer<T> layer(isa, in, out, b);
    const Buffer<T> Z = layer.product(b, false), to = layer.update(in), dA = layer.backward(b);
    for (const Index rows : {1, 2, 3, 5, 7, 13}) {
        CHECK(same(layer.product(rows, rows % 2 != 0), Z));
        CHECK(same(layer.backward(rows), dA));
    }
    for (const Index inputs : {16, 64, 112}) {
        CHECK(same(layer.update(inputs), to));
        CHECK(same(layer.update_by_runs(inputs), to));
    }

    Buffer<T> W(in * out);
    layer.k.unpack(W.data(), {to.data(), in, out});
    double furthest = 0;
    for (Index o = 0; o < out; ++o) {
        for (Index r = 0; r < b; ++r) {
            double sum = 0;
            for (Index i = 0; i < in; ++i)
                sum += double{layer.X[r * layer.ldx + i]} * double{layer.W[i * out + o]};
            furthest = std::max(furthest, std::abs(sum - double{Z[r * layer.width + o]}));
        }
        for (Index i = 0; i < in; ++i) {
            double sum = 0;
            for (Index r = 0; r < b; ++r)
                sum += double{layer.X[r * layer.ldx + i]} * double{layer.dZ[r * layer.width + o]};
            furthest = std::max(
                furthest, std::abs(0.9 * double{layer.W[i * out + o]} - 0.1 * sum - double{W[i * out + o]}));
        }
    }
    for (Index r = 0; r < b; ++r)
        for (Index i = 0; i < in; ++i) {
            double sum = 0;
            for (Index o = 0; o < out; ++o)
                sum += double{layer.dZ[r * layer.width + o]} * double{layer.W[i * out + o]};
            furthest = std::max(furthest, std::abs(sum - double{dA[r * layer.ldx + i]}));
        }
    CHECK(furthest < (sizeof(T) == 8 ? 1e-12 : 5e-4));
    for (Index r = 0; r < b; ++r) {
        for (Index o = out; o < layer.width; ++o) CHECK(Z[r * layer.width + o] == T(0));
        for (Index i = in; i < layer.ldx; ++i) CHECK(dA[r * layer.ldx + i] == T(0));
    }
}

void test_products(const std::string& isa) {
    // Wide, narrow, and wide with a narrow rest, by the lanes that a set has.
    for (const Index out : {1, 2, 9, 10, 16, 18, 23, 27, 50, 64, 70, 100})
        for (const Index in : {5, 64, 130, 270, 391})
            for (const Index b : {1, 32, 41}) {
                test_layer<float>(isa, in, out, b);
                test_layer<double>(isa, in, out, b);
            }
}

TEST(products_have_the_same_bits_however_they_are_cut) {
    for (const std::string& isa : isas_usable()) test_products(isa);
}

}  // namespace
}  // namespace gradstep::tests
