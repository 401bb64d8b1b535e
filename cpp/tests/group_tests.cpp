// A model has the bits that it has alone, whoever trains beside it and on however many threads.
#include <algorithm>
#include <limits>
#include <numeric>
#include <vector>

#include "check.hpp"
#include "fixture.hpp"
#include "gradstep/buffer.hpp"

namespace gradstep::tests {
namespace {

// All that is known of a model behind its training.
template <class T>
struct Trained {
    std::vector<T> parameters, slots;
    Index updates, rows;
    bool finite;
    std::vector<double> sums;  // loss and hits of the batches, metrics of two sets

    bool operator==(const Trained&) const = default;
};

// Models of a case that differ in all that models may differ in; number 2 has parameters that break its loss.
template <class T, class Element>
struct Group {
    Fixture<T, Element> f;
    std::vector<double> weight;  // (m, n), some of them 0

    explicit Group(const Case& c) : f(c) {
        std::mt19937 random(5);
        for (int i = 0; i < c.m * c.n; ++i) weight.push_back(0.5 * static_cast<double>(random() % 5));
        f.set_rates([&](int, Index) { return 0.03 * (0.5 + 0.01 * static_cast<double>(random() % 100)); });
        const auto third = f.parameters.begin() + 2 * f.P;
        std::fill(third, third + f.P, std::numeric_limits<T>::max());
    }

    // Some of the models, trained together.
    std::vector<Trained<T>> trained(const std::string& isa, const std::vector<Index>& chosen, int n_threads,
                                    Index updates, StopCallback should_stop = {never, nullptr}) {
        const Index m = static_cast<Index>(chosen.size()), r = 2 * f.rule().numbers;
        const Index hidden = static_cast<Index>(f.c.hidden.size());
        std::vector<double> weights, numbers, l2, loss_numbers, activation_numbers, values, norms, decays,
            shares;
        std::vector<T> parameters;
        // The first `count` of a model's `stride` elements.
        const auto add = [](auto& to, const auto& from, Index model, Index stride, Index count) {
            to.insert(to.end(), from.begin() + model * stride, from.begin() + model * stride + count);
        };
        for (const Index model : chosen) {
            add(weights, weight, model, f.c.n, f.c.n);
            add(numbers, f.numbers, model, f.updates() * r, updates * r);
            add(l2, f.l2, model, 1, 1);
            add(values, f.values, model, 1, 1);
            add(norms, f.norms, model, 1, 1);
            if (f.c.clips) add(decays, f.decays, model, f.updates(), updates);
            if (f.c.averages) add(shares, f.shares, model, f.updates(), updates);
            add(loss_numbers, f.loss_numbers, model, f.loss().numbers, f.loss().numbers);
            add(activation_numbers, f.activation_numbers, model, hidden, hidden);
            add(parameters, f.parameters, model, f.P, f.P);
        }
        Rows<T> rows = f.rows();
        rows.weight = weights.data();
        rows.weight_stride = f.c.n;
        Models<T> models = f.models(isa);
        models.m = m;
        models.l2 = l2.data();
        if (f.c.clips) models.limits = {values.data(), norms.data()};
        models.loss_numbers = loss_numbers.data();
        models.activation_numbers = activation_numbers.data();
        const Rows<T> sets[] = {rows, rows};
        Session<T> session(models, rows, f.c.b, sets, 2, n_threads);
        Outcome<T> result(parameters, static_cast<int>(m), f.slots());
        UpdateRange range = f.range();
        range.updates = updates;
        range.numbers = numbers.data();
        if (f.c.clips) range.decays = decays.data();
        if (f.c.averages) range.shares = shares.data();
        session.train(range, result.state(), should_stop);
        std::vector<double> metrics_of_sets(static_cast<std::size_t>(6 * m));
        const auto metrics_at = [&](Index set) {
            double* at = metrics_of_sets.data() + 3 * set * m;
            return Metrics{at, at + m, at + 2 * m};
        };
        const Metrics metrics[] = {metrics_at(0), metrics_at(1)};
        session.evaluate(result.parameters.data(), metrics);
        return apart(result, metrics_of_sets, m);
    }

    std::vector<Trained<T>> apart(const Outcome<T>& result, const std::vector<double>& numbers,
                                  Index m) const {
        std::vector<Trained<T>> models;
        for (Index model = 0; model < m; ++model) {
            const std::size_t place = static_cast<std::size_t>(model);
            const auto block = result.parameters.begin() + model * f.P;
            const Index slots = f.slots() * f.P;
            const auto slots_at = result.slots.begin() + model * slots;
            Trained<T> one{{block, block + f.P},      {slots_at, slots_at + slots},
                           result.updates[place],     result.rows[place],
                           result.finite[place] != 0, {result.loss[place], result.hits[place]}};
            // Metrics of a model that broke are no numbers, and so equal nothing.
            for (Index kind = 0; one.finite && kind < 6; ++kind)
                one.sums.push_back(numbers[static_cast<std::size_t>(kind * m + model)]);
            models.push_back(one);
        }
        return models;
    }
};

template <class T, class Element>
void test_a_model_is_itself_in_any_group(const std::string& isa, const Case& c) {
    if (is_as_another<T, Element>(isa)) return;
    Group<T, Element> group(c);
    std::vector<Trained<T>> alone;
    for (Index model = 0; model < c.m; ++model)
        alone.push_back(group.trained(isa, {model}, 1, group.f.updates()).front());
    CHECK(!alone[2].finite && alone[2].updates == 0);
    CHECK(alone[0].finite && alone[0].updates == group.f.updates() && alone[0].rows == c.n);
    CHECK(alone[0].sums[2] == alone[0].sums[5]);
    std::vector<Index> order(static_cast<std::size_t>(c.m));
    std::iota(order.begin(), order.end(), Index{0});
    std::mt19937 random(11);
    for (const Index m : {1, 2, 3, 24, 37}) {
        if (m > c.m) continue;
        for (const int n_threads : {1, 2, 3, 4, 5}) {
            std::shuffle(order.begin(), order.end(), random);
            const std::vector<Index> chosen(order.begin(), order.begin() + m);
            const std::vector<Trained<T>> together = group.trained(isa, chosen, n_threads, group.f.updates());
            for (Index place = 0; place < m; ++place)
                CHECK(together[static_cast<std::size_t>(place)] ==
                      alone[static_cast<std::size_t>(chosen[static_cast<std::size_t>(place)])]);
        }
    }
}

// Whoever trains what: all stop at one update, and are what a training of so many updates leaves.
void test_a_stop_leaves_all_at_one_update(const std::string& isa) {
    Group<double, double> group(Case{16, 700, {60}, 10, 5, 16});
    std::fill_n(group.f.parameters.begin() + 2 * group.f.P, group.f.P, 0.01);
    constexpr Index updates = 20000;
    std::vector<std::int32_t> row_indices;
    group.f.starts.assign(1, 0);
    for (Index t = 1; t <= updates; ++t) {
        row_indices.insert(row_indices.end(), group.f.row_indices.begin(), group.f.row_indices.begin() + 16);
        group.f.starts.push_back(16 * t);
    }
    group.f.row_indices = row_indices;
    group.f.set_rates([](int, Index) { return 1e-3; });
    for (const int n_threads : {1, 2, 4}) {
        const std::vector<Index> chosen{0, 1, 2, 3, 4};
        const auto stopped = group.trained(isa, chosen, n_threads, updates, StopCallback{at_once, nullptr});
        CHECK(stopped[0].updates > 0 && stopped[0].updates < updates);
        CHECK(stopped == group.trained(isa, chosen, 1, stopped[0].updates));
    }
}

// In several lanes, and more than one shard in each of them.
void test_a_group_takes_memory_once(const std::string& isa) {
    Fixture<float, std::uint8_t> f(Case{12, 2200, {310}, 5, 5, 6});
    const Rows<float> rows = f.rows();
    Session<float> session(f.models(isa), rows, f.c.b, &rows, 1, 2);
    Outcome<float> result(f);
    std::vector<double> numbers(15);
    const Metrics metrics{numbers.data(), numbers.data() + 5, numbers.data() + 10};
    for (int epoch = 0; epoch < 2; ++epoch) {
        const Index taken = buffers_taken.load();
        session.train(f.range(), result.state(), StopCallback{never, nullptr});
        session.evaluate(result.parameters.data(), &metrics);
        CHECK((buffers_taken.load() == taken) == (epoch == 1));
    }
}

// Losses, activations and rules dealt out in turn.
template <class T>
void test_groups_of(const std::string& isa) {
    using Strings = std::vector<std::string>;
    test_a_model_is_itself_in_any_group<T, std::uint8_t>(isa, {21, 400, {}, 10, 37, 8});
    test_a_model_is_itself_in_any_group<T, std::uint8_t>(
        isa, {21, 384, {}, 10, 5, 8, "softmax", Strings{}, "adam"});
    test_a_model_is_itself_in_any_group<T, std::uint8_t>(
        isa, {19, 273, {21}, 3, 24, 8, "sigmoid", Strings{"tanh"}, "momentum"});
    test_a_model_is_itself_in_any_group<T, float>(
        isa, {21, 33, {70, 9}, 4, 5, 8, "multilabel", Strings{"leaky_relu", "selu"}, "adam"});
    test_a_model_is_itself_in_any_group<T, float>(isa,
                                                  {21, 33, {}, 3, 5, 8, "squared", Strings{}, "momentum"});
    test_a_model_is_itself_in_any_group<T, float>(isa, {21, 33, {70, 9}, 4, 37, 8});
    test_a_model_is_itself_in_any_group<T, double>(isa, {11, 2200, {310}, 5, 3, 6});
    test_a_model_is_itself_in_any_group<T, std::uint8_t>(
        isa, {11, 2200, {310}, 5, 3, 6, "poisson", Strings{"logistic"}, "adam"});
    for (const char* rule : {"descent", "momentum", "adam"}) {
        test_a_model_is_itself_in_any_group<T, std::uint8_t>(
            isa, {21, 384, {}, 10, 5, 8, "softmax", Strings{}, rule, true, true});
        test_a_model_is_itself_in_any_group<T, float>(
            isa, {21, 33, {70, 9}, 4, 5, 8, "softmax", Strings{}, rule, true, true});
    }
    test_a_model_is_itself_in_any_group<T, double>(
        isa, {11, 2200, {310}, 5, 3, 6, "softmax", Strings{}, "descent", true});
    test_a_model_is_itself_in_any_group<T, double>(
        isa, {11, 770, {}, 5, 5, 6, "softmax", Strings{}, "descent", false, true});
}

TEST(a_model_is_itself_in_any_group) {
    for (const std::string& isa : isas_usable()) {
        test_groups_of<float>(isa);
        test_groups_of<double>(isa);
    }
}

TEST(a_stop_leaves_all_models_at_one_update) {
    for (const std::string& isa : isas_usable()) test_a_stop_leaves_all_at_one_update(isa);
}

TEST(a_group_takes_memory_once) {
    for (const std::string& isa : isas_usable()) test_a_group_takes_memory_once(isa);
}

}  // namespace
}  // namespace gradstep::tests
