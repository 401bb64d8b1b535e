// Threads, always by an explicit count. OpenMP where it was found, std::thread elsewhere; only
// parallel.cpp knows which.
// Why so: docs/adr/0020.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "gradstep/types.hpp"

namespace gradstep {

// The team that a request for `n_threads` gets: at most four per core or 16, and one in a forked child, where
// GNU's OpenMP hangs. What a team of one computes has the same bits.
int team_size(int n_threads);

// Runs body(context, thread, team) on exactly `team` threads; the caller is thread 0. Bodies must not
// throw.
void run_team(int team, void (*body)(void*, int, int), void* context);

template <class F>
void parallel(int team, F&& f) {
    run_team(
        team, [](void* context, int thread, int size) { (*static_cast<F*>(context))(thread, size); }, &f);
}

// "OpenMP 201511" and the like, or "std::thread".
const char* threading();

// Where all threads of a team meet: who waits spins, then yields, and sleeps where others want the core.
class Barrier {
public:
    void wait(int team);

private:
    bool look(unsigned generation);
    void sleep(unsigned generation);

    alignas(64) std::atomic<int> arrived_{0};
    alignas(64) std::atomic<unsigned> generation_{0};
    std::atomic<int> sleeps_{0};  // to come before a yield is tried again
    std::atomic<int> asleep_{0};
    std::mutex mutex_;
    std::condition_variable wake_;
};

// The part [begin, end) of `count` things that falls to `thread`.
struct Slice {
    Index begin;
    Index end;

    Slice(Index first, Index last) : begin(first), end(last) {}
    Slice(Index count, Index thread, Index team)
        : begin(count * thread / team), end(count * (thread + 1) / team) {}
};

}  // namespace gradstep
