// The loss kernels alone, on scores that are given.
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "check.hpp"
#include "gradstep/dispatch.hpp"
#include "gradstep/kernels.hpp"
#include "oracle.hpp"

namespace gradstep::tests {
namespace {

using Long = long double;

template <class T>
struct Seen {
    std::vector<double> losses, hits;
    std::vector<T> dS;
};

// Rows of k scores as the kernels hold them, and targets in another order than the rows.
template <class T>
struct Scores {
    const Loss<T>& loss;
    Index b, k, width;
    std::vector<T> S, values;
    std::vector<std::int32_t> labels, row_indices;
    std::vector<double> weight, numbers;

    Scores(const Kernels<T>& kernels, const Loss<T>& of, Index rows, Index outputs)
        : loss(of), b(rows), k(outputs), width(kernels.padded(outputs)),
          S(static_cast<std::size_t>(b * width)), values(static_cast<std::size_t>(b * k)),
          numbers(static_cast<std::size_t>(loss.numbers)) {
        for (Index r = 0; r < b; ++r) {
            row_indices.push_back(static_cast<std::int32_t>(b - 1 - r));
            labels.push_back(static_cast<std::int32_t>(r % k));
            weight.push_back(0.5 + 0.01 * static_cast<double>(r));
        }
        for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<T>((7 * i + i / 5) % 3);
    }

    T& at(Index r, Index o) { return S[static_cast<std::size_t>(r * width + o)]; }
    std::size_t row(Index r) const {
        return static_cast<std::size_t>(row_indices[static_cast<std::size_t>(r)]);
    }
    T value(Index r, Index o) const {
        return values[row(r) * static_cast<std::size_t>(k) + static_cast<std::size_t>(o)];
    }
    Target target(Index r) const {
        Target target{static_cast<std::size_t>(labels[row(r)]), {}};
        for (Index o = 0; o < k; ++o) target.values.push_back(static_cast<double>(value(r, o)));
        return target;
    }
    Vector scores(Index r) const { return Vector(S.begin() + r * width, S.begin() + r * width + k); }

    Seen<T> judged(double scale) const {
        Seen<T> seen{weight, weight, S};
        Rows<T> rows{};
        rows.n = b;
        rows.labels = labels.data();
        rows.values = values.data();
        loss.judge({seen.losses.data(), seen.hits.data(), seen.dS.data()}, {S.data(), width}, k, rows,
                   weight.data(), {row_indices.data(), 0, b}, numbers.data(), scale);
        return seen;
    }
};

// Relative to the number itself, or absolute below the normal numbers of T, where exp is 0.
template <class T>
bool near(double given, Long wanted, double ulps) {
    const double unit = static_cast<double>(std::numeric_limits<T>::epsilon());
    const double least = static_cast<double>(std::numeric_limits<T>::min());
    return std::abs(given - static_cast<double>(wanted)) <=
           ulps * (unit * std::abs(static_cast<double>(wanted)) + least);
}

// f(kernels, loss) for every loss of every set and both types.
template <class F>
void each_loss(F&& f) {
    for (const std::string& isa : isas_usable()) {
        for (const auto& loss : kernels_of<float>(isa).losses) f(kernels_of<float>(isa), loss);
        for (const auto& loss : kernels_of<double>(isa).losses) f(kernels_of<double>(isa), loss);
    }
}

TEST(losses_and_gradients_are_those_of_the_oracle) {
    each_loss([]<class T>(const Kernels<T>& kernels, const Loss<T>& loss) {
        const LossOracle& oracle = oracle_losses().at(loss.name);
        const double tolerance = sizeof(T) == 8 ? 1e-13 : 1e-5;
        for (const Index k : {1, 2, 3, 8, 16, 17, 35}) {
            Scores<T> scores(kernels, loss, 150, k);
            std::mt19937 random(3);
            std::normal_distribution<double> normal(0, 2);
            for (Index r = 0; r < scores.b; ++r)
                for (Index o = 0; o < k; ++o) scores.at(r, o) = static_cast<T>(normal(random));
            for (const double number : {0.0, 0.1, 1.0}) {
                std::fill(scores.numbers.begin(), scores.numbers.end(), number);
                const Seen<T> seen = scores.judged(0.125);
                double furthest = 0;
                bool padded = true, hits = true;
                for (Index r = 0; r < scores.b; ++r) {
                    const double weight = scores.weight[scores.row(r)];
                    const Target target = scores.target(r);
                    const Vector s = scores.scores(r), wanted = oracle.gradient(s, target, scores.numbers);
                    const double own = oracle.loss(s, target, scores.numbers) * weight;
                    furthest = std::max(furthest, std::abs(seen.losses[static_cast<std::size_t>(r)] - own) /
                                                      std::max(1.0, std::abs(own)));
                    hits = hits && seen.hits[static_cast<std::size_t>(r)] ==
                                       (oracle.is_hit(s, target) ? weight : 0.0);
                    for (Index o = 0; o < scores.width; ++o) {
                        const double given =
                            static_cast<double>(seen.dS[static_cast<std::size_t>(r * scores.width + o)]);
                        padded = padded && (o < k || given == 0);
                        if (o >= k) continue;
                        const double g = wanted[static_cast<std::size_t>(o)] * weight * 0.125;
                        furthest = std::max(furthest, std::abs(given - g) / std::max(1.0, std::abs(g)));
                    }
                }
                CHECK(furthest < tolerance);
                CHECK(padded && hits);
            }
        }
    });
}

// log(1 + exp(t)) and its slope, of an output that should be positive or not.
template <class T>
void check_cross_entropies(const Scores<T>& scores, bool (*is_positive)(const Scores<T>&, Index, Index)) {
    const double scale = 0.125;
    const Seen<T> seen = scores.judged(scale);
    const Long k = static_cast<Long>(scores.k);
    for (Index r = 0; r < scores.b; ++r) {
        const double weight = scores.weight[scores.row(r)];
        Long sum = 0;
        bool gradient_is_right = true;
        for (Index o = 0; o < scores.k; ++o) {
            const std::size_t place = static_cast<std::size_t>(r * scores.width + o);
            const Long s = static_cast<Long>(scores.S[place]), t = is_positive(scores, r, o) ? -s : s;
            sum += (t > 0 ? t : 0) + std::log1p(std::exp(-std::abs(t)));
            const Long p = t > 0 ? 1 / (1 + std::exp(-t)) : std::exp(t) / (1 + std::exp(t));
            const Long wanted = (is_positive(scores, r, o) ? -p : p) * weight * scale / k;
            gradient_is_right &= near<T>(static_cast<double>(seen.dS[place]), wanted, 4);
        }
        CHECK(gradient_is_right);
        CHECK(near<T>(seen.losses[static_cast<std::size_t>(r)], sum * weight / k, 4));
    }
}

// Every score from next to nothing to where exp has no number, so that losses of any size come out.
template <class T>
void test_no_digit_is_lost(const Kernels<T>& kernels, const char* name, Index k,
                           bool (*is_positive)(const Scores<T>&, Index, Index)) {
    Scores<T> scores(kernels, *find(kernels.losses, name), 150, k);
    std::mt19937 random(3);
    std::uniform_real_distribution<double> exponent(-3, 4), share(0, 1);
    for (Index r = 0; r < scores.b; ++r) {
        const bool is_right = r % 3 == 0, may_be_huge = r % 3 == 1;
        for (Index o = 0; o < k; ++o) {
            const double size = std::pow(10.0, may_be_huge ? exponent(random) : 2 * share(random));
            const bool up = is_right ? is_positive(scores, r, o) : share(random) < 0.5;
            scores.at(r, o) = static_cast<T>(up ? size : -size);
        }
    }
    check_cross_entropies(scores, is_positive);
}

template <class T>
bool is_label(const Scores<T>& scores, Index r, Index o) {
    return o == scores.labels[scores.row(r)];
}
template <class T>
bool is_set(const Scores<T>& scores, Index r, Index o) {
    return scores.value(r, o) > T(0.5);
}

TEST(cross_entropies_lose_no_digit) {
    for (const std::string& isa : isas_usable())
        for (const Index k : {2, 3, 16, 17, 35}) {
            test_no_digit_is_lost<float>(kernels_of<float>(isa), "sigmoid", k, is_label<float>);
            test_no_digit_is_lost<double>(kernels_of<double>(isa), "sigmoid", k, is_label<double>);
            test_no_digit_is_lost<float>(kernels_of<float>(isa), "multilabel", k, is_set<float>);
            test_no_digit_is_lost<double>(kernels_of<double>(isa), "multilabel", k, is_set<double>);
        }
}

TEST(scores_that_are_not_finite_are_seen) {
    each_loss([]<class T>(const Kernels<T>& kernels, const Loss<T>& loss) {
        const T infinity = std::numeric_limits<T>::infinity();
        for (const double number : {0.0, 0.1})
            for (const Index k : {1, 2, 3, 16, 17, 35})
                for (const T bad : {std::numeric_limits<T>::quiet_NaN(), infinity, -infinity})
                    for (Index place = 0; place < k; ++place) {
                        Scores<T> scores(kernels, loss, 5, k);
                        std::fill(scores.numbers.begin(), scores.numbers.end(), number);
                        scores.at(2, place) = bad;
                        const Seen<T> seen = scores.judged(1.0);
                        for (std::size_t r = 0; r < 5; ++r) CHECK(std::isfinite(seen.losses[r]) == (r != 2));
                    }
    });
}

// Of the largest scores, and of no difference between them.
TEST(labels_are_judged_at_extremes) {
    each_loss([]<class T>(const Kernels<T>& kernels, const Loss<T>& loss) {
        if (loss.targets != TargetKind::labels) return;
        Scores<T> scores(kernels, loss, 2, 3);
        const T huge = static_cast<T>(sizeof(T) == 8 ? 1e300 : 1e30);
        scores.at(0, 2) = huge;  // row 0 has label 1, row 1 label 0
        scores.at(0, 1) = -huge;
        const Seen<T> seen = scores.judged(1.0);
        const bool softmax = std::string(loss.name) == "softmax";
        CHECK(
            near<T>(seen.losses[0], static_cast<Long>(huge) * (softmax ? 2 : 2.0 / 3) * scores.weight[1], 4));
        CHECK(near<T>(seen.losses[1], (softmax ? std::log(3.0) : std::log(2.0)) * scores.weight[0], 4));
        CHECK(seen.hits[0] == 0 && seen.hits[1] == scores.weight[0]);
    });
}

// Of targets that are met exactly nothing is lost, and huge errors are what they are.
TEST(squares_are_judged_at_extremes) {
    for (const std::string& isa : isas_usable()) {
        const Kernels<float>& kernels = kernels_of<float>(isa);
        Scores<float> scores(kernels, *find(kernels.losses, "squared"), 3, 2);
        for (float& value : scores.values) value = 0;
        scores.at(1, 0) = 1e15f;
        scores.at(2, 1) = 1e25f;  // whose square is no float32
        const Seen<float> seen = scores.judged(1.0);
        CHECK(seen.losses[0] == 0 && seen.dS[0] == 0);
        CHECK(near<float>(seen.losses[1], 1e30L / 4 * scores.weight[1], 4));
        CHECK(std::isinf(seen.losses[2]));
    }
}

// exp that T does not hold is infinite, and what it just holds is a number, as NumPy has it.
template <class T>
void test_poisson(const Kernels<T>& kernels) {
    const double most = std::log(static_cast<double>(std::numeric_limits<T>::max()));
    const Loss<T>& loss = *find(kernels.losses, "poisson");
    for (const double score : {-1e4, -800.0, -100.0, -1e-3, 0.0, 1e-3, 10.0, most - 1.5, most - 0.5,
                               most - 1e-3, most + 1e-3, most + 0.5, most + 1.5, 1e4})
        for (const T value : {T(0), T(1), T(1e-30), T(1e6)}) {
            Scores<T> scores(kernels, loss, 1, 1);
            scores.at(0, 0) = static_cast<T>(score);
            scores.values[0] = value;
            const Seen<T> seen = scores.judged(1.0);
            if (score > most) {
                CHECK(std::isinf(seen.losses[0]) && seen.losses[0] > 0);
                continue;
            }
            const Long s = static_cast<Long>(scores.at(0, 0)), y = static_cast<Long>(value);
            const Long e = std::exp(s), own = value == 0 ? 0 : y * std::log(y) - y;
            const Long size = e + std::abs(y * s) + std::abs(own);
            CHECK(std::abs(static_cast<Long>(seen.losses[0]) - (e - y * s + own) * scores.weight[0]) <=
                  8 * std::numeric_limits<double>::epsilon() * size + std::numeric_limits<double>::min());
            CHECK(near<T>(static_cast<double>(seen.dS[0]), (e - y) * scores.weight[0],
                          value == 0 ? 4 : 4 * static_cast<double>(size / std::abs(e - y) + 1)));
        }
}

TEST(poisson_overflows_where_exp_does) {
    for (const std::string& isa : isas_usable()) {
        test_poisson(kernels_of<float>(isa));
        test_poisson(kernels_of<double>(isa));
    }
}

}  // namespace
}  // namespace gradstep::tests
