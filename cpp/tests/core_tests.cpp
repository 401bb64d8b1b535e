// The core without Python: every instruction set of the machine against plain loops, at sizes that touch
// every edge of a tile. Arrays are exactly as long as they must be, so a sanitizer sees any step outside.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <limits>
#include <memory>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "augment_tests.hpp"
#include "byte_tests.hpp"
#include "check.hpp"
#include "digest_tests.hpp"
#include "fixture.hpp"
#include "gradstep/buffer.hpp"
#include "gradstep/core.hpp"
#include "gradstep/dispatch.hpp"
#include "gradstep/parallel.hpp"
#include "group_tests.hpp"
#include "loss_tests.hpp"
#include "measure_tests.hpp"
#include "moments_tests.hpp"
#include "news.hpp"
#include "oracle.hpp"
#include "order_tests.hpp"
#include "product_tests.hpp"

namespace gradstep::tests {
namespace {

const Case kCases[] = {
    {7, 1, {}, 2, 1, 7},
    {23, 5, {}, 3, 2, 4},
    {31, 17, {3}, 10, 1, 16},
    {29, 400, {}, 10, 1, 13},
    {37, 33, {50, 9}, 4, 2, 100},
    {20, 770, {70}, 5, 1, 20},
    {41, 16, {64, 16}, 16, 3, 15},
    {21, 391, {}, 23, 2, 8},
    {19, 40, {300}, 35, 1, 10},
    {17, 530, {11, 270}, 18, 2, 9},
    {7, 3, {}, 2, 2, 7, Loss::sigmoid},
    {26, 391, {}, 10, 1, 13, Loss::sigmoid},
    {29, 33, {50, 9}, 37, 2, 10, Loss::sigmoid},
};

std::vector<double> flat(const Net& net) {
    std::vector<double> all;
    for (std::size_t l = 0; l < net.W.size(); ++l) {
        all.insert(all.end(), net.W[l].begin(), net.W[l].end());
        all.insert(all.end(), net.b[l].begin(), net.b[l].end());
    }
    return all;
}

template <class T>
double largest_difference(const std::vector<double>& wanted, const T* given) {
    double most = 0;
    for (std::size_t i = 0; i < wanted.size(); ++i)
        most = std::max(most, std::abs(wanted[i] - static_cast<double>(given[i])));
    return most;
}

template <class T>
constexpr double kTolerance = sizeof(T) == 8 ? 1e-12 : 2e-5;

template <class T, class Element>
std::vector<T> trained(const Fixture<T, Element>& f, const std::string& isa, int n_threads) {
    const Outcome<T> result = outcome(f, isa, f.stretch(), n_threads);
    for (std::size_t model = 0; model < result.updates.size(); ++model) {
        CHECK(result.updates[model] == f.updates());
        CHECK(result.finite[model] == 1);
        CHECK(result.rows[model] == f.c.n);
    }
    return result.parameters;
}

template <class T, class Element>
void test_training(const Fixture<T, Element>& f, const std::string& isa) {
    const Outcome<T> alone = outcome(f, isa, f.stretch(), 1);
    const std::vector<T> one_thread = trained(f, isa, 1);
    for (int model = 0; model < f.c.m; ++model) {
        Net net = f.net(model);
        double loss = 0;
        for (Index t = 0; t < f.updates(); ++t) {
            std::vector<int> labels;
            const Matrix X = f.batch(f.starts[static_cast<std::size_t>(t)],
                                     f.starts[static_cast<std::size_t>(t) + 1], labels);
            const Net g = gradient(net, X, labels, f.l2[static_cast<std::size_t>(model)]);
            loss += mean_loss(net, X, labels) * static_cast<double>(X.size());
            const double rate = f.learning_rate[static_cast<std::size_t>(t)];
            for (std::size_t l = 0; l < net.W.size(); ++l) {
                for (std::size_t i = 0; i < net.W[l].size(); ++i) net.W[l][i] -= rate * g.W[l][i];
                for (std::size_t i = 0; i < net.b[l].size(); ++i) net.b[l][i] -= rate * g.b[l][i];
            }
        }
        CHECK(largest_difference(flat(net), one_thread.data() + model * f.P) < kTolerance<T>);
        CHECK(std::abs(alone.loss[static_cast<std::size_t>(model)] - loss) < 10 * f.c.n * kTolerance<T>);
    }
    for (const int n_threads : {2, 3, 7})
        CHECK(std::memcmp(one_thread.data(), trained(f, isa, n_threads).data(),
                          one_thread.size() * sizeof(T)) == 0);
}

template <class T, class Element>
void test_gradient_and_figures(const Fixture<T, Element>& f, const std::string& isa) {
    const std::size_t m = static_cast<std::size_t>(f.c.m), n = static_cast<std::size_t>(f.c.n);
    std::vector<T> g(f.parameters.size()), s(m * n * static_cast<std::size_t>(f.c.k));
    std::vector<double> loss(m), cost(m), accuracy(m);
    gradient(f.models(isa), f.rows(), f.parameters.data(), g.data(), 2);
    evaluate(f.models(isa), f.rows(), f.parameters.data(), Figures{loss.data(), cost.data(), accuracy.data()},
             2);
    scores(f.models(isa), f.rows(), f.parameters.data(), s.data(), 3);
    std::vector<int> labels;
    const Matrix X = f.batch(0, f.c.n, labels);
    for (std::size_t model = 0; model < m; ++model) {
        const Net net = f.net(static_cast<int>(model));
        CHECK(largest_difference(flat(gradient(net, X, labels, f.l2[model])),
                                 g.data() + static_cast<Index>(model) * f.P) < kTolerance<T>);
        CHECK(std::abs(loss[model] - mean_loss(net, X, labels)) < kTolerance<T>);
        int right = 0;
        for (std::size_t r = 0; r < n; ++r) {
            const std::vector<double> wanted = forward(net, X[r]).back();
            const std::size_t row = static_cast<std::size_t>(f.which[r]);
            CHECK(largest_difference(wanted, s.data() + (model * n + row) * wanted.size()) < kTolerance<T>);
            right += std::max_element(wanted.begin(), wanted.end()) - wanted.begin() == labels[r];
        }
        CHECK(std::abs(accuracy[model] - static_cast<double>(right) / static_cast<double>(n)) < 1e-12);
    }
}

void test_divergence_stops_one_model_alone(const std::string& isa) {
    Fixture<float, float> f(Case{23, 5, {4}, 3, 2, 4});
    const std::vector<float> undisturbed = trained(f, isa, 2);
    const float huge = std::numeric_limits<float>::max();
    for (Index i = 0; i < f.P; ++i) f.parameters[static_cast<std::size_t>(i)] = huge;
    const Outcome<float> result = outcome(f, isa, f.stretch(), 2);
    CHECK(result.finite[0] == 0 && result.updates[0] == 0);
    CHECK(result.finite[1] == 1 && result.updates[1] == f.updates());
    CHECK(std::all_of(result.parameters.begin(), result.parameters.begin() + f.P,
                      [huge](float w) { return w == huge; }));
    CHECK(std::equal(result.parameters.begin() + f.P, result.parameters.end(), undisturbed.begin() + f.P));
}

// One session trains and evaluates as single calls do, and takes memory the first time only.
template <class T>
void test_a_session_goes_on(const std::string& isa) {
    const Fixture<T, std::uint8_t> f(Case{41, 800, {20}, 10, 2, 8}), other(Case{33, 800, {}, 10, 2, 8});
    const Rows<T> sets[] = {f.rows(), other.rows()};
    Session<T> session(f.models(isa), f.rows(), f.c.b, sets, 2, 2);
    Outcome<T> result(f.parameters, f.c.m);
    double numbers[2][2][3][2];
    Figures figures[2][2];
    // Each team of std::thread is made anew, and every thread is an operator new.
    const bool counts_news = std::strcmp(threading(), "std::thread") != 0;
    const auto memory_taken = [&] { return buffers_taken.load() + (counts_news ? news.load() : 0); };
    for (int epoch = 0; epoch < 2; ++epoch) {
        for (int set = 0; set < 2; ++set)
            figures[epoch][set] = {numbers[epoch][set][0], numbers[epoch][set][1], numbers[epoch][set][2]};
        const Index taken = memory_taken();
        session.train(f.stretch(), result.progress(), Poll{never, nullptr});
        session.evaluate(result.parameters.data(), figures[epoch]);
        CHECK((memory_taken() == taken) == (epoch == 1));
    }
    for (int set = 0; set < 2; ++set) {
        double alone[3][2];
        evaluate(f.models(isa), sets[set], result.parameters.data(), Figures{alone[0], alone[1], alone[2]},
                 1);
        CHECK(std::memcmp(alone, numbers[1][set], sizeof(alone)) == 0);
        CHECK(std::memcmp(alone, numbers[0][set], sizeof(alone)) != 0);
    }
}

void test_stop_at_an_update(const std::string& isa) {
    // Long enough for several questions, and every answer is yes.
    Fixture<double, double> f(Case{64, 2000, {200}, 10, 1, 32});
    std::vector<Index> starts{0};
    std::vector<std::int32_t> which;
    for (int t = 0; t < 4000; ++t) {
        which.insert(which.end(), f.which.begin(), f.which.begin() + 32);
        starts.push_back(static_cast<Index>(which.size()));
    }
    const std::vector<double> rates(4000, 1e-3);
    const Stretch stretch{4000, which.data(), starts.data(), rates.data()};
    const Outcome<double> stopped = outcome(f, isa, stretch, 2, Poll{at_once, nullptr});
    const Index updates = stopped.updates[0];
    CHECK(updates > 0 && updates < 4000);
    const Stretch shorter{updates, which.data(), starts.data(), rates.data()};
    const Outcome<double> again = outcome(f, isa, shorter, 1);
    CHECK(again.updates[0] == updates && again.parameters == stopped.parameters);
}

void test_teams() {
    for (const int wanted : {1, 2, 5, 1000000}) {
        const int team = team_size(wanted);
        CHECK(wanted > 16 ? team >= 16 && team < wanted : team == wanted);
        Barrier barrier;
        std::vector<int> seen(static_cast<std::size_t>(team), 0);
        int after_first = -1;
        parallel(team, [&](int thread, int size) {
            seen[static_cast<std::size_t>(thread)] = size;
            barrier.wait(team);
            if (thread == team - 1)
                after_first = static_cast<int>(std::count(seen.begin(), seen.end(), team));
        });
        CHECK(after_first == team);
    }
    // One after the other comes so late that the rest have gone to sleep.
    constexpr int kTeam = 3;
    Barrier barrier;
    std::atomic<int> came{0}, wrong{0};
    parallel(kTeam, [&](int thread, int) {
        for (int round = 0; round < 2 * kTeam; ++round) {
            if (thread == round % kTeam) std::this_thread::sleep_for(std::chrono::milliseconds(10));
            came.fetch_add(1);
            barrier.wait(kTeam);
            if (came.load() < (round + 1) * kTeam) wrong.fetch_add(1);
        }
    });
    CHECK(came == 2 * kTeam * kTeam && wrong == 0);
    Index covered = 0;
    for (int thread = 0; thread < 7; ++thread) {
        const Share share(23, thread, 7);
        CHECK(share.begin == covered);
        covered = share.end;
    }
    CHECK(covered == 23);
}

template <class Error, class F>
bool throws(F&& f) {
    try {
        f();
    } catch (const Error&) {
        return true;
    }
    return false;
}

void test_errors() {
    CHECK(throws<OutOfMemory>([] { checked_product(Index{1} << 40, Index{1} << 40); }));
    CHECK(throws<OutOfMemory>([] { Buffer<double> too_large(std::numeric_limits<Index>::max() / 16); }));
    CHECK(throws<std::invalid_argument>([] { kernels_of<float>("avx1024"); }));
    CHECK(isas_usable().back() == "baseline");
}

template <class T, class Element>
void test_set(const std::string& isa) {
    for (const Case& c : kCases) {
        const Fixture<T, Element> f(c);
        test_training(f, isa);
        test_gradient_and_figures(f, isa);
    }
}

void run() {
    for (const std::string& isa : isas_usable()) {
        test_set<float, std::uint8_t>(isa);
        test_set<float, float>(isa);
        test_set<float, double>(isa);
        test_set<double, std::uint8_t>(isa);
        test_set<double, float>(isa);
        test_set<double, double>(isa);
        test_divergence_stops_one_model_alone(isa);
        test_a_session_goes_on<float>(isa);
        test_a_session_goes_on<double>(isa);
        test_stop_at_an_update(isa);
        test_products(isa);
        test_bytes(isa);
        test_groups(isa);
        test_measure(isa);
        test_augmentation(isa);
        std::printf("%s: %d checks, %d failures so far\n", isa.c_str(), tally().checks, tally().failures);
    }
    test_teams();
    test_errors();
    test_losses();
    test_order();
    test_moments();
    test_digest();
}

}  // namespace
}  // namespace gradstep::tests

int main() {
    gradstep::tests::run();
    const gradstep::tests::Tally& tally = gradstep::tests::tally();
    std::printf("%d checks, %d failures\n", tally.checks, tally.failures);
    return tally.failures == 0 ? 0 : 1;
}
