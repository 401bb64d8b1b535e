// Training cases as the core takes them, and what a training of one leaves.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <random>
#include <string>
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
    Loss loss = Loss::softmax;
};

// A case as the core takes it.
template <class T, class Element>
struct Fixture {
    Case c;
    std::vector<Index> sizes, offsets;
    std::vector<Element> X;
    std::vector<double> mean, inverse_scale, l2, learning_rate;
    std::vector<T> mean_T, inverse_scale_T, parameters;
    std::vector<std::int32_t> y, which;
    std::vector<Index> starts;
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
        stride = c.d + 3;
        X.resize(static_cast<std::size_t>((c.n - 1) * stride + c.d));
        for (Element& x : X) x = static_cast<Element>(random() % 200);
        for (int i = 0; i < c.d; ++i) {
            mean.push_back(90.0 + i % 7);
            inverse_scale.push_back(1.0 / (50.0 + i % 5));
        }
        mean.resize(mean.size() + kBehind);
        inverse_scale.resize(inverse_scale.size() + kBehind);
        mean_T.assign(mean.begin(), mean.end());
        inverse_scale_T.assign(inverse_scale.begin(), inverse_scale.end());
        for (int r = 0; r < c.n; ++r)
            y.push_back(static_cast<std::int32_t>(random() % static_cast<unsigned>(c.k)));
        which.resize(static_cast<std::size_t>(c.n));
        std::iota(which.begin(), which.end(), 0);
        std::shuffle(which.begin(), which.end(), random);
        for (int start = 0; start < c.n; start += c.b) starts.push_back(start);
        starts.push_back(c.n);
        for (int model = 0; model < c.m; ++model) {
            l2.push_back(0.01 * model);
            for (Index t = 0; t < updates(); ++t)
                learning_rate.push_back(0.05 + 0.01 * static_cast<double>(t % 3));
        }
        std::normal_distribution<double> normal(0, 0.1);
        for (Index i = 0; i < P * c.m; ++i) parameters.push_back(static_cast<T>(normal(random)));
    }

    Index updates() const { return static_cast<Index>(starts.size()) - 1; }
    Rows<T> rows() const {
        const RowType type = sizeof(Element) == 1   ? RowType::uint8
                             : sizeof(Element) == 4 ? RowType::float32
                                                    : RowType::float64;
        return {X.data(),
                type,
                c.n,
                c.d,
                stride,
                mean.data(),
                inverse_scale.data(),
                mean_T.data(),
                inverse_scale_T.data(),
                y.data(),
                nullptr,
                0};
    }
    Models<T> models(const std::string& isa) const {
        const Layers layers{static_cast<Index>(sizes.size()) - 1, sizes.data(), offsets.data(), P};
        return {&kernels_of<T>(isa), layers, c.m, l2.data(), c.loss};
    }
    Stretch stretch() const { return {updates(), which.data(), starts.data(), learning_rate.data()}; }

    // The rows of [from, to) of `which` in double, standardised.
    Matrix batch(Index from, Index to, std::vector<int>& labels) const {
        Matrix rows_of_batch;
        labels.clear();
        for (Index r = from; r < to; ++r) {
            const std::int32_t row = which[static_cast<std::size_t>(r)];
            std::vector<double> x;
            for (int i = 0; i < c.d; ++i)
                x.push_back((static_cast<double>(X[static_cast<std::size_t>(row * stride + i)]) -
                             mean[static_cast<std::size_t>(i)]) *
                            inverse_scale[static_cast<std::size_t>(i)]);
            rows_of_batch.push_back(x);
            labels.push_back(y[static_cast<std::size_t>(row)]);
        }
        return rows_of_batch;
    }
    Net net(int model) const {
        Net result{{}, {}, c.loss == Loss::sigmoid};
        const T* block = parameters.data() + model * P;
        for (std::size_t l = 0; l + 1 < sizes.size(); ++l) {
            result.W.emplace_back(block + offsets[2 * l], block + offsets[2 * l + 1]);
            result.b.emplace_back(block + offsets[2 * l + 1], block + offsets[2 * l + 1] + sizes[l + 1]);
        }
        return result;
    }
};

// What training changes.
template <class T>
struct Outcome {
    std::vector<T> parameters;
    std::vector<Index> updates, rows;
    std::vector<std::uint8_t> finite;
    std::vector<double> loss, correct;

    Outcome(const std::vector<T>& first, int m)
        : parameters(first), updates(static_cast<std::size_t>(m)), rows(updates), finite(updates.size(), 1),
          loss(updates.size()), correct(updates.size()) {}
    Progress<T> progress() {
        return {parameters.data(), updates.data(), finite.data(), loss.data(), correct.data(), rows.data()};
    }
};

template <class T, class Element>
Outcome<T> outcome(const Fixture<T, Element>& f, const std::string& isa, const Stretch& stretch,
                   int n_threads, Poll poll = {never, nullptr}) {
    Outcome<T> result(f.parameters, f.c.m);
    Session<T>(f.models(isa), f.rows(), f.c.b, nullptr, 0, n_threads).train(stretch, result.progress(), poll);
    return result;
}

}  // namespace gradstep::tests
