// Calls of operator new in this process.
#pragma once

#include <atomic>

#include "gradstep/types.hpp"

namespace gradstep::tests {

extern std::atomic<Index> allocations;

}  // namespace gradstep::tests
