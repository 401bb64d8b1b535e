// Calls of operator new in this process, one of which may be told to fail.
#pragma once

#include <atomic>

#include "gradstep/types.hpp"

namespace gradstep::tests {

extern std::atomic<Index> allocations;
extern std::atomic<Index> failing_allocation;  // by its number, from 1

}  // namespace gradstep::tests
