// The interpreter's lock, let go while kernels run and taken again behind them.
#pragma once

#include <pybind11/pybind11.h>

#include <chrono>
#include <thread>

#ifdef __GLIBCXX__
#include <cxxabi.h>
#endif

namespace gradstep::bindings {

// Runs f, in which Python may end the thread: up to Python 3.13 it does so to a daemon thread that asks for
// the lock of an interpreter that is ending, by unwinding the stack. That would drop Python's objects without
// the lock and run into what is noexcept, which aborts the process: the thread stays where it is until the
// process ends, as from 3.14 on.
template <class F>
auto or_rest_at_exit(F&& f) {
#ifdef __GLIBCXX__
    try {
        return f();
    } catch (const abi::__forced_unwind&) {
        for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
    }
#else
    return f();
#endif
}

// Lets other threads of Python run while it lives.
class WithoutGil {
public:
    WithoutGil() : thread_(PyEval_SaveThread()) {}
    ~WithoutGil() { take(); }
    WithoutGil(const WithoutGil&) = delete;
    WithoutGil& operator=(const WithoutGil&) = delete;

    // Calls f with the lock, on the thread that let it go. What f raises must not leave it.
    template <class F>
    auto with_gil(F&& f) {
        take();
        const auto answer = or_rest_at_exit(f);
        thread_ = PyEval_SaveThread();
        return answer;
    }

private:
    void take() noexcept {
        or_rest_at_exit([this] { PyEval_RestoreThread(thread_); });
    }

    PyThreadState* thread_;
};

}  // namespace gradstep::bindings
