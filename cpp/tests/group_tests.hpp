// Models that train together are those that train alone.
#pragma once

#include <string>

namespace gradstep::tests {

void test_groups(const std::string& isa);

}  // namespace gradstep::tests
