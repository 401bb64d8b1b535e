#include "gradstep/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <limits>
#include <stdexcept>
#include <thread>
#include <vector>

#include "check.hpp"
#include "gradstep/buffer.hpp"
#include "gradstep/dispatch.hpp"

namespace gradstep::tests {
namespace {

TEST(teams_meet) {
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
        const Slice share(23, thread, 7);
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

TEST(errors_say_what_is_wrong) {
    CHECK(throws<OutOfMemory>([] { checked_product(Index{1} << 40, Index{1} << 40); }));
    CHECK(throws<OutOfMemory>([] { Buffer<double> too_large(std::numeric_limits<Index>::max() / 16); }));
    CHECK(throws<std::invalid_argument>([] { kernels_of<float>("avx1024"); }));
    CHECK(isas_usable().back() == "baseline");
    CHECK(find(kernels_of<float>("baseline").losses, "softmax") != nullptr);
    CHECK(find(kernels_of<float>("baseline").losses, "soft") == nullptr);
}

}  // namespace
}  // namespace gradstep::tests
