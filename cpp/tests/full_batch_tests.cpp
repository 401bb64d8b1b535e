// All rows as one batch: more rows than one stretch, any threads, any company.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "check.hpp"
#include "fixture.hpp"
#include "gradstep/buffer.hpp"
#include "oracle.hpp"

namespace gradstep::tests {
namespace {

// Metrics and gradients of m models; -7 where nothing was written.
template <class T>
struct Answer {
    std::vector<double> metrics;
    std::vector<T> gradient;

    bool operator==(const Answer&) const = default;
    bool same_model(const Answer& other, std::size_t model, std::size_t place, std::size_t m,
                    std::size_t others) const {
        const std::size_t P = gradient.size() / m;
        for (std::size_t i = 0; i < 3; ++i)
            if (metrics[i * m + model] != other.metrics[i * others + place]) return false;
        return std::equal(gradient.begin() + static_cast<Index>(model * P),
                          gradient.begin() + static_cast<Index>((model + 1) * P),
                          other.gradient.begin() + static_cast<Index>(place * P));
    }
};

template <class T>
Answer<T> asked(FullBatch<T>& batch, const std::vector<T>& parameters,
                const std::vector<std::uint8_t>& active) {
    const std::size_t m = active.size();
    Answer<T> answer{std::vector<double>(3 * m, -7), std::vector<T>(parameters.size(), T(-7))};
    double* at = answer.metrics.data();
    batch.loss_and_gradient(parameters.data(), active.data(), {at, at + m, at + 2 * m},
                            answer.gradient.data());
    return answer;
}

template <class T, class Element>
void test_long(const std::string& isa, const Case& c) {
    Fixture<T, Element> f(c);
    const std::size_t m = static_cast<std::size_t>(c.m);
    const std::vector<std::uint8_t> all(m, 1);
    FullBatch<T> batch(f.models(isa), f.rows(), 1);
    const Answer<T> wanted = asked(batch, f.parameters, all);
    std::vector<Target> targets;
    const Matrix X = f.batch(0, c.n, targets);
    for (std::size_t model = 0; model < m; ++model) {
        const Net net = f.net(static_cast<int>(model));
        Net gradient = loss_gradient(net, X, targets);
        for (std::size_t l = 0; l < net.W.size(); ++l)
            for (std::size_t i = 0; i < net.W[l].size(); ++i)
                gradient.W[l][i] += 2 * f.l2[model] * net.W[l][i];
        const T* found = wanted.gradient.data() + static_cast<Index>(model) * f.P;
        CHECK(largest_difference(flat(gradient), found) < (sizeof(T) == 4 ? 2e-5 : 1e-13));
    }
    // As an evaluation has them, but for products of whole numbers.
    if (sizeof(Element) > 1) {
        std::vector<double> metrics(3 * m);
        double* at = metrics.data();
        evaluate(f.models(isa), f.rows(), f.parameters.data(), {at, at + m, at + 2 * m}, 2);
        CHECK(metrics == wanted.metrics);
    }
    for (const int n_threads : {2, 3, 7}) {
        FullBatch<T> shared(f.models(isa), f.rows(), n_threads);
        CHECK(asked(shared, f.parameters, all) == wanted);
        CHECK(asked(shared, f.parameters, all) == wanted);
    }
    // Some of the models, and one alone; nothing is said of the others.
    std::vector<std::uint8_t> some(m);
    for (std::size_t model = 0; model < m; ++model) some[model] = model % 2 == 0;
    const Answer<T> of_some = asked(batch, f.parameters, some);
    for (std::size_t model = 0; model < m; ++model)
        CHECK(some[model] ? of_some.same_model(wanted, model, model, m, m)
                          : of_some.metrics[model] == -7 &&
                                of_some.gradient[model * static_cast<std::size_t>(f.P)] == T(-7));
    Models<T> last = f.models(isa);
    const Index before = last.m - 1;
    last.l2 += before;
    last.loss_numbers = last.loss_numbers_of(before);
    last.activation_numbers += before * (last.layers.count - 1);
    last.m = 1;
    FullBatch<T> alone(last, f.rows(), 2);
    const std::vector<T> own(f.parameters.begin() + before * f.P, f.parameters.end());
    CHECK(asked(alone, own, {1}).same_model(wanted, 0, m - 1, 1, m));
}

template <class T, class Element>
void test_cases(const std::string& isa) {
    if (is_as_another<T, Element>(isa)) return;
    // One stretch; several and a short one; more inputs than a block; two hidden layers; one output of many.
    test_long<T, Element>(isa, {1, 3, {2}, 2, 2, 1});
    test_long<T, Element>(isa, {1000, 33, {20}, 10, 3, 100});
    test_long<T, Element>(isa, {300, 1100, {}, 3, 2, 100});
    test_long<T, Element>(isa, {500, 48, {70, 17}, 5, 3, 100, "squared", {"tanh", "leaky_relu"}});
    test_long<T, Element>(isa, {400, 3072, {}, 10, 2, 100});
}

TEST(a_full_batch_is_the_sum_of_its_rows) {
    for (const std::string& isa : isas_usable()) {
        test_cases<float, std::uint8_t>(isa);
        test_cases<float, float>(isa);
        test_cases<double, double>(isa);
    }
}

TEST(a_full_batch_takes_no_memory_once_it_is_there) {
    Fixture<float, float> f({700, 30, {20}, 4, 2, 100});
    FullBatch<float> batch(f.models(isas_usable().front()), f.rows(), 2);
    const Answer<float> first = asked(batch, f.parameters, {1, 1});
    const Index taken = buffers_taken;
    CHECK(asked(batch, f.parameters, {1, 1}) == first);
    CHECK(buffers_taken == taken);
}

}  // namespace
}  // namespace gradstep::tests
