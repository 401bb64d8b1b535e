// Training cases as the core takes them, and what a training of one leaves.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "gradstep/core.hpp"
#include "gradstep/dispatch.hpp"
#include "oracle.hpp"

namespace gradstep::tests {

inline bool never(void*) { return false; }
inline bool at_once(void*) { return true; }

struct Case {
    int n, d;
    std::vector<int> hidden;
    int k, m, b;
    std::string loss = "softmax";
    std::vector<std::string>
        activations{};  // the last one for all layers that follow; ReLU where there is none
    std::string rule = "descent";
    bool clips = false;     // the gradients of most models, by value, by norm or by both
    bool averages = false;  // of weights are kept
};

constexpr double kInfinity = std::numeric_limits<double>::infinity();

template <class Element>
constexpr RowType kRowType = sizeof(Element) == 1   ? RowType::uint8
                             : sizeof(Element) == 4 ? RowType::float32
                                                    : RowType::float64;

// Whether a set computes such rows as another one does: one with products of bytes is that one in all else.
template <class T, class Element>
bool is_as_another(const std::string& isa) {
    return kernels_of<float>(isa).int8 != nullptr && !(std::is_same_v<T, float> && sizeof(Element) == 1);
}

// A case as the core takes it. Models differ in all numbers that they may differ in.
template <class T, class Element>
struct Fixture {
    Case c;
    std::vector<Index> sizes, offsets;
    std::vector<Element> X;
    std::vector<double> mean, inverse_scale, l2, loss_numbers, activation_numbers, numbers;
    std::vector<double> values, norms, decays,
        shares;  // limits, decay where they are, and what averages take
    std::vector<T> mean_T, inverse_scale_T, parameters, wanted;
    std::vector<std::int32_t> labels, row_indices;
    std::vector<Index> starts;
    std::vector<std::string> activation_names;
    std::vector<const Activation<T>*> activations;
    Index P = 0, stride = 0;

    explicit Fixture(const Case& a_case) : c(a_case) {
        std::mt19937 random(7);
        sizes.push_back(c.d);
        sizes.insert(sizes.end(), c.hidden.begin(), c.hidden.end());
        sizes.push_back(c.k);
        for (std::size_t l = 0; l + 1 < sizes.size(); ++l) {
            offsets.insert(offsets.end(), {P, P + sizes[l] * sizes[l + 1]});
            P += (sizes[l] + 1) * sizes[l + 1];
        }
        draw_rows(random);
        draw_batches(random);
        for (std::size_t l = 0; l < c.hidden.size(); ++l)
            activation_names.push_back(
                c.activations.empty() ? "relu" : c.activations[std::min(l, c.activations.size() - 1)]);
        for (int model = 0; model < c.m; ++model) {
            l2.push_back(0.01 * (model % 8));
            values.push_back(model % 3 == 1 ? kInfinity : 0.02 + 0.01 * (model % 4));
            norms.push_back(model % 3 == 2 ? kInfinity : 0.1 + 0.1 * (model % 5));
            for (Index t = 0; t < updates(); ++t) {
                decays.push_back(0.02 * (model % 8) / static_cast<double>(1 + t % 3));
                shares.push_back(t == 0 ? 1 : t == 2 ? 0 : 0.2 + 0.1 * (model % 6));
            }
            for (Index i = 0; i < loss().numbers; ++i) loss_numbers.push_back(0.1 * (model % 5));
            for (std::size_t l = 0; l < c.hidden.size(); ++l)
                activation_numbers.push_back(0.01 + 0.1 * (model % 5));
        }
        set_rates([](int, Index t) { return 0.05 + 0.01 * static_cast<double>(t % 3); });
        for (int model = 0; model < c.m; ++model)
            for (std::size_t l = 0; l + 1 < sizes.size(); ++l) {
                std::normal_distribution<double> normal(
                    0, std::min(0.1, 0.7 / std::sqrt(static_cast<double>(sizes[l]))));
                for (Index i = 0; i < (sizes[l] + 1) * sizes[l + 1]; ++i)
                    parameters.push_back(static_cast<T>(normal(random)));
            }
    }

    // The rule's numbers for learning rates rate(model, t).
    template <class F>
    void set_rates(F&& rate) {
        numbers.clear();
        for (int model = 0; model < c.m; ++model)
            for (Index t = 0; t < updates(); ++t)
                for (const bool bias : {false, true}) {
                    const Vector of_update = numbers_of(model, t, rate(model, t), bias);
                    numbers.insert(numbers.end(), of_update.begin(), of_update.end());
                }
    }
    Vector numbers_of(int model, Index t, double rate, bool bias) const {
        // Gradients that are clipped have their decay already.
        const double decay = c.clips ? 0 : l2[static_cast<std::size_t>(model)];
        return oracle_rules().at(c.rule).numbers(rate, decay, static_cast<int>(t), bias);
    }
    Vector numbers_at(int model, Index t, bool bias) const {
        const Index r = rule().numbers;
        const auto from = numbers.begin() + ((model * updates() + t) * 2 + (bias ? 1 : 0)) * r;
        return Vector(from, from + r);
    }

    const Kernels<T>& table() const { return kernels_of<T>("baseline"); }
    const Loss<T>& loss() const { return *find(table().losses, c.loss); }
    const Rule<T>& rule() const { return *find(table().rules, c.rule); }

    Index slots() const { return rule().slots + (c.averages ? 1 : 0); }
    Index updates() const { return static_cast<Index>(starts.size()) - 1; }
    Rows<T> rows() const {
        const bool by_label = loss().targets == TargetKind::labels;
        return {
            .X = X.data(),
            .type = kRowType<Element>,
            .n = c.n,
            .d = c.d,
            .stride = stride,
            .mean = mean.data(),
            .inverse_scale = inverse_scale.data(),
            .mean_T = mean_T.data(),
            .inverse_scale_T = inverse_scale_T.data(),
            .labels = by_label ? labels.data() : nullptr,
            .values = by_label ? nullptr : wanted.data(),
        };
    }
    Models<T> models(const std::string& isa) {
        const Kernels<T>& kernels = kernels_of<T>(isa);
        activations.clear();
        for (const std::string& name : activation_names)
            activations.push_back(find(kernels.activations, name));
        return {
            .kernels = &kernels,
            .layers = {static_cast<Index>(sizes.size()) - 1, sizes.data(), offsets.data(), P},
            .m = c.m,
            .l2 = l2.data(),
            .loss = find(kernels.losses, c.loss),
            .loss_numbers = loss_numbers.data(),
            .activations = activations.data(),
            .activation_numbers = activation_numbers.data(),
            .rule = find(kernels.rules, c.rule),
            .limits = c.clips ? GradientLimits{values.data(), norms.data()} : GradientLimits{},
            .averages = c.averages,
        };
    }
    UpdateRange range() const {
        return {
            .updates = updates(),
            .row_indices = row_indices.data(),
            .starts = starts.data(),
            .numbers = numbers.data(),
            .decays = c.clips ? decays.data() : nullptr,
            .shares = c.averages ? shares.data() : nullptr,
        };
    }

    // The rows of [from, to) of `row_indices` in double, standardised.
    Matrix batch(Index from, Index to, std::vector<Target>& targets) const {
        Matrix rows_of_batch;
        targets.clear();
        for (Index r = from; r < to; ++r) {
            const std::int32_t row = row_indices[static_cast<std::size_t>(r)];
            Vector x;
            for (int i = 0; i < c.d; ++i)
                x.push_back((static_cast<double>(X[static_cast<std::size_t>(row * stride + i)]) -
                             mean[static_cast<std::size_t>(i)]) *
                            inverse_scale[static_cast<std::size_t>(i)]);
            rows_of_batch.push_back(x);
            const auto own = wanted.begin() + Index{row} * c.k;
            targets.push_back(
                {static_cast<std::size_t>(labels[static_cast<std::size_t>(row)]), Vector(own, own + c.k)});
        }
        return rows_of_batch;
    }
    Net net(int model) const {
        Net result;
        const T* block = parameters.data() + model * P;
        for (std::size_t l = 0; l + 1 < sizes.size(); ++l) {
            result.W.emplace_back(block + offsets[2 * l], block + offsets[2 * l + 1]);
            result.b.emplace_back(block + offsets[2 * l + 1], block + offsets[2 * l + 1] + sizes[l + 1]);
        }
        const Index hidden = static_cast<Index>(c.hidden.size()), p = loss().numbers;
        result.activations = activation_names;
        for (Index l = 0; l < hidden; ++l)  // as T has it
            result.activation_numbers.push_back(static_cast<double>(
                static_cast<T>(activation_numbers[static_cast<std::size_t>(model * hidden + l)])));
        result.loss = c.loss;
        result.loss_numbers.assign(loss_numbers.begin() + model * p, loss_numbers.begin() + (model + 1) * p);
        return result;
    }

private:
    // Values are counts, many of them 0. No array is longer than it has to be.
    void draw_rows(std::mt19937& random) {
        stride = c.d + 3;
        X.resize(static_cast<std::size_t>((c.n - 1) * stride + c.d));
        for (Element& x : X) x = static_cast<Element>(random() % 200);
        for (int i = 0; i < c.d; ++i) {
            mean.push_back(90.0 + i % 7);
            inverse_scale.push_back(1.0 / (50.0 + i % 5));
        }
        mean.resize(mean.size() + kReadPadding);
        inverse_scale.resize(inverse_scale.size() + kReadPadding);
        mean_T.assign(mean.begin(), mean.end());
        inverse_scale_T.assign(inverse_scale.begin(), inverse_scale.end());
        for (int r = 0; r < c.n; ++r)
            labels.push_back(static_cast<std::int32_t>(random() % static_cast<unsigned>(c.k)));
        for (int i = 0; i < c.n * c.k; ++i) wanted.push_back(static_cast<T>(random() % 3));
        wanted.shrink_to_fit();
    }
    void draw_batches(std::mt19937& random) {
        row_indices.resize(static_cast<std::size_t>(c.n));
        std::iota(row_indices.begin(), row_indices.end(), 0);
        std::shuffle(row_indices.begin(), row_indices.end(), random);
        for (int start = 0; start < c.n; start += c.b) starts.push_back(start);
        starts.push_back(c.n);
    }
};

template <class T>
double largest_difference(const Vector& wanted, const T* given) {
    double most = 0;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        const double difference = std::abs(wanted[i] - static_cast<double>(given[i]));
        if (!(difference <= most)) most = difference;
    }
    return most;
}

// What training changes.
template <class T>
struct Outcome {
    std::vector<T> parameters, slots;
    std::vector<Index> updates, rows;
    std::vector<std::uint8_t> finite;
    std::vector<double> loss, hits;

    Outcome(const std::vector<T>& first, int m, Index s)
        : parameters(first), slots(first.size() * static_cast<std::size_t>(s)),
          updates(static_cast<std::size_t>(m)), rows(updates), finite(updates.size(), 1),
          loss(updates.size()), hits(updates.size()) {}
    template <class Element>
    explicit Outcome(const Fixture<T, Element>& f) : Outcome(f.parameters, f.c.m, f.slots()) {}

    bool operator==(const Outcome&) const = default;

    TrainingState<T> state() {
        return {
            .parameters = parameters.data(),
            .slots = slots.data(),
            .updates = updates.data(),
            .finite = finite.data(),
            .loss = loss.data(),
            .hits = hits.data(),
            .rows = rows.data(),
        };
    }
};

template <class T, class Element>
Outcome<T> outcome(Fixture<T, Element>& f, const std::string& isa, const UpdateRange& range, int n_threads,
                   StopCallback should_stop = {never, nullptr}) {
    Outcome<T> result(f);
    Session<T>(f.models(isa), f.rows(), f.c.b, nullptr, 0, n_threads)
        .train(range, result.state(), should_stop);
    return result;
}

}  // namespace gradstep::tests
