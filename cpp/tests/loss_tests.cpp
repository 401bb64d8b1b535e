#include "loss_tests.hpp"

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "check.hpp"
#include "gradstep/dispatch.hpp"
#include "gradstep/kernels.hpp"

namespace gradstep::tests {
namespace {

template <class T>
struct Judged {
    std::vector<double> losses, correct;
    std::vector<T> dS;
};

// Rows of k scores as the kernels hold them, and labels in another order than the rows.
template <class T>
struct Scores {
    Index b, k, width;
    std::vector<T> S;
    std::vector<std::int32_t> y, which;
    std::vector<double> weight;

    Scores(const Kernels<T>& kernels, Index rows, Index classes)
        : b(rows), k(classes), width(kernels.padded(classes)), S(static_cast<std::size_t>(b * width)) {
        for (Index r = 0; r < b; ++r) {
            which.push_back(static_cast<std::int32_t>(b - 1 - r));
            y.push_back(static_cast<std::int32_t>(r % k));
            weight.push_back(0.5 + 0.01 * static_cast<double>(r));
        }
    }

    T& at(Index r, Index o) { return S[static_cast<std::size_t>(r * width + o)]; }
    std::size_t row(Index r) const { return static_cast<std::size_t>(which[static_cast<std::size_t>(r)]); }

    Judged<T> judged(const Kernels<T>& kernels, Loss loss, double scale) const {
        Judged<T> result{weight, weight, S};
        kernels.loss(loss, result.losses.data(), result.correct.data(), result.dS.data(), S.data(), width, b,
                     k, y.data(), weight.data(), which.data(), 0, scale);
        return result;
    }
};

// Relative to the number itself, or absolute below the normal numbers of T, where exp is 0.
template <class T>
bool near(double given, long double wanted, double ulps) {
    const double unit = static_cast<double>(std::numeric_limits<T>::epsilon());
    const double least = static_cast<double>(std::numeric_limits<T>::min());
    return std::abs(given - static_cast<double>(wanted)) <=
           ulps * (unit * std::abs(static_cast<double>(wanted)) + least);
}

// Every score from next to nothing to where exp has no number, so that losses of any size come out.
template <class T>
void test_sigmoid_loses_no_digit(const Kernels<T>& kernels, Index k) {
    Scores<T> scores(kernels, 150, k);
    std::mt19937 random(3);
    std::uniform_real_distribution<double> exponent(-3, 4), share(0, 1);
    for (Index r = 0; r < scores.b; ++r) {
        const bool is_right = r % 3 == 0, may_be_huge = r % 3 == 1;
        for (Index o = 0; o < k; ++o) {
            const double size = std::pow(10.0, may_be_huge ? exponent(random) : 2 * share(random));
            const bool is_label = o == scores.y[scores.row(r)];
            const bool is_positive = is_right ? is_label : share(random) < 0.5;
            scores.at(r, o) = static_cast<T>(is_positive ? size : -size);
        }
    }
    const double scale = 0.125;
    const Judged<T> result = scores.judged(kernels, Loss::sigmoid, scale);
    for (Index r = 0; r < scores.b; ++r) {
        const double weight = scores.weight[scores.row(r)];
        long double sum = 0;
        bool gradient_is_right = true;
        for (Index o = 0; o < scores.width; ++o) {
            const T given = result.dS[static_cast<std::size_t>(r * scores.width + o)];
            if (o >= k) {
                gradient_is_right &= given == 0;
                continue;
            }
            const bool is_label = o == scores.y[scores.row(r)];
            const long double s = static_cast<long double>(scores.at(r, o)), t = is_label ? -s : s;
            sum += (t > 0 ? t : 0) + std::log1p(std::exp(-std::abs(t)));
            const long double p = t > 0 ? 1 / (1 + std::exp(-t)) : std::exp(t) / (1 + std::exp(t));
            const long double wanted = (is_label ? -p : p) * weight * scale / static_cast<long double>(k);
            gradient_is_right &= near<T>(static_cast<double>(given), wanted, 4);
        }
        CHECK(gradient_is_right);
        CHECK(near<T>(result.losses[static_cast<std::size_t>(r)], sum * weight / static_cast<long double>(k),
                      4));
    }
}

template <class T>
void test_scores_that_are_not_finite(const Kernels<T>& kernels, Index k) {
    const T infinity = std::numeric_limits<T>::infinity();
    for (const T bad : {std::numeric_limits<T>::quiet_NaN(), infinity, -infinity})
        for (Index place = 0; place < k; ++place) {
            Scores<T> scores(kernels, 5, k);
            scores.at(2, place) = bad;
            const Judged<T> result = scores.judged(kernels, Loss::sigmoid, 1.0);
            for (std::size_t r = 0; r < 5; ++r) CHECK(std::isfinite(result.losses[r]) == (r != 2));
        }
}

// Of the largest scores, and of no difference between them.
template <class T>
void test_extremes(const Kernels<T>& kernels) {
    for (const Loss loss : {Loss::softmax, Loss::sigmoid}) {
        Scores<T> scores(kernels, 2, 3);
        const T huge = static_cast<T>(sizeof(T) == 8 ? 1e300 : 1e30);
        scores.at(0, 2) = huge;  // row 0 has label 1, row 1 label 0
        scores.at(0, 1) = -huge;
        const Judged<T> result = scores.judged(kernels, loss, 1.0);
        const double of_huge = loss == Loss::softmax ? 2 : 2.0 / 3;
        CHECK(near<T>(result.losses[0], static_cast<long double>(huge) * of_huge * scores.weight[1], 4));
        const double of_equals = loss == Loss::softmax ? std::log(3.0) : std::log(2.0);
        CHECK(near<T>(result.losses[1], of_equals * scores.weight[0], 4));
        CHECK(result.correct[0] == 0 && result.correct[1] == scores.weight[0]);
    }
}

template <class T>
void test_losses_of(const std::string& isa) {
    const Kernels<T>& kernels = kernels_of<T>(isa);
    for (const Index k : {2, 3, 16, 17, 35}) {
        test_sigmoid_loses_no_digit(kernels, k);
        test_scores_that_are_not_finite(kernels, k);
    }
    test_extremes(kernels);
}

}  // namespace

void test_losses() {
    for (const std::string& isa : isas_usable()) {
        test_losses_of<float>(isa);
        test_losses_of<double>(isa);
    }
}

}  // namespace gradstep::tests
