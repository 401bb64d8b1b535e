// Products of bytes with weights as whole numbers, where a set has them.
#pragma once

#include <string>

namespace gradstep::tests {

void test_bytes(const std::string& isa);

}  // namespace gradstep::tests
