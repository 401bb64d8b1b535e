// How long threads go on before all of them meet.
// Why so: docs/adr/0015.
#pragma once

#include <algorithm>
#include <chrono>

#include "gradstep/core.hpp"

namespace gradstep {

// Counts in updates: so many that they take about 20 ms. At a meeting thread 0 decides whether to stop, so
// that all models stop at one update; no result depends on it.
class StopTimer {
public:
    void begin(StopCallback should_stop, Index updates) {
        should_stop_ = should_stop;
        asked_ = met_ = Clock::now();
        updates_ = updates;
        end_ = 0;
        set_out();
    }

    // The update to meet at; none is left to do where it is done already.
    Index end() const { return end_; }

    // By thread 0, while the others wait.
    void meet() {
        const Clock::time_point now = Clock::now();
        const std::chrono::duration<double> taken = now - met_, wanted = std::chrono::milliseconds(20);
        const double longer = std::min(8.0, wanted / std::max(taken, wanted / 8));
        length_ = std::max(Index{1}, static_cast<Index>(static_cast<double>(end_ - begin_) * longer));
        met_ = now;
        if (now - asked_ >= std::chrono::milliseconds(40)) {
            asked_ = now;
            if (should_stop_.ask && should_stop_.ask(should_stop_.context)) updates_ = end_;
        }
        set_out();
    }

private:
    using Clock = std::chrono::steady_clock;

    void set_out() {
        begin_ = end_;
        end_ = std::min(updates_, begin_ + length_);
    }

    StopCallback should_stop_{};
    Clock::time_point asked_, met_;
    Index updates_ = 0, begin_ = 0, end_ = 0;
    Index length_ = 1;
};

}  // namespace gradstep
