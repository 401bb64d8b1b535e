#include "news.hpp"

#include <cstdlib>
#include <new>

namespace gradstep::tests {

std::atomic<Index> news{0};

}  // namespace gradstep::tests

void* operator new(std::size_t size) {
    ++gradstep::tests::news;
    if (void* place = std::malloc(size)) return place;
    throw std::bad_alloc();
}
void operator delete(void* place) noexcept { std::free(place); }
void operator delete(void* place, std::size_t) noexcept { std::free(place); }
