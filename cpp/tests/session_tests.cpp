// What is kept between calls: nothing that a result depends on.
#include <algorithm>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "allocation_counter.hpp"
#include "check.hpp"
#include "fixture.hpp"
#include "gradstep/buffer.hpp"
#include "gradstep/parallel.hpp"

namespace gradstep::tests {
namespace {

std::vector<std::string> rules() {
    std::vector<std::string> names;
    for (const auto& rule : kernels_of<float>("baseline").rules) names.emplace_back(rule.name);
    return names;
}

Case by(Case c, const std::string& rule) {
    c.rule = rule;
    return c;
}

Metrics metrics_at(double* numbers, Index m) { return {numbers, numbers + m, numbers + 2 * m}; }

// Of a model whose first batch has no finite loss, parameters and slots stay, and others notice nothing.
void test_divergence(const std::string& isa, const std::string& rule, float bad) {
    Fixture<float, float> f(by({23, 5, {4}, 3, 2, 4}, rule));
    const Outcome<float> undisturbed = outcome(f, isa, f.range(), 2);
    std::fill_n(f.parameters.begin(), f.P, bad);
    const std::vector<float> first = f.parameters;
    Outcome<float> result(f);
    std::fill(result.slots.begin(), result.slots.begin() + f.rule().slots * f.P, 7.0f);
    const std::vector<float> before = result.slots;
    Session<float>(f.models(isa), f.rows(), f.c.b, nullptr, 0, 2)
        .train(f.range(), result.state(), {never, nullptr});
    CHECK(result.finite[0] == 0 && result.updates[0] == 0);
    CHECK(result.finite[1] == 1 && result.updates[1] == f.updates());
    CHECK(std::memcmp(result.parameters.data(), first.data(),
                      sizeof(float) * static_cast<std::size_t>(f.P)) == 0);
    CHECK(std::equal(result.parameters.begin() + f.P, result.parameters.end(),
                     undisturbed.parameters.begin() + f.P));
    const Index slots = f.rule().slots * f.P;
    CHECK(std::equal(before.begin(), before.begin() + slots, result.slots.begin()));
    CHECK(std::equal(result.slots.begin() + slots, result.slots.end(), undisturbed.slots.begin() + slots));
}

TEST(divergence_stops_one_model_alone) {
    for (const std::string& isa : isas_usable())
        for (const std::string& rule : rules())
            for (const float bad :
                 {std::numeric_limits<float>::max(), std::numeric_limits<float>::quiet_NaN()})
                test_divergence(isa, rule, bad);
}

// One session trains and evaluates as single calls do, and takes memory the first time only.
template <class T>
void test_going_on(const std::string& isa, const std::string& rule) {
    Fixture<T, std::uint8_t> f(by({41, 800, {20}, 10, 2, 8}, rule)), other(Case{33, 800, {}, 10, 2, 8});
    const Rows<T> sets[] = {f.rows(), other.rows()};
    Session<T> session(f.models(isa), f.rows(), f.c.b, sets, 2, 2);
    Outcome<T> result(f);
    double numbers[2][2][6];
    Metrics metrics[2][2];
    const auto memory_taken = [] { return buffers_taken.load() + allocations.load(); };
    for (int epoch = 0; epoch < 2; ++epoch) {
        for (int set = 0; set < 2; ++set) metrics[epoch][set] = metrics_at(numbers[epoch][set], 2);
        const Index taken = memory_taken();
        session.train(f.range(), result.state(), {never, nullptr});
        session.evaluate(result.parameters.data(), metrics[epoch]);
        CHECK((memory_taken() == taken) == (epoch == 1));
    }
    for (int set = 0; set < 2; ++set) {
        double alone[6];
        evaluate(f.models(isa), sets[set], result.parameters.data(), metrics_at(alone, 2), 1);
        CHECK(std::memcmp(alone, numbers[1][set], sizeof(alone)) == 0);
        CHECK(std::memcmp(alone, numbers[0][set], sizeof(alone)) != 0);
    }
}

TEST(a_session_goes_on) {
    for (const std::string& isa : isas_usable())
        for (const std::string& rule : rules()) {
            test_going_on<float>(isa, rule);
            test_going_on<double>(isa, rule);
        }
}

// Whichever allocation fails, the session trains and evaluates as any other when it is asked again.
void test_failures(const Case& c, int n_threads) {
    Fixture<float, float> f(c);
    const Rows<float> rows = f.rows();
    const Outcome<float> wanted = outcome(f, "baseline", f.range(), 1);
    std::vector<double> numbers(static_cast<std::size_t>(3 * c.m)), expected = numbers;
    evaluate(f.models("baseline"), rows, wanted.parameters.data(), metrics_at(expected.data(), c.m), 1);
    const Metrics metrics = metrics_at(numbers.data(), c.m);
    for (Index place = 1, failures = 1; failures > 0; ++place) {
        Session<float> session(f.models("baseline"), rows, c.b, &rows, 1, n_threads);
        Outcome<float> result(f);
        failures = 0;
        failing_allocation = allocations + place;
        const auto until_done = [&](auto&& call) {
            for (bool done = false; !done;) try {
                    call();
                    done = true;
                } catch (const std::bad_alloc&) {
                    ++failures;
                }
        };
        until_done([&] { session.train(f.range(), result.state(), {never, nullptr}); });
        until_done([&] { session.evaluate(result.parameters.data(), &metrics); });
        failing_allocation = 0;
        CHECK(result == wanted && numbers == expected && failures <= 1);
    }
}

TEST(a_session_that_had_no_memory_goes_on) {
    for (const int n_threads : {1, 2}) {
        test_failures({23, 5, {}, 3, 1, 4}, n_threads);
        test_failures({23, 5, {4}, 3, 8, 4}, n_threads);
    }
}

// Updates t0 <= t < t1 of a case, with their numbers together.
template <class T, class Element>
void train_part(Session<T>& session, const Fixture<T, Element>& f, Outcome<T>& result, Index t0, Index t1) {
    std::vector<double> numbers;
    const Index r = 2 * f.rule().numbers;
    for (int model = 0; model < f.c.m; ++model) {
        const auto from = f.numbers.begin() + model * f.updates() * r;
        numbers.insert(numbers.end(), from + t0 * r, from + t1 * r);
    }
    std::vector<Index> starts;
    for (Index t = t0; t <= t1; ++t)
        starts.push_back(f.starts[static_cast<std::size_t>(t)] - f.starts[static_cast<std::size_t>(t0)]);
    session.train({t1 - t0, f.row_indices.data() + f.starts[static_cast<std::size_t>(t0)], starts.data(),
                   numbers.data()},
                  result.state(), {never, nullptr});
}

// In one session that evaluates other parameters in between, and in a new one for every part.
template <class T, class Element>
void test_cuts(const std::string& isa, const Case& c) {
    Fixture<T, Element> f(c);
    const Outcome<T> whole = outcome(f, isa, f.range(), 1);
    const Rows<T> rows = f.rows();
    std::vector<double> numbers(static_cast<std::size_t>(3 * c.m));
    const Metrics metrics = metrics_at(numbers.data(), c.m);
    for (const Index length : {1, 2, 3}) {
        Outcome<T> together(f), apart(f);
        Session<T> session(f.models(isa), rows, c.b, &rows, 1, 3);
        for (Index t = 0; t < f.updates(); t += length) {
            const Index end = std::min(t + length, f.updates());
            train_part(session, f, together, t, end);
            if (t % 2) session.evaluate(f.parameters.data(), &metrics);
            Session<T> anew(f.models(isa), rows, c.b, nullptr, 0, 2);
            train_part(anew, f, apart, t, end);
        }
        // Sums of losses are added up in another order.
        CHECK(together.parameters == whole.parameters && together.slots == whole.slots);
        CHECK(apart.parameters == whole.parameters && apart.slots == whole.slots);
        CHECK(together.updates == whole.updates && apart.updates == whole.updates);
    }
}

TEST(updates_may_be_cut_into_any_calls) {
    for (const std::string& isa : isas_usable())
        for (const std::string& rule : rules()) {
            test_cuts<float, std::uint8_t>(isa, by({29, 384, {}, 10, 1, 5}, rule));
            test_cuts<float, float>(isa, by({29, 70, {21, 5}, 3, 2, 5}, rule));
            test_cuts<double, double>(isa, by({29, 33, {}, 5, 2, 5}, rule));
        }
}

// A slot that was changed in Python is read, though parameters were not.
TEST(changed_slots_are_seen) {
    Fixture<float, float> f(by({12, 9, {}, 3, 1, 4}, rules().back()));
    Session<float> session(f.models("baseline"), f.rows(), f.c.b, nullptr, 0, 1);
    Outcome<float> result(f);
    session.train(f.range(), result.state(), {never, nullptr});
    Outcome<float> again = result;
    again.slots[1] += 1;
    Outcome<float> other = again;
    session.train(f.range(), again.state(), {never, nullptr});
    Session<float>(f.models("baseline"), f.rows(), f.c.b, nullptr, 0, 1)
        .train(f.range(), other.state(), {never, nullptr});
    CHECK(again == other);
}

TEST(a_stop_comes_at_an_update) {
    for (const std::string& isa : isas_usable()) {
        // Long enough for several queries, and every answer is yes.
        Fixture<double, double> f(Case{64, 2000, {200}, 10, 1, 32});
        const std::vector<std::int32_t> first(f.row_indices.begin(), f.row_indices.begin() + 32);
        f.row_indices.clear();
        f.starts.assign(1, 0);
        for (int t = 0; t < 4000; ++t) {
            f.row_indices.insert(f.row_indices.end(), first.begin(), first.end());
            f.starts.push_back(static_cast<Index>(f.row_indices.size()));
        }
        f.set_rates([](int, Index) { return 1e-3; });
        const Outcome<double> stopped = outcome(f, isa, f.range(), 2, {at_once, nullptr});
        const Index updates = stopped.updates[0];
        CHECK(updates > 0 && updates < 4000);
        UpdateRange shorter = f.range();
        shorter.updates = updates;
        const Outcome<double> again = outcome(f, isa, shorter, 1);
        CHECK(again.updates[0] == updates && again.parameters == stopped.parameters);
    }
}

// Scores of an evaluation are those of its metrics, which need not have the bits of `scores`.
template <class T, class Element>
void test_scores_of_an_evaluation(const std::string& isa, const Case& c) {
    Fixture<T, Element> f(c), other(c);
    other.c.n = 50;  // its first rows
    const Rows<T> sets[] = {f.rows(), other.rows()};
    const std::size_t m = static_cast<std::size_t>(c.m), k = static_cast<std::size_t>(c.k);
    for (const int n_threads : {1, 3}) {
        Session<T> session(f.models(isa), f.rows(), c.b, sets, 2, n_threads);
        std::vector<double> with(6 * m), without(6 * m);
        std::vector<T> first(m * static_cast<std::size_t>(c.n) * k), second(m * 50 * k), wanted(first);
        T* const to[] = {first.data(), second.data()};
        const auto both = [&](std::vector<double>& numbers) {
            return std::vector<Metrics>{metrics_at(numbers.data(), c.m),
                                        metrics_at(numbers.data() + 3 * m, c.m)};
        };
        session.evaluate(f.parameters.data(), both(without).data());
        session.evaluate(f.parameters.data(), both(with).data(), to);
        CHECK(with == without);
        scores(f.models(isa), f.rows(), f.parameters.data(), wanted.data(), 2);
        double furthest = 0;
        for (std::size_t i = 0; i < wanted.size(); ++i)
            furthest = std::max(furthest, std::abs(static_cast<double>(first[i] - wanted[i])));
        CHECK(furthest < (sizeof(T) == 8 ? 1e-12 : 1e-5));
        for (std::size_t model = 0; model < m; ++model)
            CHECK(std::equal(second.begin() + static_cast<Index>(model * 50 * k),
                             second.begin() + static_cast<Index>((model + 1) * 50 * k),
                             first.begin() + static_cast<Index>(model * static_cast<std::size_t>(c.n) * k)));
    }
}

TEST(an_evaluation_gives_its_scores) {
    for (const std::string& isa : isas_usable()) {
        test_scores_of_an_evaluation<float, std::uint8_t>(isa, {211, 384, {}, 10, 3, 20});
        test_scores_of_an_evaluation<float, float>(isa, {211, 40, {17}, 3, 2, 20, "squared"});
        test_scores_of_an_evaluation<double, double>(isa, {211, 33, {}, 1, 2, 20, "poisson"});
    }
}

}  // namespace
}  // namespace gradstep::tests
