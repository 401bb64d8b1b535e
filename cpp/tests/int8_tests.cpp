#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "check.hpp"
#include "fixture.hpp"
#include "gradstep/buffer.hpp"
#include "gradstep/dispatch.hpp"

namespace gradstep::tests {
namespace {

// The weights of `models` first layers (in, out), taken together. Arrays end where they must not be read on.
struct FirstLayers {
    const Int8Products<float>& int8;
    const Index in, out, models, outputs = models * out;
    const Int8Products<float>::Sizes sizes = int8.sizes(in, outputs);
    std::vector<float> W;  // (models, in, out)
    std::vector<double> factor, mean;
    Buffer<std::int32_t> panel{sizes.panel};
    Buffer<double> step{outputs}, offset{outputs};

    FirstLayers(const Int8Products<float>& products, Index inputs, Index width, Index count)
        : int8(products), in(inputs), out(width), models(count) {
        std::mt19937 random(3);
        std::normal_distribution<float> normal(0, 0.1f);
        std::uniform_real_distribution<double> some(0, 1);
        for (Index i = 0; i < in * outputs; ++i) W.push_back(normal(random));
        for (Index i = 0; i < in; ++i) {
            factor.push_back(1 / (40 + 40 * some(random)));
            mean.push_back(255 * some(random));
        }
    }

    float& weight(Index model, Index i, Index o) {
        return W[static_cast<std::size_t>((model * in + i) * out + o)];
    }
    bool pack(Index model) {
        return int8.pack(panel.data(), steps(), &weight(model, 0, 0), factor.data(), mean.data(),
                         part(model));
    }
    Int8Products<float>::Steps steps() const { return {step.data(), offset.data()}; }
    Int8Products<float>::Part part(Index model) const { return {in, out, model * out, outputs}; }
};

void test_scores(const Int8Products<float>& int8, Index in, Index out, Index models, Index b) {
    FirstLayers layers(int8, in, out, models);
    for (Index model = models; model-- > 0;) CHECK(layers.pack(model));
    for (Index o = 0; o < layers.outputs; ++o) CHECK(layers.step[o] < 0.5 / 40 / 8e6);
    const Index stride = in + 3, width = (out + 15) / 16 * 16;
    std::vector<std::uint8_t> X(static_cast<std::size_t>((b - 1) * stride + in));
    std::mt19937 random(4);
    for (std::uint8_t& x : X) x = static_cast<std::uint8_t>(random() % 2 ? random() % 256 : 255);
    Buffer<std::int32_t> sums(b * layers.sizes.sums), one(layers.sizes.sums);
    int8.product(sums.data(), {X.data(), stride}, b, layers.panel.data(), in, layers.outputs);
    double furthest = 0;  // of what rounding weights to half a step, and a score to float32, allows
    bool same = true, padded = true;
    for (Index model = 0; model < models; ++model) {
        Buffer<float> Z(b * width), Z_of_one(width);
        int8.scores({Z.data(), width}, sums.data(), layers.steps(), b, layers.part(model));
        for (Index r = 0; r < b; ++r) {
            const std::uint8_t* x = X.data() + r * stride;
            int8.product(one.data(), {x, stride}, 1, layers.panel.data(), in, layers.outputs);
            int8.scores({Z_of_one.data(), width}, one.data(), layers.steps(), 1, layers.part(model));
            for (Index o = 0; o < width; ++o) {
                const double given = static_cast<double>(Z[r * width + o]);
                same = same && Z[r * width + o] == Z_of_one[o];
                padded = padded && (o < out || given == 0);
                if (o >= out) continue;
                double wanted = 0, distance = 0;
                for (Index i = 0; i < in; ++i) {
                    const std::size_t place = static_cast<std::size_t>(i);
                    const double centred = x[i] - layers.mean[place];
                    wanted +=
                        centred * layers.factor[place] * static_cast<double>(layers.weight(model, i, o));
                    distance += std::abs(centred);
                }
                const double allowed =
                    0.5 * layers.step[model * out + o] * distance + std::ldexp(std::abs(wanted), -24);
                furthest = std::max(furthest, std::abs(given - wanted) / allowed);
            }
        }
    }
    CHECK(same && padded && furthest > 0 && furthest < 1 + 1e-6);
}

// The farthest that digits and sums can go: nothing wraps around.
void test_extremes(const Int8Products<float>& int8) {
    const Index most = 65536;
    CHECK(int8.sizes(most, 10).panel > 0);
    CHECK(int8.sizes(most + 1, 10).panel == 0);
    for (const float w : {1.0f, -1.0f}) {
        FirstLayers layers(int8, most, 1, 1);
        std::fill(layers.W.begin(), layers.W.end(), w);
        std::fill(layers.factor.begin(), layers.factor.end(), 1.0);
        std::fill(layers.mean.begin(), layers.mean.end(), 0.0);
        CHECK(layers.pack(0));
        const std::vector<std::uint8_t> X(static_cast<std::size_t>(most), 255);
        Buffer<std::int32_t> sums(layers.sizes.sums);
        Buffer<float> Z(16);
        int8.product(sums.data(), {X.data(), most}, 1, layers.panel.data(), most, 1);
        int8.scores({Z.data(), 16}, sums.data(), layers.steps(), 1, layers.part(0));
        CHECK(Z[0] == w * 255.0f * static_cast<float>(most));
    }
}

void test_what_has_no_step(const Int8Products<float>& int8) {
    FirstLayers layers(int8, 5000, 3, 2);
    const float weight = layers.weight(1, 40, 2);
    for (const float wrong : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                              -std::numeric_limits<float>::infinity(), 100.0f}) {
        layers.weight(1, 40, 2) = wrong;
        CHECK(!layers.pack(1));
        CHECK(layers.pack(0));
    }
    layers.weight(1, 40, 2) = weight;
    CHECK(layers.pack(1));
    for (Index i = 0; i < layers.in; ++i) layers.weight(1, i, 0) = 0;
    CHECK(layers.pack(1));
    CHECK(layers.step[3] == 0 && layers.offset[3] == 0);
}

// A model whose weights are too uneven has its metrics all the same, and the others notice nothing.
void test_an_uneven_model_among_others(const std::string& isa) {
    Fixture<float, std::uint8_t> f(Case{150, 4000, {}, 10, 3, 50});
    double before[3][3], after[3][3], alone[3];
    const auto metrics = [](double (&of)[3][3]) { return Metrics{of[0], of[1], of[2]}; };
    evaluate(f.models(isa), f.rows(), f.parameters.data(), metrics(before), 2);
    f.parameters[static_cast<std::size_t>(f.P) + 7] = 50;
    evaluate(f.models(isa), f.rows(), f.parameters.data(), metrics(after), 2);
    for (const int model : {0, 2})
        for (int kind = 0; kind < 3; ++kind) CHECK(before[kind][model] == after[kind][model]);
    Models<float> one = f.models(isa);
    one.m = 1;
    one.l2 += 1;
    one.loss_numbers += 1;
    evaluate(one, f.rows(), f.parameters.data() + f.P, Metrics{alone, alone + 1, alone + 2}, 1);
    for (int kind = 0; kind < 3; ++kind) CHECK(alone[kind] == after[kind][1]);
    std::vector<Target> targets;
    const Matrix X = f.batch(0, f.c.n, targets);
    CHECK(std::abs(alone[0] - mean_loss(f.net(1), X, targets)) < 1e-4);
    CHECK(std::abs(after[0][0] - mean_loss(f.net(0), X, targets)) < 2e-6);
}

void test_int8(const std::string& isa) {
    test_an_uneven_model_among_others(isa);
    CHECK(kernels_of<double>(isa).int8 == nullptr);
    const Int8Products<float>* int8 = kernels_of<float>(isa).int8;
    CHECK((int8 != nullptr) == (isa == "avx512vnni" || isa == "dotprod"));
    if (!int8) return;
    for (const Index in : {1, 3, 4, 64, 391})
        for (const Index out : {1, 5, 8, 10, 11, 23, 64})
            for (const Index models : {1, 2, 7})
                for (const Index b : {1, 29}) test_scores(*int8, in, out, models, b);
    test_extremes(*int8);
    test_what_has_no_step(*int8);
}

TEST(products_of_bytes_are_exact) {
    for (const std::string& isa : isas_usable()) test_int8(isa);
}

}  // namespace
}  // namespace gradstep::tests
