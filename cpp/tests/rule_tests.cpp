// The rules alone, on runs of any length.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "check.hpp"
#include "gradstep/buffer.hpp"
#include "gradstep/dispatch.hpp"
#include "oracle.hpp"

namespace gradstep::tests {
namespace {

// f(kernels, rule) for every rule of every set and both types.
template <class F>
void each_rule(F&& f) {
    for (const std::string& isa : isas_usable()) {
        for (const auto& rule : kernels_of<float>(isa).rules) f(kernels_of<float>(isa), rule);
        for (const auto& rule : kernels_of<double>(isa).rules) f(kernels_of<double>(isa), rule);
    }
}

// Weights and slots, a stride apart, and a gradient.
template <class T>
struct State {
    Index count, stride, slots;
    Buffer<T> W, g;
    std::vector<T> numbers;

    State(const Rule<T>& rule, Index elements)
        : count(elements), stride(elements + 64), slots(rule.slots), W((1 + slots) * stride), g(elements) {
        std::mt19937 random(9);
        std::normal_distribution<double> normal;
        for (Index i = 0; i < count; ++i) {
            W[i] = static_cast<T>(normal(random));
            g[i] = static_cast<T>(normal(random));
            for (Index s = 1; s <= slots; ++s) W[s * stride + i] = static_cast<T>(std::abs(normal(random)));
        }
        for (const double n : oracle_rules().at(rule.name).numbers(0.1, 0.01, 3, false))
            numbers.push_back(static_cast<T>(n));
    }
};

TEST(rules_are_those_of_the_oracle) {
    each_rule([]<class T>(const Kernels<T>& kernels, const Rule<T>& rule) {
        const RuleOracle& oracle = oracle_rules().at(rule.name);
        for (const Index vectors : {1, 2, 3, 10, 37}) {
            State<T> state(rule, vectors * kernels.padded(1)), before(rule, state.count);
            rule.step(state.W.data(), state.stride, state.g.data(), state.count, state.numbers.data());
            const Vector numbers(state.numbers.begin(), state.numbers.end());
            double furthest = 0;
            for (Index i = 0; i < state.count; ++i) {
                double w = static_cast<double>(before.W[i]);
                Vector slots;
                for (Index s = 1; s <= rule.slots; ++s)
                    slots.push_back(static_cast<double>(before.W[s * state.stride + i]));
                // The gradient has its decay already.
                const double decay = rule.with_product ? 0 : numbers[0];
                oracle.step(w, slots.data(), static_cast<double>(state.g[i]) - decay * w, numbers);
                furthest = std::max(furthest, std::abs(w - static_cast<double>(state.W[i])));
                for (Index s = 1; s <= rule.slots; ++s)
                    furthest =
                        std::max(furthest, std::abs(slots[static_cast<std::size_t>(s - 1)] -
                                                    static_cast<double>(state.W[s * state.stride + i])));
            }
            CHECK(furthest < (sizeof(T) == 8 ? 1e-14 : 1e-5));
        }
    });
}

// A weight has the same bits wherever it lies in whatever run.
TEST(rules_do_not_depend_on_runs) {
    each_rule([]<class T>(const Kernels<T>& kernels, const Rule<T>& rule) {
        const Index vector = kernels.padded(1), count = 23 * vector;
        State<T> whole(rule, count);
        rule.step(whole.W.data(), whole.stride, whole.g.data(), count, whole.numbers.data());
        for (const Index vectors : {1, 2, 3, 7}) {
            State<T> cut(rule, count);
            for (Index i = 0; i < count; i += vectors * vector)
                rule.step(cut.W.data() + i, cut.stride, cut.g.data() + i,
                          std::min(vectors * vector, count - i), cut.numbers.data());
            CHECK(std::memcmp(cut.W.data(), whole.W.data(),
                              sizeof(T) * static_cast<std::size_t>(whole.W.size())) == 0);
        }
    });
}

TEST(rules_leave_zero_alone) {
    each_rule([]<class T>(const Kernels<T>& kernels, const Rule<T>& rule) {
        State<T> state(rule, 5 * kernels.padded(1));
        for (Index i = 0; i < state.W.size(); ++i) state.W[i] = 0;
        for (Index i = 0; i < state.count; ++i) state.g[i] = 0;
        for (int t = 0; t < 3; ++t)
            rule.step(state.W.data(), state.stride, state.g.data(), state.count, state.numbers.data());
        bool is_zero = true;
        for (Index i = 0; i < state.W.size(); ++i) is_zero = is_zero && state.W[i] == 0;
        CHECK(is_zero);
    });
}

// Steps of a whole packed layer whose lanes are not all taken, run by run as an update takes them: every
// place of the panel that holds no weight stays zero, in the weights and in every slot.
template <class T>
void test_padding(const Kernels<T>& k, const Rule<T>& rule, Index in, Index out) {
    constexpr Index b = 5;
    const Index size = k.panel_size(in, out), ldx = k.padded(in), width = k.padded(out), stride = size + 32;
    const Buffer<T> W((1 + rule.slots) * stride), ones(in * out), places(size), X(b * ldx), dZ(b * width);
    const Buffer<T> g(64 * 64 + size);
    std::mt19937 random(5);
    std::normal_distribution<double> normal;
    for (Index i = 0; i < in * out; ++i) ones[i] = T(1);
    for (Index r = 0; r < b; ++r) {
        for (Index i = 0; i < in; ++i) X[r * ldx + i] = static_cast<T>(normal(random));
        for (Index o = 0; o < out; ++o) dZ[r * width + o] = static_cast<T>(normal(random));
    }
    k.pack({places.data(), in, out}, ones.data(), nullptr);
    k.pack({W.data(), in, out}, ones.data(), nullptr);
    std::vector<T> numbers;
    for (const double n : oracle_rules().at(rule.name).numbers(0.1, 0.01, 3, false))
        numbers.push_back(static_cast<T>(n));
    for (int t = 0; t < 3; ++t)
        for (Index i = 0; i < in; i += 64)
            for (Index group = 0; group < k.column_groups(in, out); ++group) {
                const Span span{i, std::min(in, i + 64)};
                const Run run = k.run(in, out, span, group);
                k.gradient(g.data(), {W.data(), in, out}, {rule.with_product ? T(0) : numbers[0], T(1)},
                           {{X.data() + i, ldx}}, {dZ.data(), width}, b, span, group);
                rule.step(W.data() + run.start, stride, g.data(), run.count, numbers.data());
            }
    bool is_zero = true, changes = true;
    for (Index s = 0; s <= rule.slots; ++s)
        for (Index i = 0; i < stride; ++i)
            if (i >= size || places[i] == 0)
                is_zero = is_zero && W[s * stride + i] == 0;
            else
                changes = changes && W[s * stride + i] != (s == 0 ? T(1) : T(0));
    CHECK(is_zero);
    CHECK(changes);
}

TEST(rules_leave_padding_zero) {
    each_rule([]<class T>(const Kernels<T>& kernels, const Rule<T>& rule) {
        for (const Index in : {1, 5, 33, 70, 130})
            for (const Index out : {1, 3, 10, 17, 23, 50, 70}) test_padding(kernels, rule, in, out);
    });
}

}  // namespace
}  // namespace gradstep::tests
