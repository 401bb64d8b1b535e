// Teams of threads, and the barrier where they meet.
// Why so: docs/adr/0020 and docs/adr/0023.
#include "gradstep/parallel.hpp"

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

#include <chrono>
#include <exception>
#include <memory>
#include <thread>
#include <utility>

namespace gradstep {
namespace {

using Clock = std::chrono::steady_clock;

std::atomic<bool> in_forked_child{false};

void watch_for_forks() {
#if defined(__unix__) || defined(__APPLE__)
    static const int registered =
        pthread_atfork(nullptr, nullptr, [] { in_forked_child.store(true, std::memory_order_relaxed); });
    (void)registered;
#endif
}

void pause() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

struct Call {
    void (*body)(void*, int, int);
    void* context;
    int thread;
    int team;
};

// A thread of the pool. It looks for its next call for two milliseconds, about as long as Python takes from
// one call of the core to the next, then sleeps. It soon yields between looks, to whoever wants the core.
class Worker {
public:
    void begin(const Call& call) {
        call_ = call;
        turn(working);
    }
    void finish() { await(idle); }

    // What the thread does for as long as the process lives.
    void serve() {
        for (;;) {
            await(working);
            call_.body(call_.context, call_.thread, call_.team);
            turn(idle);
        }
    }

    Worker* next = nullptr;  // in a list of the pool

private:
    enum : int { idle, working };

    void turn(int state) {
        state_.store(state, std::memory_order_release);
        state_.notify_one();
    }
    void await(int state) const {
        constexpr int kSpins = 2000;
        constexpr auto kPatience = std::chrono::milliseconds(2);
        for (int spin = 0; spin < kSpins; ++spin) {
            if (state_.load(std::memory_order_acquire) == state) return;
            pause();
        }
        const Clock::time_point end = Clock::now() + kPatience;
        while (Clock::now() < end) {
            if (state_.load(std::memory_order_acquire) == state) return;
            std::this_thread::yield();
        }
        state_.wait(state == idle ? working : idle, std::memory_order_acquire);
    }

    Call call_{};
    alignas(64) std::atomic<int> state_{idle};
};

// Threads that wait for work. They, and the pool, are there until the process ends: it may end while they
// work.
class Pool {
public:
    static Pool& of_process() {
        static Pool* const pool = new Pool;
        return *pool;
    }

    // A list of as many workers, or of as many as can be had, and their number.
    struct Workers {
        Worker* first;
        int count;
    };
    Workers take(int wanted) {
        const std::lock_guard<std::mutex> lock(mutex_);
        Workers taken{nullptr, 0};
        for (Worker** last = &taken.first; taken.count < wanted; ++taken.count) {
            if (!idle_) idle_ = started();
            if (!idle_) break;
            *last = std::exchange(idle_, idle_->next);
            last = &(*last)->next;
            *last = nullptr;
        }
        return taken;
    }

    // They come first the next time, in the same order: their caches may still have what they worked on.
    void give_back(Workers workers) {
        if (!workers.first) return;
        Worker* last = workers.first;
        while (last->next) last = last->next;
        const std::lock_guard<std::mutex> lock(mutex_);
        last->next = std::exchange(idle_, workers.first);
    }

private:
    static Worker* started() noexcept {
        try {
            auto worker = std::make_unique<Worker>();
            std::thread([own = worker.get()] { own->serve(); }).detach();
            return worker.release();
        } catch (const std::exception&) {
            return nullptr;
        }
    }

    std::mutex mutex_;
    Worker* idle_ = nullptr;
};

}  // namespace

int team_size(int n_threads) {
    watch_for_forks();
    if (n_threads <= 1 || in_forked_child.load(std::memory_order_relaxed)) return 1;
    // More threads than a few per core only wait for each other.
    static const int cores = static_cast<int>(std::thread::hardware_concurrency());
    const int most = cores > 4 ? 4 * cores : 16;
    return n_threads < most ? n_threads : most;
}

void run_team(int most, void (*body)(void*, int, int), void* context) {
    if (most == 1 || in_forked_child.load(std::memory_order_relaxed)) return body(context, 0, 1);
    Pool& pool = Pool::of_process();
    const Pool::Workers others = pool.take(most - 1);
    int thread = 1;
    for (Worker* worker = others.first; worker; worker = worker->next)
        worker->begin({body, context, thread++, others.count + 1});
    body(context, 0, others.count + 1);
    for (Worker* worker = others.first; worker; worker = worker->next) worker->finish();
    pool.give_back(others);
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
    constexpr int kSpins = 2000, kSleeps = 128;
    constexpr auto kLate = std::chrono::microseconds(100);
    const auto came = [&] { return generation_.load(std::memory_order_acquire) != generation; };
    for (int spin = 0; spin < kSpins; ++spin) {
        if (came()) return true;
        pause();
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
