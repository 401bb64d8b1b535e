#include "gradstep/peak.hpp"

#include <algorithm>
#include <chrono>
#include <limits>
#include <memory>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "gradstep/parallel.hpp"

namespace gradstep {
namespace {

// Of each measurement. The best of its runs counts, the others were disturbed.
constexpr double kSeconds = 0.2, kSecondsOfRun = 0.01;

double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// When a thread began and ended a run, on a cache line of its own.
struct alignas(64) Span {
    double begin = 0;
    double end = 0;
};

// Seconds of the fastest of many runs of f(thread, team) by all threads at once.
template <class F>
double fastest(int team, F&& f) {
    std::vector<Span> spans(static_cast<std::size_t>(team));
    Barrier barrier;
    const double deadline = now() + kSeconds;
    double best = std::numeric_limits<double>::infinity();
    bool done = false;
    parallel(team, [&](int thread, int size) {
        Span& span = spans[static_cast<std::size_t>(thread)];
        for (;;) {
            barrier.wait(size);
            if (done) return;
            span.begin = now();
            f(thread, size);
            span.end = now();
            barrier.wait(size);
            if (thread != 0) continue;
            double begin = span.begin, end = span.end;
            for (const Span& other : spans) {
                if (other.end == 0) continue;  // a thread that could not be had
                begin = std::min(begin, other.begin);
                end = std::max(end, other.end);
            }
            best = std::min(best, end - begin);
            done = end > deadline;
        }
    });
    return best;
}

// a < 1 keeps the values finite and far from subnormal: they approach 2.
Index multiply_adds(const Kernels<float>& kernels, Index rounds) {
    float sum = 0;
    return kernels.multiply_adds(&sum, 0.5f, 1.0f, rounds);
}

// Rounds that take about as long as a run should; finding them out warms the processor up.
Index rounds_of_a_run(const Kernels<float>& kernels) {
    for (Index rounds = 1024;; rounds *= 2) {
        const double begin = now();
        multiply_adds(kernels, rounds);
        if (now() - begin > kSecondsOfRun / 2) return 2 * rounds;
    }
}

// Numbers that the threads put into memory, each its share, near to its core where that makes a difference.
class Memory {
public:
    Memory(Index count, int team)
        : memory_(new float[static_cast<std::size_t>(count + kPage)]), count_(count) {
        void* start = memory_.get();
        std::size_t space = static_cast<std::size_t>(count + kPage) * sizeof(float);
        const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(float);
        numbers_ = static_cast<float*>(std::align(kPage * sizeof(float), bytes, start, space));
#if defined(MADV_HUGEPAGE)
        // As NumPy does for its arrays. Where it is refused, the pages are small ones.
        madvise(numbers_, bytes, MADV_HUGEPAGE);
#endif
        parallel(team, [&](int thread, int size) {
            const Slice share(count_, thread, size);
            std::fill(numbers_ + share.begin, numbers_ + share.end, 1.0f);
        });
    }

    const float* numbers() const { return numbers_; }
    Index count() const { return count_; }

private:
    static constexpr Index kPage = (Index{2} << 20) / static_cast<Index>(sizeof(float));  // a large one

    std::unique_ptr<float[]> memory_;
    Index count_;
    float* numbers_ = nullptr;
};

}  // namespace

Speeds measure(const Kernels<float>& kernels, int n_threads) {
    constexpr Index kMegabyte = (Index{1} << 20) / static_cast<Index>(sizeof(float));
    constexpr Index kLeast = 256 * kMegabyte, kOfThread = 16 * kMegabyte;
    int team = 1;  // that could be had
    parallel(team_size(n_threads), [&](int thread, int size) {
        if (thread == 0) team = size;
    });
    Speeds speeds;
    speeds.n_threads = team;

    // One thread first, while no others wait for work.
    const Index rounds = rounds_of_a_run(kernels);
    const double operations = static_cast<double>(multiply_adds(kernels, rounds));
    const auto calculate = [&](int, int) { multiply_adds(kernels, rounds); };
    speeds.one.operations = operations / fastest(1, calculate);

    const Memory memory(std::max(kLeast, team * kOfThread), team);
    speeds.one.bytes = static_cast<double>(kLeast) * sizeof(float) /
                       fastest(1, [&](int, int) { kernels.read(memory.numbers(), kLeast); });

    speeds.all = speeds.one;
    if (team == 1) return speeds;
    speeds.all.operations = team * operations / fastest(team, calculate);
    speeds.all.bytes =
        static_cast<double>(memory.count()) * sizeof(float) / fastest(team, [&](int thread, int size) {
            const Slice share(memory.count(), thread, size);
            kernels.read(memory.numbers() + share.begin, share.end - share.begin);
        });
    return speeds;
}

}  // namespace gradstep
