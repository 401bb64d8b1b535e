// Reading a memory map whose file may be cut meanwhile.
#pragma once

#include <utility>

namespace gradstep {

// While it lives, bytes of a map that its file no longer has are read as zeros, and that is known; otherwise
// the system ends a process that reads them (SIGBUS). There may be some tens at a time; more of them watch
// nothing.
class MappedRead {
public:
    MappedRead() = default;
    MappedRead(const void* begin, const void* end);
    ~MappedRead();
    MappedRead(MappedRead&& other) noexcept : range_(std::exchange(other.range_, nullptr)) {}
    MappedRead& operator=(MappedRead&&) = delete;

    // Whether there were such bytes.
    bool missed() const;

private:
    struct Range* range_ = nullptr;
};

}  // namespace gradstep
