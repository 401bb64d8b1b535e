#pragma once

namespace gradstep::tests {

// Words are sorted, however they are spread.
void test_order();

}  // namespace gradstep::tests
