// Threads, always by an explicit count, from a pool of the process.
// Why so: docs/adr/0020 and docs/adr/0023.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "gradstep/types.hpp"

namespace gradstep {

// The most threads that a request for `n_threads` gets: at most four per core or 16, and one in a forked
// child, which has none of its parent's.
int team_size(int n_threads);

// Runs body(context, thread, team) on each of a team of `most` threads, or of as many as the system gives;
// the caller is thread 0. Nothing may depend on how many there are. Bodies must not throw.
void run_team(int most, void (*body)(void*, int, int), void* context);

template <class F>
void parallel(int most, F&& f) {
    run_team(
        most, [](void* context, int thread, int team) { (*static_cast<F*>(context))(thread, team); }, &f);
}

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
