#pragma once

#include <string>

namespace gradstep::tests {

// What is staged of images that are flipped and shifted, and sessions that do so.
void test_augmentation(const std::string& isa);

}  // namespace gradstep::tests
