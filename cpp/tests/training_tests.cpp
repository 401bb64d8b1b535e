// Whole trainings: every instruction set of the machine against plain loops, at sizes that touch every edge
// of a tile, with every loss, activation and rule of the kernels' own lists. Arrays are exactly as long as
// they must be, so a sanitizer sees any step outside.
#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "check.hpp"
#include "fixture.hpp"

namespace gradstep::tests {
namespace {

const Case kShapes[] = {
    {7, 1, {}, 2, 1, 7},      {23, 5, {}, 3, 2, 4},           {31, 17, {3}, 10, 1, 16},
    {29, 400, {}, 10, 1, 13}, {37, 33, {50, 9}, 4, 2, 100},   {20, 770, {70}, 5, 1, 20},
    {21, 391, {}, 23, 2, 8},  {41, 16, {64, 16}, 16, 3, 15},  {19, 40, {300}, 35, 1, 10},
    {26, 384, {}, 10, 3, 13}, {17, 530, {11, 270}, 18, 2, 9},
};

// Every shape as it is, and with the members of the lists dealt out in turn: as often as the longest list
// needs, so that each of them occurs, with and without hidden layers.
std::vector<Case> cases() {
    const Kernels<float>& kernels = kernels_of<float>("baseline");
    std::vector<Case> all(std::begin(kShapes), std::end(kShapes));
    const auto name = [](auto list, Index i) { return std::string(list.entries[i % list.count].name); };
    const Index turns = std::max({kernels.losses.count, kernels.activations.count, kernels.rules.count});
    const Index shapes = static_cast<Index>(std::size(kShapes));
    for (Index turn = 0; turn < turns; ++turn)
        for (const Index shape : {2 * turn % shapes, (2 * turn + 1) % shapes, (turn + 4) % shapes}) {
            Case c = kShapes[shape];
            c.loss = name(kernels.losses, turn);
            c.rule = name(kernels.rules, turn + shape + 1);
            c.activations = {name(kernels.activations, turn), name(kernels.activations, turn + 1)};
            all.push_back(c);
        }
    for (const auto& rule : kernels.rules)
        for (const Index shape : {3, 6, 8, 9, 10}) {
            Case c = kShapes[shape];
            c.rule = rule.name;
            all.push_back(c);
            // Both, or one of them.
            c.clips = shape != 6;
            c.averages = shape != 9;
            all.push_back(c);
        }
    return all;
}

template <class T>
constexpr double kTolerance = sizeof(T) == 8 ? 1e-12 : 2e-5;

template <class T, class Element>
void test_training(Fixture<T, Element>& f, const std::string& isa) {
    const Outcome<T> alone = outcome(f, isa, f.range(), 1);
    const Index s = f.slots();
    for (int model = 0; model < f.c.m; ++model) {
        const std::size_t place = static_cast<std::size_t>(model);
        CHECK(alone.updates[place] == f.updates() && alone.finite[place] == 1);
        CHECK(alone.rows[place] == f.c.n);
        Net net = f.net(model);
        Matrix slots(static_cast<std::size_t>(s), Vector(static_cast<std::size_t>(f.P)));
        double loss = 0;
        for (Index t = 0; t < f.updates(); ++t) {
            std::vector<Target> targets;
            const Matrix X = f.batch(f.starts[static_cast<std::size_t>(t)],
                                     f.starts[static_cast<std::size_t>(t) + 1], targets);
            loss += mean_loss(net, X, targets) * static_cast<double>(X.size());
            Net g = loss_gradient(net, X, targets);
            if (f.c.clips)
                clip(g, net, f.decays[static_cast<std::size_t>(model * f.updates() + t)], f.values[place],
                     f.norms[place]);
            step(net, slots, g, f.c.rule, f.numbers_at(model, t, false), f.numbers_at(model, t, true));
            if (f.c.averages) {
                const double share = f.shares[static_cast<std::size_t>(model * f.updates() + t)];
                const Vector weights = flat(net);
                for (std::size_t i = 0; i < weights.size(); ++i)
                    slots.back()[i] += share * (weights[i] - slots.back()[i]);
            }
        }
        CHECK(largest_difference(flat(net), alone.parameters.data() + model * f.P) < kTolerance<T>);
        for (Index slot = 0; slot < s; ++slot)
            CHECK(largest_difference(slots[static_cast<std::size_t>(slot)],
                                     alone.slots.data() + (model * s + slot) * f.P) < kTolerance<T>);
        CHECK(std::abs(alone.loss[place] - loss) < 10 * f.c.n * kTolerance<T>);
    }
    for (const int n_threads : {2, 3, 7}) CHECK(outcome(f, isa, f.range(), n_threads) == alone);
}

template <class T, class Element>
void test_gradient_and_metrics(Fixture<T, Element>& f, const std::string& isa) {
    const std::size_t m = static_cast<std::size_t>(f.c.m), n = static_cast<std::size_t>(f.c.n);
    std::vector<T> g(f.parameters.size()), s(m * n * static_cast<std::size_t>(f.c.k));
    std::vector<double> loss(m), cost(m), hits(m);
    const std::vector<std::uint8_t> active(m, 1);
    const Metrics metrics{loss.data(), cost.data(), hits.data()};
    FullBatch<T>(f.models(isa), f.rows(), 2)
        .loss_and_gradient(f.parameters.data(), active.data(), metrics, g.data());
    evaluate(f.models(isa), f.rows(), f.parameters.data(), metrics, 2);
    scores(f.models(isa), f.rows(), f.parameters.data(), s.data(), 3);
    std::vector<Target> targets;
    const Matrix X = f.batch(0, f.c.n, targets);
    for (std::size_t model = 0; model < m; ++model) {
        const Net net = f.net(static_cast<int>(model));
        Net wanted = loss_gradient(net, X, targets);
        double squares = 0;
        for (std::size_t l = 0; l < net.W.size(); ++l)
            for (std::size_t i = 0; i < net.W[l].size(); ++i) {
                wanted.W[l][i] += 2 * f.l2[model] * net.W[l][i];
                squares += net.W[l][i] * net.W[l][i];
            }
        CHECK(largest_difference(flat(wanted), g.data() + static_cast<Index>(model) * f.P) < kTolerance<T>);
        CHECK(std::abs(loss[model] - mean_loss(net, X, targets)) < kTolerance<T>);
        CHECK(std::abs(cost[model] - loss[model] - f.l2[model] * squares) < kTolerance<T>);
        int right = 0;
        for (std::size_t r = 0; r < n; ++r) {
            const Vector of_row = scores_of(net, X[r]);
            const std::size_t row = static_cast<std::size_t>(f.row_indices[r]);
            CHECK(largest_difference(of_row, s.data() + (model * n + row) * of_row.size()) < kTolerance<T>);
            right += net.judge().is_hit(of_row, targets[r]);
        }
        CHECK(std::abs(hits[model] - static_cast<double>(right) / static_cast<double>(n)) < 1e-12);
    }
}

template <class T, class Element>
void test_cases() {
    for (const std::string& isa : isas_usable())
        for (const Case& c : cases()) {
            if (is_as_another<T, Element>(isa)) continue;
            const int failures = tally().failures;
            Fixture<T, Element> f(c);
            test_training(f, isa);
            test_gradient_and_metrics(f, isa);
            if (tally().failures > failures)
                std::fprintf(stderr, "    %s, %zu/%zu bytes, d %d, k %d: %s, %s, %s\n", isa.c_str(),
                             sizeof(T), sizeof(Element), c.d, c.k, c.loss.c_str(), c.rule.c_str(),
                             c.activations.empty() ? "-" : c.activations[0].c_str());
        }
}

double squares_of(const Net& net) {
    double sum = 0;
    for (const Vector& W : net.W)
        for (const double w : W) sum += w * w;
    return sum;
}

// The sums of every update as a part of its own: those that `losses` (m, T) says, and the bits of one part.
template <class T, class Element>
void test_parts(Fixture<T, Element>& f, const std::string& isa, UpdateRange range, const Vector& losses,
                const Outcome<T>& whole) {
    const Index updates = f.updates();
    const std::size_t sums = losses.size();
    std::vector<Index> ends;
    for (Index t = 1; t <= updates; ++t) ends.push_back(t);
    range.part_ends = ends.data();
    range.parts = updates;
    for (const int n_threads : {1, 2, 3}) {
        Outcome<T> parted(f);
        parted.rows.assign(sums, 0);
        for (Vector* each : {&parted.loss, &parted.hits}) each->assign(sums, 0.0);
        Session<T>(f.models(isa), f.rows(), f.c.b, nullptr, 0, n_threads)
            .train(range, parted.state(), {never, nullptr});
        CHECK(parted.parameters == whole.parameters && parted.updates == whole.updates);
        CHECK(largest_difference(losses, parted.loss.data()) < kTolerance<T> * 10 * f.c.n);
        for (std::size_t model = 0; model < whole.rows.size(); ++model) {
            Index rows = 0;
            double hits = 0;
            for (Index t = 0; t < updates; ++t) {
                rows += parted.rows[model * static_cast<std::size_t>(updates) + static_cast<std::size_t>(t)];
                hits += parted.hits[model * static_cast<std::size_t>(updates) + static_cast<std::size_t>(t)];
            }
            CHECK(rows == whole.rows[model] && hits == whole.hits[model]);
        }
    }
}

// Every batch divided by a number of its own, the second one passed over by the first model, and the penalty
// in the loss.
template <class T, class Element>
void test_batch_costs(const Case& c, const std::string& isa) {
    Fixture<T, Element> f(c);
    const Index updates = f.updates();
    std::vector<double> divisors, penalties;
    for (int model = 0; model < c.m; ++model)
        for (Index t = 0; t < updates; ++t) {
            divisors.push_back(model == 0 && t == 1 ? 0.0 : 3.0 + static_cast<double>(t) + 2 * model);
            penalties.push_back(0.1 + 0.01 * static_cast<double>(t) + model);
        }
    UpdateRange range = f.range();
    range.divisors = divisors.data();
    range.penalties = penalties.data();
    const Outcome<T> alone = outcome(f, isa, range, 1);
    Vector losses(divisors.size());
    for (int model = 0; model < c.m; ++model) {
        const std::size_t place = static_cast<std::size_t>(model);
        Net net = f.net(model);
        Matrix slots(static_cast<std::size_t>(f.rule().slots), Vector(static_cast<std::size_t>(f.P)));
        double loss = 0, rows = 0;
        for (Index t = 0; t < updates; ++t) {
            std::vector<Target> targets;
            const Matrix X = f.batch(f.starts[static_cast<std::size_t>(t)],
                                     f.starts[static_cast<std::size_t>(t) + 1], targets);
            const std::size_t at = static_cast<std::size_t>(model * updates + t);
            if (divisors[at] == 0) continue;
            const double count = static_cast<double>(X.size()), scale = count / divisors[at];
            losses[at] = count * (scale * mean_loss(net, X, targets) + penalties[at] * squares_of(net));
            loss += losses[at];
            rows += count;
            Net g = loss_gradient(net, X, targets);
            for (Matrix* parts : {&g.W, &g.b})
                for (Vector& part : *parts)
                    for (double& slope : part) slope *= scale;
            step(net, slots, g, c.rule, f.numbers_at(model, t, false), f.numbers_at(model, t, true));
        }
        CHECK(alone.updates[place] == updates && alone.finite[place] == 1);
        CHECK(static_cast<double>(alone.rows[place]) == rows);
        CHECK(largest_difference(flat(net), alone.parameters.data() + model * f.P) < kTolerance<T>);
        CHECK(std::abs(alone.loss[place] - loss) < kTolerance<T> * (10 * c.n + std::abs(loss)));
    }
    for (const int n_threads : {2, 3, 7}) CHECK(outcome(f, isa, range, n_threads) == alone);
    test_parts(f, isa, range, losses, alone);
    range.divisors = range.penalties = nullptr;
    CHECK(outcome(f, isa, range, 1) == outcome(f, isa, f.range(), 2));
}

TEST(batches_come_to_what_plain_loops_say) {
    for (const std::string& isa : isas_usable())
        for (const Case& shape : kShapes)
            for (const char* rule : {"descent", "momentum", "adam"}) {
                Case c = shape;
                c.rule = rule;
                test_batch_costs<double, std::uint8_t>(c, isa);
                test_batch_costs<float, float>(c, isa);
            }
}

TEST(every_member_of_the_lists_has_an_oracle) {
    for (const std::string& isa : isas_usable()) {
        const Kernels<double>& kernels = kernels_of<double>(isa);
        for (const auto& loss : kernels.losses) CHECK(oracle_losses().count(loss.name) == 1);
        for (const auto& activation : kernels.activations)
            CHECK(oracle_activations().count(activation.name) == 1);
        for (const auto& rule : kernels.rules) {
            CHECK(oracle_rules().count(rule.name) == 1);
            CHECK(oracle_rules().at(rule.name).slots == static_cast<std::size_t>(rule.slots));
            CHECK(oracle_rules().at(rule.name).numbers(0.1, 0.1, 1, false).size() ==
                  static_cast<std::size_t>(rule.numbers));
        }
    }
}

TEST(float32_trains_as_plain_loops_do_on_bytes) { test_cases<float, std::uint8_t>(); }
TEST(float32_trains_as_plain_loops_do_on_float32) { test_cases<float, float>(); }
TEST(float32_trains_as_plain_loops_do_on_float64) { test_cases<float, double>(); }
TEST(float64_trains_as_plain_loops_do_on_bytes) { test_cases<double, std::uint8_t>(); }
TEST(float64_trains_as_plain_loops_do_on_float32) { test_cases<double, float>(); }
TEST(float64_trains_as_plain_loops_do_on_float64) { test_cases<double, double>(); }

}  // namespace
}  // namespace gradstep::tests
