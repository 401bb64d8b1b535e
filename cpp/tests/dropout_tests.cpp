// Which units are dropped, against the same words in plain loops; and that it matters to no training how its
// rows and models are shared out.
#include <limits>
#include <string>
#include <vector>

#include "check.hpp"
#include "fixture.hpp"
#include "gradstep/buffer.hpp"

namespace gradstep::tests {
namespace {

std::uint64_t mixed(std::uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

std::int32_t word(std::uint64_t key, Index row, Index unit) {
    const std::uint64_t of_row = mixed(key + static_cast<std::uint64_t>(row));
    std::uint32_t x = static_cast<std::uint32_t>(unit) ^ static_cast<std::uint32_t>(of_row);
    x = ((x ^ (x >> 16)) * 0x7feb352du) ^ static_cast<std::uint32_t>(of_row >> 32);
    x = (x ^ (x >> 15)) * 0x846ca68bu;
    return static_cast<std::int32_t>(x ^ (x >> 16));
}

// Of b rows from row `first` on, and of units i0 ... i0 + count - 1.
template <class T>
void check_drop(const Kernels<T>& kernels, Index first, Index i0, Index count, std::int32_t limit) {
    constexpr Index b = 5;
    const Index width = kernels.padded(count);
    const Drop<T> drop{.key = 0xfedcba9876543210u, .row = first, .limit = limit, .scale = T(1.25)};
    const Buffer<T> from(b * width), to(b * width);
    for (Index r = 0; r < b; ++r)
        for (Index i = 0; i < count; ++i) from[r * width + i] = static_cast<T>(1 + r * count + i);
    kernels.drop({to.data(), width}, {from.data(), width}, b, {i0, i0 + count}, drop);
    bool right = true;
    for (Index r = 0; r < b; ++r)
        for (Index i = 0; i < width; ++i) {
            const bool is_dropped = i >= count || word(drop.key, first + r, i0 + i) < limit;
            right = right && to[r * width + i] == (is_dropped ? T(0) : T(1.25) * from[r * width + i]);
        }
    CHECK(right);
    kernels.drop({from.data(), width}, {from.data(), width}, b, {i0, i0 + count}, drop);
    CHECK(std::equal(to.data(), to.data() + to.size(), from.data()));
}

// Every third of the units i0 ... i0 + count - 1.
template <class T>
void check_elements(const Kernels<T>& kernels, Index row, Index i0, Index count, std::int32_t limit) {
    const Drop<T> drop{.key = 7, .row = row, .limit = limit, .scale = T(1.25)};
    std::vector<std::int32_t> places;
    for (Index i = 0; i < count; i += 3) places.push_back(static_cast<std::int32_t>(i));
    std::vector<T> values(places.size(), T(4)), wanted;
    for (const std::int32_t place : places)
        wanted.push_back(word(drop.key, row, i0 + place) < limit ? T(0) : T(5));
    kernels.drop_elements(values.data(), places.data(), static_cast<Index>(places.size()), i0, drop);
    CHECK(values == wanted);
}

template <class T>
void check_drops(const std::string& isa) {
    constexpr std::int32_t least = std::numeric_limits<std::int32_t>::min();
    for (const Index first : {Index{0}, Index{3}, Index{1} << 33})
        for (const Index i0 : {Index{0}, Index{384}, (Index{1} << 31) - 16})
            for (const Index count : {1, 7, 16, 33, 130})
                for (const std::int32_t limit : {least, least + (1 << 29), 0, 0x7fffffff}) {
                    check_drop(kernels_of<T>(isa), first, i0, count, limit);
                    check_elements(kernels_of<T>(isa), first, i0, count, limit);
                }
}

TEST(units_are_dropped_by_their_words) {
    for (const std::string& isa : isas_usable()) {
        check_drops<float>(isa);
        check_drops<double>(isa);
    }
}

TEST(what_is_no_number_is_dropped_too) {
    for (const std::string& isa : isas_usable()) {
        const Kernels<float>& kernels = kernels_of<float>(isa);
        const Index width = kernels.padded(16);
        const Buffer<float> A(width);
        std::fill_n(A.data(), width, std::numeric_limits<float>::infinity());
        kernels.drop({A.data(), width}, {A.data(), width}, 1, {0, 16}, {1, 0, 0x7fffffff, 1.0f});
        CHECK(std::all_of(A.data(), A.data() + width, [](float a) { return a == 0; }));
    }
}

// Shares of all layers and models, and keys of all updates.
template <class T, class Element>
struct Dropping {
    Fixture<T, Element> f;
    std::vector<std::int32_t> limits;
    std::vector<double> scales;
    std::vector<std::uint64_t> keys;

    explicit Dropping(const Case& c) : f(c) {
        const Index layers = static_cast<Index>(f.sizes.size()) - 1;
        for (Index i = 0; i < c.m * layers; ++i) {
            const Index model = i % layers == 0 ? 0 : i / layers;
            limits.push_back(static_cast<std::int32_t>(-(1 << 30) + (model << 26)));
            scales.push_back(1.25 + 0.125 * static_cast<double>(model));
        }
        for (Index i = 0; i < f.updates() * layers; ++i) keys.push_back(mixed(static_cast<std::uint64_t>(i)));
    }

    Outcome<T> outcome(const std::string& isa, int n_threads) { return outcome(isa, f.rows(), n_threads); }
    Outcome<T> outcome(const std::string& isa, const Rows<T>& rows, int n_threads) {
        Models<T> models = f.models(isa);
        models.drop_limits = limits.data();
        models.drop_scales = scales.data();
        UpdateRange range = f.range();
        range.drop_keys = keys.data();
        Outcome<T> result(f);
        Session<T>(models, rows, f.c.b, nullptr, 0, n_threads).train(range, result.state(), {never, nullptr});
        return result;
    }
};

template <class T, class Element>
void check_threads(const Case& c) {
    Dropping<T, Element> dropping(c);
    const Outcome<T> without = outcome(dropping.f, "baseline", dropping.f.range(), 1);
    for (const std::string& isa : isas_usable()) {
        const Outcome<T> one = dropping.outcome(isa, 1);
        CHECK(one.parameters != without.parameters);
        for (const int n_threads : {2, 3, 7}) CHECK(dropping.outcome(isa, n_threads) == one);
    }
}

TEST(threads_drop_the_same_units) {
    check_threads<float, std::uint8_t>({40, 1216, {}, 10, 1, 16});
    check_threads<float, std::uint8_t>({40, 1216, {}, 10, 5, 16});
    check_threads<float, float>({40, 70, {33, 17}, 4, 3, 16, "softmax", {"tanh", "logistic"}, "adam"});
    check_threads<double, double>({23, 19, {9, 50}, 3, 2, 10, "softmax", {"selu"}});
}

TEST(sparse_rows_drop_what_dense_ones_do) {
    Dropping<float, float> dropping({40, 801, {33}, 4, 3, 16, "softmax", {"tanh"}});
    Fixture<float, float>& f = dropping.f;
    std::fill(f.mean.begin(), f.mean.end(), 0.0);
    std::fill(f.mean_T.begin(), f.mean_T.end(), 0.0f);
    std::vector<float> values;
    std::vector<Index> starts{0};
    std::vector<std::int32_t> inputs;
    for (Index row = 0; row < f.c.n; ++row) {
        for (Index i = 0; i < f.c.d; ++i) {
            float& x = f.X[static_cast<std::size_t>(row * f.stride + i)];
            if ((7 * row + i) % 9 != 0) x = 0;
            if (x == 0) continue;
            values.push_back(x);
            inputs.push_back(static_cast<std::int32_t>(i));
        }
        starts.push_back(static_cast<Index>(values.size()));
    }
    Rows<float> sparse = f.rows();
    sparse.X = values.data();
    sparse.stride = 0;
    sparse.starts = starts.data();
    sparse.inputs = inputs.data();
    for (const std::string& isa : isas_usable()) {
        const Outcome<float> dense = dropping.outcome(isa, 1);
        for (const int n_threads : {1, 2, 5}) CHECK(dropping.outcome(isa, sparse, n_threads) == dense);
    }
}

}  // namespace
}  // namespace gradstep::tests
