#pragma once

#include <string>

namespace gradstep::tests {

// Products and updates are those of plain loops, and have the same bits however they are cut up.
void test_products(const std::string& isa);

}  // namespace gradstep::tests
