// What several threads of Python may hold, and one may use.
#pragma once

#include <atomic>
#include <stdexcept>

namespace gradstep::bindings {

// One caller at a time: another thread that comes meanwhile gets an error.
class ExclusiveUse {
public:
    explicit ExclusiveUse(std::atomic<bool>& taken) : taken_(taken) {
        if (taken_.exchange(true)) throw std::runtime_error("a session is for one thread at a time");
    }
    ~ExclusiveUse() { taken_ = false; }
    ExclusiveUse(const ExclusiveUse&) = delete;
    ExclusiveUse& operator=(const ExclusiveUse&) = delete;

private:
    std::atomic<bool>& taken_;
};

}  // namespace gradstep::bindings
