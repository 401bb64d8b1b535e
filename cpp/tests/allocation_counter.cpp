#include "allocation_counter.hpp"

#include <cstdlib>
#include <new>

namespace gradstep::tests {

std::atomic<Index> allocations{0}, failing_allocation{0};

}  // namespace gradstep::tests

void* operator new(std::size_t size) {
    const bool fails = ++gradstep::tests::allocations == gradstep::tests::failing_allocation;
    void* const place = fails ? nullptr : std::malloc(size);
    if (!place) throw std::bad_alloc();
    return place;
}
void operator delete(void* place) noexcept { std::free(place); }
void operator delete(void* place, std::size_t) noexcept { std::free(place); }
