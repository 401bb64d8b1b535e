// How long threads go on before all of them meet.
// Why so: docs/adr/0015.
#pragma once

#include <algorithm>

#include "gradstep/core.hpp"
#include "gradstep/parallel.hpp"

namespace gradstep {

// Counts in updates: so many that they take about 20 ms. At a meeting thread 0 decides whether to stop, so
// that all models stop at one update; no result depends on it. Times are seconds of any clock.
class StopTimer {
public:
    void begin(StopCallback should_stop, Index updates, double now) {
        should_stop_ = should_stop;
        asked_ = met_ = now;
        updates_ = updates;
        end_ = 0;
        set_out();
    }

    // Those up to the next meeting.
    Slice updates() const { return {begin_, end_}; }
    bool is_at_start() const { return begin_ == 0; }
    bool is_over() const { return begin_ >= updates_; }

    // By thread 0, while the others wait. Returns the seconds since the last time.
    double meet(double now) {
        const double taken = now - met_;
        const double longer = std::min(8.0, kWanted / std::max(taken, kWanted / 8));
        length_ = std::max(Index{1}, static_cast<Index>(static_cast<double>(end_ - begin_) * longer));
        met_ = now;
        if (now - asked_ >= 2 * kWanted) {
            asked_ = now;
            if (should_stop_.ask && should_stop_.ask(should_stop_.context)) updates_ = end_;
        }
        set_out();
        return taken;
    }

    // Threads may become slower: the next meeting is sooner.
    void hurry() {
        length_ = std::max(Index{1}, length_ / 8);
        end_ = std::min(updates_, begin_ + length_);
    }

private:
    static constexpr double kWanted = 0.02;

    void set_out() {
        begin_ = end_;
        end_ = std::min(updates_, begin_ + length_);
    }

    StopCallback should_stop_{};
    double asked_ = 0, met_ = 0;
    Index updates_ = 0, begin_ = 0, end_ = 0;
    Index length_ = 1;
};

}  // namespace gradstep
