#include "allocation_counter.hpp"

#include <cstdlib>
#include <new>

namespace gradstep::tests {

std::atomic<Index> allocations{0};

}  // namespace gradstep::tests

void* operator new(std::size_t size) {
    ++gradstep::tests::allocations;
    if (void* place = std::malloc(size)) return place;
    throw std::bad_alloc();
}
void operator delete(void* place) noexcept { std::free(place); }
void operator delete(void* place, std::size_t) noexcept { std::free(place); }
