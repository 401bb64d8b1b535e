// The loss kernels alone, on scores that are given.
#pragma once

namespace gradstep::tests {

void test_losses();

}  // namespace gradstep::tests
