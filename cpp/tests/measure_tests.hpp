#pragma once

#include <string>

namespace gradstep::tests {

// What is counted and summed when the machine is measured with one instruction set.
void test_measure(const std::string& isa);

}  // namespace gradstep::tests
