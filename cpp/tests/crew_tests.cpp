// How many threads work, by clocks that the tests make up.
#include "engine/crew.hpp"

#include <algorithm>
#include <atomic>
#include <functional>
#include <vector>

#include "check.hpp"
#include "fixture.hpp"

namespace gradstep::tests {
namespace {

// Sizes of a crew over so many windows of 25 ms in which s threads do pace(s) updates, on `cores` each.
std::vector<int> sizes(int team, int windows, const std::function<double(int)>& pace,
                       const std::function<double(int)>& cores) {
    Crew crew(team, team);
    std::vector<int> seen;
    for (int window = 0; window < windows; ++window) {
        const int size = crew.size();
        seen.push_back(size);
        crew.note({pace(size), 0.025, size * 0.025, size * 0.025 * cores(size)});
    }
    return seen;
}

double share_of(const std::vector<int>& seen, int size) {
    return static_cast<double>(std::count(seen.begin(), seen.end(), size)) / static_cast<double>(seen.size());
}

TEST(all_threads_work_where_nobody_takes_their_cores) {
    const auto alone = [](int) { return 0.97; };
    for (const int team : {1, 2, 3, 8})
        CHECK(share_of(sizes(team, 1000, [](int size) { return 1000.0 * size; }, alone), team) == 1);
    // Nor are fewer tried where more get little more done.
    CHECK(share_of(sizes(4, 1000, [](int size) { return 1000.0 / size; }, alone), 4) == 1);
}

TEST(fewer_threads_work_where_those_get_more_done) {
    const auto crowded = [](int size) { return size > 1 ? 0.5 : 0.7; };
    const auto slower = [](int size) { return size > 1 ? 250.0 : 1000.0; };
    const std::vector<int> seen = sizes(2, 1000, slower, crowded);
    CHECK(seen[0] == 2 && seen[1] == 2 && seen[2] == 1);
    CHECK(share_of(seen, 1) > 0.97);
    // So many windows at the slow pace are not many: what counts is the time of all updates.
    double updates = 0;
    for (const int size : seen) updates += slower(size);
    CHECK(updates > 1000.0 * 1000 / 1.05);
    CHECK(share_of(sizes(8, 1000, [](int size) { return size == 2 ? 1000.0 : 300.0; }, crowded), 2) > 0.9);
}

TEST(all_threads_work_where_they_get_more_done_though_cores_are_short) {
    const auto crowded = [](int) { return 0.5; };
    CHECK(share_of(sizes(2, 1000, [](int size) { return 600.0 * size; }, crowded), 2) > 0.97);
}

TEST(a_core_that_is_missing_for_a_moment_makes_nobody_idle) {
    Crew crew(2, 2);
    std::vector<int> seen;
    for (int window = 0; window < 1000; ++window) {
        const bool alone = window % 5 != 3 || crew.size() == 1;
        seen.push_back(crew.size());
        crew.note({alone ? 1000.0 * crew.size() : 700, 0.025, crew.size() * 0.025,
                   crew.size() * 0.025 * (alone ? 1 : 0.5)});
    }
    CHECK(share_of(seen, 2) > 0.97);
}

TEST(all_threads_work_again_when_the_others_have_gone) {
    Crew crew(2, 2);
    const auto run = [&](bool others, int windows) {
        for (int window = 0; window < windows; ++window) {
            const int size = crew.size();
            const double updates = size == 1 ? 1000 : others ? 250 : 1900;
            crew.note({updates, 0.025, size * 0.025, size * 0.025 * (others ? 0.5 : 1)});
        }
    };
    run(true, 500);
    run(false, 70);
    CHECK(crew.size() == 2);
    run(false, 10);
    CHECK(crew.size() == 2);
}

TEST(a_crew_begins_as_another_has_just_found_best) {
    Finding last;
    CHECK(last.size(4, 0) == 4);
    last.note(2, 10);
    CHECK(last.size(4, 10.5) == 2 && last.size(1, 10.5) == 1);
    CHECK(last.size(4, 11) == 4 && last.size(4, 9) == 4);
    // All are tried soon, and stay where they get more done.
    Crew crew(2, 1);
    std::vector<int> seen;
    for (int window = 0; window < 8; ++window) {
        seen.push_back(crew.size());
        crew.note({1000.0 * crew.size(), 0.025, crew.size() * 0.025, crew.size() * 0.025});
    }
    CHECK(seen == std::vector<int>({1, 1, 1, 1, 2, 2, 2, 2}));
}

// A millisecond passes whenever somebody looks; a thread has a core for a part of it.
std::atomic<int> looks{0};
Times crowded_times() {
    const double clock = 1e-3 * ++looks;
    return {clock, 0.1 * clock};
}

TEST(results_do_not_depend_on_who_comes_and_goes) {
    for (const Case& c : {Case{500, 33, {}, 4, 1, 10}, Case{500, 33, {7}, 4, 1, 10},
                          Case{500, 33, {7, 5}, 4, 3, 10}, Case{500, 33, {}, 4, 9, 10}}) {
        Fixture<float, float> f(c);
        const Outcome<float> wanted = outcome(f, "baseline", f.range(), 1);
        for (const int n_threads : {2, 3, 4}) {
            Session<float> session(f.models("baseline"), f.rows(), c.b, nullptr, 0, n_threads);
            times = crowded_times;
            std::vector<int> seen;
            for (int round = 0; round < 12; ++round) {
                Outcome<float> result(f);
                session.train(f.range(), result.state(), {never, nullptr});
                CHECK(result == wanted);
                seen.push_back(session.threads());
            }
            times = real_times;
            CHECK(*std::min_element(seen.begin(), seen.end()) < n_threads);
        }
    }
}

}  // namespace
}  // namespace gradstep::tests
