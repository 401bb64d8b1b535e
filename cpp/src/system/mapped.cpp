#include "gradstep/mapped.hpp"

#if defined(__unix__) || defined(__APPLE__)

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <mutex>

namespace gradstep {

// Pages that somebody reads; none where `end` is 0. A signal's handler looks at them.
struct Range {
    std::atomic<std::uintptr_t> begin{0}, end{0};
    std::atomic<bool> missed{false};
};

namespace {

Range ranges[64];
std::mutex mutex;  // of what follows, and of who takes a range
int readers = 0;
struct sigaction before;

std::uintptr_t page_size() {
    static const auto size = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
    return size;
}

// Puts zeros in place of what is missing from a page on, all at once.
bool fill(std::uintptr_t at) {
    for (Range& range : ranges) {
        const std::uintptr_t begin = range.begin, end = range.end;
        if (at < begin || at >= end) continue;
        const std::uintptr_t page = at & ~(page_size() - 1);
        const void* const zeros = mmap(reinterpret_cast<void*>(page), end - page, PROT_READ | PROT_WRITE,
                                       MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (zeros == MAP_FAILED) return false;
        range.missed = true;
        return true;
    }
    return false;
}

// Whoever handled the signal before gets what is not ours.
void on_missing_page(int number, siginfo_t* info, void* context) {
    const int error = errno;
    if (!fill(reinterpret_cast<std::uintptr_t>(info->si_addr))) {
        if ((before.sa_flags & SA_SIGINFO) != 0)
            before.sa_sigaction(number, info, context);
        else if (before.sa_handler == SIG_DFL || before.sa_handler == SIG_IGN)
            signal(SIGBUS, SIG_DFL);  // and the same again, which ends the process
        else
            before.sa_handler(number);
    }
    errno = error;
}

void watch() {
    page_size();  // for the first time not within the handler
    struct sigaction ours{};
    ours.sa_sigaction = on_missing_page;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&ours.sa_mask);
    sigaction(SIGBUS, &ours, &before);
}

// Unless another handler has come since, which may call ours.
void unwatch() {
    struct sigaction now{};
    sigaction(SIGBUS, nullptr, &now);
    if ((now.sa_flags & SA_SIGINFO) != 0 && now.sa_sigaction == on_missing_page)
        sigaction(SIGBUS, &before, nullptr);
}

}  // namespace

MappedRead::MappedRead(const void* begin, const void* end) {
    const std::lock_guard<std::mutex> lock(mutex);
    for (Range& range : ranges) {
        if (range.end != 0) continue;
        range_ = &range;
        if (readers++ == 0) watch();
        const std::uintptr_t pages = page_size();
        range.missed = false;
        range.begin = reinterpret_cast<std::uintptr_t>(begin) / pages * pages;
        range.end = (reinterpret_cast<std::uintptr_t>(end) + pages - 1) / pages * pages;
        return;
    }
}

MappedRead::~MappedRead() {
    if (!range_) return;
    const std::lock_guard<std::mutex> lock(mutex);
    range_->end = 0;
    if (--readers == 0) unwatch();
}

bool MappedRead::missed() const { return range_ && range_->missed; }

}  // namespace gradstep

#else

// Windows refuses to cut a file that is mapped.
namespace gradstep {

MappedRead::MappedRead(const void*, const void*) {}
MappedRead::~MappedRead() = default;
bool MappedRead::missed() const { return false; }

}  // namespace gradstep

#endif
