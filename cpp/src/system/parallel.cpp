// Teams of threads, and the barrier where they meet.
// Why so: docs/adr/0020.
#include "gradstep/parallel.hpp"

#include <pthread.h>

#include <chrono>
#include <thread>
#include <vector>

#ifdef GRADSTEP_OPENMP
#include <omp.h>
#endif

namespace gradstep {
namespace {

std::atomic<bool> in_forked_child{false};

void watch_for_forks() {
    static const int registered =
        pthread_atfork(nullptr, nullptr, [] { in_forked_child.store(true, std::memory_order_relaxed); });
    (void)registered;
}

// Starts all threads before any of them works: a team that cannot be had whole is not started at all.
void run_std_threads(int team, void (*body)(void*, int, int), void* context) {
    enum : int { waiting, go, give_up };
    std::atomic<int> gate{waiting};
    std::vector<std::thread> others;
    const auto release = [&](int signal) {
        gate.store(signal, std::memory_order_release);
        gate.notify_all();
        if (signal == go) body(context, 0, team);
        for (std::thread& other : others) other.join();
    };
    try {
        others.reserve(static_cast<std::size_t>(team));
        for (int thread = 1; thread < team; ++thread)
            others.emplace_back([&gate, body, context, thread, team] {
                gate.wait(waiting, std::memory_order_acquire);
                if (gate.load(std::memory_order_acquire) == go) body(context, thread, team);
            });
    } catch (...) {
        release(give_up);
        throw;
    }
    release(go);
}

}  // namespace

int team_size(int n_threads) {
    watch_for_forks();
    if (n_threads <= 1 || in_forked_child.load(std::memory_order_relaxed)) return 1;
    // More threads than a few per core only wait for each other, and a runtime may abort the process when
    // it cannot start them.
    static const int cores = static_cast<int>(std::thread::hardware_concurrency());
    const int most = cores > 4 ? 4 * cores : 16;
    return n_threads < most ? n_threads : most;
}

void run_team(int team, void (*body)(void*, int, int), void* context) {
    if (team == 1) return body(context, 0, 1);
#ifdef GRADSTEP_OPENMP
    bool whole = false;
#pragma omp parallel num_threads(team)
    {
        const bool all_here = omp_get_num_threads() == team;
        if (omp_get_thread_num() == 0) whole = all_here;
        if (all_here) body(context, omp_get_thread_num(), team);
    }
    // OMP_THREAD_LIMIT, OMP_DYNAMIC or nesting can make the team smaller than work was shared out for.
    if (whole) return;
#endif
    run_std_threads(team, body, context);
}

const char* threading() {
#ifdef GRADSTEP_OPENMP
#define GRADSTEP_OPENMP_NAME_(version) "OpenMP " #version
#define GRADSTEP_OPENMP_NAME(version) GRADSTEP_OPENMP_NAME_(version)
    return GRADSTEP_OPENMP_NAME(_OPENMP);
#else
    return "std::thread";
#endif
}

void Barrier::wait(int team) {
    if (team == 1) return;
    const unsigned generation = generation_.load(std::memory_order_acquire);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) == team - 1) {
        arrived_.store(0, std::memory_order_relaxed);
        generation_.store(generation + 1);
        if (asleep_.load() > 0) {
            const std::lock_guard<std::mutex> lock(mutex_);
            wake_.notify_all();
        }
    } else if (!look(generation)) {
        sleep(generation);
    }
}

// Whether the others came before it seemed better to sleep. A yield that comes back late has let another
// program have the core: as long as that may be so, whoever has looked in vain sleeps, and is woken in time.
bool Barrier::look(unsigned generation) {
    using Clock = std::chrono::steady_clock;
    constexpr int kSpins = 2000, kSleeps = 128;
    constexpr auto kLate = std::chrono::microseconds(100);
    const auto came = [&] { return generation_.load(std::memory_order_acquire) != generation; };
    for (int spin = 0; spin < kSpins; ++spin) {
        if (came()) return true;
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#endif
    }
    while (sleeps_.load(std::memory_order_relaxed) <= 0) {
        const Clock::time_point before = Clock::now();
        std::this_thread::yield();
        if (came()) return true;
        if (Clock::now() - before > kLate) sleeps_.store(kSleeps, std::memory_order_relaxed);
    }
    sleeps_.fetch_sub(1, std::memory_order_relaxed);
    return false;
}

// Who comes last either sees that somebody sleeps, or has been seen.
void Barrier::sleep(unsigned generation) {
    std::unique_lock<std::mutex> lock(mutex_);
    asleep_.fetch_add(1);
    wake_.wait(lock, [&] { return generation_.load() != generation; });
    asleep_.fetch_sub(1);
}

}  // namespace gradstep
