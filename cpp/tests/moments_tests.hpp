#pragma once

namespace gradstep::tests {

// Sums of bytes are those of plain loops, for any number of threads.
void test_moments();

}  // namespace gradstep::tests
