// How many threads of a team work: as many as get most done, which beside other programs may be fewer.
//
//     once in a while, for some 20 ms:  twice as many threads, or, where a core is missing, half as many
//     go on with what did more updates a second; with fewer threads only if that is so twice
//
// Why so: docs/adr/0023.
#pragma once

#include <time.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <utility>

#include "gradstep/types.hpp"

namespace gradstep {

// Seconds on a clock, and those that the calling thread had a core.
struct Times {
    double clock;
    double on_core;
};

// Windows counts a thread's own time in steps as long as a crew's windows: there a thread counts as one that
// always had a core, and crews stay as they are.
inline Times real_times() {
    const std::chrono::duration<double> clock = std::chrono::steady_clock::now().time_since_epoch();
#if defined(CLOCK_THREAD_CPUTIME_ID) && !defined(_WIN32)
    timespec own{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &own);
    return {clock.count(), static_cast<double>(own.tv_sec) + 1e-9 * static_cast<double>(own.tv_nsec)};
#else
    return {clock.count(), clock.count()};
#endif
}

// What tells the times; tests bring another.
inline Times (*times)() = real_times;

// Updates that threads did, the seconds that they took, and of how many seconds of all threads together they
// had a core.
struct Work {
    double updates = 0;
    double seconds = 0;
    double of_threads = 0;
    double on_cores = 0;

    void add(const Work& other) {
        updates += other.updates;
        seconds += other.seconds;
        of_threads += other.of_threads;
        on_cores += other.on_cores;
    }
};

// What a crew has found out, for those that begin within a second: short trainings do not all have to.
class Finding {
public:
    void note(int size, double now) {
        size_ = size;
        clock_ = now;
    }
    int size(int team, double now) const {
        const double age = now - clock_;
        return age >= 0 && age < 1 ? std::min<int>(team, size_) : team;
    }

private:
    std::atomic<int> size_{0};
    std::atomic<double> clock_{-1e300};
};

inline Finding finding;

class Crew {
public:
    // The first window tells nothing: threads that slept have just been woken.
    Crew(int team, int size) : team_(team), size_(size), patience_(size < team ? kLeastPatience : 2) {}

    int size() const { return size_; }

    // Returns whether another size was just tried, and the better one taken.
    bool note(const Work& work) {
        window_.add(work);
        if (team_ == 1 || window_.seconds < kWindow) return false;
        const Work done = std::exchange(window_, {});
        const double pace = done.updates / done.seconds;
        if (stage_ != Stage::kSteady) return judge(pace);
        if (--patience_ <= 0) try_another(pace, done.on_cores < kCrowded * done.of_threads);
        return false;
    }

private:
    enum class Stage { kSteady, kTrying, kComparing };

    static constexpr double kWindow = 0.02, kCrowded = 0.8;
    static constexpr int kLeastPatience = 4, kMostPatience = 64;  // in windows

    void try_another(double pace, bool crowded) {
        const bool more = size_ < team_ && (size_ == 1 || !crowded || !tried_more_);
        if (!more && (!crowded || size_ == 1)) return;
        tried_more_ = more;
        stage_ = Stage::kTrying;
        other_ = size_;
        pace_of_other_ = pace;
        size_ = more ? std::min(team_, 2 * size_) : size_ / 2;
    }

    // Returns whether it is settled who goes on.
    bool judge(double pace) {
        const bool stays = size_ < other_ ? pace >= pace_of_other_ : pace > pace_of_other_;
        if (stays && size_ < other_ && stage_ == Stage::kTrying) {
            // All were slow, but a core may have been missing in that window alone: they get another.
            stage_ = Stage::kComparing;
            pace_of_other_ = pace;
            std::swap(size_, other_);
            return false;
        }
        // What went no better is tried again later, and then later still.
        const bool changes = stays == (stage_ == Stage::kTrying);
        waits_ = changes ? kLeastPatience : std::min(2 * waits_, kMostPatience);
        patience_ = waits_;
        if (!stays) size_ = other_;
        stage_ = Stage::kSteady;
        return true;
    }

    const int team_;
    int size_;
    Work window_;
    Stage stage_ = Stage::kSteady;  // of this window
    int other_ = 0;                 // what the size is compared with
    double pace_of_other_ = 0;
    bool tried_more_ = false;
    int waits_ = kLeastPatience;
    int patience_;
};

}  // namespace gradstep
