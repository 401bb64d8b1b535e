// Sparse rows do, bit for bit, what dense rows with the same numbers do.
#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "check.hpp"
#include "everything.hpp"
#include "gradstep/buffer.hpp"

namespace gradstep::tests {
namespace {

// A case whose rows are mostly zero, some of them wholly, and the same rows without their zeros.
template <class T, class Element>
struct Sparse {
    Fixture<T, Element> dense;
    std::vector<Element> values;
    std::vector<Index> starts{0};
    std::vector<std::int32_t> inputs, index;

    // One in `every` elements is not zero, and some zeros are told of. Bytes are not scaled: weights take
    // that over where their rows are dense.
    Sparse(const Case& c, unsigned every) : dense(c) {
        std::mt19937 random(3);
        std::fill(dense.mean.begin(), dense.mean.end(), 0.0);
        std::fill(dense.mean_T.begin(), dense.mean_T.end(), T(0));
        if (sizeof(Element) == 1) {
            std::fill(dense.inverse_scale.begin(), dense.inverse_scale.end(), 1.0);
            std::fill(dense.inverse_scale_T.begin(), dense.inverse_scale_T.end(), T(1));
        }
        for (int row = 0; row < c.n; ++row) {
            Element* own = dense.X.data() + row * dense.stride;
            for (int i = 0; i < c.d; ++i) {
                if (row % 7 == 3 || random() % every != 0) own[i] = 0;
                if (own[i] == 0 && random() % 50 != 0) continue;
                values.push_back(own[i]);
                inputs.push_back(i);
            }
            starts.push_back(static_cast<Index>(values.size()));
            index.push_back(static_cast<std::int32_t>(random() % static_cast<unsigned>(c.n)));
        }
    }

    Rows<T> of(bool is_sparse, bool by_number) const {
        Rows<T> rows = dense.rows();
        if (by_number) rows.index = index.data();
        if (!is_sparse) return rows;
        rows.X = values.data();
        rows.stride = 0;
        rows.starts = starts.data();
        rows.inputs = inputs.data();
        return rows;
    }
};

// Metrics of bytes may come of products of whole numbers.
template <class T, class Element>
bool metrics_have_same_bits(const std::string& isa) {
    return sizeof(Element) > 1 || !kernels_of<T>(isa).int8;
}

template <class T, class Element>
void test_rows(const std::string& isa, const Case& c, unsigned every) {
    Sparse<T, Element> rows(c, every);
    for (const bool by_number : {false, true}) {
        const auto wanted = everything(rows.dense, rows.of(false, by_number), isa, 1, std::nullopt);
        CHECK(wanted.scores != std::vector<T>(wanted.scores.size()));
        for (const int n_threads : {1, 2, 5}) {
            auto found = everything(rows.dense, rows.of(true, by_number), isa, n_threads, std::nullopt);
            CHECK(found.metrics == found.metrics_of_session);
            for (std::size_t i = 0; i < found.metrics.size(); ++i)
                CHECK(std::abs(found.metrics[i] - wanted.metrics[i]) <= 1e-3 * std::abs(wanted.metrics[i]));
            if (!metrics_have_same_bits<T, Element>(isa)) {
                found.metrics = wanted.metrics;
                found.metrics_of_session = wanted.metrics_of_session;
                found.scores_of_session = wanted.scores_of_session;  // which those come from
            }
            CHECK(found == wanted);
        }
    }
}

template <class T, class Element>
void test_cases(const std::string& isa) {
    if (is_as_another<T, Element>(isa)) return;
    // Narrow and wide groups of columns, of several vectors and with a rest; more inputs than a block; a rest
    // of a vector; rules with and without slots.
    test_rows<T, Element>(isa, {211, 37, {}, 10, 1, 20}, 4);
    test_rows<T, Element>(isa, {61, 801, {}, 23, 2, 20}, 20);
    test_rows<T, Element>(isa, {61, 801, {50}, 3, 3, 16, "squared", {"tanh"}, "adam"}, 10);
    test_rows<T, Element>(isa, {29, 1200, {70, 5}, 4, 1, 7, "softmax", {}, "momentum"}, 100);
    test_rows<T, Element>(isa, {5, 2, {}, 2, 1, 2}, 1);
}

TEST(sparse_rows_have_the_bits_of_dense_ones) {
    for (const std::string& isa : isas_usable()) {
        test_cases<float, std::uint8_t>(isa);
        test_cases<float, float>(isa);
        test_cases<float, double>(isa);
        test_cases<double, std::uint8_t>(isa);
        test_cases<double, float>(isa);
        test_cases<double, double>(isa);
    }
}

TEST(sparse_batches_take_memory_once) {
    for (const std::string& isa : isas_usable()) {
        const Sparse<float, float> rows({61, 801, {50}, 3, 3, 16, "softmax", {}, "adam"}, 10);
        Fixture<float, float> f = rows.dense;
        const Rows<float> sparse = rows.of(true, false);
        Session<float> session(f.models(isa), sparse, f.c.b, &sparse, 1, 2);
        Outcome<float> result(f);
        std::vector<double> metrics(9);
        const Metrics to{metrics.data(), metrics.data() + 3, metrics.data() + 6};
        const auto both = [&] {
            session.train(f.range(), result.state(), {never, nullptr});
            session.evaluate(result.parameters.data(), &to);
        };
        both();
        const Index taken = buffers_taken;
        both();
        CHECK(buffers_taken == taken);
    }
}

}  // namespace
}  // namespace gradstep::tests
