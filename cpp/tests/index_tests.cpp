// Rows by number do, bit for bit, what copies of them do that lie one after the other.
#include <algorithm>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "check.hpp"
#include "everything.hpp"

namespace gradstep::tests {
namespace {

// A case whose rows are some of more, in any order and with repetitions. Its own X are their copies.
template <class T, class Element>
struct Indexed {
    Fixture<T, Element> copied;
    Index stride;
    std::vector<Element> X;
    std::vector<std::int32_t> index;
    std::vector<double> weight;

    explicit Indexed(const Case& c) : copied(c), stride(c.d + 1) {
        std::mt19937 random(11);
        const Index n = c.n + 7;
        X.resize(static_cast<std::size_t>((n - 1) * stride + c.d));
        for (Element& x : X) x = static_cast<Element>(random() % 200);
        for (int place = 0; place < c.n; ++place) {
            index.push_back(static_cast<std::int32_t>(random() % static_cast<unsigned>(n)));
            std::copy_n(X.begin() + index.back() * stride, c.d, copied.X.begin() + place * copied.stride);
            weight.push_back(0.5 + 0.1 * (place % 9));
        }
        index.back() = static_cast<std::int32_t>(n - 1);
        std::copy_n(X.begin() + (n - 1) * stride, c.d, copied.X.begin() + (c.n - 1) * copied.stride);
    }

    Rows<T> rows_copied() const {
        Rows<T> rows = copied.rows();
        rows.weight = weight.data();
        return rows;
    }
    Rows<T> rows_by_number() const {
        Rows<T> rows = rows_copied();
        rows.X = X.data();
        rows.stride = stride;
        rows.index = index.data();
        return rows;
    }
};

template <class T, class Element>
void test_index(const std::string& isa, const Case& c, std::optional<Images> images = std::nullopt) {
    Indexed<T, Element> rows(c);
    const Everything<T> wanted = everything(rows.copied, rows.rows_copied(), isa, 1, images);
    CHECK(wanted.scores != std::vector<T>(wanted.scores.size()));
    for (const int n_threads : {1, 3})
        CHECK(everything(rows.copied, rows.rows_by_number(), isa, n_threads, images) == wanted);
}

template <class T, class Element>
void test_cases(const std::string& isa) {
    if (is_as_another<T, Element>(isa)) return;
    // More rows than a chunk of an evaluation, more inputs than a block, rest of a vector, a rule with slots.
    test_index<T, Element>(isa, {211, 37, {}, 10, 1, 20});
    test_index<T, Element>(isa, {103, 801, {}, 10, 3, 20});
    test_index<T, Element>(isa, {29, 390, {21, 5}, 3, 2, 5, "squared", {"tanh"}, "adam"});
    const Images images{3, 5, 7, true};
    test_index<T, Element>(isa, {29, 105, {}, 5, 1, 6}, images);
    test_index<T, Element>(isa, {29, 105, {9}, 5, 2, 6}, images);
}

TEST(rows_by_number_have_the_bits_of_copies) {
    for (const std::string& isa : isas_usable()) {
        test_cases<float, std::uint8_t>(isa);
        test_cases<float, float>(isa);
        test_cases<float, double>(isa);
        test_cases<double, std::uint8_t>(isa);
        test_cases<double, float>(isa);
        test_cases<double, double>(isa);
    }
}

// Evaluated in two pieces: sums go on where those of the first ended.
template <class T, class Element>
void test_pieces(const std::string& isa, const Case& c) {
    Indexed<T, Element> given(c);
    Fixture<T, Element>& f = given.copied;
    const std::size_t m = static_cast<std::size_t>(c.m);
    const Rows<T> whole = given.rows_by_number();
    std::vector<double> wanted(3 * m), found(3 * m), sums(2 * m);
    const auto at = [m](std::vector<double>& numbers) {
        return Metrics{numbers.data(), numbers.data() + m, numbers.data() + 2 * m};
    };
    evaluate(f.models(isa), whole, f.parameters.data(), at(wanted), 2);
    for (Index begin = 0; begin < c.n; begin += kChunkRows) {
        Rows<T> piece = whole;
        piece.n = std::min(kChunkRows, c.n - begin);
        piece.index += begin;
        piece.weight += begin;
        if (piece.labels) piece.labels += begin;
        if (piece.values) piece.values += begin * c.k;
        evaluate(f.models(isa), piece, f.parameters.data(), at(found), 3,
                 {.loss = sums.data(), .hits = sums.data() + m, .rows = begin});
    }
    CHECK(found == wanted);
}

TEST(pieces_have_the_metrics_of_the_whole) {
    for (const std::string& isa : isas_usable()) {
        test_pieces<float, std::uint8_t>(isa, {301, 384, {}, 10, 3, 20});
        test_pieces<float, float>(isa, {205, 40, {17}, 3, 2, 20, "squared"});
        test_pieces<double, double>(isa, {193, 33, {}, 4, 2, 20, "sigmoid"});
    }
}

}  // namespace
}  // namespace gradstep::tests
