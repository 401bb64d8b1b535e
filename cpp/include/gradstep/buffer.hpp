// Zero-filled, cache-line-aligned arrays, taken once before a loop and never inside it.
#pragma once

#include <atomic>
#include <cstring>
#include <limits>
#include <new>
#include <string>
#include <utility>

#include "gradstep/types.hpp"

namespace gradstep {

class OutOfMemory : public std::bad_alloc {
public:
    explicit OutOfMemory(const std::string& what) : what_(what) {}
    const char* what() const noexcept override { return what_.c_str(); }

private:
    std::string what_;
};

inline Index checked_product(Index a, Index b) {
    if (a > 0 && b > std::numeric_limits<Index>::max() / a)
        throw OutOfMemory("an array of " + std::to_string(a) + " x " + std::to_string(b) +
                          " elements cannot be addressed");
    return a * b;
}

// Buffers ever taken in this process; what runs in a loop leaves it as it is.
inline std::atomic<Index> buffers_taken{0};

template <class T>
class Buffer {
public:
    Buffer() = default;
    explicit Buffer(Index count) : count_(count) {
        const Index bytes = checked_product(count, static_cast<Index>(sizeof(T)));
        // One spare line lets a kernel read a whole vector at the last element.
        const std::size_t size = static_cast<std::size_t>((bytes / kLine + 2) * kLine);
        data_ = static_cast<T*>(operator new(size, std::align_val_t{kLine}, std::nothrow));
        if (!data_)
            throw OutOfMemory("a work array needs " + std::to_string(size) +
                              " bytes, which this machine does not give");
        std::memset(static_cast<void*>(data_), 0, size);
        ++buffers_taken;
    }
    ~Buffer() { operator delete(static_cast<void*>(data_), std::align_val_t{kLine}); }
    Buffer(Buffer&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), count_(std::exchange(other.count_, 0)) {}
    Buffer& operator=(Buffer&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(count_, other.count_);
        return *this;
    }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;

    T* data() const { return data_; }
    T& operator[](Index i) const { return data_[i]; }
    Index size() const { return count_; }

private:
    static constexpr Index kLine = 64;

    T* data_ = nullptr;
    Index count_ = 0;
};

}  // namespace gradstep
